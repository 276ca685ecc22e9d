/** What a mount tells of itself: what is local, what reads wait for, while they do and afterwards. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { TopRow } from '../../src/cli/commands/top.ts';
import { controlSocket } from '../../src/fs/client.ts';
import { ControlClient } from '../../src/fs/control.ts';
import type { MountStats, NamedEvent, NamedPage } from '../../src/fs/explain.ts';
import { MountWorld, run, startProgram } from '../support/mount-world.ts';
import { startSlowHub } from '../support/slow-hub.ts';

const BLOCK = 512 * 1024;
const LARGE_SIZE = 3 * BLOCK + 1000;

interface Image {
  readonly world: MountWorld;
  readonly flist: string;
}

async function imageWorld(context: TestContext): Promise<Image> {
  const world = new MountWorld(context);
  const source = world.folder('source', 'etc', 'deep');
  writeFileSync(join(source, 'motd'), 'welcome\n');
  writeFileSync(world.path('source', 'large'), randomBytes(LARGE_SIZE));
  writeFileSync(world.path('source', 'empty'), '');
  await world.startHub();
  return { world, flist: await world.create(world.path('source')) };
}

/** Asks until the answer is as wanted; a failure shows the last. */
async function until<T>(ask: () => Promise<T> | T, wanted: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (performance.now() > deadline) assert.fail(`Not in time: ${JSON.stringify(answer)}`);
    await delay(20);
  }
}

function logLines(world: MountWorld): Record<string, unknown>[] {
  const lines = world.daemonLog().split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

async function xattr(path: string, name: string): Promise<string | undefined> {
  const result = await run('getfattr', '--only-values', '-n', name, path);
  return result.code === 0 ? result.stdout : undefined;
}

test('a read that hangs is named in the log and in stats, with the chunk and the hub', async (context) => {
  const { world } = await imageWorld(context);
  const hub = await startSlowHub(context, world.hubUrl);
  // The flist names the store it was made with.
  const flist = world.path('slow.flist');
  await world.json('flist', 'create', world.path('source'), flist, '--store', hub.url);
  const mnt = await world.mount(flist, '--slow-read', '50ms');
  const asked = hub.shut();
  const reader = startProgram('cat', join(mnt, 'etc/deep/motd'));
  const ended = once(reader, 'exit');
  await asked;

  const said = await until(
    // Until the client has loaded and the route is chosen, the mount's stores go by its own name.
    () => logLines(world).find(({ store }) => store === hub.url),
    (line) => line !== undefined,
  );
  assert.equal(said?.['path'], '/etc/deep/motd');
  assert.equal(said?.['mountPoint'], mnt);
  assert.equal(said?.['store'], hub.url);
  assert.match(String(said?.['chunk']), /^[0-9a-f]{64}$/);
  assert.equal(said?.['msg'], `read waits for chunk ${said?.['chunk']} from ${hub.url}`);

  const during = await world.json<MountStats>('stats', mnt);
  assert.equal(during.waiting.length, 1);
  const [waiting] = during.waiting;
  assert.equal(waiting?.path, '/etc/deep/motd');
  assert.equal(waiting?.reason, 'network');
  assert.equal(waiting?.store, hub.url);
  assert.equal(waiting?.chunk, said?.['chunk']);
  assert.equal(during.slowest.length, 0);
  assert.equal(during.counters['waiting'], 1);
  assert.equal(during.local.localBytes, 0);
  assert.equal(during.local.totalBytes, LARGE_SIZE + 8);
  const shown = await world.cli('stats', mnt);
  assert.match(shown.stdout, /Waiting now\n.*\n.*network.*\/etc\/deep\/motd/);

  hub.open();
  assert.deepEqual(await ended, [0, null]);
  const after = await until(
    () => world.json<MountStats>('stats', mnt),
    ({ slowest, local }) => slowest.length > 0 && local.localBytes > 0,
  );
  assert.equal(after.waiting.length, 0);
  const [slow] = after.slowest;
  assert.equal(slow?.path, '/etc/deep/motd');
  assert.equal(slow?.kind, 'open', 'a file of one chunk is fetched when it is opened');
  const { times, ms } = slow as NonNullable<typeof slow>;
  assert.equal(slow?.reason, 'network');
  const sum = times.queue + times.network + times.decode + times.disk;
  assert.ok(Math.abs(sum - ms) < 1, `${sum} is ${ms}`);
  assert.equal(after.totals.waits.slow, 1);
  assert.equal(after.totals.demand.chunks, 1);
  assert.equal(after.local.localBytes, 8);
  await until(
    () => logLines(world).map(({ msg }) => msg),
    (messages) => messages.includes('slow read has ended'),
  );
  await world.unmount(mnt);
});

test('stats and top count what is read, and say when all of it is local', async (context) => {
  const { world, flist } = await imageWorld(context);
  const mnt = await world.mount(flist, '--store', world.hubUrl);
  const first = await world.json<MountStats>('stats', mnt);
  assert.equal(first.accesses.hitRate, null);
  assert.deepEqual(first.local, {
    localBytes: 0,
    totalBytes: LARGE_SIZE + 8,
    localFiles: 0,
    totalFiles: 2,
  });
  assert.equal((await run('sh', '-c', `cat ${mnt}/large ${mnt}/etc/deep/motd >&2`)).code, 0);
  // The last of the readahead may still be on its way to its place.
  const full = await until(
    () => world.json<MountStats>('stats', join(mnt, 'etc')),
    ({ local }) => local.localFiles === 2,
  );
  assert.equal(full.mountPoint, mnt, 'a path on the mount will do');
  assert.equal(full.local.localBytes, full.local.totalBytes);
  const { waits, demand, ahead } = full.totals;
  assert.equal(demand.chunks + ahead.chunks, 5);
  assert.equal(waits.failed, 0);
  assert.equal(
    waits.buckets.reduce((sum, count) => sum + count),
    waits.count,
  );
  assert.equal(full.accesses.waited, full.counters['waits']);
  assert.ok(full.accesses.waited > 0 && full.accesses.waited <= full.accesses.total);
  assert.ok((full.requests['open'] ?? 0) >= 2);

  const [row] = await world.json<TopRow[]>('top', '--interval', '100ms');
  assert.equal(row?.mountPoint, mnt);
  assert.equal(row?.localBytes, row?.totalBytes);
  assert.equal(row?.waiting, 0);
  const once = await world.cli('top', '--once', '--interval', '100ms');
  assert.equal(once.code, 0);
  assert.match(once.stdout, /mnt-1 .*100 %\n$/);
  await world.unmount(mnt);

  const gone = await world.cli('stats', mnt);
  assert.equal(gone.code, 66);
  assert.match(gone.stderr, /is not mounted by g8ufs/);
});

test('trace prints each wait with its reason, and each first open that needed none', async (context) => {
  const { world, flist } = await imageWorld(context);
  const mnt = await world.mount(flist, '--store', world.hubUrl);
  const control = await ControlClient.connect(controlSocket(world.cache));
  assert.ok(control);
  context.after(() => control.close());
  let after: number | undefined;
  const next = async (): Promise<readonly NamedEvent[]> => {
    const page: NamedPage = await control.request('trace', { mountPoint: mnt, after });
    after = page.next;
    assert.equal(page.lost, 0);
    return page.events;
  };
  assert.deepEqual(await next(), []);
  await run('cat', join(mnt, 'etc/deep/motd'));
  await run('cat', join(mnt, 'etc/deep/motd'));
  const [opened, ...more] = await until(next, (events) => events.length > 0);
  assert.ok(opened?.type === 'miss');
  assert.equal(opened.path, '/etc/deep/motd');
  assert.equal(opened.kind, 'open');
  assert.equal(opened.size, 8);
  assert.deepEqual(more, [], 'a file is reported once');
  await run('dd', `if=${mnt}/large`, 'of=/dev/null', 'bs=4096', 'count=1', `skip=${BLOCK / 2048}`);
  const events = [...(await until(next, (list) => list.some(({ type }) => type === 'miss')))];
  const read = events.find((event) => event.type === 'miss');
  assert.ok(read?.type === 'miss' && read.kind === 'read');
  assert.equal(read.path, '/large');
  assert.ok(read.offset >= 2 * BLOCK - 128 * 1024 && read.offset <= 2 * BLOCK);
  assert.equal(read.error, undefined);
  await world.unmount(mnt);

  // The second time everything is local: no wait, but a first open.
  const again = await world.mount(flist, '--store', world.hubUrl);
  const tracer = world.start('trace', again, '--json', '--count', '1');
  let text = '';
  tracer.stdout?.on('data', (data: Buffer) => {
    text += data;
  });
  const closed = once(tracer, 'close');
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });
  // A mount anew for each try, since the tracer may not have begun when a file is opened first.
  await until(
    () => run('cat', join(again, 'etc/deep/motd')),
    () => isClosed,
  );
  assert.deepEqual(await closed, [0, null]);
  const event = JSON.parse(text) as NamedEvent;
  assert.deepEqual([event.type, event.path], ['first-open', '/etc/deep/motd']);
  assert.ok(event.type === 'first-open' && event.reason === 'local');
  await world.unmount(again);
});

test('trace ends in good order with Ctrl-C', async (context) => {
  const { world, flist } = await imageWorld(context);
  const mnt = await world.mount(flist, '--store', world.hubUrl);
  const tracer = world.start('trace', mnt);
  const closed = once(tracer, 'close');
  const printed = once(tracer.stdout as NodeJS.ReadableStream, 'data');
  let isPrinted = false;
  void printed.then(() => {
    isPrinted = true;
  });
  await until(
    () => run('cat', join(mnt, 'etc/deep/motd')),
    () => isPrinted,
  );
  tracer.kill('SIGINT');
  assert.deepEqual(await closed, [130, null]);
  assert.match(String((await printed)[0]), /^\d\d:\d\d:\d\d\.\d{3} .* {2}\/etc\/deep\/motd {2}/);
  await world.unmount(mnt);
});

test('user.g8ufs.* tells what is local of a file, and is never listed or copied', async (context) => {
  const world = new MountWorld(context);
  const source = world.folder('source');
  writeFileSync(join(source, 'large'), randomBytes(LARGE_SIZE));
  writeFileSync(join(source, 'empty'), '');
  assert.equal((await run('setfattr', '-n', 'user.own', '-v', '1', join(source, 'large'))).code, 0);
  await world.startHub();
  const flist = await world.create(source);
  const mnt = await world.mount(flist, '--store', world.hubUrl);
  const large = join(mnt, 'large');
  assert.equal(await xattr(large, 'user.g8ufs.local'), '0');
  assert.equal(await xattr(large, 'user.g8ufs.data'), String(LARGE_SIZE));
  assert.equal(await xattr(large, 'user.g8ufs.remaining'), String(LARGE_SIZE));
  assert.equal(await xattr(large, 'user.g8ufs.chunks'), '4');
  assert.equal(await xattr(large, 'user.g8ufs.chunk_size'), String(BLOCK));
  const info = await world.json<{ content: string }>('flist', 'stat', flist, '/large');
  assert.equal(await xattr(large, 'user.g8ufs.digest'), info.content);
  assert.equal(await xattr(large, 'user.g8ufs.nothing'), undefined);
  assert.equal(await xattr(large, 'user.own'), '1');
  assert.equal(await xattr(mnt, 'user.g8ufs.local'), undefined, 'a folder has none');
  assert.equal(await xattr(join(mnt, 'empty'), 'user.g8ufs.local'), '0');
  assert.equal(await xattr(join(mnt, 'empty'), 'user.g8ufs.digest'), undefined);

  // One block in the middle, and what is read ahead of it: none, for it is the first read.
  await run('dd', `if=${large}`, 'of=/dev/null', 'bs=4096', 'count=1', `skip=${BLOCK / 4096}`);
  const part = Number(await xattr(large, 'user.g8ufs.local'));
  assert.ok(part >= BLOCK && part < LARGE_SIZE && part % BLOCK === 0, String(part));
  assert.equal(await xattr(large, 'user.g8ufs.remaining'), String(LARGE_SIZE - part));
  assert.equal((await run('cat', large)).code, 0);
  await until(
    () => xattr(large, 'user.g8ufs.local'),
    (local) => local === String(LARGE_SIZE),
  );

  const listed = await run('getfattr', '-d', '-m', '-', large);
  assert.match(listed.stdout, /user\.own/);
  assert.doesNotMatch(listed.stdout, /user\.g8ufs/);
  const copy = world.path('copy');
  assert.equal((await run('cp', '-a', mnt, copy)).code, 0);
  assert.doesNotMatch((await run('getfattr', '-R', '-d', '-m', '-', copy)).stdout, /user\.g8ufs/);
  assert.equal((await run('rsync', '-aX', `${mnt}/`, world.path('synced'))).code, 0);
  const synced = await run('getfattr', '-R', '-d', '-m', '-', world.path('synced'));
  assert.match(synced.stdout, /user\.own/);
  assert.doesNotMatch(synced.stdout, /user\.g8ufs/);
  await world.unmount(mnt);
});

test('user.g8ufs.* is hidden below an overlay, and costs images without xattrs nothing unless asked for', async (context) => {
  const { world, flist } = await imageWorld(context);
  const upper = world.path('upper');
  const merged = await world.mount(flist, '--store', world.hubUrl, '--rw', '--upper', upper);
  assert.equal(await xattr(join(merged, 'large'), 'user.g8ufs.local'), undefined);
  await world.unmount(merged);

  const plain = await world.mount(flist, '--store', world.hubUrl);
  const asked = async (): Promise<number> => {
    for (const _time of [1, 2, 3]) await xattr(join(plain, 'large'), 'user.own');
    const { requests } = await world.json<MountStats>('stats', plain);
    return requests['getxattr'] ?? 0;
  };
  assert.equal(await xattr(join(plain, 'large'), 'user.g8ufs.local'), undefined);
  const count = await asked();
  assert.ok(count <= 1, 'the kernel does not ask again');
  assert.equal(await asked(), count);
  await world.unmount(plain);

  const told = await world.mount(flist, '--store', world.hubUrl, '--magic-xattrs');
  assert.equal(await xattr(join(told, 'large'), 'user.g8ufs.local'), '0');
  const listed = await run('getfattr', '-d', '-m', '-', join(told, 'large'));
  assert.doesNotMatch(listed.stdout, /user\.g8ufs/);
  await world.unmount(told);
});

test('metrics are served on loopback, and do not fall when a mount is gone', async (context) => {
  const { world, flist } = await imageWorld(context);
  const refused = await world.cli(
    ...['mount', flist, world.folder('refused'), '--cache', world.cache],
    ...['--metrics', '0.0.0.0:0'],
  );
  assert.equal(refused.code, 78);
  assert.match(refused.stderr, /loopback only/);

  const mnt = await world.mount(flist, '--store', world.hubUrl, '--metrics', '127.0.0.1:0');
  const other = await world.mount(flist, '--store', world.hubUrl);
  assert.equal((await run('sh', '-c', `cat ${mnt}/large ${mnt}/etc/deep/motd >&2`)).code, 0);
  const line = await until(
    () => logLines(world).find(({ msg }) => msg === 'serving metrics'),
    (found) => found !== undefined,
  );
  const url = String(line?.['url']);
  const before = await metricsOf(await (await fetch(url)).text());
  assert.equal(before.get('g8ufs_mounts'), 2);
  assert.equal(
    before.get('g8ufs_miss_seconds_bucket{le="+Inf"}'),
    before.get('g8ufs_miss_seconds_count'),
  );
  assert.equal(before.get('g8ufs_opens_total{mode="passthrough"}') !== undefined, true);
  const fetched = [...before].filter(([name]) => name.startsWith('g8ufs_fetched_chunks_total'));
  assert.equal(
    fetched.reduce((sum, [, count]) => sum + count, 0),
    5,
  );
  assert.equal((await fetch(new URL('/', url))).status, 404);
  assert.equal((await fetch(url, { method: 'POST' })).status, 405);

  await world.unmount(mnt);
  const printed = await world.cli('metrics', '--cache', world.cache);
  const after = await metricsOf(printed.stdout);
  assert.equal(after.get('g8ufs_mounts'), 1);
  for (const [name, count] of before) {
    if (/_total|_count|_bucket|_sum/.test(name)) assert.ok((after.get(name) ?? 0) >= count, name);
  }
  await world.unmount(other);
  assert.equal((await world.cli('metrics', '--cache', world.cache)).code, 66);
});

/** Samples by name and labels; every line is checked against the format. */
async function metricsOf(text: string): Promise<Map<string, number>> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.trimEnd().split('\n')) {
    const [, type, name] = /^# TYPE (([a-z0-9_]+) (?:counter|gauge|histogram))$/.exec(line) ?? [];
    if (type !== undefined && name !== undefined) types.set(name, type);
    if (line.startsWith('#')) continue;
    const sample = /^([a-z0-9_]+)(\{[a-z]+="[^"\n]*"\})? (-?[0-9.e+-]+)$/.exec(line);
    assert.ok(sample, line);
    const [, family = '', labels = '', value] = sample;
    const isTyped = types.has(family) || types.has(family.replace(/_(bucket|sum|count)$/, ''));
    assert.ok(isTyped, line);
    assert.ok(!samples.has(family + labels), line);
    samples.set(family + labels, Number(value));
  }
  return samples;
}

test('figures of the documentation are those of the daemon', async (context) => {
  const { world, flist } = await imageWorld(context);
  const mnt = await world.mount(flist, '--store', world.hubUrl);
  const { stdout } = await world.cli('metrics', '--cache', world.cache);
  const families = [...stdout.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name as string);
  const documented = readFileSync('docs/operations.md', 'utf8').match(/\bg8ufs_[a-z0-9_]+/g);
  for (const name of new Set(documented ?? [])) {
    const family = name.replace(/_bucket$/, '');
    assert.ok(families.includes(family), `${name} is a metric`);
  }
  for (const name of families) {
    if (name.startsWith('g8ufs_')) assert.ok(documented?.includes(name), `${name} is documented`);
  }
  await world.unmount(mnt);
});
