import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { MountIndexReader } from '../../../../src/format/index/reader.ts';
import { bufferSource } from '../../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../../src/format/index/writer.ts';
import { type Inode, S_IFCHR } from '../../../../src/format/tree.ts';
import {
  directory,
  file,
  filesOf,
  inode,
  latin1,
  sampleTree,
  symlink,
} from '../../../support/index-trees.ts';

function imageOf(root: Inode): Buffer {
  return filesOf(buildMountIndex(root)).erofs;
}

function open(image: Uint8Array): MountIndexReader {
  return new MountIndexReader(bufferSource(image));
}

function find(index: MountIndexReader, path: string): number {
  const nid = index.resolvePath(latin1(path));
  assert.ok(nid !== undefined, path);
  return nid;
}

function isFormatError(error: unknown): boolean {
  return isG8Error(error, 'ERR_FLIST_FORMAT') && error.details['file'] === 'mount.erofs';
}

describe('MountIndexReader', () => {
  test('opens an image and names its root', () => {
    const index = open(imageOf(sampleTree()));
    assert.equal(index.root(), 36);
    assert.equal(index.inode(index.root()).ino, 1);
  });

  test('inode() tells device numbers', () => {
    const index = open(
      imageOf(directory({ tty: inode(S_IFCHR, { rdevMajor: 4, rdevMinor: 300 }) })),
    );
    const { type, rdevMajor, rdevMinor } = index.inode(find(index, 'tty'));
    assert.deepEqual([type, rdevMajor, rdevMinor], ['character-device', 4, 300]);
  });

  test('lookup() finds . and ..', () => {
    const index = open(imageOf(sampleTree()));
    const etc = find(index, 'etc');
    assert.equal(index.lookup(etc, latin1('.')), etc);
    assert.equal(index.lookup(etc, latin1('..')), index.root());
  });

  test('lookup() finds names around the dots', () => {
    const index = open(imageOf(sampleTree()));
    const names = find(index, 'names');
    for (const name of ['!before-dot', '.-between', '..more', '-dash']) {
      assert.notEqual(index.lookup(names, latin1(name)), undefined, name);
    }
  });

  test('lookup() in what is no directory finds nothing', () => {
    const index = open(imageOf(sampleTree()));
    assert.equal(index.lookup(find(index, 'etc/passwd'), latin1('.')), undefined);
  });

  test('readdir() leaves . and .. out', () => {
    const index = open(imageOf(directory({ '-': file('', 0), b: file('', 0) })));
    const names = [...index.readdir(index.root())].map(({ name }) => Buffer.from(name).toString());
    assert.deepEqual(names, ['-', 'b']);
  });

  test('readlink() gives the target', () => {
    const index = open(imageOf(directory({ link: symlink('a/b') })));
    assert.deepEqual(index.readlink(find(index, 'link')), latin1('a/b'));
  });

  test('readlink() refuses a file', () => {
    const index = open(imageOf(directory({ a: file('a', 1) })));
    assert.throws(() => index.readlink(find(index, 'a')), isFormatError);
  });

  test('resolvePath() ignores empty components and dots', () => {
    const index = open(imageOf(sampleTree()));
    assert.equal(index.resolvePath(latin1('//etc/./passwd')), find(index, 'etc/passwd'));
    assert.equal(index.resolvePath(latin1('/')), index.root());
    assert.equal(index.resolvePath(latin1('')), index.root());
  });

  test('resolvePath() does not follow symlinks', () => {
    const root = directory({ link: symlink('folder'), folder: directory({ a: file('', 0) }) });
    const index = open(imageOf(root));
    assert.equal(index.inode(find(index, 'link')).type, 'symlink');
    assert.equal(index.resolvePath(latin1('link/a')), undefined);
  });

  test('walk() visits a directory before its entries', () => {
    const root = directory({ a: directory({ x: file('', 0) }), b: file('', 0) });
    const paths = [];
    for (const entry of open(imageOf(root)).walk())
      paths.push(Buffer.from(entry.path()).toString());
    assert.deepEqual(paths, ['/', '/a', '/a/x', '/b']);
  });

  test('walk() names a hard link by each of its names', () => {
    const linked = file('x', 1);
    const nids = [...open(imageOf(directory({ a: linked, b: linked }))).walk()].map(
      ({ nid }) => nid,
    );
    assert.equal(nids[1], nids[2]);
  });

  test('works on a source that reuses its memory', () => {
    const image = imageOf(sampleTree());
    const shared = new Uint8Array(1 << 20);
    const index = new MountIndexReader({
      size: image.length,
      read: (offset, length) => {
        shared.fill(0xee);
        shared.set(image.subarray(offset, offset + length));
        return shared.subarray(0, length);
      },
    });
    const expected = open(image);
    assert.deepEqual([...index.readdir(36)], [...expected.readdir(36)]);
    for (const { nid } of expected.walk()) {
      assert.deepEqual(index.xattrs(nid), expected.xattrs(nid));
      assert.deepEqual(index.inode(nid), expected.inode(nid));
    }
    assert.deepEqual(index.readlink(find(index, 'bin/sh')), latin1('busybox'));
    assert.equal([...index.walk()].length, [...expected.walk()].length);
  });
});

describe('MountIndexReader on a malformed image', () => {
  /** Image of a small tree, changed by `change`; `at` finds the position of a path's inode. */
  function malformed(change: (image: Buffer, at: (path: string) => number) => void) {
    const root = directory({
      folder: directory({ inner: directory({}), file: file('x', 1) }),
      link: symlink('target'),
    });
    const image = imageOf(root);
    const sound = open(Buffer.from(image));
    const nids = new Map(['', 'folder', 'folder/inner', 'link'].map((p) => [p, find(sound, p)]));
    change(image, (path) => (nids.get(path) ?? 0) * 32);
    return { image, nid: (path: string) => nids.get(path) ?? 0 };
  }

  const superblock: Readonly<Record<string, (image: Buffer) => void>> = {
    'another magic': (image) => image.writeUInt32LE(1, 1024),
    'an unknown feature': (image) => image.writeUInt32LE(0x8004, 1024 + 80),
    'another block size': (image) => image.writeUInt8(9, 1024 + 12),
    'another root': (image) => image.writeUInt16LE(40, 1024 + 14),
    'more inodes than fit': (image) => image.writeUInt32LE(1_000_000, 1024 + 16),
    'no inodes': (image) => image.writeUInt32LE(0, 1024 + 16),
    'another size': (image) => image.writeUInt32LE(7, 1024 + 36),
  };
  for (const [what, change] of Object.entries(superblock)) {
    test(`refuses a superblock with ${what}`, () => {
      const { image } = malformed(change);
      assert.throws(() => open(image), isFormatError);
    });
  }

  test('refuses a file that is shorter than a superblock', () => {
    assert.throws(() => open(new Uint8Array(1100)), isFormatError);
  });

  const inodes: Readonly<Record<string, (image: Buffer, at: number) => void>> = {
    'a compact inode': (image, at) => image.writeUInt16LE(image.readUInt16LE(at) & ~1, at),
    'an unknown layout': (image, at) => image.writeUInt16LE((5 << 1) | 1, at),
    'an unknown type': (image, at) => image.writeUInt16LE(0o150644, at + 4),
    'a size above 2^53': (image, at) => image.writeUInt32LE(0x00200000, at + 12),
    'inode number 0': (image, at) => image.writeUInt32LE(0, at + 20),
    'an inode number above the count': (image, at) => image.writeUInt32LE(100, at + 20),
    'a billion nanoseconds': (image, at) => image.writeUInt32LE(1_000_000_000, at + 40),
  };
  for (const [what, change] of Object.entries(inodes)) {
    test(`refuses ${what}`, () => {
      const { image, nid } = malformed((bytes, at) => change(bytes, at('folder')));
      assert.throws(() => open(image).inode(nid('folder')), isFormatError);
    });
  }

  for (const nid of [0, 35, -1, 0.5, Number.NaN, 127, 2 ** 40, 2 ** 60]) {
    test(`refuses node number ${nid}`, () => {
      assert.throws(() => open(imageOf(sampleTree())).inode(nid), isFormatError);
    });
  }

  test('refuses xattrs beyond the end of the file', () => {
    const { image, nid } = malformed((bytes, at) => bytes.writeUInt16LE(0xffff, at('link') + 2));
    assert.throws(() => open(image).xattrs(nid('link')), isFormatError);
  });

  test('refuses a directory whose blocks are outside of the file', () => {
    const { image, nid } = malformed((bytes, at) => {
      bytes.writeUInt16LE(1, at('folder'));
      bytes.writeUInt32LE(0xffffffff, at('folder') + 16);
    });
    assert.throws(() => [...open(image).readdir(nid('folder'))], isFormatError);
  });

  test('refuses inline data that crosses a block', () => {
    const { image, nid } = malformed((bytes, at) => bytes.writeUInt32LE(4095, at('folder') + 8));
    assert.throws(() => [...open(image).readdir(nid('folder'))], isFormatError);
  });

  const entries: Readonly<Record<string, (image: Buffer, block: number) => void>> = {
    'an entry count of 0': (image, block) => image.writeUInt16LE(0, block + 8),
    'an entry count that exceeds it': (image, block) => image.writeUInt16LE(4092, block + 8),
    'a name offset among the entries': (image, block) => image.writeUInt16LE(12, block + 20),
    'names out of order': (image, block) => image.write('z', block + image.readUInt16LE(block + 8)),
    'a slash in a name': (image, block) => image.write('/', block + image.readUInt16LE(block + 32)),
    'an unknown type': (image, block) => image.writeUInt8(8, block + 34),
  };
  for (const [what, change] of Object.entries(entries)) {
    test(`refuses a directory block with ${what}`, () => {
      const { image, nid } = malformed((bytes, at) => change(bytes, at('folder') + 64));
      assert.throws(() => [...open(image).readdir(nid('folder'))], isFormatError);
    });
  }

  test('walk() ends at a directory inside itself', () => {
    const { image } = malformed((bytes, at) => {
      // The fourth entry of the folder, behind ".", ".." and "file", is "inner".
      bytes.writeUInt32LE(at('folder') / 32, at('folder') + 64 + 36);
    });
    assert.throws(() => [...open(image).walk()], isFormatError);
  });

  test('walk() ends at an entry of another type than its inode', () => {
    const { image } = malformed((bytes, at) => {
      bytes.writeUInt32LE(at('link') / 32, at('folder') + 64 + 36);
    });
    assert.throws(() => [...open(image).walk()], isFormatError);
  });

  test('walk() ends when directories share their blocks', () => {
    const many = new Map<string, Inode>();
    for (let i = 0; i < 2000; i++) many.set(`entry-${i}`, file('', 0));
    const folders = new Map<string, Inode>([['all', directory(many)]]);
    for (let i = 0; i < 500; i++) folders.set(`copy-${i}`, directory({}));
    const image = imageOf(directory(folders));
    const sound = open(Buffer.from(image));
    const all = find(sound, 'all') * 32;
    for (let i = 0; i < 500; i++) {
      const copy = find(sound, `copy-${i}`) * 32;
      // Plain layout over the whole blocks of the large directory.
      image.writeUInt16LE(1, copy);
      image.writeUInt32LE(Math.floor(image.readUInt32LE(all + 8) / 4096) * 4096, copy + 8);
      image.copy(image, copy + 16, all + 16, all + 20);
    }
    assert.throws(() => [...open(image).walk()], isFormatError);
  });

  test('readlink() refuses a target of 4096 bytes', () => {
    const { image, nid } = malformed((bytes, at) => bytes.writeUInt32LE(4096, at('link') + 8));
    assert.throws(() => open(image).readlink(nid('link')), isFormatError);
  });

  test('readlink() refuses a NUL in the target', () => {
    const { image, nid } = malformed((bytes, at) => bytes.writeUInt8(0, at('link') + 66));
    assert.throws(() => open(image).readlink(nid('link')), isFormatError);
  });
});
