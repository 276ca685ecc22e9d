/** Runs the program as a child process and collects what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sanitizerEnv } from './sanitizer.ts';

const PROGRAM = fileURLToPath(new URL('./g8ufs.js', import.meta.url));
/** What a run with a sanitizer's addon sets (scripts/sanitized.mjs): it is for every process. */
const SANITIZER = ['G8UFS_ADDON', 'ASAN_OPTIONS', 'TSAN_OPTIONS', 'UBSAN_OPTIONS'];
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

/** Runs the program to its end. */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const child = startCli(args, env);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const stdoutBytes = Buffer.concat(out);
  return {
    code,
    stdout: stdoutBytes.toString(),
    stderr: Buffer.concat(err).toString(),
    stdoutBytes,
  };
}
