import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { checkBlob, digestOf, isDigest, verifiedBlob } from '../../../../src/format/oci/digest.ts';

const DATA = Buffer.from('some bytes');
const what = 'Blob';

async function* source() {
  yield DATA.subarray(0, 4);
  yield DATA.subarray(4);
}

async function collect(expected: Parameters<typeof verifiedBlob>[1]): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of verifiedBlob(source(), expected)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const refused = (message: RegExp) => (error: unknown) =>
  isG8Error(error, 'ERR_FLIST_FORMAT') && message.test(error.message);

test('isDigest() knows the registered algorithms and their lengths', () => {
  assert.ok(isDigest(digestOf(DATA)));
  assert.ok(isDigest(digestOf(DATA, 'sha512')));
  const bad = ['', 'sha256:', `sha256:${'A'.repeat(64)}`, `sha1:${'a'.repeat(40)}`, 'a'.repeat(64)];
  for (const text of [...bad, `sha512:${'a'.repeat(64)}`, `x/sha256:${'a'.repeat(64)}`]) {
    assert.ok(!isDigest(text), text);
  }
});

test('verifiedBlob() passes on what is right', async () => {
  for (const algorithm of ['sha256', 'sha512']) {
    const digest = digestOf(DATA, algorithm);
    assert.deepEqual(await collect({ digest, size: DATA.length, what }), DATA);
    checkBlob(DATA, { digest, size: DATA.length, what });
  }
});

test('verifiedBlob() throws for another size or other bytes', async () => {
  const digest = digestOf(DATA);
  await assert.rejects(collect({ digest, size: 5, what }), refused(/more bytes/));
  await assert.rejects(collect({ digest, size: 50, what }), refused(/10 bytes/));
  const other = digestOf(Buffer.from('other'));
  await assert.rejects(collect({ digest: other, what }), refused(/does not match its digest/));
  assert.throws(() => checkBlob(DATA, { digest: other, what }), refused(/does not match/));
  assert.throws(() => checkBlob(DATA, { digest, size: 1, what }), refused(/10 bytes/));
});
