/**
 * What a daemon that takes over works with while the disk of its cache cannot be used: an empty cache in the runtime
 * folder, in which nothing is kept. The readers of its predecessor are served from the stores, through memory. Tries
 * the real cache all the time, and makes way for a successor when that can be opened again.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import type { CacheOptions } from '../cache/cache-options.ts';
import { probeFolder } from '../cache/health.ts';
import { CacheLayout } from '../cache/layout.ts';
import { State } from '../cache/state.ts';
import { isAlive } from './registry.ts';

const NAME = /^stand-in-(\d+)$/;

export interface StandInPlace {
  /** A folder on another disk. */
  readonly parent: string;
  /** What the real cache said. */
  readonly failure: string;
  /** The opening of the real cache, when its disk does not answer: it ends when the disk does. */
  readonly opening?: Promise<unknown> | undefined;
  /** Called before this process makes way. */
  readonly onEnd: () => void;
}

/**
 * Options of a cache that stands in for the one of `options`.
 *
 * @throws as `makeFolder`
 */
export async function standInFor(
  options: CacheOptions,
  { parent, failure, opening, onEnd }: StandInPlace,
): Promise<CacheOptions> {
  await makeFolder(parent, { mode: 0o700 });
  await removeStandIns(parent);
  const makeWay = (): void => {
    onEnd();
    // What it leaves is no worse than what a kill would; whoever is started then has the real cache.
    process.kill(process.pid, 'SIGKILL');
  };
  let isDiskAway = opening !== undefined;
  const answered = opening?.then(makeWay, () => {
    // It has answered, and the cache could not be opened.
    isDiskAway = false;
  });
  return {
    ...options,
    dir: join(parent, `stand-in-${process.pid}`),
    standsIn: {
      message: failure,
      probe: async () => {
        // Another try would be one more that waits.
        await answered;
        await tryCache(options.dir);
      },
      restore: async () => makeWay(),
      isDiskAway: () => isDiskAway,
    },
  };
}

/** Removes the folders of processes that are gone. */
export async function removeStandIns(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** What the next daemon would meet. @throws what the disk says */
async function tryCache(dir: string): Promise<void> {
  const layout = new CacheLayout(dir);
  await probeFolder(layout.tmp);
  const { state } = await State.open(layout.state);
  await state.close();
}
