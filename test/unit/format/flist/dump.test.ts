import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CODEC, DIGEST } from '../../../../src/base/codec.ts';
import { dumpTree } from '../../../../src/format/flist/dump.ts';
import { blockDevice, bytes, directory, file, symlink } from '../../../support/flist-trees.ts';

test('dumpTree() writes one line for each name, depth first', () => {
  const tree = directory({ a: directory({ b: file('') }), 'a b': symlink('x\ny%') });
  assert.deepEqual(
    [...dumpTree(tree)],
    [
      '/ 040755 0:0 1500000000+000000000',
      '/a 040755 0:0 1500000000+000000000',
      '/a/b 100644 0:0 1500000000+000000000 size=0',
      '/a%20b 120777 0:0 1500000000+000000000 target=x%0Ay%25',
    ],
  );
});

test('dumpTree() writes chunks, devices, times and attributes', () => {
  const chunk = { id: Uint8Array.of(1), plainDigest: Uint8Array.of(2), storedSize: 3 };
  const content = {
    size: 12288,
    blockSize: 4096,
    algorithm: DIGEST.blake2b256,
    chunks: [
      { ...chunk, codec: CODEC.zstd },
      { ...chunk, codec: CODEC.hole },
      { ...chunk, codec: CODEC.lost },
    ],
  };
  const xattrs = [{ name: bytes('user.a'), value: Uint8Array.of(0x41, 0xff) }];
  const tree = directory({
    f: file('', { size: 12288, content, xattrs, mtimeSeconds: -1, mtimeNanoseconds: 5, uid: 7 }),
    d: blockDevice(8, 1),
  });
  assert.deepEqual([...dumpTree(tree)].slice(1), [
    '/d 060660 0:6 1500000000+000000000 device=8,1',
    '/f 100644 7:0 -1+000000005 size=12288 xattr=user.a,A%FF block=4096 digest=blake2b-256 ' +
      'chunk=zstd,01,02,3 chunk=hole chunk=lost',
  ]);
});

test('dumpTree() numbers inodes with several names by their first lines', () => {
  const [first, second] = [file(''), file('')];
  const tree = directory({
    a: directory({ z: first }),
    b: second,
    c: second,
    d: first,
    e: file(''),
  });
  const links = [...dumpTree(tree)].map((line) => /link=\d+/.exec(line)?.[0]);
  assert.deepEqual(links, [
    undefined,
    undefined,
    'link=1',
    'link=2',
    'link=2',
    'link=1',
    undefined,
  ]);
});
