/** The loads of the takeover suite: processes that work on mounts while daemons come and go below them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../harness.ts';
import type { LoadReport } from './report.ts';
import { MODULES } from './tree.ts';

/** What takes longer to begin or to end hangs. */
const TIMEOUT_MS = 300_000;
/** The last kill has its pause, too. */
const AFTER_MS = 2_000;

const PYTHON = `
import importlib, json, select, sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
count, failed, wrong, words, slow = 0, 0, 0, [], []
print("reading", flush=True)
while not select.select([sys.stdin], [], [], 0.008)[0]:
    name = "module_%d" % (count % ${MODULES})
    begin, start = time.time() * 1000, time.monotonic()
    try:
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        if importlib.import_module(name).VALUE != name:
            wrong += 1
            words.append("wrong: " + name)
    except Exception as error:
        failed += 1
        words.append("failed: import %s: %r" % (name, error))
    ms = (time.monotonic() - start) * 1000
    if ms >= 10: slow.append([round(begin), round(ms, 1)])
    count += 1
report = {"operations": count, "failed": failed, "wrong": wrong, "words": words[:20], "slow": slow}
print(json.dumps(report))
`;

export type LoadName = 'random' | 'hold' | 'storm' | 'overlay' | 'fio' | 'python' | 'containers';

export interface Load {
  readonly name: string;
  readonly kind: LoadName;
  /** Writable for `overlay`. */
  readonly mountPoint: string;
  /** What the image was made of. */
  readonly source: string;
}

export interface Watched {
  /** When the daemon went, ms since 1970, in order. */
  readonly moments: readonly Moment[];
  readonly reports: ReadonlyMap<string, LoadReport>;
}

export interface Moment {
  readonly ms: number;
  /** The daemon that was ended did not work yet: its readers waited already. */
  readonly early: boolean;
}

/**
 * Runs loads while `work` ends daemons.
 *
 * @param dir an empty folder for what the loads need themselves, on a file system that can hold overlays' changes
 * @throws when a load does not begin or does not end; what it has seen is in the result
 */
export async function withLoads(
  dir: string,
  loads: readonly Load[],
  work: () => Promise<Moment[]>,
): Promise<Watched> {
  const running: [string, RunningLoad][] = [];
  const overlays: string[] = [];
  try {
    for (const load of loads) {
      const folder = join(dir, load.name);
      mkdirSync(folder, { recursive: true });
      const program = await programOf(load, folder, overlays);
      running.push([load.name, new RunningLoad(load.name, program)]);
    }
    for (const [, load] of running) await load.ready();
    const moments = await work();
    await delay(AFTER_MS);
    const reports = running.map(async ([name, load]) => [name, await load.stop()] as const);
    return { moments, reports: new Map(await Promise.all(reports)) };
  } finally {
    for (const [, load] of running) load.kill();
    // A container whose load was killed has some seconds to go.
    for (const path of overlays) await run('umount', ['--lazy', path]);
  }
}

async function programOf(
  { kind, mountPoint, source }: Load,
  folder: string,
  overlays: string[],
): Promise<[string, ...string[]]> {
  const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  if (kind === 'python') return ['python3', '-c', PYTHON, mountPoint];
  if (kind === 'fio') return [process.execPath, script('./fio-reader.js'), mountPoint, folder];
  if (kind === 'containers') {
    const root = await overlay(mountPoint, folder);
    overlays.push(root);
    return [process.execPath, script('./container-reader.js'), root, folder];
  }
  return [process.execPath, script('./reader.js'), kind, mountPoint, source];
}

async function overlay(lower: string, folder: string): Promise<string> {
  const [root, upper, work] = ['root', 'upper', 'work'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [root, upper, work]) mkdirSync(path);
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await run('mount', ['-i', '-t', 'overlay', '-o', layers, 'g8ufs-takeover', root]);
  return root;
}

class RunningLoad {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #text = '';

  constructor(name: string, [program, ...args]: [string, ...string[]]) {
    this.#name = name;
    this.#child = spawn(program, args, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (data: Buffer) => {
      this.#text += data.toString();
    });
    // One that has died is told when it is asked for its report.
    this.#child.stdin?.on('error', () => {});
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!this.#text.includes('\n')) {
      if (performance.now() > deadline) throw new Error(`Load ${this.#name} does not begin`);
      await delay(20);
    }
  }

  async stop(): Promise<LoadReport> {
    this.#child.stdin?.end();
    await Promise.race([this.#ended, delay(TIMEOUT_MS, undefined, { ref: false })]);
    const line = this.#text.split('\n')[1];
    if (line === undefined || line === '') {
      throw new Error(`Load ${this.#name} hangs, or has died`);
    }
    return JSON.parse(line) as LoadReport;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
