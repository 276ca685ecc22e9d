import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import {
  formatMetadata,
  METADATA_KEYS_MAX,
  parseMetadata,
} from '../../../../src/format/flist/metadata.ts';

test('formatMetadata() writes what parseMetadata() reads, in the same order', () => {
  const metadata = new Map([
    ['readme', 'first\n"second" \u0000'],
    ['entrypoint', '["/bin/sh", "-c"]'],
    ['__proto__', 'x'],
  ]);
  assert.deepEqual([...parseMetadata(formatMetadata(metadata))], [...metadata]);
  assert.equal(parseMetadata(formatMetadata(new Map())).size, 0);
});

for (const [what, text] of Object.entries({
  'no JSON': '{',
  'a list': '[]',
  null: 'null',
  'a value that is no text': '{"a": 1}',
  'too many keys': JSON.stringify(
    Object.fromEntries(Array.from({ length: METADATA_KEYS_MAX + 1 }, (_, i) => [`k${i}`, ''])),
  ),
})) {
  test(`parseMetadata() refuses ${what}`, () => {
    assert.throws(
      () => parseMetadata(text),
      (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
    );
  });
}
