/** What a self-test does to a mount, and what has to hold then. */
import { chmod, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { formatSize } from '../../base/bytes.ts';
import { plural } from '../../base/plural.ts';
import { readAll } from './read-all.ts';
import type { World } from './world.ts';

export interface Scenario {
  readonly name: string;
  /** @returns what held; throws what did not */
  run(world: World, signal: AbortSignal): Promise<string>;
}

const CUT_EVERY_MS = 150;
const STALL_MS = 2_000;
/** A third of the image: contents are evicted while others are read. */
const SMALL_CACHE = ['--cache-size', '1MiB', '--cache-free', '0'];

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'every file, from an empty cache',
    run: async (world, signal) => {
      const cache = await world.newCache();
      const mountPoint = await world.mount(cache);
      await expectAll(world, mountPoint, signal);
      // All of it is here now: the hub is not needed any more.
      world.door.still = true;
      await expectAll(world, mountPoint, signal);
      world.door.still = false;
      await world.endDaemon(cache);
      return `${plural(world.digests.size, 'file')}, ${formatSize(world.bytes)}; once more without the hub`;
    },
  },
];

export const CHAOS: readonly Scenario[] = [
  {
    name: 'connections to the hub are cut',
    run: async (world, signal) => {
      const cache = await world.newCache();
      const mountPoint = await world.mount(cache);
      let cuts = 0;
      const timer = setInterval(() => {
        cuts++;
        world.door.cut();
      }, CUT_EVERY_MS);
      try {
        await expectAll(world, mountPoint, signal);
      } finally {
        clearInterval(timer);
      }
      await world.endDaemon(cache);
      return `all files right after ${plural(cuts, 'cut')}`;
    },
  },
  {
    name: 'the hub stands still',
    run: async (world, signal) => {
      const cache = await world.newCache();
      const mountPoint = await world.mount(cache);
      world.door.still = true;
      const reading = expectAll(world, mountPoint, signal);
      await pause(STALL_MS, undefined, { signal }).finally(() => {
        world.door.still = false;
      });
      await reading;
      await world.endDaemon(cache);
      return `readers waited ${STALL_MS / 1000} s, and all files are right`;
    },
  },
  {
    name: 'a chunk of the hub is corrupt',
    run: async (world, signal) => {
      const chunk = await largestFile(join(world.dir, 'hub/chunks'));
      const mend = await flip(chunk);
      try {
        const cache = await world.newCache();
        const mountPoint = await world.mount(cache);
        const { right, wrong, refused } = await readAll(mountPoint, world.digests, signal);
        if (wrong > 0) throw new Error(`${plural(wrong, 'file')} with wrong bytes`);
        if (refused === 0) throw new Error('nothing was refused');
        await mend();
        await expectAll(world, mountPoint, signal);
        await world.endDaemon(cache);
        return `${refused} refused, ${right} right, no wrong byte; all right when it is mended`;
      } finally {
        await mend();
      }
    },
  },
  {
    name: 'a file of the cache is altered',
    run: async (world, signal) => {
      const cache = await world.newCache();
      await expectAll(world, await world.mount(cache), signal);
      await world.endDaemon(cache);
      await flip(await largestFile(join(cache, 'files')));
      await expectAll(world, await world.mount(cache), signal);
      await world.endDaemon(cache);
      return 'found, dropped and fetched again';
    },
  },
  {
    name: 'the cache is too small',
    run: async (world, signal) => {
      const cache = await world.newCache();
      const mountPoint = await world.mount(cache, SMALL_CACHE);
      await expectAll(world, mountPoint, signal);
      await expectAll(world, mountPoint, signal);
      await world.endDaemon(cache);
      return `twice ${formatSize(world.bytes)} through a cache of ${SMALL_CACHE[1]}`;
    },
  },
  {
    name: 'the mount daemon is killed',
    run: async (world, signal) => {
      const cache = await world.newCache();
      const mountPoint = await world.mount(cache);
      const isKept = await world.isKept(cache, mountPoint);
      const reading = readAll(mountPoint, world.digests, signal);
      await pause(CUT_EVERY_MS, undefined, { signal });
      await world.killDaemon(cache);
      const { wrong, refused } = await reading;
      if (wrong > 0) throw new Error(`${plural(wrong, 'file')} with wrong bytes`);
      if (isKept && refused > 0) throw new Error(`${plural(refused, 'file')} refused`);
      if (!isKept) await world.detach();
      await expectAll(world, isKept ? mountPoint : await world.mount(cache), signal);
      await world.endDaemon(cache);
      return isKept
        ? 'its successor went on, and every read was right'
        : `${refused} refused meanwhile, no wrong byte; all right on a new mount of its cache`;
    },
  },
];

/** @throws unless every file is right */
async function expectAll(world: World, mountPoint: string, signal: AbortSignal): Promise<void> {
  const { right, wrong, refused } = await readAll(mountPoint, world.digests, signal);
  if (right === world.digests.size) return;
  throw new Error(
    `${right} of ${plural(world.digests.size, 'file')} right, ${wrong} wrong, ${refused} refused`,
  );
}

async function largestFile(folder: string): Promise<string> {
  let [largest, size] = ['', -1];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const info = await stat(path);
    if (info.size > size) [largest, size] = [path, info.size];
  }
  if (size < 0) throw new Error(`${folder} is empty`);
  return largest;
}

/** Inverts a byte in the middle of a file. @returns what puts it back, once */
async function flip(path: string): Promise<() => Promise<void>> {
  await chmod(path, 0o644);
  const invert = async () => {
    const file = await open(path, 'r+');
    try {
      const at = Math.floor((await file.stat()).size / 2);
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
      await file.write(Buffer.from([(buffer[0] as number) ^ 0xff]), 0, 1, at);
    } finally {
      await file.close();
    }
  };
  await invert();
  let isMended = false;
  return async () => {
    if (isMended) return;
    isMended = true;
    await invert();
  };
}
