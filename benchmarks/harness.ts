/** What the suites share: running commands, a hub for the time of a run, medians. */
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const ROOT = process.cwd();
const CLI = join(ROOT, 'bin/g8ufs.js');

export interface SuiteOptions {
  readonly quick: boolean;
  /** One row of the suite instead of all, where a suite has such. */
  readonly only?: string | undefined;
  /** How long a suite takes that can take as long as one likes. */
  readonly minutes?: number | undefined;
  /** How often a daemon is killed, or replaced, where a suite does that. */
  readonly kills?: number | undefined;
  readonly upgrades?: number | undefined;
  /** Seconds that a daemon works at most before that. */
  readonly uptime?: number | undefined;
  /** How often everything is measured, where a suite takes medians. */
  readonly rounds?: number | undefined;
}

/** Runs a program; its stdout. Rejects with its stderr when it fails. */
export async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, [...args], { maxBuffer: 1 << 28, cwd: '/' });
  return stdout;
}

/** Runs a g8ufs command with --json and gives its answer. */
export async function g8ufs<T>(...args: string[]): Promise<T> {
  return JSON.parse(await run(process.execPath, [CLI, ...args, '--json'])) as T;
}

/** Milliseconds that a program takes from start to exit. */
export async function timed(program: string, args: readonly string[]): Promise<number> {
  const start = process.hrtime.bigint();
  await run(program, args);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** The command line of g8ufs itself, for {@link timed}. */
export function command(...args: string[]): [string, string[]] {
  return [process.execPath, [CLI, ...args]];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** `median (min to max)`, with one decimal unless told. */
export function spread(values: readonly number[], digits = 1): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

/** Gives a folder of its own to `work` and removes it afterwards, whatever happened. */
export async function withFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp('/var/tmp/g8ufs-bench-');
  try {
    return await work(dir);
  } finally {
    // A million files are too many for rm() of Node, which holds all their names.
    await run('rm', ['-rf', '--one-file-system', dir]);
  }
}

/** Starts a hub on loopback, runs `work` with its URL, stops the hub. */
export async function withHub<T>(dataDir: string, work: (url: string) => Promise<T>): Promise<T> {
  const [program, args] = command('hub', 'serve', '--data', dataDir, '--listen', '127.0.0.1:0');
  const hub = spawn(program, [...args, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let text = '';
      hub.stdout.on('data', (data: Buffer) => {
        text += data.toString();
        const match = /"url":\s*"([^"]+)"/.exec(text);
        if (match?.[1] !== undefined) resolve(match[1]);
      });
      hub.once('exit', (code) => reject(new Error(`The hub ended with status ${code}`)));
    });
    return await work(url);
  } finally {
    hub.kill('SIGTERM');
    if (hub.exitCode === null) await new Promise((resolve) => hub.once('exit', resolve));
  }
}

/** Resident memory of a process in MiB: all of it, and the part that is anonymous. */
export async function residentMiB(pid: number): Promise<{ total: number; anonymous: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status);
    return Number(match?.[1] ?? 0) / 1024;
  };
  return { total: field('VmRSS'), anonymous: field('RssAnon') };
}

export interface Measured {
  readonly stdout: string;
  readonly seconds: number;
  /** Highest sum of the resident memory of the program and all below it, MiB. */
  readonly peakMiB: number;
}

const SAMPLE_MS = 25;

/** Runs a program and watches its memory, that of its children included. Rejects when it fails. */
export async function measured(program: string, args: readonly string[]): Promise<Measured> {
  const start = process.hrtime.bigint();
  const child = spawn(program, [...args], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => {
    texts.stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    texts.stderr = (texts.stderr + data.toString()).slice(-4096);
  });
  let peakMiB = 0;
  const timer = setInterval(() => {
    peakMiB = Math.max(peakMiB, treeMiB(child.pid as number));
  }, SAMPLE_MS);
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${texts.stderr}`);
    return { stdout: texts.stdout, seconds, peakMiB };
  } finally {
    clearInterval(timer);
  }
}

/** CPU seconds that a process and those it has started have used so far. */
export function treeCpuSeconds(pid: number): number {
  // Behind the name, which may have blanks in it: user and system time are fields 14 and 15, in hundredths.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) / 100;
  return childrenOf(pid).reduce((sum, child) => sum + treeCpuSeconds(child), own);
}

/** Every thread lists the processes that it started. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

/** Resident memory of a process and all below it; what is gone meanwhile counts nothing. */
function treeMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const own = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
    return childrenOf(pid).reduce((sum, child) => sum + treeMiB(child), own);
  } catch {
    return 0;
  }
}
