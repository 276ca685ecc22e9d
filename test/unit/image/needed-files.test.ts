import assert from 'node:assert/strict';
import test from 'node:test';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { S_IFLNK } from '../../../src/format/tree.ts';
import type { Elf } from '../../../src/image/elf.ts';
import { findFile, neededFiles } from '../../../src/image/needed-files.ts';
import { directory, file, inode, latin1 } from '../../support/index-trees.ts';

const link = (target: string) => inode(S_IFLNK, { target: latin1(target) });
const indexOf = (tree: ReturnType<typeof directory>): MountIndexReader =>
  new MountIndexReader(bufferSource(Buffer.concat([...buildMountIndex(tree).erofs()])));

const index = indexOf(
  directory({
    lib: link('usr/lib'),
    opt: directory({ app: directory({ lib: directory({ 'libown.so': file('own', 10) }) }) }),
    usr: directory({
      bin: directory({ app: file('app', 10) }),
      lib: directory({
        'libplain.so': file('plain', 10),
        'libloop.so': link('libloop.so'),
        'x86_64-linux-gnu': directory({
          'libc.so.6': link('libc-2.36.so'),
          'libc-2.36.so': file('c', 10),
          'libdir.so': directory({}),
          'libown.so': file('other', 10),
        }),
      }),
    }),
  }),
);

const elf = (needed: readonly string[], runPaths: readonly string[] = []): Elf => ({
  kind: '64le-62',
  interpreter: undefined,
  needed,
  runPaths,
  relocations: undefined,
});
const paths = (...call: Parameters<typeof elf>): string[] =>
  neededFiles(elf(...call), '/opt/app/app', index).map(({ path }) => path);

test('neededFiles() looks into run paths first, then where libraries usually are, through links', () => {
  assert.deepEqual(paths(['libc.so.6', 'libplain.so', 'libown.so', 'absent.so']), [
    '/usr/lib/x86_64-linux-gnu/libc-2.36.so',
    '/usr/lib/libplain.so',
    '/usr/lib/x86_64-linux-gnu/libown.so',
  ]);
  for (const origin of ['$ORIGIN', ['$', '{ORIGIN}'].join('')]) {
    assert.deepEqual(paths(['libown.so'], [`${origin}/lib`]), ['/opt/app/lib/libown.so']);
  }
  assert.deepEqual(paths(['/opt/app/lib/libown.so']), ['/opt/app/lib/libown.so']);
});

test('neededFiles() passes by what is no file of the image', () => {
  assert.deepEqual(paths(['libdir.so', 'libloop.so', '../../../etc/passwd', 'a'.repeat(5000)]), []);
  assert.deepEqual(paths(['libc.so.6'], ['relative', '']).length, 1);
});

test('neededFiles() ends whatever the links of an image say', () => {
  const target = `${'a/../'.repeat(800)}a`;
  const folders = Object.fromEntries(
    Array.from({ length: 64 }, (_, i) => [`lib${i}.so`, link(target)]),
  );
  const hostile = indexOf(directory({ lib: directory({ a: directory({}), ...folders }) }));
  const names = Array.from({ length: 5000 }, (_, i) => `lib${i % 64}.so`);
  assert.deepEqual(neededFiles(elf(names), '/lib/a', hostile), []);
});

test('findFile() takes absolute paths only', () => {
  assert.equal(findFile('usr/bin/app', index), undefined);
  assert.equal(findFile('/usr/bin/app', index)?.path, '/usr/bin/app');
});
