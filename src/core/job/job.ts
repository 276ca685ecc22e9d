/** One job from its acceptance to its result: its runs, the pauses between them, its messages. */
import { setTimeout as wait } from 'node:timers/promises';
import { createAbortController } from '../../base/abort.ts';
import { startDeadline } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';
import type { Command } from '../transport/command.ts';
import type { Outcome, Result } from '../transport/result.ts';
import type { PlaceProcess } from './place.ts';
import type { Runner } from './runner.ts';

/** A message of a job on its way to whoever follows it. */
export interface JobMessage {
  readonly level: number;
  readonly text: string;
  /** 2 or 4: the end of the output, good or bad; 0 otherwise. */
  readonly endFlags: number;
}

export interface JobOptions {
  readonly command: Command;
  /** 0: the host; else the id of a container. */
  readonly core: number;
  readonly runner: Runner;
  /** Runs for ever, also after a success. */
  readonly isProtected: boolean;
  /** Nobody waits for its result. */
  readonly isService: boolean;
  /** Whether its process id is told. */
  readonly isPidShown: boolean;
  readonly onMessage: (message: JobMessage) => void;
  /** Told when it has another process, or none any more. */
  readonly onChange: () => void;
}

/** What a follower hears first. */
const BACKLOG_COUNT = 10;
const RESTART_DELAY_S = 1;
/** What has ended before it ran. */
const KILLED: Outcome = { state: 'ERROR', code: 999, data: '', level: 0 };
const PROTECTED_DELAY_S_MIN = 2;
const PROTECTED_DELAY_S_MAX = 300;
const PROTECTED_DELAY_GROWTH = 1.5;
/** Longer ones do not fit into a timer: 24 days. */
const TIMER_S_MAX = 2_147_483;

export class Job {
  readonly command: Command;
  readonly isProtected: boolean;
  readonly isService: boolean;
  readonly #options: JobOptions;
  readonly #followers = new Set<(message: JobMessage) => void>();
  readonly #backlog: JobMessage[] = [];
  readonly #unscheduled = new AbortController();
  readonly #stopped = createAbortController();
  #process: PlaceProcess | undefined;
  #isPaused = false;
  #startedAt = 0;
  /** A signal that came before there was a process to get it. */
  #early: number | undefined;
  #settle: () => void = () => {};
  /** Settles when the job has ended, after its last message. */
  readonly ended = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  constructor(options: JobOptions) {
    this.#options = options;
    this.command = options.command;
    this.isProtected = options.isProtected;
    this.isService = options.isService;
  }

  /** Start of the last run, milliseconds since 1970; 0 before the first. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Process group that runs now. */
  get group(): number | undefined {
    return this.#process?.pid;
  }

  /** As `job.list` tells it: 0 when there is none, or nobody's business. */
  get pid(): number {
    return this.#options.isPidShown ? (this.#process?.pid ?? 0) : 0;
  }

  /** Runs until there is nothing more to run. To be called once. */
  async run(): Promise<Result> {
    let protectedDelayS = 0;
    for (let count = 1; ; count++) {
      const startedAt = Date.now();
      const outcome = await this.#runOnce(startedAt);
      const durationMs = Date.now() - startedAt;
      if (this.isProtected) {
        const wasShort = durationMs < 2 * protectedDelayS * 1000;
        protectedDelayS = nextProtectedDelay(wasShort ? protectedDelayS : 0);
      }
      const delayS = this.isProtected ? protectedDelayS : this.#delayAfter(outcome, count);
      if (delayS === undefined || !(await this.#pause(delayS))) {
        this.#followers.clear();
        this.#settle();
        const { command, core } = this.#options;
        return { command, core, outcome, startedAt, durationMs };
      }
    }
  }

  /**
   * Sends a signal to what runs now. A job that waits for its turn does not run when that comes; between two
   * runs nobody is there to get it.
   */
  kill(signal: number): void {
    if (this.#process !== undefined) this.#process.kill(signal);
    else if (!this.#isPaused) this.#early = signal;
  }

  /** Ends the sequence of runs, and the pause between two; the current run goes on. */
  unschedule(): void {
    this.#unscheduled.abort();
  }

  /** Ends it at once, whatever it is doing. */
  stop(): void {
    this.unschedule();
    this.#stopped.abort(new G8Error('ERR_ABORTED', 'The core daemon is going away'));
  }

  /**
   * Repeats the last messages, and tells every new one.
   *
   * @returns ends it
   */
  follow(listener: (message: JobMessage) => void): () => void {
    for (const message of this.#backlog) listener(message);
    this.#followers.add(listener);
    return () => this.#followers.delete(listener);
  }

  async #runOnce(startedAt: number): Promise<Outcome> {
    if (this.#early !== undefined) {
      this.#early = undefined;
      return KILLED;
    }
    this.#startedAt = startedAt;
    const { command, runner } = this.#options;
    const { signal } = this.#stopped;
    const what = `${command.command} of job ${command.id}`;
    const isLimited = command.maxTime > 0 && command.maxTime <= TIMER_S_MAX;
    const deadline = isLimited
      ? startDeadline({ timeoutMs: command.maxTime * 1000, signal, what })
      : { signal, clear: () => {} };
    try {
      return await runner({
        command,
        signal: deadline.signal,
        emit: (level, text, endFlags = 0) => this.#emit({ level, text, endFlags }),
        attach: (process) => this.#attach(process),
      });
    } catch (error) {
      // A mistake in the daemon ends this job and no other.
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { state: 'ERROR', code: 500, data: '', level: 0, critical: `PANIC(${message})` };
    } finally {
      deadline.clear();
      this.#process = undefined;
      this.#early = undefined;
    }
  }

  #attach(process: PlaceProcess): void {
    this.#process = process;
    this.#options.onChange();
    if (this.#early !== undefined) process.kill(this.#early);
  }

  #delayAfter(outcome: Outcome, runCount: number): number | undefined {
    const { recurringPeriod, maxRestart } = this.command;
    if (recurringPeriod > 0) return Math.min(recurringPeriod, TIMER_S_MAX);
    const isRepeated = outcome.state !== 'SUCCESS' && runCount < maxRestart;
    return isRepeated ? RESTART_DELAY_S : undefined;
  }

  /** @returns false when the job was unscheduled before its next run */
  async #pause(seconds: number): Promise<boolean> {
    const { signal } = this.#unscheduled;
    this.#isPaused = true;
    await wait(seconds * 1000, undefined, { signal }).catch(() => {});
    this.#isPaused = false;
    return !signal.aborted;
  }

  #emit(message: JobMessage): void {
    this.#backlog.push(message);
    if (this.#backlog.length > BACKLOG_COUNT) this.#backlog.shift();
    this.#options.onMessage(message);
    for (const follower of this.#followers) follower(message);
  }
}

/** It grows as long as the job dies soon after its start. */
function nextProtectedDelay(lastS: number): number {
  if (lastS === 0) return PROTECTED_DELAY_S_MIN;
  return Math.min(PROTECTED_DELAY_S_MAX, Math.floor(lastS * PROTECTED_DELAY_GROWTH));
}
