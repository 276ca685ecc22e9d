/**
 * Every recipe of `flists/` but that of the hub, which needs g8ufs itself installed: built twice, which must give the same flist, and its program run in a mount
 * with an empty cache. Needs root, mmdebstrap and a Debian mirror.
 *
 * Workloads: `build` (mmdebstrap and create), `container-start` (mount, program, share that was fetched).
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { g8ufs, run, type SuiteOptions, withFolder, withHub } from '../harness.ts';

const RECIPES = join(process.cwd(), 'flists');
/** What is run in an image, by the recipe's name; the shell where there is nothing to say. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  node: ['/usr/bin/node', '-e', 'console.log(process.version)'],
  nginx: ['/usr/sbin/nginx', '-v'],
  python: ['/usr/bin/python3', '-c', 'import json, sqlite3, ssl; print(ssl.OPENSSL_VERSION)'],
  redis: ['/usr/bin/redis-server', '--version'],
};
const SHELL = ['/bin/sh', '-c', 'echo works'];

interface Built {
  readonly entries: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly flistSize: number;
  readonly rootDigest: string;
}

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const names = (await readdir(RECIPES))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .filter((name) => name !== 'hub')
    .filter((name) => !quick || name === 'busybox' || name === 'minimal');
  const rows: [string, unknown][] = [];
  for (const name of names) rows.push([name, await recipe(name)]);
  return Object.fromEntries(rows);
}

/** One recipe with a hub and a cache of its own. */
function recipe(name: string): Promise<Record<string, unknown>> {
  return withFolder((dir) =>
    withHub(join(dir, 'hub'), async (url) => {
      const seconds: number[] = [];
      const build = async (): Promise<Built> => {
        const start = performance.now();
        const built = await g8ufs<Built>(
          'flist',
          'build',
          join(RECIPES, `${name}.yaml`),
          join(dir, 'image.flist'),
          '--store',
          url,
        );
        seconds.push(Math.round((performance.now() - start) / 1000));
        return built;
      };
      const first = await build();
      const second = await build();
      if (first.rootDigest !== second.rootDigest) throw new Error(`${name} is not reproducible`);

      const mnt = join(dir, 'mnt');
      const cache = join(dir, 'cache');
      await mkdir(mnt);
      const start = performance.now();
      await g8ufs('mount', join(dir, 'image.flist'), mnt, '--cache', cache);
      try {
        await run('chroot', [mnt, ...(PROGRAMS[name] ?? SHELL)]);
        const startMs = Math.round(performance.now() - start);
        const { fetchedBytes } = await g8ufs<{ fetchedBytes: number }>(
          'cache',
          'status',
          '--cache',
          cache,
        );
        return {
          entries: first.entries,
          imageMB: Math.round(first.bytes / 1e5) / 10,
          storedMB: Math.round(first.storedBytes / 1e5) / 10,
          flistKiB: Math.round(first.flistSize / 1024),
          buildSeconds: seconds,
          'mount and program, ms': startMs,
          fetchedShareOfStored: Math.round((1000 * fetchedBytes) / first.storedBytes) / 1000,
          rootDigest: first.rootDigest,
        };
      } finally {
        await g8ufs('umount', '--lazy', mnt);
      }
    }),
  );
}
