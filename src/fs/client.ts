/**
 * Finds the mount daemon of a cache, or starts it: what every command that touches mounts begins with.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../base/clock.ts';
import { CODES, type ErrorCode, G8Error, toG8Error } from '../base/errors.ts';
import { registryDir } from '../base/paths.ts';
import { confined } from './confine.ts';
import { ControlClient } from './control.ts';
import { openLog } from './log-file.ts';
import { isDying, listDaemons } from './registry.ts';
import { hasKeeper } from './takeover/has-keeper.ts';

/** A daemon that starts answers within this: opening a large cache takes a fraction of it. */
const START_TIMEOUT_MS = 20_000;
/** Another command may be starting the same daemon: its lock is held before it listens. */
const ATTEMPTS = 50;
const ATTEMPT_DELAY_MS = 100;
/** A successor is there within a second, on a busy machine within a few. */
const SUCCESSOR_TIMEOUT_MS = 20_000;
const SUCCESSOR_DELAY_MS = 25;

export interface DaemonCommand {
  readonly cacheDir: string;
  /** Program and arguments that run the daemon; `--notify-fd 3` is added. */
  readonly program: string;
  readonly args: readonly string[];
}

/** Where the daemon of a cache listens, unless it has registered otherwise. */
export function controlSocket(cacheDir: string): string {
  return join(cacheDir, 'run', 'control.sock');
}

const ownRegistry = (): string => registryDir(process.env);

/**
 * Connects to the daemon of a cache, also to one that listens elsewhere because the disk of the cache cannot be used.
 *
 * @param registry where daemons register; default: as this process's environment says
 */
export async function connectControl(
  cacheDir: string,
  registry: string = ownRegistry(),
): Promise<ControlClient | undefined> {
  const records = await listDaemons(registry);
  const record = records.find((known) => known.cacheDir === cacheDir);
  // Its socket would take every request, and answer none.
  if (record !== undefined && isDying(record.pid)) return undefined;
  return await ControlClient.connect(record?.socket ?? controlSocket(cacheDir));
}

/**
 * Connects to the daemon of a cache; while its keeper is there, a daemon that has died is waited for: its
 * successor is coming.
 *
 * @param registry as for {@link connectControl}
 * @returns `undefined` when no daemon owns this cache
 */
export async function connectDaemon(
  cacheDir: string,
  registry: string = ownRegistry(),
): Promise<ControlClient | undefined> {
  const deadline = monotonicMs() + SUCCESSOR_TIMEOUT_MS;
  for (;;) {
    const client = await connectControl(cacheDir, registry);
    if (client !== undefined || monotonicMs() > deadline) return client;
    if (!(await hasKeeper(cacheDir))) return undefined;
    await delay(SUCCESSOR_DELAY_MS);
  }
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
    const client = (await takeEarly(command.cacheDir)) ?? (await connectDaemon(command.cacheDir));
    if (client !== undefined) {
      // It may be the expected one, which listens sooner than it says so: it is wanted now. Any other ends by itself.
      void takeExpected(command.cacheDir)?.catch(() => {});
      return client;
    }
    failure = await (takeExpected(command.cacheDir) ?? startDaemon(command).started);
    if (failure === undefined) continue;
    if (failure.code !== 'ERR_CACHE_LOCKED') throw failure;
    await delay(ATTEMPT_DELAY_MS);
  }
  throw failure ?? new G8Error('ERR_TIMEOUT', 'The mount daemon does not stay up');
}

interface EarlyConnection {
  readonly cacheDir: string;
  readonly client: Promise<ControlClient | undefined>;
}

let early: EarlyConnection | undefined;

/**
 * Connects to the daemon of a cache, if there is one, and says what will be mounted: it looks that up while this command
 * finds out the rest. {@link connectOrStartDaemon} gives this connection. Failures show only there.
 */
export async function expectMount(cacheDir: string, source: string): Promise<void> {
  const client = connectControl(cacheDir).catch(() => undefined);
  early = { cacheDir, client };
  // A daemon of an earlier version does not know the request, and nothing is lost.
  (await client)?.request('expect', { source }).catch(() => {});
}

async function takeEarly(cacheDir: string): Promise<ControlClient | undefined> {
  if (early?.cacheDir !== cacheDir) return undefined;
  const client = await early.client;
  early = undefined;
  return client?.isClosed === true ? undefined : client;
}

interface StartingDaemon {
  readonly cacheDir: string;
  readonly child: ChildProcess;
  /** Why it did not start; `undefined` when it did. */
  readonly started: Promise<G8Error | undefined>;
}

let expected: StartingDaemon | undefined;
/** How many have been started and have not said yet whether they work. */
let startingCount = 0;

/** Whether a daemon that was started here may still fail: another command's was quicker, and it has to end. */
export function isDaemonStarting(): boolean {
  return startingCount > 0;
}

/** Starts a daemon that {@link connectOrStartDaemon} will probably want. Failures show only there. */
export function expectDaemon(command: DaemonCommand): void {
  try {
    expected = startDaemon(command);
    expected.started.catch(() => {});
  } catch {
    // Whatever it is, the command meets it again when it really needs the daemon.
  }
}

/** Ends what was done in expectation and nobody has asked for after all: a daemon that was started, a connection. */
export function dropExpected(): void {
  expected?.child.kill('SIGTERM');
  expected = undefined;
  void early?.client.then((client) => client?.close());
  early = undefined;
}

function takeExpected(cacheDir: string): Promise<G8Error | undefined> | undefined {
  if (expected?.cacheDir !== cacheDir) return undefined;
  const { started } = expected;
  expected = undefined;
  return started;
}

/**
 * Starts a daemon in place of the one that runs, and resolves with its process id when it works.
 *
 * @throws whatever the daemon failed with; the one that runs goes on if it has not been asked yet
 */
export async function replaceDaemon(command: DaemonCommand): Promise<number> {
  const { child, started } = startDaemon({ ...command, args: [...command.args, '--take-over'] });
  const failure = await started;
  if (failure !== undefined) throw failure;
  return child.pid as number;
}

/** @throws ERR_NO_INPUT, ERR_PERMISSION when the program cannot be run; ERR_IO when its log cannot be opened */
function startDaemon({ cacheDir, program, args }: DaemonCommand): StartingDaemon {
  // Confined it is started by another program, which could only say so in the log.
  try {
    accessSync(program, constants.X_OK);
  } catch (error) {
    throw toG8Error(error, 'ERR_IO', 'The mount daemon cannot be started');
  }
  const log = openLog(cacheDir);
  const [file, words] = confined(program, [...args, '--notify-fd', '3']);
  const child = spawn(file, words, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    env: { ...process.env, ...compileCache() },
  });
  closeSync(log);
  startingCount++;
  const started = waitForStart(child).finally(() => startingCount--);
  return { cacheDir, child, started };
}

/** Where this process keeps compiled code (Node 22 and later), so that the daemon uses it as well. */
function compileCache(): Record<string, string> {
  const { getCompileCacheDir } = module as { getCompileCacheDir?: () => string | undefined };
  const folder = getCompileCacheDir?.();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

async function waitForStart(child: ChildProcess): Promise<G8Error | undefined> {
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
    return new G8Error(Object.hasOwn(CODES, code) ? code : 'ERR_INTERNAL', message);
  } catch {
    return new G8Error('ERR_INTERNAL', 'The mount daemon ended while starting; see its log');
  }
}
