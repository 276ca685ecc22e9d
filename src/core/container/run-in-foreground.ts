/** A container's command in the foreground, again and again as its restart policy says. */
import { rm } from 'node:fs/promises';
import { throwIfAborted } from '../../base/abort.ts';
import { monotonicMs } from '../../base/clock.ts';
import { sleep } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';
import { type ContainerFolder, isToStay, runtimeName } from './container-folder.ts';
import { waitForPid } from './pid-file.ts';
import { identify, sendSignal } from './process-identity.ts';
import { type ContainerRecord, writeRecord } from './record.ts';
import { type RestartPolicy, Restarts } from './restart.ts';
import { lastError } from './runtime.ts';
import { type ContainerSystem, folderOf } from './system.ts';

/** How soon `core stop` is noticed between two runs. */
const STOP_LOOK_MS = 100;

/** How a command in the foreground is run. */
export interface Foreground {
  /**
   * Starts the program that it is given, with a terminal, pipes and signals as it likes, and waits for its end: the exit
   * status is that of the container's command.
   */
  readonly attach: (
    argv: readonly [program: string, ...args: string[]],
    id: number,
  ) => Promise<number>;
  /** Default: it is run once. */
  readonly restart?: RestartPolicy;
  /** Called when it runs. */
  readonly onRunning?: (id: number) => void;
  /** Whether it shall not be started again, whatever `restart` says. */
  readonly isOver?: () => boolean;
  /** Ends the wait for another run. */
  readonly signal?: AbortSignal;
}

/**
 * @param record of a container that is prepared
 * @returns the exit status of the last run
 * @throws ERR_CREATE when the command cannot be started; ERR_ABORTED while it waits for another run
 */
export async function runInForeground(
  system: ContainerSystem,
  record: ContainerRecord,
  foreground: Foreground,
): Promise<number> {
  const folder = folderOf(system, record.id);
  const restarts = new Restarts(foreground.restart ?? { when: 'no' });
  for (;;) {
    throwIfAborted(foreground.signal);
    const begin = monotonicMs();
    const exitCode = await runOnce(system, record, foreground);
    const delayMs = restarts.next(exitCode, monotonicMs() - begin);
    if (delayMs === undefined || foreground.isOver?.() || isToStay(folder)) return exitCode;
    await system.runtime.delete(runtimeName(record.id));
    await untilNextRun(folder, delayMs, foreground.signal);
    if (isToStay(folder)) return exitCode;
  }
}

async function runOnce(
  system: ContainerSystem,
  record: ContainerRecord,
  foreground: Foreground,
): Promise<number> {
  const { id } = record;
  const folder = folderOf(system, id);
  const { argv, pidFile, log } = system.runtime.foreground(runtimeName(id), folder.bundle);
  await rm(pidFile, { force: true });
  const attached = foreground.attach(argv, id);
  const over = attached.then(
    () => {},
    () => {},
  );
  const pid = await waitForPid(pidFile, over);
  if (pid === undefined) {
    const words = (await lastError(log)) ?? 'it ended at once';
    throw new G8Error('ERR_CREATE', `Container ${id} cannot be started: ${words}`);
  }
  // For whoever wants to enter it meanwhile.
  const init = identify(pid) ?? null;
  await writeRecord(folder.path, { ...record, state: 'running', init });
  // Who has stopped it a moment ago did not know of this process, which may have ended since.
  if (init !== null && isToStay(folder)) sendSignal(init, 'SIGKILL');
  foreground.onRunning?.(id);
  return await attached;
}

/** `core stop` is not to wait for the next run, nor to be followed by one. */
async function untilNextRun(
  folder: ContainerFolder,
  delayMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = monotonicMs() + delayMs;
  while (monotonicMs() < end && !isToStay(folder)) {
    await sleep(Math.min(STOP_LOOK_MS, delayMs), signal);
  }
}
