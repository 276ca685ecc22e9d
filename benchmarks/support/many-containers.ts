/** Many containers on one core daemon: made, used at the same time, ended; with what they cost and leave. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Limiter } from '../../src/base/limit.ts';
import { CoreClient } from '../../src/core/client/core-client.ts';
import { readMountinfo } from '../../src/fs/mountinfo.ts';
import { startRedis } from '../../test/support/redis-server.ts';
import { command, g8ufs, median, residentMiB, run } from '../harness.ts';

/** Creates at the same time: more only wait for the processors. */
const PARALLEL = 8;
const START_TIMEOUT_MS = 20_000;
/** What is gone may be seen for a moment longer. */
const SETTLE_MS = 10_000;
const SETTLE_POLL_MS = 100;

export interface ManySize {
  readonly count: number;
  readonly images: number;
  readonly rounds: number;
}

/** What a machine holds for containers, as numbers that have to be the same again afterwards. */
interface Held {
  readonly mounts: number;
  readonly processes: number;
  readonly namespaces: number;
  readonly interfaces: number;
  readonly groups: number;
  readonly rules: number;
  readonly descriptors: number;
  readonly folders: number;
}

/** @param dir an empty folder, for images, cache and state */
export async function manyContainers(
  dir: string,
  { count, images, rounds }: ManySize,
): Promise<Record<string, unknown>> {
  const store = `dir://${join(dir, 'chunks')}`;
  const flists: string[] = [];
  for (let index = 0; index < images; index++) flists.push(await makeImage(dir, index, store));
  const redis = await startRedis();
  const url = `redis://${redis.address}`;
  const state = join(dir, 'state');
  const daemon = await startDaemon(url, state, join(dir, 'cache'));
  try {
    const client = await CoreClient.connect(url);
    try {
      const pid = daemon.pid as number;
      // The first container brings what stays as long as the daemon: guest, bridge, tables.
      const first = await client.containers.create({ root: flists[0] as string, storage: store });
      await client.containers.terminate(first);
      const before = await held(pid, state);
      const creates: number[] = [];
      const memory: number[] = [];
      const left: string[] = [];
      for (let round = 0; round < rounds; round++) {
        const ids = await inParallel(count, async (index) => {
          const begin = performance.now();
          const root = flists[index % images] as string;
          const id = await client.containers.create({ root, storage: store });
          creates.push(performance.now() - begin);
          await use(client, id, index % images);
          return id;
        });
        memory.push((await memoryOf(client)) / count);
        await inParallel(count, (index) => client.containers.terminate(ids[index] as number));
        left.push(await settle(before, () => held(pid, state)));
      }
      creates.sort((a, b) => a - b);
      return {
        'containers, rounds': `${count} of ${images} images, ${rounds}`,
        'create, p50, ms': Math.round(median(creates)),
        'create, p95, ms': Math.round(creates[Math.floor(creates.length * 0.95)] as number),
        'memory of a container, MiB': Number((median(memory) / 2 ** 20).toFixed(1)),
        'core daemon, MiB': Math.round((await residentMiB(pid)).total),
        'left after each round': left,
      };
    } finally {
      client.close();
    }
  } finally {
    await end(daemon);
    await redis.stop();
  }
}

/** A shell with all it needs, and a file that tells the image. */
async function makeImage(dir: string, index: number, store: string): Promise<string> {
  const source = join(dir, `image-${index}`);
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev']) {
    mkdirSync(join(source, name), { recursive: true });
  }
  await run('cp', ['/bin/busybox', join(source, 'bin/busybox')]);
  for (const name of ['sh', 'cat', 'echo', 'sleep'])
    symlinkSync('busybox', join(source, 'bin', name));
  writeFileSync(join(source, 'etc/image'), `${index}\n`);
  const flist = join(dir, `image-${index}.flist`);
  await g8ufs('flist', 'create', source, flist, '--store', store);
  return flist;
}

async function use(client: CoreClient, id: number, image: number): Promise<void> {
  const place = client.container(id);
  const { stdout } = await place.run('cat /etc/image; echo written > /etc/own; cat /etc/own');
  if (stdout !== `${image}\nwritten\n`) throw new Error(`Container ${id} says ${stdout}`);
}

async function memoryOf(client: CoreClient): Promise<number> {
  const list = await client.containers.list();
  return list.reduce((sum, { rssBytes }) => sum + rssBytes, 0);
}

async function inParallel<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const limit = new Limiter({ shares: [PARALLEL], queueCountMax: count });
  const indexes = Array.from({ length: count }, (_, index) => index);
  return await Promise.all(indexes.map((index) => limit.run(() => work(index), { priority: 0 })));
}

async function startDaemon(redis: string, state: string, cache: string): Promise<ChildProcess> {
  const [program, args] = command('core', 'serve', '--redis', redis, '--state', state, '--json');
  const env = { ...process.env, G8UFS_CACHE_DIR: cache };
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], cwd: '/', env });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error('The core daemon takes no commands'));
    }, START_TIMEOUT_MS);
    child.stdout?.once('data', () => {
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', (code) => reject(new Error(`The core daemon ended with ${code}`)));
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

async function held(pid: number, state: string): Promise<Held> {
  const lines = async (program: string, ...args: string[]): Promise<number> =>
    (await run(program, args)).split('\n').length;
  return {
    mounts: readMountinfo().length,
    processes: await childrenOf(pid),
    namespaces: await lines('ip', 'netns', 'list'),
    interfaces: await lines('ip', '-o', 'link'),
    groups: readdirSync('/sys/fs/cgroup', { recursive: true }).length,
    rules: await lines('nft', 'list', 'ruleset'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    folders: readdirSync(join(state, 'containers')).length,
  };
}

async function childrenOf(pid: number): Promise<number> {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const texts = tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8'));
  return (await Promise.all(texts)).join(' ').split(' ').filter(Boolean).length;
}

/** @returns `nothing`, or what there is more of than before */
async function settle(before: Held, look: () => Promise<Held>): Promise<string> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const now = await look();
    const more = (Object.keys(before) as (keyof Held)[])
      .filter((name) => now[name] > before[name])
      .map((name) => `${now[name] - before[name]} ${name}`);
    if (more.length === 0) return 'nothing';
    if (performance.now() > deadline) return more.join(', ');
    await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
  }
}
