/**
 * What a hub serves, beside nginx with the same files, in one run: chunks of 512 KiB to 1, 16 and 64 connections from
 * its folder and from Redis; a batch against single requests over 20 ms; how it does while 20 uploads run. Needs
 * Debian's `nginx-light`, `wrk` and `redis-tools`. `--only nginx,folder,redis,batch,uploads` takes a part.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blake2b, blake2bReady } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { forEachParallel } from '../../src/base/workers.ts';
import { openBackend } from '../../src/store/backend.ts';
import { DirectoryStore } from '../../src/store/directory.ts';
import { HttpClient } from '../../src/store/http-client.ts';
import { deliverFromHub, getChunk, hubChunkPath } from '../../src/store/hub-chunks.ts';
import { HubClient } from '../../src/store/hub-client.ts';
import type { ChunkId } from '../../src/store/store.ts';
import { freePorts, stopServer, until } from '../../test/support/child-server.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import {
  command,
  residentMiB,
  run,
  type SuiteOptions,
  treeCpuSeconds,
  withFolder,
} from '../harness.ts';
import { SlowLink } from '../support/slow-link.ts';

const CHUNK_SIZE = 512 * 1024;
const CONNECTIONS = [1, 16, 64];
const UPLOADER_COUNT = 20;
const BATCH_COUNT = 64;
/** As many single requests at a time as a store makes. */
const SINGLE_COUNT = 16;
const SAMPLE_MS = 100;

/** Of a cache that keeps what it reads, and has none of it when it is asked for again. */
const CACHE_SIZE_MISSING = '8MiB';

interface Load {
  readonly chunksPerSecond: number;
  readonly mibPerSecond: number;
  readonly p99Ms: number;
  /** CPU of the server for a chunk: what others do on the machine changes it least. */
  readonly cpuMsPerChunk: number;
}

interface Served {
  readonly url: string;
  readonly child: ChildProcess;
}

export async function runSuite(options: SuiteOptions): Promise<Record<string, unknown>> {
  const seconds = options.quick ? 3 : 10;
  const count = options.quick ? 128 : 512;
  const isWanted = (part: string) => options.only?.split(',').includes(part) ?? true;
  await blake2bReady();
  return await withFolder(async (dir) => {
    const folder = join(dir, 'hub/chunks');
    const ids = await fill(folder, count);
    const paths = join(dir, 'paths.lua');
    await writeFile(paths, script(ids));
    const load = (server: Served, connections: number) =>
      loadBy(server, { connections, seconds, paths });
    const rows: Record<string, unknown> = {};
    const serve = async (name: string, server: Served) => {
      for (const connections of CONNECTIONS) {
        rows[`${name}, ${connections} connections`] = await load(server, connections);
      }
    };
    if (isWanted('nginx')) await withNginx(dir, folder, (nginx) => serve('nginx', nginx));
    await withServedHub(['--data', join(dir, 'hub')], async (hub) => {
      if (isWanted('folder')) await serve('folder', hub);
      if (isWanted('batch')) Object.assign(rows, await batches(hub.url, ids.slice(0, BATCH_COUNT)));
      if (isWanted('uploads')) {
        rows['folder, 16 connections, 20 uploads'] = await whileUploading(hub, () => load(hub, 16));
      }
    });
    if (isWanted('redis')) {
      const redis = await startRedis();
      try {
        const url = `redis://${redis.address}`;
        await copy(ids, folder, url);
        const args = ['--data', join(dir, 'redis-hub'), '--chunks', url, '--chunk-cache'];
        await withServedHub([...args, '0'], (hub) => serve('redis without a cache', hub));
        await withServedHub([...args, CACHE_SIZE_MISSING], (hub) => serve('redis, missed', hub));
        await withServedHub([...args, '4GiB'], async (hub) => {
          await readAll(hub.url, ids);
          await serve('redis, kept', hub);
        });
      } finally {
        await redis.stop();
      }
    }
    return { ...rows, ...shares(rows) };
  });
}

async function fill(folder: string, count: number): Promise<ChunkId[]> {
  const store = new DirectoryStore({ path: folder, create: true });
  const ids: ChunkId[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = randomBytes(CHUNK_SIZE);
    const id = toHex(blake2b(bytes, 32));
    await store.put(id, bytes);
    ids.push(id);
  }
  await store.close();
  return ids;
}

async function copy(ids: readonly ChunkId[], folder: string, url: string): Promise<void> {
  const from = new DirectoryStore({ path: folder });
  const to = openBackend(url);
  for (const id of ids) await to.put(id, await from.get(id));
  await Promise.all([from.close(), to.close()]);
}

/** So that all of them are kept. */
async function readAll(url: string, ids: readonly ChunkId[]): Promise<void> {
  const client = new HttpClient(url);
  try {
    for (const id of ids) await getChunk(client, id, hubChunkPath(id), {});
  } finally {
    await client.close();
  }
}

/** One path after the other, each thread from another place. */
function script(ids: readonly ChunkId[]): string {
  const paths = ids.map((id) => `"/${id.slice(0, 2)}/${id}"`).join(',\n');
  return `local paths = {\n${paths}\n}
local at = 0
function init() math.randomseed(os.time()) at = math.random(#paths) end
function request() at = at % #paths + 1 return wrk.format("GET", paths[at]) end
`;
}

async function loadBy(
  { url, child }: Served,
  { connections, seconds, paths }: { connections: number; seconds: number; paths: string },
): Promise<Load> {
  const threads = Math.min(2, connections);
  const args = [
    `-t${threads}`,
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '--latency',
    '-s',
    paths,
    url,
  ];
  const cpuBefore = treeCpuSeconds(child.pid as number);
  const text = await run('wrk', args);
  const cpuMs = (treeCpuSeconds(child.pid as number) - cpuBefore) * 1000;
  const failed = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(text);
  if (failed !== null) throw new Error(`wrk at ${url}: ${failed[0]}`);
  const chunksPerSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const count = Number(/(\d+) requests in/.exec(text)?.[1]);
  return {
    chunksPerSecond,
    mibPerSecond: Math.round((chunksPerSecond * CHUNK_SIZE) / 2 ** 20),
    p99Ms: millisecondsOf(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
    cpuMsPerChunk: Math.round((cpuMs / count) * 1000) / 1000,
  };
}

function millisecondsOf(match: RegExpExecArray | null): number {
  const factor = { us: 0.001, ms: 1, s: 1000 }[match?.[2] as 'us' | 'ms' | 's'];
  return Math.round(Number(match?.[1]) * factor * 100) / 100;
}

async function withNginx(
  dir: string,
  folder: string,
  work: (nginx: Served) => Promise<void>,
): Promise<void> {
  const [port] = (await freePorts(1)) as [number];
  const home = join(dir, 'nginx');
  await mkdir(join(home, 'tmp'), { recursive: true });
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${home}/tmp/${name};`)
    .join('\n');
  // As docs/protocol.md has it.
  const config = `user root; worker_processes 2; daemon off; pid ${home}/pid; error_log ${home}/log;
events { worker_connections 256; }
http {
  access_log off; sendfile on; gzip off; keepalive_requests 100000;
  ${bodies}
  server {
    listen 127.0.0.1:${port};
    location / {
      root ${folder};
      default_type application/octet-stream;
      add_header Cache-Control "public, max-age=31536000, immutable";
    }
  }
}
`;
  await writeFile(join(home, 'conf'), config);
  const child = spawn('nginx', ['-p', home, '-c', join(home, 'conf')], { stdio: 'ignore' });
  try {
    const url = `http://127.0.0.1:${port}`;
    await until('Starting nginx', () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    );
    await work({ url, child });
  } finally {
    await stopServer(child);
  }
}

async function withServedHub(
  args: readonly string[],
  work: (hub: Served) => Promise<void>,
): Promise<void> {
  const serve = ['hub', 'serve', '--listen', '127.0.0.1:0', '--requests', '0', ...args];
  const [program, words] = command(...serve);
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    await work({ url: line.toString().trim(), child });
  } finally {
    await stopServer(child);
  }
}

/** One batch, and the same chunks one by one, over a link of 20 ms. */
async function batches(url: string, ids: readonly ChunkId[]): Promise<Record<string, number>> {
  const link = await SlowLink.open(url, {
    roundTripMs: 20,
    bitsPerSecond: Number.POSITIVE_INFINITY,
  });
  const client = new HttpClient(link.url);
  const seconds = async (work: () => Promise<void>): Promise<number> => {
    const start = performance.now();
    await work();
    return Math.round(performance.now() - start) / 1000;
  };
  const get = async (id: ChunkId) => void (await getChunk(client, id, hubChunkPath(id), {}));
  try {
    await get(ids[0] as ChunkId);
    const oneByOne = await seconds(async () => {
      for (const id of ids) await get(id);
    });
    const atATime = await seconds(() => forEachParallel(ids, { concurrency: SINGLE_COUNT }, get));
    const batch = await seconds(() => deliverFromHub(client, ids, {}, () => {}));
    return {
      [`${ids.length} chunks over 20 ms, one by one, s`]: oneByOne,
      [`${ids.length} chunks over 20 ms, ${SINGLE_COUNT} at a time, s`]: atATime,
      [`${ids.length} chunks over 20 ms, one batch, s`]: batch,
      'one by one / batch': Math.round((oneByOne / batch) * 10) / 10,
    };
  } finally {
    await client.close();
    await link.close();
  }
}

/** Measures reads while chunks come in, with the most memory that the hub had. */
async function whileUploading(
  { url, child }: Served,
  measure: () => Promise<Load>,
): Promise<unknown> {
  let isOver = false;
  let uploaded = 0;
  let peakMiB = 0;
  const sampler = setInterval(() => {
    residentMiB(child.pid as number).then(
      ({ total }) => {
        peakMiB = Math.max(peakMiB, Math.round(total));
      },
      () => {}, // It has ended.
    );
  }, SAMPLE_MS);
  const uploaders = Array.from({ length: UPLOADER_COUNT }, async () => {
    const client = new HubClient(url);
    try {
      while (!isOver) {
        const chunks = Array.from({ length: 8 }, () => {
          const bytes = randomBytes(CHUNK_SIZE);
          return { id: toHex(blake2b(bytes, 32)), bytes };
        });
        for await (const sent of client.uploadChunks(chunks)) {
          if ('error' in sent) throw sent.error;
          uploaded++;
        }
      }
    } finally {
      await client.close();
    }
  });
  try {
    const load = await measure();
    isOver = true;
    await Promise.all(uploaders);
    return { ...load, uploaded, peakMiB };
  } finally {
    isOver = true;
    clearInterval(sampler);
    await Promise.allSettled(uploaders);
  }
}

/** What the hub reaches of what nginx does. */
function shares(rows: Readonly<Record<string, unknown>>): Record<string, string> {
  const speed = (name: string, connections: number): number | undefined =>
    (rows[`${name}, ${connections} connections`] as Load | undefined)?.mibPerSecond;
  const shown: Record<string, string> = {};
  const names = ['folder', 'redis without a cache', 'redis, missed', 'redis, kept'];
  for (const name of names) {
    for (const connections of CONNECTIONS) {
      const [own, nginx] = [speed(name, connections), speed('nginx', connections)];
      if (own === undefined || nginx === undefined) continue;
      shown[`${name} / nginx, ${connections} connections`] = `${Math.round((own / nginx) * 100)} %`;
    }
  }
  return shown;
}
