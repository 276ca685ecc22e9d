/**
 * `core run` in the background: the same command once more, as a process of its own that nobody waits for. It tells its
 * starter the number of the container when that runs, and writes what it has to say of a failure until then into a file
 * that the starter reads.
 */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { withDeadline } from '../base/deadline.ts';
import { toG8Error } from '../base/errors.ts';
import type { ContainerFolder } from '../core/container/container-folder.ts';
import { LOG_SIZE_MAX, limitLog } from '../core/container/log-limit.ts';
import type { Logger } from '../fs/log.ts';
import { packageRoot } from '../native/package-root.ts';
import { type AttachedOptions, runAttached } from './attached-process.ts';
import type { Context } from './context.ts';

/** Says to the process in the background where its starter listens. */
const NOTIFY = 'G8UFS_DETACHED_FD';
const NOTIFY_FD = 3;
/** Unpacking a very large flist takes minutes. */
const START_TIMEOUT_MS = 600_000;
const WORDS_SIZE_MAX = 64 * 1024;

/** Whether this process is the one in the background. */
export function isSupervisor(env: Context['env']): boolean {
  return env[NOTIFY] !== undefined;
}

let isTold = false;

/** Tells the starter, once: the descriptor is then another file's. */
export function tellRunning(id: number): void {
  if (isTold) return;
  isTold = true;
  try {
    writeSync(NOTIFY_FD, `${id}\n`);
    closeSync(NOTIFY_FD);
  } catch {
    // Nobody listens any more: the container goes on.
  }
}

/**
 * Starts a command line in the background.
 *
 * @returns number of its container, or the status that it has ended with and its words
 * @throws ERR_TIMEOUT, ERR_IO, ERR_ABORTED: it is then told to end
 */
export async function startInBackground(
  args: readonly string[],
  { env, signal }: Pick<Context, 'env' | 'signal'>,
): Promise<{ readonly id: number } | { readonly exitCode: number; readonly words: string }> {
  const words = openUnnamed();
  const child = spawn(process.execPath, [join(packageRoot(), 'bin/g8ufs.js'), ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', words, 'pipe'],
    env: { ...env, [NOTIFY]: String(NOTIFY_FD) },
  });
  const notify = child.stdio[NOTIFY_FD] as Readable;
  const toldOf = (): Promise<string | number> =>
    new Promise((resolve, reject) => {
      notify.setEncoding('utf8').on('data', (text: string) => resolve(text));
      child.once('exit', (code) => resolve(code ?? 1));
      child.once('error', (error) =>
        reject(toG8Error(error, 'ERR_IO', 'A process in the background cannot be started')),
      );
    });
  try {
    const deadline = { timeoutMs: START_TIMEOUT_MS, signal, what: 'Starting the container' };
    const told = await withDeadline(deadline, toldOf);
    if (typeof told === 'string') return { id: Number(told) };
    return { exitCode: told, words: readAll(words) };
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  } finally {
    notify.destroy();
    child.unref();
    closeSync(words);
  }
}

/** Runs a program to its end, whose output goes into the log of its container. @throws as {@link runAttached} */
export async function runLogged(
  argv: readonly [string, ...string[]],
  folder: ContainerFolder,
  log: Logger,
  options: AttachedOptions,
): Promise<number> {
  await using file = await open(folder.log, 'a', 0o600);
  const endLimit = limitLog(folder.log, LOG_SIZE_MAX, (error) =>
    log.warn({ err: error }, 'log is not limited any more'),
  );
  try {
    return await runAttached(argv, { ...options, output: file.fd });
  } finally {
    endLimit();
  }
}

/** A file that is gone when nobody has it open. */
function openUnnamed(): number {
  const folder = mkdtempSync(join(tmpdir(), 'g8ufs-'));
  try {
    return openSync(join(folder, 'words'), 'w+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readAll(fd: number): string {
  const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, WORDS_SIZE_MAX));
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)).toString();
}
