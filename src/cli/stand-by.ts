/**
 * A successor that stands by: a mount daemon that has loaded what it will need and waits for the death of the one
 * that works. It has nothing but memory: no cache and no connection.
 */
import { read, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addon, addonPath } from '../native/load.ts';
import { packageRoot } from '../native/package-root.ts';

/** Where the keeper says that it is time (native/keeper/protocol.h). */
const WAIT_FD = 3;

/** What a daemon needs to serve its predecessor's mounts, what is absent included: from the most needed. */
const STEPS: readonly (() => Promise<unknown>)[] = [
  async () => addon(),
  () => import('./daemon-process.ts'),
  // For the first lines of its log, and the settings and routers of mounts.
  () => import('pino'),
  () => import('yaml'),
  openOneStore,
];

/** @param isNeeded asked between the steps: what is left then is loaded when it is used, as ever */
export async function loadAhead(isNeeded: () => boolean = () => false): Promise<void> {
  for (const step of STEPS) {
    if (isNeeded()) return;
    await step();
    await setImmediate();
  }
}

/**
 * Nobody is asked anything by this: it loads the client, and has run what is slow when it runs for the first time.
 */
async function openOneStore(): Promise<void> {
  const { openMountStore } = await import('../fs/mount-store.ts');
  const hub = 'http://127.0.0.1:1';
  const store = openMountStore({
    source: `${hub}/nobody/nothing.flist`,
    stores: [],
    image: { router: `pools: { all: { "00:ff": "${hub}" } }\nlookup: [all]\n` },
    deadlineMs: 1_000,
  });
  await store.warmUp();
  await store.close();
}

/**
 * Resolves when this process is needed; ends it when it is not, or is not the program any more that is on the disk.
 *
 * @throws whatever keeps a daemon from being loaded
 */
export async function standBy(): Promise<void> {
  const before = programIdentity();
  let isNeeded = false;
  const word = new Promise<number>((resolve) => {
    read(WAIT_FD, Buffer.alloc(1), 0, 1, null, (error, count) => {
      isNeeded = true;
      resolve(error === null ? count : 0);
    });
  });
  await loadAhead(() => isNeeded);
  if (!isNeeded) collectGarbage();
  // Its keeper has gone; or somebody has put another version in its place, which is what shall run.
  if ((await word) === 0 || programIdentity() !== before) process.exit(0);
}

/** What a package manager or a build changes when it replaces this program, or what runs it. */
function programIdentity(): string {
  const files = [
    process.execPath,
    process.argv[1] ?? '',
    fileURLToPath(import.meta.url),
    join(packageRoot(), 'package.json'),
    addonPath(),
  ];
  return files
    .map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }))
    .map((stats) => `${stats?.dev}:${stats?.ino}:${stats?.ctimeNs}`)
    .join();
}

/** What has only served to load: a third of what this process has for itself. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
