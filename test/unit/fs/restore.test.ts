/** Mounts of a predecessor: what becomes of one whose restoring does not come to an end. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { BoundedRestore } from '../../../src/fs/takeover/bounded-restore.ts';
import { encodeState, type HeldMountState } from '../../../src/fs/takeover/held-state.ts';
import { MountKeeper } from '../../../src/fs/takeover/keeper.ts';
import { PendingRestores } from '../../../src/fs/takeover/pending-restores.ts';
import { Quarantine } from '../../../src/fs/takeover/quarantine.ts';
import { parseEntries, restoreAll } from '../../../src/fs/takeover/restore.ts';
import { addon } from '../../../src/native/load.ts';

const SILENCE_MS = 75;
const NEVER = new Promise<void>(() => {});
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

function stateOf(mountPoint: string): HeldMountState {
  return {
    kind: 'mount',
    request: {
      source: '/image.flist',
      mountPoint,
      stores: [],
      deadlineMs: 1000,
      openMode: 'auto',
      driver: 'native',
      tier: 'fuse',
      allowOther: false,
    },
    image: '0'.repeat(64),
    tier: 'fuse',
    since: new Date(0).toISOString(),
  };
}

interface Case {
  /** What restoring each mount point comes to. */
  readonly works: Readonly<Record<string, Promise<void>>>;
  readonly attempts?: number;
  readonly isDiskAway?: boolean;
}

function begin({ works, attempts = 0, isDiskAway = false }: Case) {
  const begun: string[] = [];
  const givenUp = new Map<string, AbortSignal>();
  const pending = new PendingRestores();
  // Without a connection everything it is told comes to nothing.
  const keeper = new MountKeeper({
    cacheDir: '/nowhere',
    addon: addon(),
    successor: { argv: [], env: {} },
    standbys: 0,
    log: LOG,
    onStarted: async () => {},
  });
  const quarantine = new Quarantine(undefined, LOG);
  const entries = Object.keys(works).map((mountPoint, id) => ({
    id,
    attempts,
    hasDevice: true,
    state: encodeState(stateOf(mountPoint)),
  }));
  const over = restoreAll(parseEntries(entries), {
    ...{ keeper, quarantine, pending, log: LOG, silenceMs: SILENCE_MS },
    restoreMount: async (_entry, { request: { mountPoint } }, signal) => {
      begun.push(mountPoint);
      givenUp.set(mountPoint, signal);
      await works[mountPoint];
    },
    restoreObjects: async () => {},
    loseObjects: async () => {},
    resumeObjects: async () => {},
    isDiskAway: () => isDiskAway,
  });
  const aside = (): unknown[] =>
    quarantine.list().map(({ mountPoint, quarantine: why }) => [mountPoint, why?.code]);
  return { over, begun, givenUp, pending, aside };
}

function openPromise() {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

test('restoreAll() sets a mount aside whose restoring does not end, and restores the others', async () => {
  const run = begin({ works: { '/a': Promise.resolve(), '/b': NEVER, '/c': Promise.resolve() } });
  assert.equal(run.pending.size, 3);
  const settled = run.pending.settled('/c');
  await settled;
  assert.deepEqual(
    run.pending.list().map(({ mountPoint, restoring }) => [mountPoint, restoring]),
    [['/b', true]],
  );
  await run.over;
  assert.deepEqual(run.aside(), [['/b', 'ERR_TIMEOUT']]);
  assert.deepEqual(
    [...run.givenUp].map(([mountPoint, signal]) => [mountPoint, signal.aborted]),
    [
      ['/a', false],
      ['/b', true],
      ['/c', false],
    ],
  );
  assert.equal(run.pending.size, 0);
});

test('restoreAll() lets a mount wait for a disk that does not answer', async () => {
  const a = openPromise();
  const run = begin({ works: { '/a': a.promise, '/b': Promise.resolve() }, isDiskAway: true });
  await run.over;
  assert.deepEqual(run.aside(), []);
  assert.deepEqual(
    run.pending.list().map(({ mountPoint }) => mountPoint),
    ['/a'],
  );
  a.resolve();
  await run.pending.allSettled();
  assert.equal(run.givenUp.get('/a')?.aborted, false);
});

test('restoreAll() begins none behind one that waits for the disk before that one is over', async () => {
  const a = openPromise();
  const works = { '/a': a.promise, '/b': Promise.resolve() };
  const run = begin({ works, attempts: 1, isDiskAway: true });
  await run.over;
  assert.deepEqual(run.begun, ['/a']);
  assert.equal(run.pending.size, 2);
  a.resolve();
  await run.pending.allSettled();
  assert.deepEqual(run.begun, ['/a', '/b']);
  assert.deepEqual(run.aside(), []);
});

test('BoundedRestore.run() waits for as long as others get ready', async () => {
  const bound = new BoundedRestore(SILENCE_MS);
  let isOver = false;
  const slow = bound.run(delay(4 * SILENCE_MS)).finally(() => {
    isOver = true;
  });
  for (let i = 0; i < 10; i++) {
    await bound.run(delay(SILENCE_MS / 3));
    await setImmediate();
    if (!isOver) continue;
    break;
  }
  assert.equal(await slow, true);
  assert.equal(await bound.run(NEVER), false);
});
