/** Start profiles on real mounts: recorded, published, replayed; and fetching everything. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { MissTotals } from '../../src/fs/miss-log.ts';
import { MountWorld, run } from '../support/mount-world.ts';

const BLOCK = 64 * 1024;
/** Blocks of `big`. */
const BLOCKS = 40;

interface Prefetch {
  readonly state: string;
  readonly localBytes: number;
  readonly totalBytes: number;
  readonly profile: { byContent: number; byPath: number; absent: number } | null;
  readonly error: { code: string; message: string } | null;
}

/** A hub with an image of a large file and some small ones, all incompressible. */
async function worldWithImage(context: TestContext) {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'big'), randomBytes(BLOCKS * BLOCK));
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(source, name), randomBytes(3000));
  await world.startHub();
  const flist = world.path('image.flist');
  const create = ['flist', 'create', source, flist, '--store', world.hubUrl];
  await world.json(...create, '--block-size', '64KiB');
  return { world, source, flist };
}

/** Reads one block of `big`. */
function readBlock(mnt: string, block: number) {
  return run(
    'dd',
    `if=${join(mnt, 'big')}`,
    `bs=${BLOCK}`,
    `skip=${block}`,
    'count=1',
    'of=/dev/null',
  );
}

/** What a start does with an image. */
async function start(mnt: string): Promise<void> {
  assert.equal((await run('cat', join(mnt, 'c'))).code, 0);
  for (const block of [30, 2, 3]) assert.equal((await readBlock(mnt, block)).code, 0);
  assert.equal((await run('cat', join(mnt, 'a'))).code, 0);
}

/** `path first+count` lines of a profile, in pages of 4 KiB. */
function entriesOf(file: string): string[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(2);
  return lines.map((line) => {
    const [, ranges, path] = line.split(' ');
    return `${path} ${ranges}`;
  });
}

const STARTED = ['/c 0+1', '/big 480+16,32+32', '/a 0+1'];

async function record(world: MountWorld, flist: string): Promise<string> {
  const profile = `${flist}.profile`;
  const mnt = await world.mount(flist, '--record', profile);
  await start(mnt);
  await world.unmount(mnt);
  return profile;
}

test('mount --record writes what was touched first, on an empty cache and on a full one', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const profile = await record(world, flist);
  assert.deepEqual(entriesOf(profile), STARTED);
  const text = readFileSync(profile, 'utf8');
  const { rootDigest } = await world.json<{ rootDigest: string }>('flist', 'info', flist);
  assert.match(text, new RegExp(`^g8ufs profile 1\nroot ${rootDigest}\n`));

  // All local now: nothing is fetched, and the profile is the same.
  const mnt = await world.mount(flist, '--until-local');
  const { totals } = await world.json<{ totals: MissTotals }>('stats', mnt);
  // The start above has fetched the rest.
  assert.ok(totals.prefetch.chunks > 0 && totals.prefetch.chunks < BLOCKS + 4);
  assert.ok(totals.prefetch.bytes > 0 && totals.demand.chunks === 0);
  await world.stopHub();
  await world.unmount(mnt);
  await record(world, flist);
  assert.equal(readFileSync(profile, 'utf8'), text);
});

test('mount --record notes small reads of a large file as the blocks that they lie in', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const profile = world.path('bytes.profile');
  const mnt = await world.mount(flist, '--record', profile);
  const reads = `for (20, 5) { sysseek(F, $_ * ${BLOCK}, 0); sysread(F, $b, 1) == 1 or die }`;
  const result = await run(
    'perl',
    '-e',
    `open(F, '<:unix', '${join(mnt, 'big')}') or die; ${reads}`,
  );
  assert.equal(result.code, 0, result.stderr);
  await world.unmount(mnt);
  assert.deepEqual(entriesOf(profile), ['/big 320+16,80+16']);
});

test('a profile beside a flist is replayed at mount, and what it names needs no hub then', async (context) => {
  const { world, flist } = await worldWithImage(context);
  await record(world, flist);
  await world.json('cache', 'status', '--cache', world.cache);
  const { prefetch } = await mountElsewhere(world, flist, '--prefetch', 'profile');
  assert.deepEqual(prefetch, {
    mode: 'profile',
    state: 'done',
    localBytes: 3 * BLOCK + 6000,
    totalBytes: 3 * BLOCK + 6000,
    profile: { byContent: 3, byPath: 0, absent: 0 },
    error: null,
  });
});

/** Mounts on a cache of its own, waits until it is local, and starts without a hub. */
async function mountElsewhere(world: MountWorld, flist: string, ...options: string[]) {
  const mnt = world.folder('elsewhere');
  const cache = ['--cache', world.path('other')];
  const mounted = await world.json<{ prefetch: Prefetch }>(
    ...['mount', flist, mnt, ...cache, '--until-local', ...options],
  );
  await world.stopHub();
  await start(mnt);
  const status = await world.json<{ fetchedChunks: number }>('cache', 'status', ...cache);
  await world.unmount(mnt);
  return { ...mounted, status };
}

test('profile publish puts it on the hub; a later image takes what still fits', async (context) => {
  const { world, source, flist } = await worldWithImage(context);
  const profile = await record(world, flist);
  const target = `${world.hubUrl}/demo/image`;
  await world.json('push', flist, target);
  const { url } = await world.json<{ url: string }>('profile', 'publish', profile, target);
  assert.equal(url, `${target}.flist.profile`);
  const shown = await world.json<{ bytes: number }>('profile', 'show', url);
  assert.equal(shown.bytes, 3 * BLOCK + 2 * 4096);

  // The same place, another image: one file has moved, one has changed, one is gone.
  writeFileSync(join(source, 'moved'), readFileSync(join(source, 'c')));
  writeFileSync(join(source, 'c'), 'small now\n');
  writeFileSync(join(source, 'big'), randomBytes(10 * BLOCK));
  writeFileSync(join(source, 'a'), '');
  const second = world.path('second.flist');
  await world.json('flist', 'create', source, second, '--store', world.hubUrl);
  await world.json('push', second, target);
  const mnt = await world.mount(`${target}.flist`, '--prefetch', 'profile', '--until-local');
  const [mounted] = await world.json<{ prefetch: Prefetch }[]>('ps');
  assert.deepEqual(mounted?.prefetch.profile, { byContent: 1, byPath: 1, absent: 1 });
  assert.equal(mounted?.prefetch.state, 'done');
  await world.unmount(mnt);
});

test('mount --until-local fetches everything, and only then ends', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const { prefetch, status } = await mountElsewhere(world, flist, '--rate-limit', '64MiB');
  assert.equal(prefetch.totalBytes, BLOCKS * BLOCK + 12_000);
  assert.equal(prefetch.localBytes, prefetch.totalBytes);
  assert.equal(status.fetchedChunks, BLOCKS + 4);
});

test('mount --until-local says when something cannot be had, and the mount stays', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const lost = (await run('find', join(world.hubData, 'chunks'), '-type', 'f')).stdout.split(
    '\n',
  )[0];
  assert.equal((await run('rm', lost as string)).code, 0);
  const mnt = world.folder('mnt');
  const result = await world.cli('mount', flist, mnt, '--cache', world.cache, '--until-local');
  assert.equal(result.code, 69, result.stderr);
  assert.match(result.stderr, /^g8ufs: The mount is not local: .* \(ERR_CHUNK_MISSING\)\n$/);
  assert.equal((await run('mountpoint', '-q', mnt)).code, 0);
  await world.unmount(mnt);
});

test('an image that does not fit the cache is not fetched ahead', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const mnt = world.folder('mnt');
  const result = await world.cli(
    ...['mount', flist, mnt, '--cache', world.cache, '--cache-size', '1MiB', '--until-local'],
  );
  assert.equal(result.code, 74, result.stderr);
  assert.match(
    result.stderr,
    /The mount is not local: 2\.5 MiB do not fit .* \(ERR_CACHE_FULL\)\n$/,
  );
  assert.equal((await run('cat', join(mnt, 'a'))).code, 0);
  await world.unmount(mnt);
});

test('a profile that is broken, absent or of another image does no harm', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const other = `g8ufs profile 1\nroot ${'00'.repeat(32)}\n${'00'.repeat(16)} 0+1 /none\n`;
  for (const [text, state] of [
    [undefined, 'none'],
    ['no profile', 'none'],
    [other, 'none'],
    [`g8ufs profile 1\nroot ${'00'.repeat(32)}\n`, 'done'],
  ] as const) {
    if (text !== undefined) writeFileSync(`${flist}.profile`, text);
    const mnt = await world.mount(flist, '--prefetch', 'profile', '--until-local');
    const [mounted] = await world.json<{ prefetch: Prefetch }[]>('ps');
    assert.equal(mounted?.prefetch.state, state, text);
    assert.equal((await run('cat', join(mnt, 'a'))).code, 0);
    await world.unmount(mnt);
  }
});

test('mount --prefetch none fetches nothing and refuses flags that need more', async (context) => {
  const { world, flist } = await worldWithImage(context);
  await record(world, flist);
  const mnt = await world.mount(flist, '--prefetch', 'none');
  const [mounted] = await world.json<{ prefetch: Prefetch | null }[]>('ps');
  assert.equal(mounted?.prefetch, null);
  await world.unmount(mnt);
  for (const flag of [['--until-local'], ['--rate-limit', '1MiB'], ['--profile', 'x']]) {
    const result = await world.cli('mount', flist, mnt, '--prefetch', 'none', ...flag);
    assert.equal(result.code, 64, result.stderr);
  }
  const slow = await world.cli('mount', flist, mnt, '--rate-limit', '1KiB');
  assert.match(slow.stderr, /'1KiB' is no size from 4KiB on/);
});

test('mount --record refuses a place on the mount, and one that cannot be written', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const mnt = world.folder('mnt');
  for (const [file, code] of [
    [join(mnt, 'image.profile'), 64],
    [world.path('none', 'image.profile'), 73],
    [world.folder('folder'), 73],
  ] as const) {
    const result = await world.cli('mount', flist, mnt, '--cache', world.cache, '--record', file);
    assert.equal(result.code, code, result.stderr);
    assert.equal((await run('mountpoint', '-q', mnt)).code, 32);
  }
});

test('umount tells when the profile cannot be written, and unmounts all the same', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const folder = world.folder('profiles');
  const mnt = await world.mount(flist, '--record', join(folder, 'image.profile'));
  await start(mnt);
  assert.equal((await run('rmdir', folder)).code, 0);
  const result = await world.cli('umount', mnt);
  assert.equal(result.code, 73, result.stderr);
  assert.equal((await run('mountpoint', '-q', mnt)).code, 32);
  assert.equal(existsSync(folder), false);
});

test('profile merge puts two starts together', async (context) => {
  const { world, flist } = await worldWithImage(context);
  const profile = await record(world, flist);
  const other = world.path('other.profile');
  const mnt = await world.mount(flist, '--record', other);
  for (const name of ['d', 'c']) assert.equal((await run('cat', join(mnt, name))).code, 0);
  await world.unmount(mnt);
  const merged = world.path('merged.profile');
  await world.json('profile', 'merge', merged, profile, other);
  assert.deepEqual(entriesOf(merged), ['/c 0+1', '/d 0+1', ...STARTED.slice(1)]);
  const { fit } = await world.json<{ fit: Record<string, unknown> }>(
    ...['profile', 'show', merged, '--flist', flist],
  );
  assert.deepEqual([fit['sameImage'], fit['byContent'], fit['chunks']], [true, 4, 6]);
});
