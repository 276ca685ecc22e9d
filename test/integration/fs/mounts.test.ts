/** The table of mounts with a driver, images and stores in the test's hand; mount points are folders. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type ErrorCode, G8Error, isG8Error } from '../../../src/base/errors.ts';
import type { QuotaRule } from '../../../src/config/cache-quotas.ts';
import type { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import type { DriverOptions, ExplainedSession } from '../../../src/fs/driver.ts';
import type { ImageStore } from '../../../src/fs/images.ts';
import { MissLog } from '../../../src/fs/miss-log.ts';
import type { MountRequest } from '../../../src/fs/mount-record.ts';
import { MountTable } from '../../../src/fs/mounts.ts';
import type { ChunkStore } from '../../../src/store/store.ts';
import { gate } from '../../support/gate.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const { signal } = new AbortController();
const DIGEST = 'ab'.repeat(32);
const fails = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);

/** A session that is busy or broken when the test says so. */
class FakeSession implements ExplainedSession {
  readonly driver = 'native';
  readonly tier: 'fuse' | 'kernel';
  readonly passthrough = true;
  readonly options: DriverOptions;
  readonly onEnd: () => void;
  readonly closes: boolean[] = [];
  busy = false;
  /** Files are open: a lazy unmount does not end it. */
  inUse = false;
  waiting: Promise<void> = Promise.resolve();

  readonly contents = {} as ContentsReader;
  readonly misses: MissLog;

  constructor(options: DriverOptions, onEnd: () => void, tier: 'fuse' | 'kernel' = 'fuse') {
    this.tier = tier;
    this.misses = new MissLog({
      mountPoint: options.shownAt,
      names: { find: async () => undefined },
    });
    this.options = options;
    this.onEnd = onEnd;
  }
  stats() {
    return { requests: 7 };
  }
  requests() {
    return { lookup: 7 };
  }
  opens() {
    return [];
  }
  async close({ lazy }: { lazy: boolean }): Promise<void> {
    this.closes.push(lazy);
    await this.waiting;
    if (this.busy && !lazy) throw new G8Error('ERR_MOUNT', 'Busy');
    if (!this.inUse) this.onEnd();
  }
}

class World {
  readonly dir: string;
  readonly lowerDir: string;
  readonly table: MountTable;
  readonly sessions: FakeSession[] = [];
  readonly lines: string[] = [];
  storesOpen = 0;
  empty = 0;
  opened: Promise<void> = Promise.resolve();
  started: Promise<void> = Promise.resolve();
  driverError: unknown;
  kernelError: unknown;
  storeCloseError: unknown;
  endWhileOpening = false;

  constructor(t: TestContext, quotaRules: readonly QuotaRule[] = []) {
    this.dir = temporaryDirectory(t);
    this.lowerDir = join(this.dir, 'lower');
    const images = {
      open: async () => {
        await this.opened;
        return { digest: DIGEST, dir: join(this.dir, 'index'), router: undefined };
      },
    };
    const line = (_fields: unknown, message: string) => this.lines.push(message);
    this.table = new MountTable({
      images: images as unknown as ImageStore,
      lowerDir: this.lowerDir,
      log: { debug: line, info: line, warn: line, error: line },
      quotaRules,
      openStore: () => {
        this.storesOpen++;
        return { close: async () => this.#closeStore() } as unknown as ChunkStore;
      },
      cacheDir: join(this.dir, 'cache'),
      openDriver: (_driver, options, _store, onEnd) => this.#openDriver(options, onEnd),
      adoptKernel: async () => assert.fail('nothing is adopted'),
      openKernel: async ({ mountPoint }, _image, _store, onEnd) => {
        if (this.kernelError !== undefined) throw this.kernelError;
        const options = { mountPoint, shownAt: mountPoint } as DriverOptions;
        const session = new FakeSession(options, onEnd, 'kernel');
        this.sessions.push(session);
        return session;
      },
      onEmpty: () => this.empty++,
    });
  }

  async #closeStore(): Promise<void> {
    this.storesOpen--;
    if (this.storeCloseError !== undefined) throw this.storeCloseError;
  }

  async #openDriver(options: DriverOptions, onEnd: () => void): Promise<ExplainedSession> {
    await this.started;
    if (this.driverError !== undefined) throw this.driverError;
    const session = new FakeSession(options, onEnd);
    this.sessions.push(session);
    if (this.endWhileOpening) onEnd();
    return session;
  }

  point(name = 'a'): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  request(name = 'a', more: Partial<MountRequest> = {}): MountRequest {
    return {
      source: 'http://user:secret@hub.example/alice/a.flist?token=x',
      mountPoint: this.point(name),
      stores: [],
      deadlineMs: 1000,
      openMode: 'auto',
      driver: 'native',
      tier: 'fuse',
      allowOther: false,
      ...more,
    };
  }

  async mount(name = 'a'): Promise<FakeSession> {
    await this.table.mount(this.request(name), signal);
    return this.sessions.at(-1) as FakeSession;
  }

  mountPoints(): string[] {
    return this.table.list().map(({ mountPoint }) => mountPoint);
  }
}

test('MountTable.mount() gives the record that list() shows', async (t) => {
  const w = new World(t);
  const request = w.request();
  const record = await w.table.mount(request, signal);
  assert.deepEqual(w.table.list(), [record]);
  const { since, ...rest } = record;
  assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    mountPoint: request.mountPoint,
    source: 'http://hub.example/alice/a.flist',
    image: DIGEST,
    driver: 'native',
    tier: 'fuse',
    fallback: null,
    passthrough: true,
    upper: null,
    stats: { requests: 7 },
    prefetch: null,
    record: null,
    cacheQuota: null,
    quotaGroup: null,
    kept: false,
    restoring: false,
    quarantine: null,
  });
  assert.deepEqual([w.table.size, w.table.images()], [1, new Set([DIGEST])]);
  assert.equal(w.empty, 0);
});

test('MountTable.mount() gives a mount the bound of the first rule that fits', async (t) => {
  const w = new World(t, [
    { pattern: 'http://hub.example/alice/*', bytesMax: 2 ** 30, isTogether: true },
    { pattern: '*', bytesMax: 2 ** 31, isTogether: false },
  ]);
  const own = await w.table.mount(w.request('a', { cacheQuota: 2 ** 25 }), signal);
  const { cacheQuota, quotaGroup } = await w.table.mount(w.request('b'), signal);
  assert.deepEqual([own.cacheQuota, own.quotaGroup], [2 ** 25, null]);
  assert.deepEqual([cacheQuota, quotaGroup], [2 ** 30, 'http://hub.example/alice/*']);
});

test('MountTable.mount() takes the kernel tier where it can be had', async (t) => {
  const w = new World(t);
  const request = w.request('a', { tier: 'auto', upper: join(w.dir, 'upper') });
  const record = await w.table.mount(request, signal);
  assert.deepEqual([record.tier, record.fallback], ['kernel', null]);
  // The upper folder is part of the one overlay: nothing is mounted below it.
  assert.equal(w.sessions[0]?.options.mountPoint, request.mountPoint);
  assert.equal(existsSync(w.lowerDir), false);
  await w.table.unmount(request.mountPoint, false);
  assert.deepEqual([w.mountPoints(), w.storesOpen, w.empty], [[], 0, 1]);
});

test('MountTable.mount() says why it mounts by FUSE instead', async (t) => {
  const w = new World(t);
  w.kernelError = new G8Error('ERR_MOUNT', 'No EROFS here');
  const record = await w.table.mount(w.request('a', { tier: 'auto' }), signal);
  assert.deepEqual([record.tier, record.fallback], ['fuse', 'No EROFS here']);
  assert.ok(w.lines.includes('mounted by FUSE'));
});

test('MountTable.mount() fails when only the kernel tier will do', async (t) => {
  const w = new World(t);
  w.kernelError = new G8Error('ERR_MOUNT', 'No EROFS here');
  const failed = w.table.mount(w.request('a', { tier: 'kernel' }), signal);
  await assert.rejects(failed, {
    code: 'ERR_MOUNT',
    message: 'The kernel tier cannot be used: No EROFS here',
  });
  assert.deepEqual([w.sessions.length, w.storesOpen, w.empty], [0, 0, 1]);
});

test('MountTable.mount() shows the kernel no credentials', async (t) => {
  const w = new World(t);
  const { options } = await w.mount();
  assert.equal(options.source, 'a.flist');
});

test('MountTable.mount() refuses a mount point that is being mounted', async (t) => {
  const w = new World(t);
  const goOn = gate();
  w.opened = goOn.opened;
  const first = w.table.mount(w.request(), signal);
  await assert.rejects(w.table.mount(w.request(), signal), fails('ERR_MOUNT'));
  assert.equal(w.table.size, 1);
  goOn.open();
  await first;
  assert.equal(w.sessions.length, 1);
  await assert.rejects(w.table.mount(w.request(), signal), fails('ERR_MOUNT'));
  assert.deepEqual([w.table.size, w.empty], [1, 0]);
});

test('MountTable.mount() makes two mounts at once', async (t) => {
  const w = new World(t);
  await Promise.all([w.mount('a'), w.mount('b')]);
  assert.deepEqual(w.mountPoints().sort(), [w.point('a'), w.point('b')]);
});

for (const [name, path] of [
  ['that is absent', 'absent'],
  ['that is a file', 'file'],
] as const) {
  test(`MountTable.mount() refuses a mount point ${name} before it opens anything`, async (t) => {
    const w = new World(t);
    writeFileSync(join(w.dir, 'file'), '');
    const request = { ...w.request(), mountPoint: join(w.dir, path) };
    const code = path === 'file' ? 'ERR_MOUNT' : 'ERR_NO_INPUT';
    await assert.rejects(w.table.mount(request, signal), fails(code));
    assert.deepEqual([w.storesOpen, w.table.size, w.empty], [0, 0, 1]);
  });
}

test('MountTable.mount() closes the store when the driver fails, and can be tried again', async (t) => {
  const w = new World(t);
  w.driverError = new G8Error('ERR_NO_FUSE', 'No /dev/fuse');
  await assert.rejects(w.mount(), fails('ERR_NO_FUSE'));
  assert.deepEqual([w.storesOpen, w.table.size, w.empty], [0, 0, 1]);
  w.driverError = undefined;
  await w.mount();
  assert.equal(w.table.size, 1);
});

test('MountTable.mount() leaves no lower folder when the driver fails', async (t) => {
  const w = new World(t);
  w.driverError = new G8Error('ERR_NO_FUSE', 'No /dev/fuse');
  const request = w.request('a', { upper: join(w.dir, 'upper') });
  await assert.rejects(w.table.mount(request, signal), fails('ERR_NO_FUSE'));
  assert.deepEqual(readdirSync(w.lowerDir), []);
  assert.equal(existsSync(join(w.dir, 'upper')), false);
});

test('MountTable.mount() takes the lower mount away when the overlay fails', async (t) => {
  const w = new World(t);
  // A comma cannot stand in mount options.
  const request = w.request('a', { upper: join(w.dir, 'up,per') });
  await assert.rejects(w.table.mount(request, signal), fails('ERR_USAGE'));
  assert.deepEqual(w.sessions[0]?.closes, [true]);
  assert.equal(w.sessions[0]?.options.mountPoint, join(w.lowerDir, '1'));
  assert.deepEqual([readdirSync(w.lowerDir), w.storesOpen, w.table.size], [[], 0, 0]);
});

test('MountTable.mount() says why it failed even when the clean-up fails too', async (t) => {
  const w = new World(t);
  w.driverError = new G8Error('ERR_NO_FUSE', 'No /dev/fuse');
  w.storeCloseError = new Error('Store is stuck');
  await assert.rejects(w.mount(), fails('ERR_NO_FUSE'));
  assert.deepEqual(w.lines, ['clean-up of a failed mount failed']);
});

test('MountTable calls onEmpty when the first mount fails, but not while another goes on', async (t) => {
  const w = new World(t);
  const goOn = gate();
  w.started = goOn.opened;
  const good = w.table.mount(w.request('b'), signal);
  await assert.rejects(
    w.table.mount({ ...w.request(), mountPoint: join(w.dir, 'absent') }, signal),
    fails('ERR_NO_INPUT'),
  );
  assert.equal(w.empty, 0);
  goOn.open();
  await good;
  assert.equal(w.empty, 0);
});

test('MountTable.unmount() closes session and store, and calls onEmpty after the last', async (t) => {
  const w = new World(t);
  const a = await w.mount('a');
  await w.mount('b');
  await w.table.unmount(w.point('a'), false);
  assert.deepEqual(
    [a.closes, w.storesOpen, w.mountPoints(), w.empty],
    [[false], 1, [w.point('b')], 0],
  );
  await w.table.unmount(w.point('b'), true);
  await settled(w, 1);
  assert.deepEqual([w.sessions[1]?.closes, w.storesOpen, w.table.size, w.empty], [[true], 0, 0, 1]);
});

test('MountTable.unmount() does not know other mount points', async (t) => {
  const w = new World(t);
  await assert.rejects(w.table.unmount('/proc', false), fails('ERR_NO_INPUT'));
});

test('MountTable.unmount() leaves a busy mount as it is, and can be tried again', async (t) => {
  const w = new World(t);
  const session = await w.mount();
  session.busy = true;
  await assert.rejects(w.table.unmount(w.point(), false), fails('ERR_MOUNT'));
  assert.deepEqual([w.table.size, w.storesOpen, w.empty], [1, 1, 0]);
  session.busy = false;
  await w.table.unmount(w.point(), false);
  assert.deepEqual([w.table.size, w.storesOpen, w.empty], [0, 0, 1]);
});

test('MountTable.unmount() closes once for two calls at once', async (t) => {
  const w = new World(t);
  const session = await w.mount();
  await Promise.all([w.table.unmount(w.point(), false), w.table.unmount(w.point(), false)]);
  assert.deepEqual([session.closes, w.storesOpen, w.empty], [[false], 0, 1]);
});

test('MountTable.unmount() is lazy also while an attempt runs that finds the mount busy', async (t) => {
  const w = new World(t);
  const session = await w.mount();
  const goOn = gate();
  session.busy = true;
  session.waiting = goOn.opened;
  const polite = w.table.unmount(w.point(), false);
  const lazy = w.table.unmount(w.point(), true);
  goOn.open();
  await assert.rejects(polite, fails('ERR_MOUNT'));
  await lazy;
  await settled(w, 1);
  assert.deepEqual([session.closes, w.table.size, w.empty], [[false, true], 0, 1]);
});

test('MountTable calls onEmpty also when the last store cannot be closed', async (t) => {
  const w = new World(t);
  await w.mount();
  w.storeCloseError = new G8Error('ERR_IO', 'Store is stuck');
  await w.table.unmount(w.point(), false);
  assert.deepEqual([w.table.size, w.empty, w.lines.at(-1)], [0, 1, 'clean-up failed']);
});

/** Lets what was started without being awaited come to its end. */
async function settled(w: World, empty: number): Promise<void> {
  for (let turn = 0; turn < 1000 && w.empty < empty; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('MountTable forgets a mount that was unmounted from outside', async (t) => {
  const w = new World(t);
  const session = await w.mount();
  session.onEnd();
  await settled(w, 1);
  assert.deepEqual([w.table.size, w.storesOpen, session.closes, w.empty], [0, 0, [true], 1]);
  assert.ok(w.lines.includes('unmounted from outside'));
});

test('MountTable is not told twice: the end during an unmount of its own changes nothing', async (t) => {
  const w = new World(t);
  const session = await w.mount();
  const goOn = gate();
  session.waiting = goOn.opened;
  const unmounting = w.table.unmount(w.point(), false);
  session.onEnd();
  goOn.open();
  await unmounting;
  session.onEnd();
  await settled(w, 2);
  assert.deepEqual([session.closes, w.empty], [[false], 1]);
});

test('MountTable keeps a new mount when the lazily detached one before it ends', async (t) => {
  const w = new World(t);
  const old = await w.mount();
  old.inUse = true;
  await w.table.unmount(w.point(), true);
  assert.deepEqual([w.table.size, w.storesOpen, w.empty], [0, 1, 0], 'it still reads');
  const session = await w.mount();
  old.onEnd();
  await settled(w, 1);
  assert.deepEqual([session.closes, w.table.size, w.storesOpen, w.empty], [[], 1, 1, 0]);
});

test('MountTable.mount() fails when somebody unmounts before it is done', async (t) => {
  const w = new World(t);
  w.endWhileOpening = true;
  await assert.rejects(w.mount(), fails('ERR_MOUNT'));
  assert.deepEqual([w.sessions[0]?.closes, w.storesOpen, w.table.size, w.empty], [[true], 0, 0, 1]);
});

test('MountTable.close() unmounts all, busy or not', async (t) => {
  const w = new World(t);
  const a = await w.mount('a');
  const b = await w.mount('b');
  b.busy = true;
  await w.table.close();
  await settled(w, 1);
  assert.deepEqual([a.closes, b.closes, w.table.size, w.storesOpen], [[true], [true], 0, 0]);
  assert.equal(w.empty, 1);
});

test('MountTable.close() logs what it could not close and goes on', async (t) => {
  const w = new World(t);
  const a = await w.mount('a');
  const b = await w.mount('b');
  a.waiting = Promise.reject(new G8Error('ERR_MOUNT', 'Stuck'));
  await w.table.close();
  assert.deepEqual(
    [w.mountPoints(), b.closes, w.lines.at(-1)],
    [[w.point('a')], [true], 'unmount'],
  );
});

test('MountTable.close() takes along a mount that is being made', async (t) => {
  const w = new World(t);
  const goOn = gate();
  w.started = goOn.opened;
  const mounting = w.mount();
  // The driver is being opened when all that comes before has had its turn.
  for (let turn = 0; turn < 1000 && w.storesOpen === 0; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(w.storesOpen, 1);
  const closing = w.table.close();
  goOn.open();
  const session = await mounting;
  await closing;
  await settled(w, 1);
  assert.deepEqual([session.closes, w.table.size, w.storesOpen], [[true], 0, 0]);
});

test('MountTable.close() refuses mounts that come later or have not begun', async (t) => {
  const w = new World(t);
  const goOn = gate();
  w.opened = goOn.opened;
  const early = assert.rejects(w.mount('a'), fails('ERR_ABORTED'));
  const closing = w.table.close();
  goOn.open();
  await Promise.all([early, closing]);
  await assert.rejects(w.mount('b'), fails('ERR_ABORTED'));
  assert.deepEqual([w.sessions, w.storesOpen], [[], 0]);
});
