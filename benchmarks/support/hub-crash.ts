/**
 * Kills a hub at random points of uploads, merges, removals and collections, starts it again each time, and looks
 * whether all that it has answered for is there: no acknowledged flist or chunk lost, none that was removed back, no
 * chunk collected that a flist refers to, a catalogue that agrees with itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { blake2b } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { isG8Error } from '../../src/base/errors.ts';
import { createFlist } from '../../src/image/create.ts';
import { addon } from '../../src/native/load.ts';
import { HttpClient } from '../../src/store/http-client.ts';
import { HubAdmin } from '../../src/store/hub-admin.ts';
import { HubClient } from '../../src/store/hub-client.ts';
import { checkResult, collectResult, runAtHub } from '../../src/store/hub-runs.ts';

export interface HubCrashOptions {
  /** The program: `node`'s arguments up to the command. */
  readonly program: readonly string[];
  readonly dir: string;
  readonly rounds: number;
  /** Told after each round what is wrong so far. */
  readonly onRound?: (round: number, violations: readonly string[]) => void;
}

export interface HubCrashResult {
  readonly rounds: number;
  /** Acknowledged before a kill, over all rounds. */
  readonly published: number;
  readonly merged: number;
  readonly removed: number;
  readonly chunks: number;
  readonly collections: number;
  /** Garbage that collections have deleted. */
  readonly deleted: number;
  /** Requests that a kill has cut. */
  readonly cut: number;
  /** Milliseconds from a kill to a hub that is ready, at most. */
  readonly readyMsMax: number;
  readonly violations: readonly string[];
}

/** Longer than what is uploaded takes to be referred to, shorter than a round. */
const GRACE_MS = 20_000;
const LOAD_MS_MIN = 100;
const LOAD_MS_MAX = 2_500;
const READY_MS_MAX = 120_000;
const FLIST_COUNT_MAX = 24;
const WORKER_COUNT = 3;
const ONCE = { attemptCount: 1, delayMsMin: 1, delayMsMax: 1, totalMs: 30_000 } as const;
const OWNER = 'alice';

type Counts = { -readonly [Name in keyof Omit<HubCrashResult, 'rounds' | 'violations'>]: number };

/** What the hub has answered for. */
class Acknowledged {
  /** MD5 by name; `undefined` when it is gone. */
  readonly flists = new Map<string, string | undefined>();
  /** Names with a request that got no answer: either state is right. */
  readonly unsure = new Set<string>();
  readonly chunks = new Map<string, number>();
}

/** @throws when the hub does not start again; what it did wrong otherwise is in the result */
export async function crashHub(options: HubCrashOptions): Promise<HubCrashResult> {
  const { dir, rounds, onRound } = options;
  const counts: Counts = {
    published: 0,
    merged: 0,
    removed: 0,
    chunks: 0,
    collections: 0,
    deleted: 0,
    cut: 0,
    readyMsMax: 0,
  };
  const violations: string[] = [];
  const known = new Acknowledged();
  await mkdir(join(dir, 'work'), { recursive: true });
  let hub = await startHub(options);
  try {
    const token = await makeUser(hub.url, dir);
    for (let round = 1; round <= rounds; round++) {
      const load = new Load(hub.url, dir, token, known, counts);
      const running = load.run();
      await pause(LOAD_MS_MIN + Math.random() * (LOAD_MS_MAX - LOAD_MS_MIN));
      const killed = performance.now();
      await kill(hub.child);
      load.stop();
      await running;
      hub = await startHub(options);
      counts.readyMsMax = Math.max(counts.readyMsMax, Math.round(performance.now() - killed));
      violations.push(
        ...(await verify(hub.url, dir, token, known)).map((text) => `round ${round}: ${text}`),
      );
      onRound?.(round, violations);
    }
  } finally {
    await kill(hub.child);
  }
  return { rounds, ...counts, violations };
}

interface RunningHub {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startHub({ program, dir }: HubCrashOptions): Promise<RunningHub> {
  const args = [
    'hub',
    'serve',
    '--data',
    join(dir, 'hub'),
    '--listen',
    '127.0.0.1:0',
    '--requests',
    '0',
  ];
  const child = spawn(process.execPath, [...program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (text) => {
    said = `${said}${text}`.slice(-4096);
  });
  const late = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX);
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout?.once('data', (line: Buffer) => resolve(line.toString().trim()));
      child.once('exit', () => reject(new Error(`The hub does not start: ${said}`)));
    });
    const ready = await fetch(`${url}/ready`);
    if (!ready.ok) throw new Error(`The hub is not ready: ${await ready.text()}`);
    return { url, child };
  } catch (error) {
    await kill(child);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function adminToken(dir: string): Promise<string> {
  return (await readFile(join(dir, 'hub/admin-token'), 'utf8')).trim();
}

async function makeUser(url: string, dir: string): Promise<string> {
  const admin = new HubAdmin(url, { token: await adminToken(dir) });
  try {
    await admin.createUser({ name: OWNER });
    return (await admin.createToken({ user: OWNER, scope: 'publish' })).token;
  } finally {
    await admin.close();
  }
}

/** What is done to a hub until it is killed. */
class Load {
  readonly #url: string;
  readonly #dir: string;
  readonly #token: string;
  readonly #known: Acknowledged;
  readonly #counts: Counts;
  readonly #client: HubClient;
  readonly #ended = new AbortController();
  /** Names that somebody is at: one at a time, so that it is known what is right. */
  readonly #busy = new Set<string>();

  constructor(url: string, dir: string, token: string, known: Acknowledged, counts: Counts) {
    this.#url = url;
    this.#dir = dir;
    this.#token = token;
    this.#known = known;
    this.#counts = counts;
    this.#client = new HubClient(url, { http: { token }, retry: ONCE });
  }

  async run(): Promise<void> {
    const workers = Array.from({ length: WORKER_COUNT }, (_, i) =>
      this.#repeat(() => this.#step(i)),
    );
    await Promise.all([
      ...workers,
      this.#repeat(() => this.#uploadChunks()),
      this.#repeat(() => this.#collect()),
    ]);
    await this.#client.close();
  }

  stop(): void {
    this.#ended.abort();
  }

  async #repeat(step: () => Promise<void>): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await step();
      } catch (error) {
        if (!isG8Error(error) && !(error instanceof TypeError)) throw error;
        this.#counts.cut++;
        // The hub is gone, and the load is about to be stopped.
        await pause(20);
      }
    }
  }

  async #step(worker: number): Promise<void> {
    const present = [...this.#known.flists].filter(([, md5]) => md5 !== undefined);
    const chance = Math.random();
    const name = `f${Math.floor(Math.random() * FLIST_COUNT_MAX)}`;
    await this.#alone(name, async () => {
      if (chance < 0.25 && this.#known.flists.get(name) !== undefined) await this.#remove(name);
      else if (chance < 0.5 && present.length > 1) await this.#merge(name, present);
      else await this.#publish(name, worker);
    });
  }

  /** Nothing is known of the name while its request is under way. */
  async #alone(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(name)) {
      await pause(1);
      return;
    }
    this.#busy.add(name);
    this.#known.unsure.add(name);
    try {
      await work();
      this.#known.unsure.delete(name);
    } finally {
      this.#busy.delete(name);
    }
  }

  async #publish(name: string, worker: number): Promise<void> {
    const source = join(this.#dir, `work/${worker}`);
    await rm(source, { recursive: true, force: true });
    await mkdir(source);
    await writeFile(join(source, 'new'), randomBytes(1 + Math.floor(Math.random() * 700_000)));
    // Some that other flists have as well, and that are garbage now and then.
    const shared = Math.floor(Math.random() * 8);
    await writeFile(join(source, 'shared'), Buffer.alloc(20_000, `shared ${shared}`));
    const output = join(this.#dir, `work/${worker}.flist`);
    await createFlist({ source, output, store: this.#client.chunks, addon: addon() });
    const { md5 } = await this.#client.uploadFlist({ repository: OWNER, name, source: output });
    this.#known.flists.set(name, md5);
    this.#counts.published++;
  }

  async #merge(name: string, present: readonly (readonly [string, unknown])[]): Promise<void> {
    const [first, second] = [0, 1].map(
      () => present[Math.floor(Math.random() * present.length)]?.[0],
    );
    const response = await fetch(`${this.#url}/api/flist/me/merge/${name}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify([`${OWNER}/${first}`, `${OWNER}/${second}`]),
    });
    await response.text();
    // A source that was removed meanwhile.
    if (!response.ok) return;
    const md5 = await this.#client.flistMd5({ repository: OWNER, name });
    this.#known.flists.set(name, md5);
    this.#counts.merged++;
  }

  async #remove(name: string): Promise<void> {
    await this.#client.deleteFlist({ repository: OWNER, name });
    this.#known.flists.set(name, undefined);
    this.#counts.removed++;
  }

  async #uploadChunks(): Promise<void> {
    const chunks = Array.from({ length: 1 + Math.floor(Math.random() * 12) }, () => {
      const bytes = randomBytes(1 + Math.floor(Math.random() * 60_000));
      return { id: toHex(blake2b(bytes, 32)), bytes };
    });
    const started = Date.now();
    for await (const sent of this.#client.uploadChunks(chunks)) {
      if ('error' in sent) throw sent.error;
      this.#known.chunks.set(sent.id, started);
      this.#counts.chunks++;
    }
    await pause(5);
  }

  async #collect(): Promise<void> {
    const client = new HttpClient(this.#url, { token: await adminToken(this.#dir) });
    try {
      const body = { graceMs: GRACE_MS };
      const run = { path: '/api/v1/collect/gc', body, result: collectResult };
      const { deleted } = await runAtHub(client, run);
      this.#counts.collections++;
      this.#counts.deleted += deleted;
    } finally {
      await client.close();
    }
    await pause(50);
  }
}

/** @returns what is wrong */
async function verify(
  url: string,
  dir: string,
  token: string,
  known: Acknowledged,
): Promise<string[]> {
  const wrong: string[] = [];
  const client = new HubClient(url, { http: { token } });
  const admin = new HttpClient(url, { token: await adminToken(dir) });
  try {
    const listed = new Set<string>();
    for await (const { name } of client.listFlists()) listed.add(name.replace(/\.flist$/, ''));
    for (const name of new Set([...listed, ...known.flists.keys()])) {
      const md5 = await client.flistMd5({ repository: OWNER, name });
      const isSure = !known.unsure.has(name);
      if (isSure && md5 !== known.flists.get(name)) {
        wrong.push(`${name} is ${md5}, not ${known.flists.get(name)}`);
      }
      if ((md5 !== undefined) !== listed.has(name)) wrong.push(`${name} is listed wrongly`);
      if (md5 !== undefined && md5 !== (await md5OfFlist(url, token, name))) {
        wrong.push(`${name} has other bytes than its MD5 says`);
      }
      known.flists.set(name, md5);
    }
    known.unsure.clear();
    wrong.push(...(await lostChunks(client, known)));
    const run = { path: '/api/v1/collect/check', body: {}, result: checkResult };
    const { corrupt, missing, damagedPackages } = await runAtHub(admin, run);
    if (corrupt + missing + damagedPackages.length > 0) {
      wrong.push(`${corrupt} corrupt, ${missing} missing, ${damagedPackages.length} damaged`);
    }
  } finally {
    await Promise.all([client.close(), admin.close()]);
  }
  return wrong;
}

async function md5OfFlist(url: string, token: string, name: string): Promise<string> {
  const response = await fetch(`${url}/${OWNER}/${name}.flist`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return createHash('md5').update(bytes).digest('hex');
}

/** Those to which nothing refers have to be there until the grace period is over. */
async function lostChunks(client: HubClient, known: Acknowledged): Promise<string[]> {
  const from = Date.now() - GRACE_MS;
  for (const [id, time] of known.chunks) if (time < from) known.chunks.delete(id);
  const missing = await client.chunks.missing([...known.chunks.keys()]);
  // Asking takes time, too.
  const lost = missing.filter((id) => (known.chunks.get(id) as number) > Date.now() - GRACE_MS);
  return lost.length === 0 ? [] : [`${lost.length} acknowledged chunks are lost`];
}
