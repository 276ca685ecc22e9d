/**
 * Finds the mount daemon of a cache, or starts it: what every command that touches mounts begins with.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { CODES, type ErrorCode, G8Error, toG8Error } from '../base/errors.ts';
import { ControlClient } from './control.ts';

/** A daemon that starts answers within this: opening a large cache takes a fraction of it. */
const START_TIMEOUT_MS = 20_000;
/** Another command may be starting the same daemon: its lock is held before it listens. */
const ATTEMPTS = 50;
const ATTEMPT_DELAY_MS = 100;
/** One older log of this size is kept beside the current one. */
const LOG_SIZE_MAX = 8 * 1024 * 1024;

export interface DaemonCommand {
  readonly cacheDir: string;
  /** Program and arguments that run the daemon; `--notify-fd 3` is added. */
  readonly program: string;
  readonly args: readonly string[];
}

/** Where the daemon of a cache listens. */
export function controlSocket(cacheDir: string): string {
  return join(cacheDir, 'run', 'control.sock');
}

/** @returns `undefined` when no daemon owns this cache */
export function connectDaemon(cacheDir: string): Promise<ControlClient | undefined> {
  return ControlClient.connect(controlSocket(cacheDir));
}

/**
 * Connects to the daemon of the cache, starting it when there is none.
 *
 * @throws ERR_CACHE_LOCKED when a process that is no daemon owns the cache; ERR_PERMISSION; ERR_IO; whatever
 *   the daemon failed with
 */
export async function connectOrStartDaemon(command: DaemonCommand): Promise<ControlClient> {
  let failure: G8Error | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const client = await connectDaemon(command.cacheDir);
    if (client !== undefined) return client;
    failure = await startDaemon(command);
    if (failure === undefined) continue;
    if (failure.code !== 'ERR_CACHE_LOCKED') throw failure;
    await delay(ATTEMPT_DELAY_MS);
  }
  throw failure ?? new G8Error('ERR_TIMEOUT', 'The mount daemon does not stay up');
}

/** Starts a daemon in the background. @returns why it did not start, `undefined` when it did */
async function startDaemon(command: DaemonCommand): Promise<G8Error | undefined> {
  const log = openLog(command.cacheDir);
  const child = spawn(command.program, [...command.args, '--notify-fd', '3'], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
  });
  closeSync(log);
  const notify = child.stdio[3] as Readable;
  let timer: NodeJS.Timeout | undefined;
  try {
    const word = await new Promise<string>((resolve, reject) => {
      let text = '';
      timer = setTimeout(
        () => reject(new G8Error('ERR_TIMEOUT', 'The mount daemon did not start in time')),
        START_TIMEOUT_MS,
      );
      child.once('error', (error) =>
        reject(toG8Error(error, 'ERR_IO', 'The mount daemon cannot be started')),
      );
      notify.setEncoding('utf8');
      notify.on('data', (data: string) => {
        text += data;
        if (text.includes('\n')) resolve(text.trim());
      });
      notify.on('end', () => resolve(text.trim()));
    });
    return failureOf(word);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
    notify.destroy();
    child.unref();
  }
}

/** The daemon says `ready`, or its error as JSON; nothing when it died before it could. */
function failureOf(word: string): G8Error | undefined {
  if (word === 'ready') return undefined;
  try {
    const { code, message } = JSON.parse(word) as { code: ErrorCode; message: string };
    return new G8Error(code in CODES ? code : 'ERR_INTERNAL', message);
  } catch {
    return new G8Error('ERR_INTERNAL', 'The mount daemon ended while starting; see its log');
  }
}

function openLog(cacheDir: string): number {
  const runDir = join(cacheDir, 'run');
  const path = join(runDir, 'daemon.log');
  try {
    mkdirSync(runDir, { recursive: true, mode: 0o700 });
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_SIZE_MAX) renameSync(path, `${path}.1`);
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', `Cache ${cacheDir} cannot be used`);
  }
}
