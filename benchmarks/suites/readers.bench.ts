/**
 * Many readers and many mounts on one daemon. Needs root and a C++ compiler.
 *
 * Workloads: `readers`: 16 processes read 16 parts of a tree whole, which are in 1, 4 or 16 images, each with its
 * mount: from a hub on loopback into an empty cache, then from the cache through new mounts, then once more;
 * beside the same parts on the disk's file system. `mounts`: 200 mounts of 20 images: time of each, memory, whether all are readable and what is
 * left when they are gone.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { g8ufs, median, run, type SuiteOptions, withFolder, withHub } from '../harness.ts';
import { type Held, WatchedDaemon } from '../support/daemon.ts';
import { Parts } from '../support/many-images.ts';
import { buildWorkload, runWorkload } from '../support/workload.ts';

const READERS = 16;
const MOUNT_COUNTS = [1, 4, 16];
const IMAGES = 20;
const MOUNTS = 200;
const SAMPLE_MS = 200;
/** Descriptors and threads may go a moment after what they were for. */
const SETTLE_MS = 10_000;

export async function runSuite({ quick, only }: SuiteOptions): Promise<Record<string, unknown>> {
  await buildWorkload();
  return await withFolder((dir) =>
    withHub(join(dir, 'hub'), async (store) => {
      const size = quick ? { smallFiles: 200, largeMiB: 4 } : { smallFiles: 1000, largeMiB: 32 };
      const parts = Parts.make(join(dir, 'parts'), IMAGES, size);
      const rows: Record<string, unknown> = {};
      if (only === undefined || only === 'readers') {
        Object.assign(rows, await readers(dir, store, parts));
      }
      if (only === undefined || only === 'mounts') {
        Object.assign(rows, await mounts(dir, store, parts, MOUNTS));
      }
      return rows;
    }),
  );
}

async function readers(dir: string, store: string, parts: Parts): Promise<Record<string, unknown>> {
  const places = Array.from({ length: READERS }, (_, part) => join(parts.folder, String(part)));
  const mib = (READERS * parts.bytes) / 2 ** 20;
  await readAll(places);
  const disk = mib / median([await readAll(places), await readAll(places), await readAll(places)]);
  const rows: Record<string, unknown> = {
    'parts, MiB': Math.round(mib),
    'ext4, in memory, MiB/s': Math.round(disk),
  };
  for (const count of MOUNT_COUNTS) {
    const images: string[] = [];
    for (let index = 0; index < count; index++) {
      const each = READERS / count;
      const some = Array.from({ length: each }, (_, part) => index * each + part);
      images.push(await parts.image(join(dir, `${count}-${index}.flist`), some, store));
    }
    rows[`${READERS} readers, ${count} mount${count > 1 ? 's' : ''}`] = await withDaemon(
      dir,
      `${count}`,
      (daemon) => readThrough(daemon, images, { store, mib, disk }),
    );
  }
  return rows;
}

async function readThrough(
  daemon: WatchedDaemon,
  images: readonly string[],
  { store, mib, disk }: { store: string; mib: number; disk: number },
): Promise<Record<string, unknown>> {
  const before = await daemon.held();
  const rows: Record<string, unknown> = {};
  for (const kinds of [['cold'], ['cached, new mounts', 'cached, again']]) {
    const mounted: string[] = [];
    for (const image of images) mounted.push(await daemon.mount(image, store));
    const places = Array.from({ length: READERS }, (_, part) =>
      join(mounted[Math.floor(part / (READERS / images.length))] as string, String(part)),
    );
    for (const kind of kinds) {
      const peak = watch(daemon);
      const seconds = await readAll(places);
      const { rss, threads, fds } = await peak();
      rows[kind] = {
        'MiB/s': Math.round(mib / seconds),
        ofDisk: Math.round((100 * mib) / seconds / disk) / 100,
        rssMiB: Math.round(rss),
        threads,
        fds,
      };
    }
    for (const mountPoint of mounted) await daemon.unmount(mountPoint);
  }
  rows['descriptors before and after'] = [before.fds, await settled(daemon, before.fds)];
  return rows;
}

/** Seconds until every reader has read its folder whole. */
async function readAll(folders: readonly string[]): Promise<number> {
  const start = performance.now();
  await Promise.all(folders.map((folder) => runWorkload(1, ['readall', folder])));
  return (performance.now() - start) / 1000;
}

/** Starts to watch; the result ends it and gives the highest of each figure. */
function watch(daemon: WatchedDaemon): () => Promise<Held> {
  const samples: Held[] = [];
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      samples.push(await daemon.held());
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    samples.push(await daemon.held());
    const max = (field: keyof Held): number => Math.max(...samples.map((held) => held[field]));
    const [first] = samples;
    const fields = Object.keys(first ?? {}) as (keyof Held)[];
    return Object.fromEntries(fields.map((field) => [field, max(field)])) as unknown as Held;
  };
}

async function mounts(
  dir: string,
  store: string,
  parts: Parts,
  count: number,
): Promise<Record<string, unknown>> {
  const images: string[] = [];
  for (let index = 0; index < IMAGES; index++) {
    images.push(await parts.image(join(dir, `mount-${index}.flist`), [index], store));
  }
  const row = await withDaemon(dir, 'mounts', async (daemon) => {
    const before = await daemon.held();
    const times: number[] = [];
    const mounted: string[] = [];
    const start = performance.now();
    for (let index = 0; index < count; index++) {
      const from = performance.now();
      mounted.push(await daemon.mount(images[index % IMAGES] as string, store));
      times.push(performance.now() - from);
    }
    const seconds = (performance.now() - start) / 1000;
    const during = await daemon.held();
    if (during.mounts !== count + 1) throw new Error(`${during.mounts} mounts instead of ${count}`);
    for (const [index, mountPoint] of mounted.entries()) {
      const part = String(index % IMAGES);
      await run('cmp', [join(parts.folder, part, '0/7'), join(mountPoint, part, '0/7')]);
    }
    const read = await daemon.held();
    const end = performance.now();
    for (const mountPoint of mounted) await daemon.unmount(mountPoint);
    const unmountSeconds = (performance.now() - end) / 1000;
    const fds = await settled(daemon, before.fds);
    const after = await daemon.held();
    const tenth = Math.ceil(count / 10);
    return {
      'mounts per second': Math.round(count / seconds),
      'first and last tenth, ms each': [
        times.slice(IMAGES, IMAGES + tenth),
        times.slice(-tenth),
      ].map((some) => Math.round(10 * median(some)) / 10),
      'unmounts per second': Math.round(count / unmountSeconds),
      'RSS per mount, KiB': Math.round(((during.rss - before.rss) * 1024) / count),
      'RSS before, all mounted, all read, after, MiB': [before, during, read, after].map(
        ({ rss }) => Math.round(rss),
      ),
      'threads before, all mounted, after': [before, during, after].map(({ threads }) => threads),
      'descriptors before, all mounted, all read, after': [before.fds, during.fds, read.fds, fds],
      'mounts left': after.mounts - before.mounts,
    };
  });
  return { [`${count} mounts of ${IMAGES} images`]: row };
}

/** A daemon with an empty cache, and one mount that keeps it there. */
async function withDaemon<T>(
  dir: string,
  name: string,
  work: (daemon: WatchedDaemon) => Promise<T>,
): Promise<T> {
  const folder = join(dir, `mounts-${name}`);
  const empty = join(dir, `empty-${name}`);
  const keeper = `${empty}.flist`;
  mkdirSync(folder);
  mkdirSync(empty);
  const keeperStore = `dir://${empty}.chunks`;
  await g8ufs('flist', 'create', empty, keeper, '--store', keeperStore);
  return await WatchedDaemon.with(
    { cacheDir: join(dir, `cache-${name}`), dir: folder },
    async (daemon) => {
      const mountPoint = await daemon.mount(keeper, keeperStore);
      try {
        return await work(daemon);
      } finally {
        await daemon.unmount(mountPoint).catch(() => {});
      }
    },
  );
}

/** Descriptors when they are back at `expected`, or what they are after a while. */
async function settled(daemon: WatchedDaemon, expected: number): Promise<number> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const { fds } = await daemon.held();
    if (fds <= expected || performance.now() > deadline) return fds;
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
}
