import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { type FileSource, openFileSource } from '../../../src/image/file-source.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const BYTES = Buffer.from(new Uint8Array(200_000).map((_, i) => (i * 31 + (i >> 7)) % 256));

function open(context: TestContext): FileSource {
  const path = join(temporaryDirectory(context), 'file');
  writeFileSync(path, BYTES);
  const source = openFileSource(path);
  context.after(() => source.close());
  return source;
}

for (const [offset, length] of [
  [0, 10],
  [65_530, 12],
  [60_000, 140_000],
  [199_990, 10],
  [200_000, 0],
] as const) {
  test(`openFileSource() reads ${length} bytes at ${offset}`, (t) => {
    const bytes = open(t).read(offset, length);
    assert.deepEqual(Buffer.from(bytes), BYTES.subarray(offset, offset + length));
  });
}

test('openFileSource() reads right after many other pages', (t) => {
  const path = join(temporaryDirectory(t), 'large');
  writeFileSync(path, Buffer.concat(Array.from({ length: 60 }, () => BYTES)));
  const source = openFileSource(path);
  for (let offset = 0; offset < source.size; offset += 50_000) source.read(offset, 1);
  assert.deepEqual(Buffer.from(source.read(5, 5)), BYTES.subarray(5, 10));
  source.close();
  source.close();
  assert.throws(
    () => source.read(5, 5),
    (error) => isG8Error(error, 'ERR_ABORTED'),
  );
});

test('openFileSource() fails with ERR_NO_INPUT for a file that is not there', () => {
  assert.throws(
    () => openFileSource('/no/such/file'),
    (error) => isG8Error(error, 'ERR_NO_INPUT'),
  );
});
