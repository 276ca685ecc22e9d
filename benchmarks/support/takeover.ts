/**
 * Kills a mount daemon, or replaces it, again and again under readers that compare every byte, and tells how long
 * they waited. Each reader is a process of its own (`takeover-reader.ts`); one more is a Python that imports modules
 * from the mount all the time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { registryDir } from '../../src/base/paths.ts';
import type { MountRecord } from '../../src/fs/mount-record.ts';
import { g8ufs, withHub } from '../harness.ts';
import type { ReaderReport, Slow } from './takeover-reader.ts';

export interface TakeoverOptions {
  readonly dir: string;
  readonly kills: number;
  readonly upgrades: number;
}

export interface Pauses {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface TakeoverResult {
  readonly kills: number;
  readonly upgrades: number;
  readonly operations: number;
  readonly failed: readonly string[];
  readonly wrong: readonly string[];
  /** Of each kill: what the reader waited that waited longest, ms. */
  readonly killPauses: Pauses;
  readonly upgradePauses: Pauses | undefined;
  /** The longest pause of each reader, ms. */
  readonly longest: Readonly<Record<string, number>>;
  readonly fetchedChunks: number;
}

const FILES = 160;
const LARGE = 6;
const MODULES = 40;
/** Less than half of what is read: contents are evicted and fetched again all the time. */
const CACHE_SIZE = '24MiB';
const UPTIME_MS_MIN = 50;
const UPTIME_MS_MAX = 900;
/** A pause that is longer than this is a hang. */
const DAEMON_TIMEOUT_MS = 30_000;
/** An operation belongs to a kill if it began so long before, or lasts so long behind. */
const AFTER_MS = 200;

const PYTHON = `
import importlib, json, select, sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
count, failed, wrong, slow = 0, [], [], []
print("reading", flush=True)
while not select.select([sys.stdin], [], [], 0.002)[0]:
    name = "module_%d" % (count % ${MODULES})
    begin, start = time.time() * 1000, time.monotonic()
    try:
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        if importlib.import_module(name).VALUE != name: wrong.append(name)
    except Exception as error:
        failed.append("import %s: %r" % (name, error))
    ms = (time.monotonic() - start) * 1000
    if ms >= 10: slow.append([begin, round(ms, 1)])
    count += 1
print(json.dumps({"kind": "python", "operations": count, "failed": failed[:20], "wrong": wrong[:20], "slow": slow}))
`;

export async function takeover(options: TakeoverOptions): Promise<TakeoverResult> {
  const { dir } = options;
  const source = join(dir, 'source');
  await makeSource(source);
  return await withHub(join(dir, 'hub'), async (url) => {
    const flist = join(dir, 'image.flist');
    await g8ufs('flist', 'create', source, flist, '--store', url);
    const cache = join(dir, 'cache');
    const plain = join(dir, 'plain');
    const writable = join(dir, 'writable');
    for (const path of [plain, writable]) await mkdir(path);
    const common = ['--cache', cache, '--prefetch', 'none'];
    await g8ufs('mount', flist, plain, ...common, '--cache-size', CACHE_SIZE);
    await g8ufs('mount', flist, writable, ...common, '--rw', '--upper', join(dir, 'upper'));
    try {
      const killing = await withReaders({ plain, writable, source }, async () => {
        const moments: number[] = [];
        for (let i = 0; i < options.kills; i++) moments.push(await killOnce(cache));
        return moments;
      });
      const upgrading =
        options.upgrades === 0
          ? undefined
          : await withReaders({ plain, writable, source }, async () => {
              const moments: number[] = [];
              for (let i = 0; i < options.upgrades; i++) moments.push(await upgradeOnce(cache));
              return moments;
            });
      const reports = [...killing.reports, ...(upgrading?.reports ?? [])];
      const records = await g8ufs<MountRecord[]>('ps');
      const lost = records.filter(({ quarantine }) => quarantine !== null);
      const status = await g8ufs<{ fetchedChunks: number }>('cache', 'status', '--cache', cache);
      return {
        kills: options.kills,
        upgrades: options.upgrades,
        operations: reports.reduce((sum, { operations }) => sum + operations, 0),
        failed: [
          ...reports.flatMap(({ failed }) => failed),
          ...lost.map(({ mountPoint }) => `${mountPoint} was not restored`),
        ],
        wrong: reports.flatMap(({ wrong }) => wrong),
        killPauses: pausesOf(killing),
        upgradePauses: upgrading === undefined ? undefined : pausesOf(upgrading),
        longest: Object.fromEntries(
          killing.reports.map(({ kind, slow }) => [kind, Math.max(0, ...slow.map(([, ms]) => ms))]),
        ),
        fetchedChunks: status.fetchedChunks,
      };
    } finally {
      await g8ufs('umount', '--lazy', writable, plain);
    }
  });
}

async function makeSource(source: string): Promise<void> {
  await mkdir(join(source, 'files'), { recursive: true });
  for (let i = 0; i < FILES; i++) {
    await writeFile(join(source, 'files', `f${i}`), randomBytes(500 + ((i * 7919) % 200_000)));
  }
  for (let i = 0; i < LARGE; i++) {
    await writeFile(join(source, 'files', `large${i}`), randomBytes(4_000_000 + i * 1_000_000));
  }
  for (let i = 0; i < MODULES; i++) {
    const text = `VALUE = "module_${i}"\n# ${'x'.repeat(i * 500)}\n`;
    await writeFile(join(source, `module_${i}.py`), text);
  }
}

interface Watched {
  /** When the daemon was killed, ms since 1970. */
  readonly moments: readonly number[];
  readonly reports: readonly ReaderReport[];
}

async function withReaders(
  { plain, writable, source }: Readonly<Record<'plain' | 'writable' | 'source', string>>,
  work: () => Promise<number[]>,
): Promise<Watched> {
  const script = fileURLToPath(new URL('./takeover-reader.js', import.meta.url));
  const node = (kind: string, mount: string): Reader =>
    new Reader(process.execPath, [script, kind, mount, source]);
  const readers = [
    node('random', plain),
    node('hold', plain),
    node('storm', plain),
    node('overlay', writable),
    new Reader('python3', ['-c', PYTHON, plain]),
  ];
  try {
    for (const reader of readers) await reader.ready();
    const moments = await work();
    // The last kill has its pause, too.
    await delay(2_000);
    const reports = await Promise.all(readers.map((reader) => reader.stop()));
    return { moments, reports };
  } finally {
    for (const reader of readers) reader.kill();
  }
}

class Reader {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #text = '';

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (data: Buffer) => {
      this.#text += data.toString();
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + DAEMON_TIMEOUT_MS;
    while (!this.#text.includes('\n')) {
      if (performance.now() > deadline) throw new Error('A reader does not begin');
      await delay(20);
    }
  }

  async stop(): Promise<ReaderReport> {
    this.#child.stdin?.end();
    await Promise.race([this.#ended, delay(DAEMON_TIMEOUT_MS)]);
    const line = this.#text.split('\n')[1];
    if (line === undefined || line === '') throw new Error('A reader hangs, or has died');
    return JSON.parse(line) as ReaderReport;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** At a random moment of a daemon's life; the moment. */
async function killOnce(cache: string): Promise<number> {
  const pid = await daemonPid(cache);
  await delay(UPTIME_MS_MIN + Math.random() * (UPTIME_MS_MAX - UPTIME_MS_MIN));
  const moment = Date.now();
  process.kill(pid, 'SIGKILL');
  await gone(pid);
  return moment;
}

/** The moment at which the old daemon was gone: until then it has served. */
async function upgradeOnce(cache: string): Promise<number> {
  const pid = await daemonPid(cache);
  await delay(UPTIME_MS_MIN + Math.random() * (UPTIME_MS_MAX - UPTIME_MS_MIN));
  const upgrading = g8ufs('daemon', 'upgrade', '--cache', cache);
  await gone(pid);
  const moment = Date.now();
  await upgrading;
  return moment;
}

/** The process that has the cache, when there is one that works. */
async function daemonPid(cache: string): Promise<number> {
  const registry = registryDir(process.env, process.getuid?.() ?? 0);
  const deadline = performance.now() + DAEMON_TIMEOUT_MS;
  for (;;) {
    const pid = readPid(join(cache, 'lock'));
    // One that was killed twice in a row before it works would look like one that its mounts kill.
    if (pid !== undefined && !isGone(pid) && existsSync(join(registry, `${pid}.json`))) return pid;
    if (performance.now() > deadline) throw new Error('No daemon comes');
    await delay(5);
  }
}

async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + DAEMON_TIMEOUT_MS;
  while (!isGone(pid)) {
    if (performance.now() > deadline) throw new Error(`Daemon ${pid} does not end`);
    await delay(2);
  }
}

function readPid(lock: string): number | undefined {
  try {
    return Number(readFileSync(lock, 'utf8')) || undefined;
  } catch {
    // Between two daemons.
    return undefined;
  }
}

/** One that its parent has not reaped yet is gone, too. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return true;
  }
}

function pausesOf({ moments, reports }: Watched): Pauses {
  const slow = reports.flatMap((report) => report.slow);
  const pauses = moments.map((moment) =>
    Math.max(0, ...slow.filter((one) => isDuring(one, moment)).map(([, ms]) => ms)),
  );
  pauses.sort((a, b) => a - b);
  const at = (share: number): number =>
    pauses[Math.min(pauses.length - 1, Math.floor(pauses.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function isDuring([begin, ms]: Slow, moment: number): boolean {
  return begin <= moment + AFTER_MS && begin + ms >= moment;
}
