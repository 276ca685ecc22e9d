/**
 * A successor that stands by: a mount daemon that has loaded what it will need and waits for the death of the one
 * that works. It has nothing but memory: no cache, no connection, no thread of its own.
 */
import { readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addon, addonPath } from '../native/load.ts';
import { packageRoot } from '../native/package-root.ts';

/** Where the keeper says that it is time (native/keeper/protocol.h). */
const WAIT_FD = 3;

/** Loads what a daemon needs to serve its predecessor's mounts, what is absent included. */
export async function loadAhead(): Promise<void> {
  addon();
  await Promise.all([
    import('./daemon-process.ts'),
    // For the first lines of its log, and the first read of what is absent.
    import('pino'),
    import('yaml'),
    import('../store/open.ts'),
    import('../store/retry.ts'),
    import('../store/bundle-router.ts'),
    import('../store/router-config.ts'),
  ]);
}

/**
 * Resolves when this process is needed; ends it when it is not, or is not the program any more that is on the disk.
 *
 * @throws whatever keeps a daemon from being loaded
 */
export async function standBy(): Promise<void> {
  const before = programIdentity();
  await loadAhead();
  collectGarbage();
  // Not asynchronously: that would take a thread. Signals do what they do to any process until then.
  const count = readSync(WAIT_FD, Buffer.alloc(1));
  // Its keeper has gone; or somebody has put another version in its place, which is what shall run.
  if (count === 0 || programIdentity() !== before) process.exit(0);
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
