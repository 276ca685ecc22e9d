import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { blake2bReady } from '../../../../src/base/blake2b.ts';
import { compareBytes } from '../../../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../../../src/base/codec.ts';
import { isG8Error } from '../../../../src/base/errors.ts';
import type { Content } from '../../../../src/format/content.ts';
import { directoryKey, keyBytes } from '../../../../src/format/flist/keys.ts';
import { readTree } from '../../../../src/format/flist/read-tree.ts';
import {
  type AciRecord,
  type DirRecord,
  decodeAci,
  decodeDir,
} from '../../../../src/format/flist/records.ts';
import { writeRecords } from '../../../../src/format/flist/write-records.ts';
import type { Inode } from '../../../../src/format/tree.ts';
import {
  blockDevice,
  bytes,
  contentOf,
  directory,
  fifo,
  file,
  find,
  MemoryDatabase,
  symlink,
} from '../../../support/flist-trees.ts';

function written(root: Inode, options = {}): MemoryDatabase {
  return new MemoryDatabase(writeRecords(root, options));
}

function dirAt(database: MemoryDatabase, path: string): DirRecord {
  return decodeDir(database.get(keyBytes(directoryKey(bytes(path)))) as Uint8Array);
}

function aciAt(database: MemoryDatabase, key: string): AciRecord {
  return decodeAci(database.get(keyBytes(key)) as Uint8Array);
}

const names = (record: DirRecord) =>
  record.contents.map(({ name }) => Buffer.from(name).toString());

before(blake2bReady);

test('writeRecords() gives keys in byte order, each once', () => {
  const tree = directory({ b: directory({ c: directory() }), a: directory(), f: file('f') });
  const keys = [...writeRecords(tree)].map(([key]) => key);
  assert.equal(keys.length, 4 + 2);
  for (const [index, key] of keys.entries()) {
    if (index > 0) assert.ok(compareBytes(keys[index - 1] as Uint8Array, key) < 0);
  }
});

test('writeRecords() gives the same bytes for the same tree', () => {
  const tree = () => directory({ d: directory({ x: file('x') }), l: symlink('d/x'), p: fifo() });
  assert.deepEqual([...writeRecords(tree())], [...writeRecords(tree())]);
});

test('writeRecords() orders entries as historical flists: files, links, specials, directories', () => {
  const tree = directory({
    a: directory(),
    b: fifo(),
    c: symlink('x'),
    d: file('d'),
    e: directory(),
    f: file(''),
  });
  assert.deepEqual(names(dirAt(written(tree), '')), ['d', 'f', 'c', 'b', 'a', 'e']);
});

test('writeRecords() gives directories their parents and paths', () => {
  const database = written(directory({ usr: directory({ bin: directory() }) }));
  const bin = dirAt(database, 'usr/bin');
  assert.equal(bin.parent, directoryKey(bytes('usr')));
  assert.deepEqual(bin.location, bytes('usr/bin'));
  assert.deepEqual(bin.name, bytes('bin'));
  assert.equal(dirAt(database, '').parent, '');
  assert.equal(dirAt(database, '').name.length, 0);
});

test('writeRecords() leaves directories in their parent blank', () => {
  const [entry] = dirAt(written(directory({ d: directory() })), '').contents;
  assert.deepEqual(entry, {
    name: bytes('d'),
    size: 0,
    body: { type: 'dir', key: directoryKey(bytes('d')) },
    aciKey: '',
    modificationTime: 0,
    creationTime: 0,
  });
});

test('writeRecords() clamps times for old readers only', () => {
  const early = file('', { mtimeSeconds: -60, mtimeNanoseconds: 5 });
  const late = file('', { mtimeSeconds: 2 ** 32 + 100 });
  const database = written(directory({ early, late }));
  const [first, second] = dirAt(database, '').contents;
  assert.equal(first?.modificationTime, 0);
  assert.equal(second?.modificationTime, 2 ** 32 - 1);
  const root = readTree(database);
  assert.deepEqual(find(root, 'early'), early);
  assert.deepEqual(find(root, 'late'), late);
});

test('writeRecords() numbers hard links in tree order and counts names', () => {
  const late = file('late');
  const early = file('early');
  const tree = directory({ d: directory({ x: late, y: early }), e: early, f: late, g: file('g') });
  const [e, f, g] = dirAt(written(tree), '').contents;
  assert.deepEqual(
    [e, f, g].map((entry) => [entry?.attributes?.linkId, entry?.attributes?.nlink]),
    [
      [1, 2],
      [2, 2],
      [0, 1],
    ],
  );
});

test('writeRecords() counts subdirectories as links of a directory', () => {
  const database = written(directory({ a: directory(), b: directory(), c: file('c') }));
  assert.equal(dirAt(database, '').attributes?.nlink, 4);
});

test('writeRecords() names owners by their numbers unless it is told names', () => {
  const tree = directory({ f: file('f', { uid: 33, gid: 4_000_000_000 }) });
  const plain = written(tree);
  const [entry] = dirAt(plain, '').contents;
  assert.deepEqual(aciAt(plain, entry?.aciKey ?? ''), {
    uname: '33',
    gname: '4000000000',
    mode: 0o100644,
    uid: 33n,
    gid: 4_000_000_000n,
  });
  const named = written(tree, { userName: () => 'www-data', groupName: () => undefined });
  const [same] = dirAt(named, '').contents;
  const aci = aciAt(named, same?.aciKey ?? '');
  assert.deepEqual([aci.uname, aci.gname, aci.uid], ['www-data', '4000000000', 33n]);
});

test('writeRecords() keeps modes apart that share an ACI record', () => {
  const tree = directory({ plain: directory(), sticky: directory({}, { mode: 0o41755 }) });
  const database = written(tree);
  assert.equal(dirAt(database, 'plain').aciKey, dirAt(database, 'sticky').aciKey);
  assert.equal(find(readTree(database), 'sticky').mode, 0o41755);
});

test('writeRecords() keeps historical contents in their historical form', () => {
  const chunk = { id: new Uint8Array(32).fill(10), plainDigest: new Uint8Array(32).fill(11) };
  const content: Content = {
    size: 5,
    blockSize: 512 * 1024,
    algorithm: DIGEST.sha256,
    chunks: [{ ...chunk, codec: CODEC.legacyG1, storedSize: 0 }],
  };
  const tree = directory({ f: file('12345', { content }) });
  const database = written(tree);
  const body = dirAt(database, '').contents[0]?.body;
  assert.ok(body?.type === 'file');
  assert.equal(body.codec, 0);
  assert.deepEqual(body.blocks[0]?.hash, bytes('0a'.repeat(32)));
  assert.deepEqual(readTree(database), tree);
});

test('writeRecords() keeps contents that are short of chunks', () => {
  const content = { ...contentOf('x'), size: 2 ** 24, algorithm: DIGEST.blake2b256, chunks: [] };
  const tree = directory({ f: file('x', { size: 2 ** 24, content }) });
  assert.deepEqual(readTree(written(tree)), tree);
});

test('writeRecords() ends a content before its first lost chunk', () => {
  const none = new Uint8Array(0);
  const lost = { codec: CODEC.lost, id: none, plainDigest: none, storedSize: 0 };
  const [chunk] = contentOf('x').chunks;
  assert.ok(chunk);
  const content = { ...contentOf('x'), size: 2 ** 20 };
  const historical = {
    ...chunk,
    codec: CODEC.legacyG2,
    id: new Uint8Array(16).fill(1),
    plainDigest: new Uint8Array(16).fill(2),
  };
  const algorithm = DIGEST.blake2b128;
  const short = { ...content, algorithm, chunks: [historical] };
  const tree = (value: Content) => directory({ f: file('x', { size: 2 ** 20, content: value }) });
  const read = readTree(written(tree({ ...short, chunks: [historical, lost] })));
  assert.deepEqual(read, tree(short));
});

test('writeRecords() refuses a content of our own codec that lacks chunks', () => {
  const content = { ...contentOf('x'), size: 2 ** 20 };
  const tree = directory({ f: file('x', { size: 2 ** 20, content }) });
  assert.throws(
    () => [...writeRecords(tree)],
    (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
  );
});

test('writeRecords() keeps device numbers', () => {
  const tree = directory({ sda: blockDevice(259, 1_048_575) });
  const database = written(tree);
  assert.deepEqual(dirAt(database, '').contents[0]?.body, {
    type: 'special',
    specialType: 1,
    data: bytes('259,1048575'),
  });
  assert.deepEqual(readTree(database), tree);
});

test('writeRecords() takes paths far beyond PATH_MAX', () => {
  let tree = directory({ leaf: file('leaf') });
  for (let depth = 0; depth < 300; depth++) tree = directory({ ['n'.repeat(255)]: tree });
  let [a, b] = [tree, readTree(written(tree))];
  for (let depth = 0; depth < 300; depth++) {
    a = a.entries?.[0]?.inode as Inode;
    b = b.entries?.[0]?.inode as Inode;
  }
  assert.deepEqual(find(b, 'leaf'), find(a, 'leaf'));
});

test('writeRecords() takes 8192 levels and not one more', () => {
  let tree = directory();
  for (let depth = 0; depth < 8192; depth++) tree = directory({ d: tree });
  let inode = readTree(written(tree));
  for (let level = 0; level < 8192; level++) inode = inode.entries?.[0]?.inode as Inode;
  assert.deepEqual(inode.entries, []);
  assert.throws(() => [...writeRecords(directory({ d: tree }))], RangeError);
});
