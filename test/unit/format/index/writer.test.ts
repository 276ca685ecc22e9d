import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32cUpdate } from '../../../../src/base/crc32c.ts';
import { isG8Error } from '../../../../src/base/errors.ts';
import { buildMountIndex } from '../../../../src/format/index/writer.ts';
import { type Inode, S_IFCHR, S_IFREG } from '../../../../src/format/tree.ts';
import {
  assertSame,
  chunkOf,
  contentOf,
  describeIndex,
  describeTree,
  directory,
  file,
  filesOf,
  inode,
  latin1,
  openIndex,
  sampleTree,
  symlink,
} from '../../../support/index-trees.ts';

/** Index of a tree and back. */
function roundTrip(root: Inode) {
  const image = buildMountIndex(root);
  return { image, ...openIndex(filesOf(image)) };
}

describe('buildMountIndex()', () => {
  test('keeps every attribute of the sample tree', () => {
    const root = sampleTree();
    const { index, contents } = roundTrip(root);
    assertSame(describeIndex(index, contents), describeTree(root));
  });

  test('announces the sizes of its files', () => {
    const image = buildMountIndex(sampleTree());
    const files = filesOf(image);
    assert.equal(files.erofs.length, image.erofsSize);
    assert.equal(files.contents.length, image.contentsSize);
    assert.equal(files.chunks.length, image.chunksSize);
  });

  test('counts inodes, contents and bytes once', () => {
    const shared = contentOf('shared', 10);
    const linked = file('shared', 10, { content: shared });
    const root = directory({
      a: linked,
      b: linked,
      c: file('', 10, { content: shared }),
      d: file('shared', 10),
      e: file('', 0),
      f: symlink('a'),
      g: inode(S_IFCHR),
      h: directory({}),
    });
    assert.deepEqual(buildMountIndex(root).counts, {
      inodes: 8,
      directories: 2,
      files: 4,
      symlinks: 1,
      specials: 1,
      contents: 1,
      chunks: 1,
      fileBytes: 30,
      contentBytes: 10,
    });
  });

  test('gives equal files for equal trees', () => {
    assert.deepEqual(
      filesOf(buildMountIndex(sampleTree())),
      filesOf(buildMountIndex(sampleTree())),
    );
  });

  test('lets chunk ids and stored sizes show in mount.chunks only', () => {
    const content = contentOf('x', 10);
    const moved = content.chunks.map((chunk) => ({
      ...chunk,
      id: chunkOf('other').id,
      storedSize: 99,
    }));
    const one = buildMountIndex(directory({ a: file('', 10, { content }) }));
    const other = buildMountIndex(
      directory({ a: file('', 10, { content: { ...content, chunks: moved } }) }),
    );
    assert.deepEqual(one.rootDigest(), other.rootDigest());
    assert.notDeepEqual(filesOf(one).chunks, filesOf(other).chunks);
  });

  test('gives another root digest for another mode', () => {
    const one = buildMountIndex(directory({ a: file('x', 1, { permissions: 0o644 }) }));
    const other = buildMountIndex(directory({ a: file('x', 1, { permissions: 0o600 }) }));
    assert.notDeepEqual(one.rootDigest(), other.rootDigest());
  });

  test('gives another root digest for another content', () => {
    const one = buildMountIndex(directory({ a: file('x', 1) }));
    const other = buildMountIndex(directory({ a: file('y', 1) }));
    assert.notDeepEqual(one.rootDigest(), other.rootDigest());
  });

  test('seals the superblock', () => {
    const { erofs } = filesOf(buildMountIndex(sampleTree()));
    const stored = erofs.readUInt32LE(1028);
    erofs.writeUInt32LE(0, 1028);
    assert.equal(crc32cUpdate(0xffffffff, erofs.subarray(1024, 4096)), stored);
  });

  test('keeps inode cores and inline data within a block', () => {
    const { index, image } = roundTrip(sampleTree());
    const { erofs } = filesOf(image);
    for (const { nid } of index.walk()) {
      const at = nid * 32;
      assert.ok((at % 4096) + 64 <= 4096);
      const layout = erofs.readUInt16LE(at) >>> 1;
      const count = erofs.readUInt16LE(at + 2);
      const tail = Number(erofs.readBigUInt64LE(at + 8)) % 4096;
      const body = count === 0 ? 0 : 12 + 4 * (count - 1);
      if (layout === 2) assert.ok((at % 4096) + 64 + body + tail <= 4096);
    }
  });

  test('numbers inodes breadth first', () => {
    const { index } = roundTrip(
      directory({ a: directory({ x: file('', 0) }), b: file('', 0), c: directory({}) }),
    );
    const numbers = ['', 'a', 'b', 'c', 'a/x'].map((path) => {
      return index.inode(index.resolvePath(latin1(path)) ?? 0).ino;
    });
    assert.deepEqual(numbers, [1, 2, 3, 4, 5]);
  });

  test('holds a directory that is deeper than any path may be long', () => {
    const depth = 5000;
    let root = directory({ bottom: file('bottom', 1) });
    for (let i = 0; i < depth; i++) root = directory({ deeper: root });
    const { index } = roundTrip(root);
    let last: Uint8Array = new Uint8Array(0);
    for (const entry of index.walk()) if (entry.type === 'file') last = entry.path();
    assert.equal(Buffer.from(last).toString(), `${'/deeper'.repeat(depth)}/bottom`);
    assert.equal(index.inode(index.resolvePath(last) ?? 0).type, 'file');
  });

  test('holds a directory of 100 000 entries', () => {
    const entries = new Map<string, Inode>();
    for (let i = 0; i < 100_000; i++) entries.set(`entry ${i}`, file('', 0));
    const { index } = roundTrip(directory({ large: directory(entries) }));
    const large = index.resolvePath(latin1('large')) ?? 0;
    assert.equal([...index.readdir(large)].length, 100_000);
    for (const i of [0, 1, 4711, 99_999]) {
      assert.notEqual(index.lookup(large, latin1(`entry ${i}`)), undefined);
    }
    assert.equal(index.lookup(large, latin1('entry 100000')), undefined);
  });

  test('fills directory blocks to the last byte', () => {
    // Two dot entries take 27 bytes, 15 names of 255 take 4005: 64 remain, for one of 52.
    const names = Array.from({ length: 15 }, (_, i) => String.fromCharCode(97 + i).repeat(255));
    names.push('z'.repeat(52), `z${'z'.repeat(60)}`);
    const root = directory(new Map(names.map((name) => [name, file('', 0)])));
    const { index, contents } = roundTrip(root);
    assert.equal(index.inode(index.root()).size, 4096 + 12 + 61);
    assertSame(describeIndex(index, contents), describeTree(root));
  });

  test('keeps a directory whose only block is full', () => {
    const names = Array.from({ length: 15 }, (_, i) => String.fromCharCode(97 + i).repeat(255));
    const root = directory(new Map([...names, 'z'.repeat(52)].map((name) => [name, file('', 0)])));
    const { index, contents } = roundTrip(root);
    assert.equal(index.inode(index.root()).size, 4096);
    assertSame(describeIndex(index, contents), describeTree(root));
  });

  test('holds a root whose xattrs leave no room for its entries', () => {
    const root = directory({ a: file('a', 1) }, { xattrs: { 'user.x': new Uint8Array(9000) } });
    const { index, contents } = roundTrip(root);
    assertSame(describeIndex(index, contents), describeTree(root));
  });

  test('maps files of more than 8 TiB with several entries', () => {
    const size = 2 ** 43 + 1;
    const huge = { ...contentOf('', 1), size, blockSize: 4 * 1024 * 1024 };
    const hole = { codec: 0, id: new Uint8Array(0), plainDigest: new Uint8Array(0), storedSize: 0 };
    const chunks = new Array(Math.ceil(size / huge.blockSize)).fill(hole);
    const root = directory({
      huge: file('', size, { content: { ...huge, chunks } }),
      next: file('', 0),
    });
    const { index, image } = roundTrip(root);
    const nid = index.lookup(index.root(), latin1('huge')) ?? 0;
    assert.equal(index.inode(nid).size, size);
    const { erofs } = filesOf({ ...image, contents: () => [], chunks: () => [] });
    const map = nid * 32 + 64 + 124;
    assert.deepEqual(
      [erofs.readUInt32LE(map), erofs.readUInt32LE(map + 4)],
      [0xffffffff, 0xffffffff],
    );
    assert.equal(index.inode(index.lookup(index.root(), latin1('next')) ?? 0).size, 0);
  });

  const refused: Readonly<Record<string, () => Inode>> = {
    'a root that is a file': () => file('', 0),
    'an empty name': () => directory({ '': file('', 0) }),
    'a name with a slash': () => directory({ 'a/b': file('', 0) }),
    'a name with a NUL': () => directory({ 'a\0b': file('', 0) }),
    'the name ..': () => directory({ '..': file('', 0) }),
    'a name of 256 bytes': () => directory({ ['n'.repeat(256)]: file('', 0) }),
    'names out of order': () => {
      const entries = ['b', 'a'].map((name) => ({ name: latin1(name), inode: file('', 0) }));
      return { ...directory({}), entries };
    },
    'a name twice': () => {
      const entries = ['a', 'a'].map((name) => ({ name: latin1(name), inode: file('', 0) }));
      return { ...directory({}), entries };
    },
    'a directory with two names': () => {
      const twice = directory({});
      return directory({ a: twice, b: twice });
    },
    'a directory inside itself': () => {
      const entries: { name: Uint8Array; inode: Inode }[] = [];
      const root: Inode = { ...directory({}), entries };
      entries.push({ name: latin1('loop'), inode: root });
      return root;
    },
    'an empty symlink': () => directory({ a: symlink('') }),
    'a symlink target of 4096 bytes': () => directory({ a: symlink('t'.repeat(4096)) }),
    'an unknown type': () => directory({ a: inode(0o150000) }),
    'a uid above 32 bits': () => directory({ a: file('', 0, { uid: 2 ** 32 }) }),
    'a negative gid': () => directory({ a: file('', 0, { gid: -1 }) }),
    'a billion nanoseconds': () => directory({ a: file('', 0, { mtimeNanoseconds: 1e9 }) }),
    'a device minor above 20 bits': () => directory({ a: inode(S_IFCHR, { rdevMinor: 2 ** 20 }) }),
    'a file without its content': () => directory({ a: inode(S_IFREG, { size: 1 }) }),
    'a content of another size': () =>
      directory({ a: file('', 2, { content: contentOf('x', 1) }) }),
    'more chunks than the size asks for': () =>
      directory({ a: file('', 1, { content: contentOf('', 1, [chunkOf('a'), chunkOf('b')]) }) }),
    'a file that lacks more chunks than fit': () =>
      directory({ a: file('', 2 ** 50, { content: contentOf('', 2 ** 50, []) }) }),
    'two sizes with one digest': () =>
      directory({
        a: file('', 1, { content: contentOf('', 1, [chunkOf('same')]) }),
        b: file('', 2, { content: contentOf('', 2, [chunkOf('same')]) }),
      }),
    'a plain digest that means a hole': () => {
      const zeros = { ...chunkOf('a'), plainDigest: new Uint8Array(32) };
      return directory({ a: file('', 1, { content: contentOf('', 1, [zeros]) }) });
    },
    'an xattr of an unknown namespace': () =>
      directory({ a: file('', 0, { xattrs: { 'system.other': '' } }) }),
    'an xattr with an empty name': () => directory({ a: file('', 0, { xattrs: { 'user.': '' } }) }),
    'an xattr value of 65536 bytes': () =>
      directory({ a: file('', 0, { xattrs: { 'user.a': new Uint8Array(65536) } }) }),
    'more than 256 KiB of xattrs': () => {
      const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `user.${name}`);
      const xattrs = Object.fromEntries(names.map((name) => [name, new Uint8Array(65535)]));
      return directory({ a: file('', 0, { xattrs }) });
    },
  };
  for (const [what, make] of Object.entries(refused)) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => buildMountIndex(make()),
        (error) => isG8Error(error, 'ERR_FLIST_FORMAT'),
      );
    });
  }
});
