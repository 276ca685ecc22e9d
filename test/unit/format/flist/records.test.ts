import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isG8Error } from '../../../../src/base/errors.ts';
import { MessageWriter } from '../../../../src/format/capnp/writer.ts';
import {
  type AciRecord,
  type DirRecord,
  decodeAci,
  decodeDir,
  encodeAci,
  encodeDir,
  FILE_CODEC,
  SPECIAL,
} from '../../../../src/format/flist/records.ts';
import { bytes } from '../../../support/flist-trees.ts';

/** Directory `emptydir` as a historical tool wrote it. */
const EMPTY_DIRECTORY = `
  0000000015000000 0400000002000500 0000000003000300 0010000000000000 80c5005abf0c046b
  110000004a000000 150000004a000000 e9ffffff07000000 150000000a010000 250000008a000000
  656d707479646972 0000000000000000 656d707479646972 0000000000000000 6361653636393431
  6439656662643430 3465346438383735 3865613637363730 0000000000000000 6437363833646530
  3030633133363839 0000000000000000`;

const TIMES = { modificationTime: 1_500_000_000, creationTime: 4_294_967_295 };

const ALL_KINDS: DirRecord = {
  name: Uint8Array.of(0xff, 0xfe),
  location: bytes('usr/share'),
  contents: [
    {
      name: bytes('file'),
      size: 2 ** 40,
      body: {
        type: 'file',
        blockSize: 128,
        codec: FILE_CODEC.zstd,
        blocks: [
          { hash: new Uint8Array(32).fill(1), key: new Uint8Array(32).fill(2), storedSize: 77 },
          { hash: new Uint8Array(0), key: new Uint8Array(0), storedSize: 0 },
        ],
      },
      aciKey: 'abc',
      ...TIMES,
      attributes: {
        mode: 0o104755,
        uid: 4_294_967_295,
        gid: 5,
        nlink: 3,
        mtimeSeconds: -60,
        mtimeNanoseconds: 999_999_999,
        rdevMajor: 0,
        rdevMinor: 0,
        linkId: 2 ** 33,
        xattrs: [{ name: bytes('user.x'), value: Uint8Array.of(0, 255) }],
      },
    },
    {
      name: bytes('link'),
      size: 3,
      body: { type: 'link', target: bytes('a b') },
      aciKey: 'abc',
      ...TIMES,
    },
    {
      name: bytes('null'),
      size: 0,
      body: { type: 'special', specialType: SPECIAL.chardev, data: bytes('1,3') },
      aciKey: 'abc',
      ...TIMES,
    },
    {
      name: bytes('sub'),
      size: 0,
      body: { type: 'dir', key: 'f00d' },
      aciKey: '',
      modificationTime: 0,
      creationTime: 0,
    },
  ],
  parent: 'beef',
  size: 4096,
  aciKey: 'abc',
  ...TIMES,
};

test('decodeDir() reads the message of a historical tool', () => {
  const message = Buffer.from(EMPTY_DIRECTORY.replaceAll(/\s/g, ''), 'hex');
  assert.deepEqual(decodeDir(message), {
    name: bytes('emptydir'),
    location: bytes('emptydir'),
    contents: [],
    parent: 'cae66941d9efbd404e4d88758ea67670',
    size: 4096,
    aciKey: 'd7683de000c13689',
    modificationTime: 1_510_000_000,
    creationTime: 1_795_427_519,
  });
});

test('encodeDir() writes all kinds of entries so that decodeDir() reads them', () => {
  assert.deepEqual(decodeDir(encodeDir(ALL_KINDS)), ALL_KINDS);
});

test('encodeDir() gives the same bytes with a used writer', () => {
  const writer = new MessageWriter();
  encodeDir(ALL_KINDS, writer);
  assert.deepEqual(encodeDir(ALL_KINDS, writer), encodeDir(ALL_KINDS));
});

test('decodeDir() refuses a kind of file that it does not know', () => {
  const [, link] = ALL_KINDS.contents;
  assert.ok(link);
  const message = encodeDir({ ...ALL_KINDS, contents: [{ ...link, size: 0xabcdef }] });
  // The tag of the union follows the size.
  const tag = Buffer.from(message).indexOf('efcdab0000000000', 'hex') + 8;
  assert.equal(message[tag], 2);
  message[tag] = 9;
  assert.throws(
    () => decodeDir(message),
    (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
  );
});

test('decodeAci() reads uid and gid over their default of -1', () => {
  const aci: AciRecord = { uname: 'www-data', gname: '33', mode: 0o644, uid: 33n, gid: -5n };
  assert.deepEqual(decodeAci(encodeAci(aci)), aci);
});

test('decodeAci() reads -1 for ids from a message that is too old to have them', () => {
  const writer = new MessageWriter();
  const at = writer.begin(1, 3);
  writer.uint16(at, 0o755);
  writer.text(at + 8, bytes('root'));
  const aci = decodeAci(writer.finish());
  assert.deepEqual(aci, { uname: 'root', gname: '', mode: 0o755, uid: -1n, gid: -1n });
});

test('encodeAci() stores uid 0 as eight bytes of 0xff', () => {
  const message = encodeAci({ uname: '0', gname: '0', mode: 0, uid: 0n, gid: 0n });
  assert.equal(Buffer.from(message.subarray(24, 40)).toString('hex'), 'ff'.repeat(16));
});
