/**
 * A mixed load on one daemon for some time: checksums that fio has written into its files, listings, digests of
 * random small files, an interpreter's imports; most of it in mounts that are made for it and taken away again,
 * with a cache of less than a third of what is read. Whatever is read wrong, refused or late is an error.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { G8Error } from '../../src/base/errors.ts';
import { withHub } from '../harness.ts';
import { collectedMiB } from './collected.ts';
import { type Held, WatchedDaemon } from './daemon.ts';
import { fioArguments, LISTING, makeSoakTree, type SoakSizes, type SoakTree } from './soak-tree.ts';

/** Share of the bytes of the images that the cache may have. */
const CACHE_SHARE = 0.3;
const SAMPLE_MS = 1000;
/** Small files that are compared in one go. */
const SUMS_AT_ONCE = 400;
/** A round that takes as long hangs, however busy the machine is: no wait in a mount is longer than its deadline. */
const LOAD_TIMEOUT_MS = 900_000;
const PYTHON =
  'import json, argparse, decimal, email.message, http.client, sqlite3, unittest, xml.dom.minidom; ' +
  'print(json.dumps(str(decimal.Decimal(2).sqrt())[:6]))';
const PYTHON_SAYS = '"1.4142"\n';

export interface SoakOptions {
  readonly seconds: number;
  readonly sizes: SoakSizes;
}

export interface SoakResult {
  readonly samples: readonly Held[];
  /** Anonymous memory when what is garbage has gone, behind a quarter of the time and at its end, in MiB. */
  readonly collected: readonly number[];
  /** Time of the samples. */
  readonly minutes: number;
  /** Rounds of each load. */
  readonly rounds: Readonly<Record<string, number>>;
  readonly workingSetMiB: number;
  readonly limitMiB: number;
  readonly evictedFiles: number;
  readonly evictedMiB: number;
  readonly fetchedMiB: number;
  /** Empty when all is well. */
  readonly errors: readonly string[];
}

interface Load {
  readonly name: string;
  readonly image: 'flist' | 'programs';
  /** One mount for all rounds instead of one for each. */
  readonly stays?: boolean;
  /** One round. Rejects at anything wrong. */
  readonly run: (mountPoint: string, tree: SoakTree, round: number) => Promise<void>;
}

const FIO: Load = { name: 'fio', image: 'flist', stays: true, run: fioRound };
const LOADS: readonly Load[] = [
  { name: 'stat', image: 'flist', run: statRound },
  { name: 'digests', image: 'flist', run: digestsRound },
  { name: 'python', image: 'programs', run: pythonRound },
];

/** @param dir an empty folder on the file system that is wanted for the cache */
export async function soak(dir: string, { seconds, sizes }: SoakOptions): Promise<SoakResult> {
  return await withHub(join(dir, 'hub'), async (store) => {
    const tree = await makeSoakTree(dir, store, sizes);
    const limit = Math.floor(tree.bytes * CACHE_SHARE);
    const flags = ['--cache-size', String(limit)];
    return await WatchedDaemon.with(
      { cacheDir: join(dir, 'cache'), dir: join(dir, 'mounts'), flags },
      (daemon) => new Soak(daemon, store, tree, limit).run(seconds),
    );
  });
}

class Soak {
  readonly #daemon: WatchedDaemon;
  readonly #store: string;
  readonly #tree: SoakTree;
  readonly #limit: number;
  readonly #errors: string[] = [];
  readonly #rounds: Record<string, number> = {};
  #isOver = false;

  constructor(daemon: WatchedDaemon, store: string, tree: SoakTree, limit: number) {
    this.#daemon = daemon;
    this.#store = store;
    this.#tree = tree;
    this.#limit = limit;
  }

  async run(seconds: number): Promise<SoakResult> {
    const loads = this.#tree.sizes.fioFiles > 0 ? [FIO, ...LOADS] : LOADS;
    // The daemon stays as long as there is a mount.
    const keeper = await this.#daemon.mount(this.#tree.programs, this.#store);
    const running = Promise.all(loads.map((load) => this.#repeat(load)));
    const start = performance.now();
    const collected: number[] = [];
    const samples = await this.#sample(seconds / 4);
    collected.push(await collectedMiB(this.#daemon.pid));
    samples.push(...(await this.#sample((seconds * 3) / 4)));
    if (!this.#isOver) collected.push(await collectedMiB(this.#daemon.pid));
    const minutes = (performance.now() - start) / 60_000;
    this.#isOver = true;
    await running;
    await this.#check(samples);
    const status = await this.#daemon.cacheStatus();
    await this.#daemon.unmount(keeper);
    return {
      samples,
      collected,
      minutes,
      rounds: this.#rounds,
      workingSetMiB: this.#tree.bytes / 2 ** 20,
      limitMiB: this.#limit / 2 ** 20,
      evictedFiles: status.evictedFiles,
      evictedMiB: status.evictedBytes / 2 ** 20,
      fetchedMiB: status.fetchedBytes / 2 ** 20,
      errors: this.#errors,
    };
  }

  /** Rounds of one load until the time is over or anything has gone wrong. */
  async #repeat({ name, image, stays = false, run }: Load): Promise<void> {
    this.#rounds[name] = 0;
    let mountPoint: string | undefined;
    try {
      while (!this.#isOver) {
        mountPoint ??= await this.#daemon.mount(this.#tree[image], this.#store);
        const round: number = (this.#rounds[name] ?? 0) + 1;
        await run(mountPoint, this.#tree, round);
        this.#rounds[name] = round;
        if (stays) continue;
        await this.#daemon.unmount(mountPoint);
        mountPoint = undefined;
      }
      if (mountPoint !== undefined) await this.#daemon.unmount(mountPoint);
    } catch (error) {
      this.#fail(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #sample(seconds: number): Promise<Held[]> {
    const samples: Held[] = [];
    const start = performance.now();
    for (let next = start; next < start + seconds * 1000 && !this.#isOver; next += SAMPLE_MS) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
      try {
        samples.push(await this.#daemon.held());
      } catch (error) {
        this.#fail(`The daemon does not answer: ${String(error)}`);
      }
    }
    return samples;
  }

  #fail(message: string): void {
    this.#errors.push(message);
    this.#isOver = true;
  }

  /** What no load has seen. */
  async #check(samples: readonly Held[]): Promise<void> {
    const { corruptChunks, corruptFiles, evictedFiles } = await this.#daemon.cacheStatus();
    const metrics = await this.#daemon.metrics();
    const { mounts } = await this.#daemon.held();
    const wrong: readonly [string, boolean][] = [
      ['chunks were corrupt', corruptChunks > 0],
      ['content files were corrupt', corruptFiles > 0],
      ['nothing was evicted', evictedFiles === 0],
      ['reads have missed their deadline', metrics.get('g8ufs_deadlines_missed_total') !== 0],
      ['there were errors of FUSE', metrics.get('g8ufs_fuse_errors_total') !== 0],
      ['mounts are left', mounts !== 1 && this.#errors.length === 0],
      ['no sample was taken', samples.length === 0],
    ];
    for (const [message, isWrong] of wrong) if (isWrong) this.#errors.push(message);
  }
}

async function fioRound(mountPoint: string, { sizes }: SoakTree, round: number): Promise<void> {
  const order = round % 2 === 0 ? 'read' : 'randread';
  const engine = round % 3 === 0 ? 'mmap' : 'psync';
  await checked('fio', [
    ...fioArguments(join(mountPoint, 'fio'), sizes),
    ...['--readonly', `--rw=${order}`, `--ioengine=${engine}`, '--invalidate=1'],
  ]);
}

async function statRound(mountPoint: string, { listing }: SoakTree): Promise<void> {
  // Twice: from the driver, and as far as the kernel remembers.
  for (const _ of [1, 2]) {
    const said = await checked('sh', ['-c', `cd ${mountPoint} && ${LISTING}`]);
    if (said !== listing) throw new G8Error('ERR_INTERNAL', 'The listing differs');
  }
}

async function digestsRound(mountPoint: string, { sums }: SoakTree): Promise<void> {
  const some = Array.from({ length: SUMS_AT_ONCE }, () => sums[randomIndex(sums.length)]);
  const check = `cd ${mountPoint} && sha256sum -c --quiet --strict -`;
  await checked('sh', ['-c', check], `${some.join('\n')}\n`);
}

async function pythonRound(mountPoint: string): Promise<void> {
  const said = await checked('chroot', [mountPoint, '/usr/bin/python3', '-I', '-c', PYTHON]);
  if (said !== PYTHON_SAYS) throw new G8Error('ERR_INTERNAL', `The interpreter says ${said}`);
}

const randomIndex = (length: number): number => Math.floor(Math.random() * length);

/** What a program prints. Rejects when it fails or takes too long. */
function checked(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { cwd: '/' });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${program} hangs`));
    }, LOAD_TIMEOUT_MS);
    let [out, err] = ['', ''];
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      err = (err + data.toString()).slice(-2000);
    });
    // What fails before it has read everything tells why by its status.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(out);
      else reject(new Error(`${program} ended with ${code ?? signal}: ${err || out.slice(-500)}`));
    });
  });
}
