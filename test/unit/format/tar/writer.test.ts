import assert from 'node:assert/strict';
import test from 'node:test';
import { CODEC, DIGEST } from '../../../../src/base/codec.ts';
import { isG8Error } from '../../../../src/base/errors.ts';
import type { Content } from '../../../../src/format/content.ts';
import { writeTree } from '../../../../src/format/tar/writer.ts';
import { type Inode, S_IFSOCK, type Xattr } from '../../../../src/format/tree.ts';
import { bytes, directory, fifo, file, symlink } from '../../../support/flist-trees.ts';
import { type ReadEntry, readAll, text } from '../../../support/tar-blocks.ts';

const TEXTS = new WeakMap<Content, string>();

function textFile(content: string, stat: Partial<Inode> = {}): Inode {
  const inode = file(content, stat);
  if (inode.content !== undefined) TEXTS.set(inode.content, content);
  return inode;
}

async function* read(content: Content): AsyncGenerator<Uint8Array> {
  for (const char of TEXTS.get(content) ?? '') yield bytes(char);
}

async function archive(root: Inode, options: { sparse?: boolean } = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeTree(root, { read, ...options })) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function roundTrip(root: Inode): Promise<Map<string, ReadEntry>> {
  const entries = await readAll(await archive(root));
  return new Map(entries.map((item) => [text(item.entry.path), item]));
}

test('writeTree() ends with two empty blocks and comes in whole blocks', async () => {
  const tar = await archive(directory({ a: textFile('abc') }));

  assert.equal(tar.length % 512, 0);
  assert.ok(tar.subarray(-1024).every((byte) => byte === 0));
});

test('writeTree() gives the same bytes for the same tree', async () => {
  const tree = () => directory({ b: textFile('xyz'), a: symlink('b'), c: directory() });

  assert.deepEqual(await archive(tree()), await archive(tree()));
});

test('writeTree() keeps names and targets that are long or no text', async () => {
  const target = `\xff${'t'.repeat(4000)}`;
  const inode: Inode = { ...symlink(''), target: Buffer.from(target, 'latin1') };
  const long = 'n'.repeat(255);
  const root = directory({ '\0\xfe\xff': inode, [long]: directory({ [long]: textFile('x') }) });

  const entries = await roundTrip(root);

  assert.equal(text(entries.get('\xfe\xff')?.entry.target), target);
  assert.equal(text(entries.get(`${long}/${long}`)?.data), 'x');
});

test('writeTree() keeps times before 1970 and their nanoseconds', async () => {
  for (const [mtimeSeconds, mtimeNanoseconds] of [
    [-1, 500_000_000],
    [-2, 1],
    [-150_000_000, 0],
    [0, 999_999_999],
    [9_000_000_000, 0],
  ] as const) {
    const root = directory({ f: textFile('', { mtimeSeconds, mtimeNanoseconds }) });
    const entry = (await roundTrip(root)).get('f')?.entry;
    assert.deepEqual(
      [entry?.mtimeSeconds, entry?.mtimeNanoseconds],
      [mtimeSeconds, mtimeNanoseconds],
    );
  }
});

test('writeTree() keeps attributes of any bytes under names of any bytes', async () => {
  const xattrs = [
    { name: bytes('user.a=b%3D'), value: Uint8Array.of(0, 10, 255, 61) },
    { name: bytes('user.empty'), value: new Uint8Array(0) },
  ];
  const plain = (list: readonly Xattr[] | undefined) =>
    list?.map(({ name, value }) => [text(name), text(value)]);
  const entry = (await roundTrip(directory({ f: textFile('', { xattrs }) }))).get('f')?.entry;

  assert.deepEqual(plain(entry?.xattrs), plain(xattrs));
});

test('writeTree() writes further names as links to the first', async () => {
  const shared = textFile('once');
  const pipe = fifo();
  const root = directory({ a: directory({ z: shared, y: pipe }), b: shared, c: pipe });

  const entries = await roundTrip(root);

  assert.equal(entries.get('a/z')?.entry.type, 'file');
  assert.equal(entries.get('b')?.entry.type, 'link');
  assert.equal(text(entries.get('b')?.entry.target), 'a/z');
  assert.equal(text(entries.get('c')?.entry.target), 'a/y');
});

test('writeTree() reports sockets and leaves them out', async () => {
  const socket: Inode = { ...fifo(), mode: S_IFSOCK | 0o600 };
  const skipped: string[] = [];
  const root = directory({ s: socket, t: socket, f: textFile('f') });
  const pieces: Uint8Array[] = [];
  for await (const piece of writeTree(root, {
    read,
    onSkipped: (path) => skipped.push(text(path)),
  })) {
    pieces.push(piece);
  }

  assert.deepEqual(skipped, ['s', 't']);
  const names = (await readAll(Buffer.concat(pieces))).map(({ entry }) => text(entry.path));
  assert.deepEqual(names, ['', 'f']);
});

test('writeTree() keeps ids beyond seven octal digits', async () => {
  const inode = textFile('', { uid: 4_294_967_294, gid: 2_097_152 });
  const entry = (await roundTrip(directory({ f: inode }))).get('f')?.entry;

  assert.deepEqual([entry?.uid, entry?.gid], [4_294_967_294, 2_097_152]);
});

test('writeTree() writes the regions of a sparse file and nothing of its holes', async () => {
  const hole = { codec: CODEC.hole, id: bytes(''), plainDigest: bytes(''), storedSize: 0 };
  const data = { ...hole, codec: CODEC.zstd, id: new Uint8Array(32).fill(7) };
  const blockSize = 4096;
  const chunks = [hole, data, data, hole, data, hole];
  const size = blockSize * 5 + 10;
  const content: Content = { size, blockSize, algorithm: DIGEST.blake2b256, chunks };
  const plain = chunks.map((chunk) => (chunk === hole ? '\0' : 'd').repeat(blockSize)).join('');
  TEXTS.set(content, plain.slice(0, size));
  const root = directory({ '\0\xff': { ...file(''), size, content } });

  const [, item] = await readAll(await archive(root, { sparse: true }));

  assert.equal(text(item?.entry.path), '\xff');
  assert.equal(item?.entry.size, size);
  assert.deepEqual(item?.entry.regions, [
    { offset: blockSize, length: 2 * blockSize },
    { offset: 4 * blockSize, length: blockSize },
  ]);
  assert.equal(text(item?.data), 'd'.repeat(3 * blockSize));
});

test('writeTree() fails when a content has another size than its file', async () => {
  for (const other of ['shorter', 'much longer than it should be']) {
    const inode = file('twelve bytes');
    TEXTS.set(inode.content as Content, other);
    await assert.rejects(archive(directory({ f: inode })), (error) =>
      isG8Error(error, 'ERR_CREATE'),
    );
  }
});
