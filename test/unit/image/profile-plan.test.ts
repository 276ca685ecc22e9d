import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import type { Profile } from '../../../src/format/profile.ts';
import type { Inode } from '../../../src/format/tree.ts';
import { planProfile } from '../../../src/image/profile-plan.ts';
import { profileOf } from '../../../src/image/record-profile.ts';
import { directory, file, latin1, symlink } from '../../support/index-trees.ts';

const BLOCK = 512 * 1024;
const ROOT = new Uint8Array(32).fill(1);

function imageOf(root: Inode) {
  const index = buildMountIndex(root);
  const source = (pieces: Iterable<Uint8Array>) => bufferSource(Buffer.concat([...pieces]));
  return {
    index: new MountIndexReader(source(index.erofs())),
    contents: new ContentsReader(source(index.contents()), source(index.chunks())),
    rootDigest: ROOT,
  };
}

type Image = ReturnType<typeof imageOf>;

/** Row of the content of a file below the root. */
function rowOf({ index, contents }: Image, name: string): number {
  const nid = index.lookup(index.root(), latin1(name)) as number;
  return contents.contentOf(index.inode(nid).ino) as number;
}

/** Touches of `[name, block]` pairs. */
function touchesOf(image: Image, ...pairs: [name: string, block: number][]): Uint32Array {
  return Uint32Array.from(pairs.flatMap(([name, block]) => [rowOf(image, name), block]));
}

function shown(profile: Profile): string[] {
  return profile.entries.map(({ path, ranges }) => {
    const words = ranges.map(({ first, count }) => `${first}+${count}`);
    return `${Buffer.from(path)} ${words.join(',')}`;
  });
}

const before = imageOf(
  directory({
    bash: file('bash', 3 * BLOCK - 100),
    libc: file('libc 1', 2 * BLOCK),
    small: file('small', 5000),
  }),
);
const TOUCHES: [string, number][] = [
  ['bash', 0],
  ['libc', 1],
  ['libc', 0],
  ['small', 0],
  ['bash', 1],
  ['bash', 2],
];

test('profileOf() names what was touched, in the order of the first time', async () => {
  const profile = await profileOf(touchesOf(before, ...TOUCHES), before);
  assert.deepEqual(shown(profile), [
    '/bash 0+128',
    '/libc 128+128,0+128',
    '/small 0+2',
    '/bash 128+256',
  ]);
  assert.deepEqual([profile.rootDigest, profile.cut], [ROOT, false]);
});

test('profileOf() of no touches is an empty profile', async () => {
  assert.deepEqual((await profileOf(new Uint32Array(), before)).entries, []);
});

test('profileOf() takes the first path of a content that has several', async () => {
  const same = file('same', 10);
  const image = imageOf(directory({ b: same, a: directory({ z: same }), c: file('same', 10) }));
  const profile = await profileOf(touchesOf(image, ['c', 0]), image);
  assert.deepEqual(shown(profile), ['/a/z 0+1']);
});

test('planProfile() gives back the touches that were recorded', async () => {
  const plan = await planProfile(await profileOf(touchesOf(before, ...TOUCHES), before), before);
  const [bash, libc, small] = ['bash', 'libc', 'small'].map((name) => rowOf(before, name));
  assert.deepEqual(plan.spans, [
    { row: bash, first: 0, count: 1 },
    { row: libc, first: 1, count: 1 },
    { row: libc, first: 0, count: 1 },
    { row: small, first: 0, count: 1 },
    { row: bash, first: 1, count: 2 },
  ]);
  assert.equal(plan.bytes, 5 * BLOCK - 100 + 5000);
  assert.deepEqual([plan.entries, plan.stale], [{ byContent: 4, byPath: 0, absent: 0 }, false]);
});

test('planProfile() finds moved files by content and changed ones by path', async () => {
  const profile = await profileOf(touchesOf(before, ...TOUCHES), before);
  const after = imageOf(
    directory({
      'bash-5': file('bash', 3 * BLOCK - 100),
      libc: file('libc 2', BLOCK + 1),
      other: file('other', 10),
    }),
  );
  const plan = await planProfile(profile, after);
  const [bash, libc] = [rowOf(after, 'bash-5'), rowOf(after, 'libc')];
  assert.deepEqual(plan.entries, { byContent: 2, byPath: 1, absent: 1 });
  assert.equal(plan.stale, false);
  assert.deepEqual(plan.spans, [
    { row: bash, first: 0, count: 1 },
    { row: libc, first: 1, count: 1 },
    { row: libc, first: 0, count: 1 },
    { row: bash, first: 1, count: 2 },
  ]);
  assert.equal(plan.bytes, 3 * BLOCK - 100 + BLOCK + 1);
});

test('planProfile() follows other block sizes', async () => {
  const profile = await profileOf(touchesOf(before, ['bash', 1]), before);
  const content = file('bash', 3 * BLOCK - 100).content;
  assert.ok(content);
  const chunks = Array.from({ length: 24 }, (_, i) => file(`c${i}`, 10).content?.chunks[0] ?? []);
  const finer = imageOf(
    directory({
      bash: file('bash', 3 * BLOCK - 100, {
        content: { ...content, blockSize: BLOCK / 8, chunks: chunks.flat() },
      }),
    }),
  );
  const plan = await planProfile(profile, finer);
  assert.deepEqual(plan.spans, [{ row: 0, first: 8, count: 8 }]);
});

test('planProfile() says that a profile is stale when most of it is not in the image', async () => {
  const profile = await profileOf(touchesOf(before, ...TOUCHES), before);
  const other = await planProfile(profile, imageOf(directory({ small: file('x', 9) })));
  assert.deepEqual(other.entries, { byContent: 0, byPath: 1, absent: 3 });
  assert.equal(other.stale, true);
});

test('planProfile() takes no folder, link or link in a circle for a file', async () => {
  const path = (text: string) => latin1(text);
  const content = new Uint8Array(16);
  const ranges = [{ first: 0, count: 2 ** 39 }];
  const paths = ['/', '/dir', '/link', '/loop/x', '/dir/none', '/file'];
  const profile = {
    rootDigest: ROOT,
    entries: paths.map((text) => ({ content, ranges, path: path(text) })),
  };
  const image = imageOf(
    directory({
      dir: directory({}),
      file: file('file', 2 * BLOCK),
      link: symlink('file'),
      loop: symlink('loop'),
    }),
  );
  const plan = await planProfile(profile, image);
  assert.deepEqual(plan.entries, { byContent: 0, byPath: 1, absent: 5 });
  assert.deepEqual(plan.spans, [{ row: 0, first: 0, count: 2 }]);
  assert.equal(plan.bytes, 2 * BLOCK);
});

test('planProfile() and profileOf() end when they are aborted', async () => {
  const entries = Array.from({ length: 1000 }, () => ({
    content: new Uint8Array(16),
    ranges: [{ first: 0, count: 1 }],
    path: latin1('/bash'),
  }));
  const aborted = AbortSignal.abort();
  const fails = (error: unknown) => isG8Error(error, 'ERR_ABORTED');
  await assert.rejects(planProfile({ rootDigest: ROOT, entries }, before, aborted), fails);
  const touches = new Uint32Array(20_000);
  await assert.rejects(profileOf(touches, before, aborted), fails);
});
