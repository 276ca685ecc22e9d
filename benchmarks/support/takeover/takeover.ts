/**
 * Kills a mount daemon, or replaces it, again and again under loads that notice any wrong byte (`loads.ts`), and
 * tells how long they waited.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MountRecord } from '../../../src/fs/mount-record.ts';
import { g8ufs, withHub } from '../../harness.ts';
import { killOnce, upgradeOnce } from './ends.ts';
import { type Load, type Moment, type Watched, withLoads } from './loads.ts';
import { type Pauses, pausesOf } from './pauses.ts';
import { makeTree } from './tree.ts';

export interface TakeoverOptions {
  readonly dir: string;
  readonly kills: number;
  readonly upgrades: number;
  /** How long a daemon works at most before it is ended. */
  readonly uptimeMsMax: number;
}

/** What loads have seen under one way of ending. */
export interface Endured {
  readonly count: number;
  readonly pauses: Pauses;
  /** Of daemons that were ended before they worked. */
  readonly pausesAgain: Pauses;
  readonly loads: Readonly<Record<string, LoadFigures>>;
}

export interface LoadFigures {
  readonly operations: number;
  readonly failed: number;
  readonly wrong: number;
  readonly longestMs: number;
}

export interface TakeoverResult {
  readonly kills: Endured | undefined;
  readonly upgrades: Endured | undefined;
  /** Empty when all is well. */
  readonly errors: readonly string[];
  readonly fetchedChunks: number;
}

/** Less than half of what is read: contents are evicted and fetched again all the time. */
const CACHE_SIZE = '32MiB';
const SIZE = { files: 160, large: 6 };
/** A run in which so many ends fail is given up. */
const ERRORS_COUNT_MAX = 20;

export async function takeover(options: TakeoverOptions): Promise<TakeoverResult> {
  const { dir, kills, upgrades, uptimeMsMax } = options;
  const source = join(dir, 'source');
  await makeTree(source, SIZE);
  return await withHub(join(dir, 'hub'), async (url) => {
    const flist = join(dir, 'image.flist');
    await g8ufs('flist', 'create', source, flist, '--store', url);
    const cache = join(dir, 'cache');
    const [plain, writable] = [join(dir, 'plain'), join(dir, 'writable')];
    for (const path of [plain, writable]) mkdirSync(path);
    // What is too slow for the usual 30 s shows in the pauses, and is no failure.
    const common = ['--cache', cache, '--prefetch', 'none', '--deadline', '300s'];
    await g8ufs('mount', flist, plain, ...common, '--cache-size', CACHE_SIZE);
    await g8ufs('mount', flist, writable, ...common, '--rw', '--upper', join(dir, 'upper'));
    try {
      const loads = (
        ['random', 'hold', 'storm', 'overlay', 'fio', 'python', 'containers'] as const
      ).map(
        (kind): Load => ({
          name: kind,
          kind,
          mountPoint: kind === 'overlay' ? writable : plain,
          source,
        }),
      );
      const errors: string[] = [];
      const endure = async (
        count: number,
        name: string,
        end: (cache: string, uptimeMsMax: number) => Promise<Moment>,
      ): Promise<Endured | undefined> => {
        if (count === 0) return undefined;
        const watched = await withLoads(join(dir, name), loads, () =>
          endEach(count, () => end(cache, uptimeMsMax), errors),
        );
        errors.push(...mistakes(watched));
        const seen = figures(watched);
        // A run takes long: what the first half has shown is not lost when the second one fails.
        process.stderr.write(`${name}: ${JSON.stringify(seen)}\n`);
        return seen;
      };
      const killing = await endure(kills, 'kills', killOnce);
      const upgrading = await endure(upgrades, 'upgrades', upgradeOnce);
      for (const { mountPoint, quarantine } of await g8ufs<MountRecord[]>('ps')) {
        if (quarantine !== null && mountPoint.startsWith(dir)) {
          errors.push(`${mountPoint} was not restored: ${quarantine.message}`);
        }
      }
      const status = await g8ufs<{ fetchedChunks: number }>('cache', 'status', '--cache', cache);
      const { fetchedChunks } = status;
      return { kills: killing, upgrades: upgrading, errors, fetchedChunks };
    } finally {
      await g8ufs('umount', '--lazy', writable, plain);
    }
  });
}

/** An end that fails is a mistake like others, but what loads have seen until then shall not be lost. */
async function endEach(
  count: number,
  end: () => Promise<Moment>,
  errors: string[],
): Promise<Moment[]> {
  const moments: Moment[] = [];
  for (let i = 0; i < count && errors.length < ERRORS_COUNT_MAX; i++) {
    try {
      moments.push(await end());
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  return moments;
}

/** What went wrong, and which loads did too little to have noticed. */
export function mistakes({ moments, reports }: Watched): string[] {
  return [...reports].flatMap(([name, { operations, failed, wrong, words }]) => [
    ...(failed + wrong > 0
      ? [`${name}: ${failed} failed, ${wrong} wrong: ${words.join('; ')}`]
      : []),
    ...(operations < moments.length ? [`${name} did only ${operations} operations`] : []),
  ]);
}

function figures(watched: Watched): Endured {
  const { once, again } = pausesOf(watched);
  return {
    count: watched.moments.length,
    pauses: once,
    pausesAgain: again,
    loads: loadFigures(watched),
  };
}

export function loadFigures({ reports }: Watched): Record<string, LoadFigures> {
  const entries = [...reports].map(([name, { operations, failed, wrong, slow }]) => {
    const longestMs = slow.reduce((max, [, ms]) => Math.max(max, ms), 0);
    return [name, { operations, failed, wrong, longestMs }] as const;
  });
  return Object.fromEntries(entries);
}
