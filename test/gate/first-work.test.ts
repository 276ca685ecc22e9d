/**
 * What five images cost until their first useful work, on an empty cache: bytes and requests, with and without a
 * start profile. Compared with what first-work.json has recorded; more than 5 % above that is a failure.
 *
 * The programs are those of this machine's packages, in whatever version. Therefore nothing is counted by itself:
 * bytes are compared with those of the chunks that the start touches, requests with their number. What is
 * touched is told by a recording without the kernel's readahead.
 *
 * G8UFS_UPDATE_GOLDEN=1 writes the file anew.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import test, { type TestContext } from 'node:test';
import { findMount } from '../../src/fs/mountinfo.ts';
import { type CountingProxy, startCountingProxy } from '../support/counting-proxy.ts';
import { MountWorld, run } from '../support/mount-world.ts';
import { makeProgramTree } from '../support/program-tree.ts';

const RECORDED = new URL('../../../../test/gate/first-work.json', import.meta.url);
const ALLOWANCE = 1.05;
/**
 * Reads overlap with what is fetched ahead of them, and of ten requests one is more than a twentieth, so some runs may
 * be unlucky: the best of these counts.
 */
const ATTEMPTS = 6;

interface Image {
  readonly files: readonly string[];
  /** Does the first useful work in a root folder. */
  readonly start: (root: string) => Promise<void>;
}

/** Runs a program in a root folder; it has to succeed and to print that. */
function prints(expected: string, program: string, ...args: string[]): Image['start'] {
  return async (root) => {
    const result = await run('chroot', root, program, ...args);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, new RegExp(expected));
  };
}

const PYTHON = `/usr/lib/${basename(realpathSync('/usr/bin/python3'))}`;
const IMAGES: Readonly<Record<string, Image>> = {
  interpreter: {
    files: ['/usr/bin/python3', `${PYTHON}/os.py`, `${PYTHON}/asyncio/__init__.py`],
    start: prints(
      '^42\\n$',
      '/usr/bin/python3',
      '-c',
      'import json, argparse, asyncio; print(6 * 7)',
    ),
  },
  'web server': { files: ['/usr/bin/docker-registry'], start: answersHttp },
  database: {
    files: ['/usr/bin/sqlite3'],
    start: prints(
      '^3\\n$',
      '/usr/bin/sqlite3',
      ':memory:',
      'create table t(a); insert into t values (1), (2); select sum(a) from t;',
    ),
  },
  compiler: {
    files: [
      '/usr/bin/gcc',
      ofGcc('-print-prog-name=cc1'),
      '/usr/include/stdio.h',
      ofGcc('-print-file-name=include/stddef.h'),
    ],
    start: compiles,
  },
  shell: {
    files: ['/usr/bin/bash', '/usr/bin/ls'],
    start: prints('^bin', '/usr/bin/bash', '-c', 'names=$(ls /); echo "$names"'),
  },
};

/** Bytes per byte of the touched chunks, and requests per touched chunk. */
interface Cost {
  readonly bytes: number;
  readonly requests: number;
}
type Costs = Readonly<Record<'profile' | 'none', Cost>>;

const update = process.env['G8UFS_UPDATE_GOLDEN'] === '1';
const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Record<string, Costs>;

for (const [name, image] of Object.entries(IMAGES)) {
  test(`the first useful work of the ${name} costs no more than recorded`, async (context) => {
    const gate = await Gate.open(context, image);
    const costs = await gate.costs(recorded[name]);
    context.diagnostic(`${name}: ${JSON.stringify({ ...gate.touched, ...costs })}`);
    if (update) {
      recorded[name] = costs;
      writeFileSync(RECORDED, `${JSON.stringify(recorded, null, 2)}\n`);
      return;
    }
    for (const mode of ['profile', 'none'] as const) {
      const limit = recorded[name]?.[mode];
      assert.ok(limit, `Nothing is recorded of the ${name}`);
      for (const what of ['bytes', 'requests'] as const) {
        const message = `${what} of the ${name} with --prefetch ${mode}: ${costs[mode][what]}, recorded ${limit[what]}`;
        assert.ok(costs[mode][what] <= limit[what] * ALLOWANCE, message);
      }
    }
  });
}

class Gate {
  readonly #world: MountWorld;
  readonly #proxy: CountingProxy;
  readonly #start: Image['start'];
  readonly #url: string;
  touched = { chunks: 0, storedBytes: 0 };

  private constructor(world: MountWorld, proxy: CountingProxy, start: Image['start']) {
    this.#world = world;
    this.#proxy = proxy;
    this.#start = start;
    this.#url = `${proxy.url}/gate/image`;
  }

  /** Publishes an image and the profile of its start. */
  static async open(context: TestContext, { files, start }: Image): Promise<Gate> {
    const world = new MountWorld(context);
    const root = world.path('root');
    makeProgramTree(root, files);
    const proxy = await startCountingProxy(context, await world.startHub());
    const gate = new Gate(world, proxy, start);
    const flist = world.path('image.flist');
    await world.json('flist', 'create', root, flist, '--store', proxy.url);
    await world.json('push', flist, gate.#url);
    const exact = world.path('exact.profile');
    await gate.#run('exact', '--prefetch', 'none', '--record', exact);
    const { fit } = await world.json<{ fit: Gate['touched'] }>(
      ...['profile', 'show', exact, '--flist', flist],
    );
    const profile = world.path('image.profile');
    await gate.#run('recording', '--prefetch', 'none', '--record', profile);
    gate.touched = { chunks: fit.chunks, storedBytes: fit.storedBytes };
    await world.json('profile', 'publish', profile, gate.#url);
    return gate;
  }

  async costs(limits: Costs | undefined): Promise<Costs> {
    return {
      // Waits until it is local: whatever is fetched then was not in the profile.
      profile: await this.#best(limits?.profile, '--prefetch', 'profile', '--until-local'),
      none: await this.#best(limits?.none, '--prefetch', 'none'),
    };
  }

  async #best(limit: Cost | undefined, ...options: string[]): Promise<Cost> {
    const best = { bytes: Number.POSITIVE_INFINITY, requests: Number.POSITIVE_INFINITY };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { requests, chunkBytes } = await this.#run(`${options[1]}-${attempt}`, ...options);
      best.bytes = Math.min(best.bytes, round(chunkBytes / this.touched.storedBytes));
      best.requests = Math.min(best.requests, round(requests / this.touched.chunks));
      const isLow =
        limit !== undefined &&
        best.bytes <= limit.bytes * ALLOWANCE &&
        best.requests <= limit.requests * ALLOWANCE;
      if (isLow) break;
    }
    return best;
  }

  /** Mounts on an empty cache, starts, unmounts; what it took from the hub. */
  async #run(name: string, ...options: string[]) {
    const world = this.#world;
    const mnt = world.folder(`mnt-${name}`);
    const cache = world.path(`cache-${name}`);
    this.#proxy.take();
    await world.json('mount', `${this.#url}.flist`, mnt, '--cache', cache, ...options);
    if (name === 'exact') disableReadahead(mnt);
    await this.#start(mnt);
    const traffic = this.#proxy.take();
    await world.unmount(mnt);
    return traffic;
  }
}

/** What the kernel asks for from now on is what programs touch. */
function disableReadahead(mnt: string): void {
  writeFileSync(`/sys/class/bdi/${findMount(mnt)?.device}/read_ahead_kb`, '0');
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Compiles a program that includes a header; the text is all that it gets. */
async function compiles(root: string): Promise<void> {
  const text = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n';
  const child = spawn('chroot', [root, '/usr/bin/gcc', '-x', 'c', '-S', '-o', '-', '-'], {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(text);
  let assembly = '';
  child.stdout.on('data', (piece: Buffer) => {
    assembly += piece;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  assert.match(assembly, /puts/);
}

/** Serves one request. */
async function answersHttp(root: string): Promise<void> {
  const settings = {
    REGISTRY_HTTP_ADDR: '127.0.0.1:0',
    REGISTRY_STORAGE: 'inmemory',
    REGISTRY_HTTP_SECRET: 'gate',
  };
  const config = '/etc/docker/registry/config.yml';
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const child = spawn(
    'env',
    [...words, 'chroot', root, '/usr/bin/docker-registry', 'serve', config],
    {
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  try {
    const address = await new Promise<string>((resolve, reject) => {
      let log = '';
      child.stderr.on('data', (piece: Buffer) => {
        log += piece;
        const found = /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.once('close', (code) => reject(new Error(`docker-registry ended (${code}): ${log}`)));
    });
    const answer = await fetch(`http://${address}/`, { headers: { connection: 'close' } });
    assert.equal(answer.status, 200);
  } finally {
    const ended = child.exitCode === null && child.signalCode === null && once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  }
}

function ofGcc(question: string): string {
  return execFileSync('/usr/bin/gcc', [question], { encoding: 'utf8' }).trim();
}
