/**
 * Runs the program and collects what it says: in this process, as most tests do, because to start one takes longer
 * than most commands; or as a child, for what only a process has (signals, standard input, how it ends).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { main } from '../../src/cli/main.ts';
import { packageRoot } from '../../src/native/package-root.ts';
import { sanitizerEnv } from './sanitizer.ts';

/** As it is packed for users, which starts sooner than the sources. */
export const PROGRAM = join(packageRoot(), 'bin/g8ufs.js');
/** What a run with a sanitizer's addon sets (scripts/sanitized.mjs): it is for every process. */
const SANITIZER = ['G8UFS_ADDON', 'G8UFS_KEEPER', 'ASAN_OPTIONS', 'TSAN_OPTIONS', 'UBSAN_OPTIONS'];
/** Far above what any command of the tests takes on a busy machine. */
const TIMEOUT_MS = 240_000;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
}

function inherited(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', ...SANITIZER];
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

/** Starts the program; the caller ends it. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin: 'ignore' | 'pipe' = 'ignore',
): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...inherited(), ...sanitizerEnv(), ...env },
    timeout: TIMEOUT_MS,
  });
}

/** Runs the program as a child to its end. */
export async function runChild(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const child = startCli(args, env);
  const [stdout, stderr] = [new Collector(), new Collector()];
  child.stdout?.pipe(stdout);
  child.stderr?.pipe(stderr);
  const [code] = (await once(child, 'close')) as [number | null];
  return resultOf(code, stdout, stderr);
}

/** Runs a command line in this process. */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const code = await main(args, { stdout, stderr }, { ...inherited(), ...env });
  return resultOf(code, stdout, stderr);
}

function resultOf(code: number | null, stdout: Collector, stderr: Collector): CliResult {
  return {
    code,
    stdout: stdout.bytes().toString(),
    stderr: stderr.bytes().toString(),
    stdoutBytes: stdout.bytes(),
  };
}

class Collector extends Writable {
  readonly #pieces: Buffer[] = [];

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // A command may use its buffer again.
    this.#pieces.push(Buffer.from(piece));
    done();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
