import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isG8Error } from '../../../../src/base/errors.ts';
import { LayerTree, type LayerTreeOptions } from '../../../../src/format/layer/layer-tree.ts';
import type { TarEntry, TarType } from '../../../../src/format/tar/entry.ts';
import { type Inode, S_IFDIR, S_IFMT } from '../../../../src/format/tree.ts';

type Line = readonly [
  path: string,
  more?: Partial<Omit<TarEntry, 'path' | 'target'>> & { target?: string },
];

function entry([path, { target, ...more } = {}]: Line): TarEntry {
  const isFolder = path.endsWith('/');
  const type: TarType = more.type ?? (isFolder ? 'directory' : 'file');
  return {
    type,
    path: Buffer.from(path.replace(/\/$/, ''), 'latin1'),
    mode: isFolder ? 0o700 : 0o600,
    uid: 1,
    gid: 2,
    mtimeSeconds: 3,
    mtimeNanoseconds: 4,
    size: type === 'file' ? 5 : 0,
    headerOffset: 0,
    ...more,
    ...(target !== undefined && { target: Buffer.from(target, 'latin1') }),
  };
}

const link = (target: string) => ({ type: 'link', target }) as const;
const symlink = (target: string) => ({ type: 'symlink', target }) as const;

/** The paths of a tree, with a slash behind directories and a number for each inode with two names. */
function build(layers: readonly (readonly Line[])[], options: LayerTreeOptions = {}) {
  const tree = new LayerTree(options);
  for (const [i, lines] of layers.entries()) {
    if (i > 0) tree.nextLayer();
    for (const line of lines) tree.add(entry(line));
  }
  const { root, entryCount } = tree.finish();
  const inodes = new Map<string, Inode>([['', root]]);
  for (const [path, inode] of inodes) {
    for (const { name, inode: child } of inode.entries ?? []) {
      const full = `${path}${path === '' ? '' : '/'}${Buffer.from(name).toString('latin1')}`;
      inodes.set(full, child);
    }
  }
  inodes.delete('');
  const paths = [...inodes]
    .map(([path, { mode }]) => ((mode & S_IFMT) === S_IFDIR ? `${path}/` : path))
    .sort();
  return { root, inodes, paths, entryCount };
}

const oci = (...layers: (readonly Line[])[]) => build(layers, { whiteouts: true });

describe('one archive', () => {
  test('gives its entries in byte order, missing parents with plain attributes', () => {
    const { root, inodes, paths, entryCount } = build([[['b/c/file'], ['a'], ['B/']]]);
    assert.deepEqual(paths, ['B/', 'a', 'b/', 'b/c/', 'b/c/file']);
    assert.equal(entryCount, 6);
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = inodes.get('b') as Inode;
    assert.deepEqual([mode, uid, gid, mtimeSeconds, mtimeNanoseconds], [0o40755, 0, 0, 0, 0]);
    assert.deepEqual([root.mode, root.uid], [0o40755, 0]);
    const file = inodes.get('b/c/file') as Inode;
    assert.deepEqual([file.mode, file.uid, file.mtimeSeconds, file.size], [0o100600, 1, 3, 5]);
  });

  test('describes the root and a directory whose content came before', () => {
    const { root, inodes, paths } = build([
      [['a/x'], ['a/', { mode: 0o1777 }], ['', { type: 'directory', uid: 9 }]],
    ]);
    assert.deepEqual([root.uid, inodes.get('a')?.mode], [9, 0o41777]);
    assert.deepEqual(paths, ['a/', 'a/x']);
  });

  test('takes the last entry of a name', () => {
    const { inodes, paths } = build([
      [['a/'], ['a/x'], ['a', { size: 7 }], ['b'], ['b/'], ['b/y']],
    ]);
    assert.deepEqual(paths, ['a', 'b/', 'b/y']);
    assert.equal(inodes.get('a')?.size, 7);
  });

  test('shares the inode of hard links, which a later entry of one name leaves alone', () => {
    const { inodes } = build([[['a'], ['d/b', link('a')], ['c', link('d/b')], ['a', { size: 7 }]]]);
    assert.equal(inodes.get('d/b'), inodes.get('c'));
    assert.deepEqual([inodes.get('a')?.size, inodes.get('c')?.size], [7, 5]);
  });

  test('links to symlinks too', () => {
    const { inodes } = build([
      [
        ['s', symlink('nowhere')],
        ['t', link('s')],
      ],
    ]);
    assert.equal(inodes.get('s'), inodes.get('t'));
    assert.equal(inodes.get('s')?.mode, 0o120777);
  });

  test('follows a symlink on the way, inside the tree', () => {
    const { paths } = build([
      [
        ['usr/lib/'],
        ['lib', symlink('usr/lib')],
        ['lib/one'],
        ['usr/up', symlink('../../../opt')],
        ['usr/up/two'],
        ['usr/abs', symlink('/usr/lib')],
        ['usr/abs/three', link('lib/one')],
      ],
    ]);
    assert.deepEqual(paths, [
      'lib',
      'opt/',
      'opt/two',
      'usr/',
      'usr/abs',
      'usr/lib/',
      'usr/lib/one',
      'usr/lib/three',
      'usr/up',
    ]);
  });

  test('takes whiteouts as names', () => {
    assert.deepEqual(build([[['a']], [['.wh.a']]]).paths, ['.wh.a', 'a']);
  });

  test('keeps attributes of the namespaces that images have', () => {
    const xattrs = ['btrfs.compression', 'system.nfs4_acl', 'user.a', 'security.capability'].map(
      (name) => ({ name: Buffer.from(name), value: new Uint8Array(1) }),
    );
    const { inodes } = build([[['a', { xattrs }]]]);
    assert.deepEqual(
      inodes.get('a')?.xattrs?.map(({ name }) => Buffer.from(name).toString()),
      ['user.a', 'security.capability'],
    );
  });

  for (const [title, lines, message] of [
    ['a link to nothing', [['a', link('b')]], /a hard link to b, which is not there/],
    ['a link to the root', [['a', link('')]], /which is not there/],
    ['a link to a directory', [['d/'], ['a', link('d')]], /a hard link to a directory/],
    ['a file as a parent', [['a'], ['a/b']], /a on the way is no directory/],
    ['a file as the root', [['', { type: 'file' }]], /the place of the root/],
    [
      'symlinks in a circle',
      [['a', symlink('b')], ['b', symlink('a')], ['a/x']],
      /too many symlinks/,
    ],
    [
      'a device of 21 bits',
      [['a', { type: 'block', rdevMajor: 0, rdevMinor: 2 ** 20 }]],
      /no device/,
    ],
    [
      'a large attribute',
      [['a', { xattrs: [{ name: Buffer.from('user.a'), value: Buffer.alloc(65536) }] }]],
      /65536 bytes/,
    ],
    ['a deep path', [['d/'.repeat(9000)]], /too deep/],
  ] as const) {
    test(`refuses ${title}`, () => {
      assert.throws(
        () => build([lines as readonly Line[]]),
        (error: Error) => {
          assert.ok(isG8Error(error, 'ERR_FLIST_FORMAT'), String(error));
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});

test('a tree that grows beyond its memory is refused', () => {
  const many = Array.from({ length: 100 }, (_, i): Line => [`file-${i}`]);
  assert.equal(build([many], { sizeMax: 110_000 }).entryCount, 101);
  const wanted = { code: 'ERR_FLIST_FORMAT', message: /file-\d+ .*: \d+ entries are more than/ };
  assert.throws(() => build([many], { sizeMax: 90_000 }), wanted);
  const target = 't'.repeat(4000);
  const links = Array.from({ length: 30 }, (_, i): Line => [`link-${i}`, symlink(target)]);
  assert.throws(() => build([links], { sizeMax: 110_000 }), { message: /link-\d+ of the archive/ });
});

describe('layers', () => {
  test('a whiteout hides what lower layers have', () => {
    const { paths } = oci(
      [['a'], ['d/x'], ['d/y'], ['e/z']],
      [['.wh.a'], ['d/.wh.x'], ['.wh.e'], ['f']],
    );
    assert.deepEqual(paths, ['d/', 'd/y', 'f']);
  });

  for (const [title, second] of [
    ['before', [['.wh.a'], ['a', { size: 7 }], ['.wh.d'], ['d/new']]],
    ['behind', [['a', { size: 7 }], ['.wh.a'], ['d/new'], ['.wh.d']]],
  ] as const) {
    test(`a whiteout ${title} what its own layer brings does not hide it`, () => {
      const { paths, inodes } = oci(
        [['a'], ['d/', { mode: 0o1777 }], ['d/old']],
        second as readonly Line[],
      );
      assert.deepEqual(paths, ['a', 'd/', 'd/new']);
      assert.equal(inodes.get('a')?.size, 7);
      assert.equal(inodes.get('d')?.mode, 0o40755);
    });
  }

  for (const [title, second] of [
    ['first', [['d/', { mode: 0o711 }], ['d/.wh..wh..opq'], ['d/s/new']]],
    ['last', [['d/s/new'], ['d/', { mode: 0o711 }], ['d/.wh..wh..opq']]],
  ] as const) {
    test(`an opaque directory with its marker ${title} has only what its own layer brings`, () => {
      const lower: Line[] = [['d/'], ['d/old'], ['d/s/', { mode: 0o1777 }], ['d/s/old'], ['e']];
      const { paths, inodes } = oci(lower, second as readonly Line[]);
      assert.deepEqual(paths, ['d/', 'd/s/', 'd/s/new', 'e']);
      assert.deepEqual([inodes.get('d')?.mode, inodes.get('d/s')?.mode], [0o40711, 0o40755]);
    });
  }

  test('an opaque marker at the top hides everything below', () => {
    assert.deepEqual(oci([['a'], ['d/x']], [['.wh..wh..opq'], ['b']]).paths, ['b']);
  });

  test('a directory that is listed again keeps what is in it', () => {
    const { paths, inodes } = oci([['d/', { uid: 5 }], ['d/x']], [['d/', { uid: 6 }]]);
    assert.deepEqual([paths, inodes.get('d')?.uid], [['d/', 'd/x'], 6]);
  });

  test('a directory that is only on the way keeps its attributes', () => {
    assert.equal(oci([['d/', { uid: 5 }]], [['d/x']]).inodes.get('d')?.uid, 5);
  });

  test('a file takes the place of a directory and the other way round', () => {
    const { paths } = oci(
      [['a/x'], ['b'], ['c/'], ['s', symlink('c')]],
      [['a'], ['b/'], ['b/y'], ['s/'], ['s/z']],
    );
    assert.deepEqual(paths, ['a', 'b/', 'b/y', 'c/', 's/', 's/z']);
  });

  test('hard links lead into lower layers, whose own names stay', () => {
    const { inodes, paths } = oci(
      [['a'], ['b', link('a')]],
      [['c', link('a')], ['.wh.a']],
      [['b', { size: 9 }]],
    );
    assert.deepEqual(paths, ['b', 'c']);
    assert.deepEqual([inodes.get('b')?.size, inodes.get('c')?.size], [9, 5]);
  });

  test('a whiteout of nothing, or below nothing, makes nothing', () => {
    assert.deepEqual(oci([['a']], [['.wh.b'], ['x/y/.wh.z'], ['x/.wh..wh..opq']]).paths, ['a']);
  });

  test('what belongs to aufs is left out, but links may lead there', () => {
    const { paths, inodes } = oci([
      ['.wh..wh.aufs'],
      ['.wh..wh.plnk/'],
      ['.wh..wh.plnk/1.2'],
      ['a', link('.wh..wh.plnk/1.2')],
      ['b', link('.wh..wh.plnk/1.2')],
    ]);
    assert.deepEqual(paths, ['a', 'b']);
    assert.equal(inodes.get('a'), inodes.get('b'));
  });

  test('a whiteout without a name is refused', () => {
    assert.throws(() => oci([['.wh.']]), { message: /a whiteout of nothing/ });
  });
});

describe('excluding', () => {
  const exclude = (path: string): boolean => path === 'd' || path.endsWith('.tmp');

  test('leaves out names and everything below them', () => {
    const { paths, entryCount } = build([[['d/x'], ['a.tmp'], ['b/c.tmp'], ['b/y']]], { exclude });
    assert.deepEqual(paths, ['b/', 'b/y']);
    assert.equal(entryCount, 3);
  });

  test('asks with the path that an entry really has', () => {
    const asked: string[] = [];
    const lines: Line[] = [['usr/lib/'], ['lib', symlink('usr/lib')], ['lib/x']];
    build([lines], {
      exclude: (path) => {
        asked.push(path);
        return false;
      },
    });
    assert.deepEqual(asked, ['usr', 'usr/lib', 'lib', 'usr/lib/x']);
  });

  test('links may lead to what is left out', () => {
    const tree = new LayerTree({ exclude });
    const file = tree.add(entry(['d/x']));
    assert.equal(file?.isExcluded, true);
    tree.add(entry(['kept', link('d/x')]));
    assert.ok(tree.finish().inodes.has(file?.inode as Inode));
  });
});
