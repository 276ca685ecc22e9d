/**
 * The cold path: everything comes from a hub on loopback, or over a slow link, into an empty cache. Beside each
 * figure the same bytes by `curl | zstd -d | tar x` (or `curl` alone for one large file) in the same round.
 *
 * Workloads: sweep of a Debian root by one reader and by 16; one incompressible file front to back; 10 000 small
 * files in random order, one at a time; an interpreter's start with its requests and bytes.
 * `G8UFS_COLD_ONLY=sweep,start` runs some of them.
 */
import { createCipheriv } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  g8ufs,
  median,
  run,
  type SuiteOptions,
  spread,
  timed,
  withFolder,
  withHub,
} from '../harness.ts';
import { SlowLink } from '../support/slow-link.ts';
import { debianRoot } from './debian-root.bench.ts';

const READ_EACH = fileURLToPath(new URL('../support/read-each.js', import.meta.url));
const PYTHON = ['python3', '-c', 'import json,argparse,asyncio'];
const SWEEP = 'find "$1" -xdev -type f -print0 | xargs -0 cat > /dev/null';
const SWEEP_16 = 'find "$1" -xdev -type f -print0 | xargs -0 -P 16 -n 64 cat > /dev/null';
const FILE_SIZE_MAX = 8 * 1024;
const FILES_PER_FOLDER = 100;
const SLOW = { roundTripMs: 20, bitsPerSecond: 200e6 };
const FAST = { roundTripMs: 0, bitsPerSecond: Number.POSITIVE_INFINITY };

type Result = Record<string, unknown>;

interface CacheFigures {
  readonly fetchedBytes: number;
  readonly fetchedChunks: number;
}

export async function runSuite({ quick }: SuiteOptions): Promise<Result> {
  const only = process.env['G8UFS_COLD_ONLY']?.split(',');
  const rounds = quick ? 1 : 3;
  const wanted = (name: string): boolean => only === undefined || only.includes(name);
  return await withFolder((dir) =>
    withHub(join(dir, 'hub'), async (hub) => {
      const world: World = { dir, hub, rounds, quick };
      return {
        ...(wanted('sweep') || wanted('start') ? await debian(world, wanted) : {}),
        ...(wanted('sequential') ? await sequential(world) : {}),
        ...(wanted('small') ? await smallFiles(world) : {}),
      };
    }),
  );
}

interface World {
  readonly dir: string;
  readonly hub: string;
  readonly rounds: number;
  readonly quick: boolean;
}

async function debian(world: World, wanted: (name: string) => boolean): Promise<Result> {
  const root = await debianRoot();
  await publish(world, root, 'debian');
  const result: Result = {};
  if (wanted('sweep')) {
    const archive = join(world.dir, 'debian.tar.zst');
    const tar = `tar -C "$1" --one-file-system -cf - . | zstd -q -3 -o "$2"`;
    await run('sh', ['-c', tar, 'sh', root, archive]);
    const figures: { tar: number[]; one: number[]; many: number[] } = {
      tar: [],
      one: [],
      many: [],
    };
    let fetched: CacheFigures | undefined;
    for (let i = 0; i < world.rounds; i++) {
      figures.tar.push(await unpackSeconds(world, archive));
      const one = await onMount(world, world.hub, 'debian', (mnt) =>
        timed('sh', ['-c', SWEEP, 'sh', mnt]),
      );
      figures.one.push(one.value / 1000);
      fetched = one.cache;
      const many = await onMount(world, world.hub, 'debian', (mnt) =>
        timed('sh', ['-c', SWEEP_16, 'sh', mnt]),
      );
      figures.many.push(many.value / 1000);
    }
    const base = median(figures.tar);
    Object.assign(result, {
      'sweep: curl | zstd -d | tar x, s': spread(figures.tar, 2),
      'sweep: 1 reader, s': spread(figures.one, 2),
      'sweep: 16 readers, s': spread(figures.many, 2),
      'sweep: 1 reader, speed of tar': ratio(base, median(figures.one)),
      'sweep: 16 readers, speed of tar': ratio(base, median(figures.many)),
      'sweep: MiB fetched': ((fetched?.fetchedBytes ?? 0) / 2 ** 20).toFixed(1),
      'sweep: chunks fetched': fetched?.fetchedChunks,
    });
  }
  if (wanted('start')) {
    Object.assign(result, await start(world, 'loopback', FAST));
    Object.assign(result, await start(world, '20 ms, 200 Mbit/s', SLOW));
  }
  return result;
}

async function start(world: World, name: string, options: typeof SLOW): Promise<Result> {
  const link = await SlowLink.open(world.hub, options);
  try {
    // A flist names the store that it was made with.
    await publish({ ...world, hub: link.url }, await debianRoot(), 'debian');
    const cold: number[] = [];
    let last: Result = {};
    for (let i = 0; i < world.rounds; i++) {
      const { cache, value } = await onMount(world, link.url, 'debian', async (mnt) => {
        link.take();
        const ms = await timed('chroot', [mnt, ...PYTHON]);
        return { ms, totals: link.take() };
      });
      cold.push(value.ms / 1000);
      last = {
        [`start, ${name}: requests`]: value.totals.requests,
        [`start, ${name}: connections`]: value.totals.connections,
        [`start, ${name}: MiB on the line`]: (value.totals.bytes / 2 ** 20).toFixed(1),
        [`start, ${name}: chunks, MiB of chunks`]: `${cache.fetchedChunks}, ${(cache.fetchedBytes / 2 ** 20).toFixed(1)}`,
      };
    }
    return { [`start, ${name}: s`]: spread(cold, 2), ...last };
  } finally {
    await link.close();
  }
}

async function sequential(world: World): Promise<Result> {
  const size = world.quick ? 2 ** 28 : 2 ** 30;
  const source = join(world.dir, 'large');
  await mkdir(source);
  await writeNoise(join(source, 'file'), size);
  await publish(world, source, 'large');
  const plain: number[] = [];
  const cold: number[] = [];
  for (let i = 0; i < world.rounds; i++) {
    plain.push(
      await served(join(source, 'file'), (url) =>
        timed('sh', ['-c', `curl -sf "$1" > "$2"`, 'sh', url, join(world.dir, 'copy')]),
      ),
    );
    const read = await onMount(world, world.hub, 'large', (mnt) =>
      timed('dd', [`if=${mnt}/file`, 'of=/dev/null', 'bs=1M']),
    );
    cold.push(read.value);
  }
  await rm(source, { recursive: true });
  await rm(join(world.dir, 'copy'));
  const rate = (ms: number): number => size / 1e6 / (ms / 1000);
  return {
    'sequential: MiB': size / 2 ** 20,
    'sequential: curl into a file, MB/s': spread(plain.map(rate)),
    'sequential: cold, MB/s': spread(cold.map(rate)),
    'sequential: speed of curl': ratio(median(plain), median(cold)),
  };
}

async function smallFiles(world: World): Promise<Result> {
  const count = world.quick ? 1000 : 10_000;
  const source = join(world.dir, 'small');
  const paths: string[] = [];
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const folder = `folder-${Math.floor(i / FILES_PER_FOLDER)}`;
    if (i % FILES_PER_FOLDER === 0) await mkdir(join(source, folder), { recursive: true });
    const data = noise(i + 1, 16 + ((i * 7919) % FILE_SIZE_MAX));
    await writeFile(join(source, folder, `file-${i}`), data);
    bytes += data.length;
    paths.push(`${folder}/file-${i}`);
  }
  await publish(world, source, 'small');
  const archive = join(world.dir, 'small.tar.zst');
  await run('sh', ['-c', 'tar -C "$1" -cf - . | zstd -q -3 -o "$2"', 'sh', source, archive]);
  const tar = await unpackSeconds(world, archive);
  shuffle(paths);
  const { value } = await onMount(world, world.hub, 'small', async (mnt) => {
    const list = join(world.dir, 'list');
    await writeFile(list, paths.map((path) => `${mnt}/${path}`).join('\n'));
    return JSON.parse(await run(process.execPath, [READ_EACH, list])) as number[];
  });
  const sorted = [...value].sort((a, b) => a - b);
  const at = (share: number): string =>
    ((sorted[Math.floor((sorted.length - 1) * share)] as number) / 1000).toFixed(2);
  const total = value.reduce((sum, time) => sum + time, 0) / 1e6;
  return {
    'small files': `${count}, ${(bytes / 2 ** 20).toFixed(1)} MiB`,
    'small files: curl | zstd -d | tar x, s': tar.toFixed(2),
    'small files: one by one at random, s': total.toFixed(2),
    'small files: ms at 50, 90, 99, 99.9 %, highest': [0.5, 0.9, 0.99, 0.999, 1].map(at).join(', '),
    'small files: speed of tar': ratio(tar, total),
  };
}

async function publish(world: World, source: string, name: string): Promise<void> {
  const flist = join(world.dir, `${name}.flist`);
  await g8ufs('flist', 'create', source, flist, '--store', world.hub);
  await g8ufs('push', flist, `${world.hub}/bench/${name}`);
}

let mountCount = 0;

/** Mounts with an empty cache, runs `work`, asks the cache what it fetched, and takes everything away. */
async function onMount<T>(
  world: World,
  hub: string,
  name: string,
  work: (mnt: string) => Promise<T>,
): Promise<{ value: T; cache: CacheFigures }> {
  const mnt = join(world.dir, `mnt-${++mountCount}`);
  const cacheDir = join(world.dir, `cache-${mountCount}`);
  await mkdir(mnt);
  await g8ufs('mount', `${hub}/bench/${name}.flist`, mnt, '--cache', cacheDir);
  try {
    const value = await work(mnt);
    return { value, cache: await g8ufs<CacheFigures>('cache', 'status', '--cache', cacheDir) };
  } finally {
    // The cache stays until the end: ext4 avoids inodes that were freed a moment ago, at some cost.
    await g8ufs('umount', '--lazy', mnt);
  }
}

async function unpackSeconds(world: World, archive: string): Promise<number> {
  const target = join(world.dir, `unpacked-${++mountCount}`);
  await mkdir(target);
  const script = 'curl -sf "$1" | zstd -dc | tar -x -C "$2"';
  const unpack = (url: string) => timed('sh', ['-c', script, 'sh', url, target]);
  return (await served(archive, unpack)) / 1000;
}

/** One file at a URL of this process, for as long as `work` runs. */
async function served<T>(path: string, work: (url: string) => Promise<T>): Promise<T> {
  const { size } = await stat(path);
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': size });
    createReadStream(path, { highWaterMark: 1 << 20 }).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  try {
    return await work(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function ratio(base: number, value: number): string {
  return (base / value).toFixed(2);
}

/** Random to any compressor, the same for one seed. */
function noise(seed: number, size: number): Buffer {
  const counter = Buffer.alloc(16);
  counter.writeDoubleBE(seed);
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 0x67), counter).update(Buffer.alloc(size));
}

async function writeNoise(path: string, size: number): Promise<void> {
  const piece = 2 ** 24;
  await using file = await open(path, 'w');
  for (let at = 0; at < size; at += piece) await file.write(noise(at + 0.5, piece));
}

/** The same order in every run. */
function shuffle(items: string[]): void {
  const random = noise(0.25, 4 * items.length);
  for (let last = items.length - 1; last > 0; last--) {
    const other = random.readUInt32LE(4 * last) % (last + 1);
    [items[last], items[other]] = [items[other] as string, items[last] as string];
  }
}
