import assert from 'node:assert/strict';
import test from 'node:test';
import { escapeName, jsonName, printableName, unescapeName } from '../../../src/base/name-text.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

for (const [name, expected] of [
  [Buffer.from('plain ünïcödé'), 'plain ünïcödé'],
  [bytes('bad\xff'), 'bad\\xff'],
  [bytes('a\nb\x1b[1m\x7f'), 'a\\x0ab\\x1b[1m\\x7f'],
  [bytes('back\\slash'), 'back\\\\slash'],
  [Buffer.from('right\u202eleft'), 'right\\xe2\\x80\\xaeleft'],
  [bytes('\\\xff'), '\\x5c\\xff'],
] as const) {
  test(`escapeName() shows ${expected}`, () => assert.equal(escapeName(name), expected));
}

test('escapeName() shows different names differently', () => {
  const names = [bytes('\xff'), bytes('\\xff'), bytes('\\\\xff')];
  assert.equal(new Set(names.map(escapeName)).size, names.length);
});

test('unescapeName() gives the bytes back', () => {
  for (const name of ['a', '\xff\\', '\\\\xff', 'a\n\x1b', 'back\\slash', '\\x41'].map(bytes)) {
    assert.deepEqual(unescapeName(escapeName(name)), name);
  }
  assert.deepEqual(unescapeName('\\q'), bytes('\\q'));
});

test('printableName() leaves the bytes alone for a pipe', () => {
  assert.deepEqual(printableName(bytes('a\n\xff'), false), bytes('a\n\xff'));
});

test('jsonName() adds hex where text loses something', () => {
  assert.deepEqual(jsonName('path', bytes('a')), { path: 'a' });
  assert.deepEqual(jsonName('path', bytes('a\xff')), { path: 'a\ufffd', pathHex: '61ff' });
});
