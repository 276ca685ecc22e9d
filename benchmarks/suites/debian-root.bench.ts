/**
 * A Debian root from directory to running program: create, serve, mount with an empty cache, run python3 in
 * it, compare everything with rsync.
 *
 * Workloads: `create`, `container-start` cold (new cache, new mount) and warm (second run on the same mount),
 * `identity` (rsync reads every byte through the mount). The root is made once, below /var/tmp.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { g8ufs, run, type SuiteOptions, spread, timed, withFolder, withHub } from '../harness.ts';

const ROOT = process.env['G8UFS_DEBIAN_ROOT'] ?? '/var/tmp/g8ufs-debian-root';
const PROGRAM = ['python3', '-c', 'import json,sqlite3,ssl; print(1)'];
const RUNS = 5;

interface Created {
  entries: number;
  bytes: number;
  storedBytes: number;
  flistSize: number;
  rootDigest: string;
  seconds: number;
}

/** Makes the root with debootstrap unless it is there: python3, perl and git, about 12 400 entries. */
export async function debianRoot(): Promise<string> {
  if (!existsSync(join(ROOT, 'usr/bin/git'))) {
    const packages = 'python3,perl,git,ca-certificates,libcap2-bin';
    // Made beside and renamed: a run that is cut off, or another one at the same time, leaves no half root.
    const partial = await mkdtemp(`${ROOT}.`);
    try {
      await run('debootstrap', ['--variant=minbase', `--include=${packages}`, 'bookworm', partial]);
      await chmod(partial, 0o755);
      await rm(ROOT, { recursive: true, force: true });
      await rename(partial, ROOT);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  return ROOT;
}

export async function runSuite({ quick }: SuiteOptions): Promise<Record<string, unknown>> {
  const root = await debianRoot();
  return withFolder((dir) =>
    withHub(join(dir, 'hub'), async (url) => {
      const flist = join(dir, 'debian.flist');
      const created = await g8ufs<Created>('flist', 'create', root, flist, '--store', url);
      await g8ufs('push', flist, `${url}/bench/debian`);

      const cold: number[] = [];
      const warm: number[] = [];
      const plain: number[] = [];
      let fetchedBytes = 0;
      let mountMs = 0;
      for (let i = 0; i < (quick ? 1 : RUNS); i++) {
        const cache = join(dir, `cache-${i}`);
        const mnt = join(dir, `mnt-${i}`);
        await mkdir(mnt);
        const start = performance.now();
        const mounted = await g8ufs<{ elapsedMs: number }>(
          'mount',
          `${url}/bench/debian.flist`,
          mnt,
          '--cache',
          cache,
        );
        try {
          mountMs = mounted.elapsedMs;
          await run('chroot', [mnt, ...PROGRAM]);
          cold.push(performance.now() - start);
          const status = await g8ufs<{ fetchedBytes: number }>('cache', 'status', '--cache', cache);
          fetchedBytes = status.fetchedBytes;
          warm.push(await timed('chroot', [mnt, ...PROGRAM]));
          plain.push(await timed('chroot', [root, ...PROGRAM]));
        } finally {
          await g8ufs('umount', '--lazy', mnt);
        }
      }
      return {
        entries: created.entries,
        imageBytes: created.bytes,
        storedBytes: created.storedBytes,
        flistBytes: created.flistSize,
        rootDigest: created.rootDigest,
        createSeconds: created.seconds,
        fetchedBytes,
        fetchedShareOfImage: fetchedBytes / created.bytes,
        fetchedShareOfStored: fetchedBytes / created.storedBytes,
        'mount from hub, empty cache, ms': mountMs,
        'mount and first python3, ms': spread(cold),
        'python3 warm, ms': spread(warm),
        'python3 in the source root, ms': spread(plain),
        ...(await identity(root, flist, dir)),
      };
    }),
  );
}

/** What rsync would change between the source and the mount: nothing, or the lines it prints. */
async function identity(
  root: string,
  flist: string,
  dir: string,
): Promise<Record<string, unknown>> {
  const mnt = join(dir, 'mnt-identity');
  await mkdir(mnt);
  await g8ufs('mount', flist, mnt, '--cache', join(dir, 'cache-identity'));
  try {
    const start = performance.now();
    const { stdout } = await promisify(execFile)(
      'rsync',
      ['-n', '-c', '-aHAXS', '--itemize-changes', `${root}/`, `${mnt}/`],
      { maxBuffer: 1 << 28 },
    );
    return {
      rsyncDifferences: stdout.split('\n').filter((line) => line !== '').length,
      'rsync over everything, s': Math.round((performance.now() - start) / 100) / 10,
    };
  } finally {
    await g8ufs('umount', '--lazy', mnt);
  }
}
