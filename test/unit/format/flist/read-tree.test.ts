import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CODEC, DIGEST } from '../../../../src/base/codec.ts';
import { isG8Error } from '../../../../src/base/errors.ts';
import { directoryKey, ROOT_KEYS } from '../../../../src/format/flist/keys.ts';
import { readTree } from '../../../../src/format/flist/read-tree.ts';
import {
  type AciRecord,
  type Attributes,
  type DirRecord,
  encodeAci,
  encodeDir,
  type FileBlock,
  type InodeBody,
  type InodeRecord,
  SPECIAL,
} from '../../../../src/format/flist/records.ts';
import { bytes, find, MemoryDatabase } from '../../../support/flist-trees.ts';

const ROOT = ROOT_KEYS[0] as string;
const EMPTY = new Uint8Array(0);
const isFormatError = (error: unknown) => isG8Error(error, 'ERR_FLIST_FORMAT');

function dir(contents: readonly InodeRecord[], fields: Partial<DirRecord> = {}): Uint8Array {
  return encodeDir({
    name: EMPTY,
    location: EMPTY,
    contents,
    parent: '',
    size: 4096,
    aciKey: 'aci',
    modificationTime: 7,
    creationTime: 8,
    ...fields,
  });
}

function entry(name: string, body: InodeBody, fields: Partial<InodeRecord> = {}): InodeRecord {
  return {
    name: bytes(name),
    size: 0,
    body,
    aciKey: 'aci',
    modificationTime: 7,
    creationTime: 8,
    ...fields,
  };
}

const EMPTY_FILE: InodeBody = { type: 'file', blockSize: 128, codec: 0, blocks: [] };

function fileOf(blocks: readonly FileBlock[], fields: Partial<typeof EMPTY_FILE> = {}): InodeBody {
  return { ...EMPTY_FILE, blocks, ...fields } as InodeBody;
}

function special(specialType: number, data = ''): InodeBody {
  return { type: 'special', specialType, data: bytes(data) };
}

function aci(fields: Partial<AciRecord> = {}): Uint8Array {
  return encodeAci({ uname: 'root', gname: 'root', mode: 0o755, uid: -1n, gid: -1n, ...fields });
}

function databaseOf(root: Uint8Array, others: Readonly<Record<string, Uint8Array>> = {}) {
  return new MemoryDatabase([[ROOT, root], ['aci', aci()], ...Object.entries(others)]);
}

function attributes(fields: Partial<Attributes>): Attributes {
  return {
    mode: 0o100644,
    uid: 0,
    gid: 0,
    nlink: 1,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    rdevMajor: 0,
    rdevMinor: 0,
    linkId: 0,
    xattrs: [],
    ...fields,
  };
}

function ownerBy(fields: Partial<AciRecord>) {
  const database = databaseOf(dir([entry('f', EMPTY_FILE, { aciKey: 'a' })]), { a: aci(fields) });
  const { uid, gid, mode } = find(readTree(database), 'f');
  return { uid, gid, mode: mode.toString(8) };
}

test('readTree() finds the root of either database engine', () => {
  for (const key of ROOT_KEYS) {
    const root = readTree(
      new MemoryDatabase([
        [key, dir([])],
        ['aci', aci()],
      ]),
    );
    assert.equal(root.mode, 0o40755);
    assert.deepEqual(root.entries, []);
  }
});

test('readTree() refuses a database without a root', () => {
  assert.throws(() => readTree(new MemoryDatabase()), isFormatError);
});

test('readTree() takes numeric ids before names', () => {
  const owner = ownerBy({ uid: 0n, gid: 4_000_000_000n, uname: 'other', mode: 0o104755 });
  assert.deepEqual(owner, { uid: 0, gid: 4_000_000_000, mode: '104755' });
});

test('readTree() takes names of digits as numbers, and root as 0', () => {
  assert.deepEqual(ownerBy({ uname: '54321', gname: '-294967296' }), {
    uid: 54321,
    gid: 4_000_000_000,
    mode: '100755',
  });
  assert.deepEqual(ownerBy({ uname: 'root', gname: 'root' }), { uid: 0, gid: 0, mode: '100755' });
});

test('readTree() takes 1000 for names that nobody knows', () => {
  const { uid, gid } = ownerBy({ uname: 'www-data', gname: '99999999999' });
  assert.deepEqual({ uid, gid }, { uid: 1000, gid: 1000 });
});

test('readTree() asks the caller for names', () => {
  const database = databaseOf(dir([], { aciKey: 'a' }), { a: aci({ uname: 'www', gname: 'adm' }) });
  const root = readTree(database, { userId: () => 33, groupId: () => 4 });
  assert.deepEqual({ uid: root.uid, gid: root.gid }, { uid: 33, gid: 4 });
});

test('readTree() truncates ids below -1 to 32 bits', () => {
  assert.equal(ownerBy({ uid: -5n }).uid, 4_294_967_291);
});

test('readTree() shows 0400 of 1000 where the ACI is missing', () => {
  const root = readTree(
    databaseOf(
      dir([entry('f', EMPTY_FILE, { aciKey: 'none' }), entry('g', EMPTY_FILE, { aciKey: '' })], {
        aciKey: '',
      }),
    ),
  );
  assert.deepEqual([root.mode, root.uid, root.gid], [0o40400, 1000, 1000]);
  assert.equal(find(root, 'f').mode, 0o100400);
  assert.equal(find(root, 'g').mode, 0o100400);
});

test('readTree() takes everything about a directory from its own record', () => {
  const blank = entry('d', { type: 'dir', key: 'sub' }, { aciKey: '', modificationTime: 0 });
  const root = readTree(
    databaseOf(dir([blank]), { sub: dir([], { name: bytes('other'), modificationTime: 99 }) }),
  );
  const { mode, mtimeSeconds } = find(root, 'd');
  assert.deepEqual([mode, mtimeSeconds], [0o40755, 99]);
});

test('readTree() sorts entries in byte order', () => {
  const names = ['b', 'a', 'ab', '\u00ff', 'B'];
  const root = readTree(databaseOf(dir(names.map((name) => entry(name, EMPTY_FILE)))));
  const sorted = root.entries?.map(({ name }) => Buffer.from(name).toString());
  assert.deepEqual(sorted, ['B', 'a', 'ab', 'b', '\u00ff']);
});

test('readTree() prefers the directory among entries of one name, else the first', () => {
  const link = (target: string): InodeBody => ({ type: 'link', target: bytes(target) });
  const root = readTree(
    databaseOf(
      dir([
        entry('x', EMPTY_FILE),
        entry('x', { type: 'dir', key: 'sub' }),
        entry('x', { type: 'dir', key: 'sub' }),
        entry('y', link('first')),
        entry('y', link('second')),
      ]),
      { sub: dir([]) },
    ),
  );
  assert.equal(root.entries?.length, 2);
  assert.equal(find(root, 'x').mode, 0o40755);
  assert.deepEqual(find(root, 'y').target, bytes('first'));
});

test('readTree() refuses a directory without a record and names it', () => {
  const database = databaseOf(dir([entry('gone', { type: 'dir', key: 'none' })]));
  assert.throws(() => readTree(database), /File \/gone in the flist has no record/);
});

test('readTree() leaves out a directory without a record when it is tolerant', () => {
  const contents = [entry('gone', { type: 'dir', key: 'none' }), entry('here', EMPTY_FILE)];
  const root = readTree(databaseOf(dir(contents)), { tolerant: true });
  assert.deepEqual(
    root.entries?.map(({ name }) => Buffer.from(name).toString()),
    ['here'],
  );
});

test('readTree() refuses directories that contain themselves', () => {
  const database = databaseOf(dir([entry('loop', { type: 'dir', key: ROOT })]));
  assert.throws(() => readTree(database), isFormatError);
});

test('readTree() refuses directories with two parents', () => {
  const sub: InodeBody = { type: 'dir', key: 'sub' };
  const database = databaseOf(dir([entry('a', sub), entry('b', sub)]), { sub: dir([]) });
  assert.throws(() => readTree(database), isFormatError);
});

test('readTree() refuses a tree that is too deep, and reads a deep one', () => {
  const records = new MemoryDatabase([['aci', aci()]]);
  const chain = (length: number) => {
    records.values.set(ROOT, dir([entry('d', { type: 'dir', key: 'k1' })]));
    for (let i = 1; i < length; i++) {
      records.values.set(`k${i}`, dir([entry('d', { type: 'dir', key: `k${i + 1}` })]));
    }
    records.values.set(`k${length}`, dir([]));
    return records;
  };
  assert.equal(find(readTree(chain(8192)), 'd/d/d').mode, 0o40755);
  assert.throws(() => readTree(chain(8193)), isFormatError);
});

for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256)]) {
  test(`readTree() refuses the name ${JSON.stringify(name).slice(0, 12)}`, () => {
    const database = databaseOf(dir([entry(name, EMPTY_FILE)]));
    assert.throws(() => readTree(database), isFormatError);
    assert.deepEqual(readTree(database, { tolerant: true }).entries, []);
  });
}

for (const target of ['', 'a\0b', 'x'.repeat(4096)]) {
  test(`readTree() refuses a symlink to ${JSON.stringify(target).slice(0, 12)}`, () => {
    const database = databaseOf(dir([entry('l', { type: 'link', target: bytes(target) })]));
    assert.throws(() => readTree(database), isFormatError);
  });
}

function specialBy(body: InodeBody, mode = 0o755) {
  const database = databaseOf(dir([entry('s', body, { aciKey: 'a' })]), { a: aci({ mode }) });
  const inode = find(readTree(database), 's');
  return [inode.mode.toString(8), inode.rdevMajor, inode.rdevMinor];
}

test('readTree() takes the type of a special file and its device numbers', () => {
  assert.deepEqual(specialBy(special(SPECIAL.block, '7,260')), ['60755', 7, 260]);
  assert.deepEqual(specialBy(special(SPECIAL.chardev, '511,70000')), ['20755', 511, 70000]);
  assert.deepEqual(specialBy(special(SPECIAL.fifopipe)), ['10755', undefined, undefined]);
  assert.deepEqual(specialBy(special(SPECIAL.socket)), ['140755', undefined, undefined]);
});

test('readTree() takes devices with lost numbers as 0,0', () => {
  assert.deepEqual(specialBy(special(SPECIAL.block)), ['60755', 0, 0]);
  assert.deepEqual(specialBy(special(SPECIAL.chardev, '1,99999999999')), ['20755', 0, 0]);
});

test('readTree() recognises devices that were recorded as sockets', () => {
  assert.deepEqual(specialBy(special(SPECIAL.socket, '1,3')), ['20755', 1, 3]);
  assert.deepEqual(specialBy(special(SPECIAL.socket, '8,0'), 0o60660), ['60660', 8, 0]);
  assert.deepEqual(specialBy(special(SPECIAL.socket, '(nothing)')), [
    '140755',
    undefined,
    undefined,
  ]);
});

test('readTree() refuses special files of unknown type', () => {
  const database = databaseOf(dir([entry('s', special(SPECIAL.unknown))]));
  assert.throws(() => readTree(database), isFormatError);
  assert.deepEqual(readTree(database, { tolerant: true }).entries, []);
});

const G2_BLOCK: FileBlock = {
  hash: new Uint8Array(16).fill(1),
  key: new Uint8Array(16).fill(2),
  storedSize: 0,
};
const G1_BLOCK: FileBlock = {
  hash: bytes('0a'.repeat(32)),
  key: bytes('F0'.repeat(32)),
  storedSize: 0,
};
const OUR_BLOCK: FileBlock = {
  hash: new Uint8Array(32).fill(1),
  key: new Uint8Array(32).fill(2),
  storedSize: 9,
};
const HOLE_BLOCK: FileBlock = { hash: EMPTY, key: EMPTY, storedSize: 0 };

function contentBy(body: InodeBody, size: number) {
  return find(readTree(databaseOf(dir([entry('f', body, { size })]))), 'f').content;
}

test('readTree() takes blocks of 16 bytes as chunks of G2', () => {
  assert.deepEqual(contentBy(fileOf([G2_BLOCK]), 10), {
    size: 10,
    blockSize: 524288,
    algorithm: DIGEST.blake2b128,
    chunks: [
      { codec: CODEC.legacyG2, id: G2_BLOCK.hash, plainDigest: G2_BLOCK.key, storedSize: 0 },
    ],
  });
});

test('readTree() takes blocks of 64 hex characters as chunks of G1', () => {
  assert.deepEqual(contentBy(fileOf([G1_BLOCK], { blockSize: 0 }), 10), {
    size: 10,
    blockSize: 524288,
    algorithm: DIGEST.sha256,
    chunks: [
      {
        codec: CODEC.legacyG1,
        id: new Uint8Array(32).fill(0x0a),
        plainDigest: new Uint8Array(32).fill(0xf0),
        storedSize: 0,
      },
    ],
  });
});

test('readTree() takes blocks of codec 1 as zstd chunks and holes', () => {
  const content = contentBy(fileOf([OUR_BLOCK, HOLE_BLOCK], { codec: 1, blockSize: 1 }), 5000);
  assert.deepEqual(content, {
    size: 5000,
    blockSize: 4096,
    algorithm: DIGEST.blake2b256,
    chunks: [
      { codec: CODEC.zstd, id: OUR_BLOCK.hash, plainDigest: OUR_BLOCK.key, storedSize: 9 },
      { codec: CODEC.hole, id: EMPTY, plainDigest: EMPTY, storedSize: 0 },
    ],
  });
});

test('readTree() keeps fewer blocks than the size asks for, and drops more', () => {
  assert.equal(contentBy(fileOf([G2_BLOCK]), 2 ** 24)?.chunks.length, 1);
  assert.equal(contentBy(fileOf([G2_BLOCK, G2_BLOCK]), 100)?.chunks.length, 1);
  assert.equal(contentBy(fileOf([G2_BLOCK]), 0), undefined);
});

const BROKEN_FILES: Readonly<Record<string, readonly [InodeBody, number]>> = {
  'fewer blocks than its size in our codec': [fileOf([OUR_BLOCK], { codec: 1 }), 2 ** 20],
  'blocks without bytes in our codec': [fileOf([OUR_BLOCK], { codec: 1 }), 0],
  'a stored size above its block size': [
    fileOf([{ ...OUR_BLOCK, storedSize: 4097 }], { codec: 1, blockSize: 1 }),
    1,
  ],
  'a block size that is no power of two': [fileOf([G2_BLOCK], { blockSize: 3 }), 1],
  'a block size that is too large': [fileOf([G2_BLOCK], { blockSize: 2048 }), 1],
  'ids of two generations': [fileOf([G1_BLOCK, G2_BLOCK]), 2 ** 20],
  'an id of 32 bytes in the historical codec': [fileOf([OUR_BLOCK]), 1],
  'a hole with a key': [fileOf([{ ...G2_BLOCK, hash: EMPTY }]), 1],
  'an id that is no hex': [fileOf([{ ...G1_BLOCK, hash: bytes('z'.repeat(64)) }]), 1],
};

for (const [what, [body, size]] of Object.entries(BROKEN_FILES)) {
  test(`readTree() refuses a file with ${what}`, () => {
    assert.throws(() => contentBy(body, size), isFormatError);
  });
}

test('readTree() refuses a codec of a newer version', () => {
  assert.throws(
    () => contentBy(fileOf([], { codec: 2 }), 1),
    (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
  );
});

test('readTree() takes attributes before the ACI and the 32-bit times', () => {
  const own = attributes({
    mode: 0o102755,
    uid: 5,
    gid: 6,
    mtimeSeconds: -60,
    mtimeNanoseconds: 1,
    xattrs: [{ name: bytes('user.a'), value: EMPTY }],
  });
  const root = readTree(databaseOf(dir([entry('f', EMPTY_FILE, { attributes: own })])));
  assert.deepEqual(find(root, 'f'), {
    mode: 0o102755,
    uid: 5,
    gid: 6,
    mtimeSeconds: -60,
    mtimeNanoseconds: 1,
    size: 0,
    xattrs: [{ name: bytes('user.a'), value: EMPTY }],
  });
});

test('readTree() makes names with one link number one inode', () => {
  const linked = { attributes: attributes({ linkId: 7, nlink: 2 }) };
  const contents = [entry('a', EMPTY_FILE, linked), entry('b', EMPTY_FILE, linked)];
  const root = readTree(databaseOf(dir([...contents, entry('c', EMPTY_FILE)])));
  assert.equal(find(root, 'a'), find(root, 'b'));
  assert.notEqual(find(root, 'a'), find(root, 'c'));
});

const xattr = (name: string, size = 0) => ({ name: bytes(name), value: new Uint8Array(size) });
const BROKEN_ATTRIBUTES: Readonly<Record<string, Partial<Attributes>>> = {
  'another type': { mode: 0o40755 },
  'a mode with unknown bits': { mode: 0o300644 },
  'a whole second of nanoseconds': { mtimeNanoseconds: 1_000_000_000 },
  'xattrs out of order': { xattrs: [xattr('user.b'), xattr('user.a')] },
  'an xattr twice': { xattrs: [xattr('user.a'), xattr('user.a')] },
  'an xattr without a name': { xattrs: [xattr('')] },
  'an xattr that is too large': { xattrs: [xattr('user.a', 65537)] },
};

for (const [what, fields] of Object.entries(BROKEN_ATTRIBUTES)) {
  test(`readTree() refuses attributes with ${what}`, () => {
    const broken = entry('f', EMPTY_FILE, { attributes: attributes(fields) });
    assert.throws(() => readTree(databaseOf(dir([broken]))), isFormatError);
  });
}

test('readTree() refuses hard links of two types', () => {
  const a = entry('a', EMPTY_FILE, { attributes: attributes({ linkId: 1 }) });
  const b = entry(
    'b',
    { type: 'link', target: bytes('x') },
    { attributes: attributes({ linkId: 1, mode: 0o120777 }) },
  );
  assert.throws(() => readTree(databaseOf(dir([a, b]))), isFormatError);
});

test('readTree() never computes keys of directories below the root', () => {
  const root = readTree(
    databaseOf(dir([entry('d', { type: 'dir', key: 'any' })]), { any: dir([]) }),
  );
  assert.notEqual(directoryKey(bytes('d')), 'any');
  assert.deepEqual(find(root, 'd').entries, []);
});
