/** The jobs of one place: accepts commands, keeps those that are alive, knows what they use. */

import { withDeadline } from '../../base/deadline.ts';
import { KeyedLock } from '../../base/keyed-lock.ts';
import type { CommandContext, CommandRegistry } from '../command/registry.ts';
import type { Guest } from '../guest/guest.ts';
import { type Command, commandDocument } from '../transport/command.ts';
import { failureOutcome, type Outcome, type Result } from '../transport/result.ts';
import { Job, type JobMessage, type JobOptions } from './job.ts';
import type { LiveJob } from './journal.ts';
import type { Place } from './place.ts';
import { processRunner } from './process-run.ts';
import { builtInRunner, END_FAILURE, type Runner } from './runner.ts';
import type { JobSlots } from './slots.ts';
import { NO_USAGE, sumUsage, type Usage, UsageMeter } from './usage.ts';

/** Where results and messages go. */
export interface JobSink {
  publishResult(result: Result): void;
  publishMessage(core: number, command: Command, message: JobMessage): void;
}

/** Something that lives in the table beside the jobs that clients have sent: a container, a server. */
export interface InternalJob {
  readonly command: Command;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly pid: number;
  readonly usage: () => Promise<Usage>;
  readonly kill: (signal: number) => void;
}

export interface JobsOptions {
  readonly place: Place;
  readonly guest: Guest;
  readonly registry: CommandRegistry;
  readonly sink: JobSink;
  /** Shared by all places. */
  readonly slots: JobSlots;
  /** Told when a job comes, starts a process, or ends. */
  readonly onChange?: () => void;
}

/** As `job.list` shows a job. */
export interface JobStatus extends Usage {
  readonly starttime: number;
  readonly cmd: Record<string, unknown>;
  readonly pid: number;
}

const SIGTERM = 15;
/** What SIGKILL takes on a loaded machine. */
const KILL_MS = 5_000;
const NOT_STARTED = { startedAt: 0, durationMs: 0 };

export class Jobs {
  readonly #options: JobsOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #internal = new Map<string, InternalJob>();
  /** Of each job, its result's publication included. */
  readonly #endings = new Set<Promise<void>>();
  readonly #queues = new KeyedLock();
  readonly #meter = new UsageMeter();

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Takes a command whose flag is set: whatever becomes of it, one result is published. */
  submit(command: Command): void {
    const { sink, place } = this.#options;
    const runner = this.#runnerOf(command);
    const refuse = (outcome: Outcome): void => {
      const message: JobMessage = { level: 2, text: '', endFlags: END_FAILURE };
      sink.publishMessage(place.core, command, message);
      sink.publishResult({ command, core: place.core, outcome, ...NOT_STARTED });
    };
    if (this.#jobs.has(command.id) || this.#internal.has(command.id)) {
      refuse(failureOutcome({ code: 409, message: `job '${command.id}' is running` }));
      return;
    }
    if (runner === undefined) {
      refuse({ state: 'UNKNOWN_CMD', code: 0, data: '', level: 0 });
      return;
    }
    const job = this.#create(command, runner, { isProtected: false, isService: false });
    this.#options.slots.enter();
    const ended = (result: Result): void => {
      sink.publishResult(result);
      this.#remove(job);
      this.#options.slots.leave();
    };
    const { queue } = command;
    const run = queue === '' ? job.run() : this.#queues.run(queue, () => job.run());
    this.#track(run.then(ended));
  }

  /**
   * Starts a service of a place: a job that nobody waits for, so that no result is published.
   *
   * @returns the job, or `undefined` when there is no such command or it is running
   */
  startService(command: Command, { isProtected }: { isProtected: boolean }): Job | undefined {
    const runner = this.#runnerOf(command);
    if (runner === undefined || this.#jobs.has(command.id)) return undefined;
    const job = this.#create(command, runner, { isProtected, isService: true });
    this.#track(job.run().then(() => this.#remove(job)));
    return job;
  }

  /** Shows something in the table. @returns takes it out again */
  addInternal(job: InternalJob): () => void {
    this.#internal.set(job.command.id, job);
    return () => this.#internal.delete(job.command.id);
  }

  find(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  /** Jobs whose results are owed to clients. */
  alive(): LiveJob[] {
    const { core } = this.#options.place;
    return [...this.#jobs.values()]
      .filter(({ isService }) => !isService)
      .map(({ command, group, startedAt }) => ({ command, core, group, startedAt }));
  }

  /** @returns false when there is no such job */
  kill(id: string, signal: number): boolean {
    const job = this.#jobs.get(id) ?? this.#internal.get(id);
    job?.kill(signal);
    return job !== undefined;
  }

  /** @returns false when there is no such job */
  unschedule(id: string): boolean {
    const job = this.#jobs.get(id);
    job?.unschedule();
    return job !== undefined || this.#internal.has(id);
  }

  /** Asks all but the protected ones to end. */
  killAll(): void {
    for (const job of this.#jobs.values()) if (!job.isProtected) job.kill(SIGTERM);
    for (const job of this.#internal.values()) job.kill(SIGTERM);
  }

  /** @param id one job, which may not exist; `undefined`: all */
  async list(id?: string): Promise<JobStatus[]> {
    const usages = await this.#usages();
    const isWanted = (command: Command): boolean => id === undefined || command.id === id;
    const status = (job: Job | InternalJob): JobStatus => ({
      ...(usages.get(job.command.id) ?? NO_USAGE),
      starttime: job.startedAt,
      cmd: commandDocument(job.command),
      pid: job.pid,
    });
    return [...this.#jobs.values(), ...this.#internal.values()]
      .filter(({ command }) => isWanted(command))
      .map(status);
  }

  /** Of all jobs together. */
  async usage(): Promise<Usage> {
    return sumUsage((await this.#usages()).values());
  }

  /** Ends all jobs: by SIGTERM, and what is left after `graceMs` by force. */
  async stop(graceMs: number): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const job of jobs) {
      job.unschedule();
      job.kill(SIGTERM);
    }
    const ended = async (): Promise<unknown> => Promise.all(this.#endings);
    const wait = (timeoutMs: number): Promise<unknown> =>
      withDeadline({ timeoutMs, what: 'Ending all jobs' }, ended).catch(() => {});
    await wait(graceMs);
    for (const job of jobs) job.stop();
    // What the kernel holds back ends when it can.
    await wait(KILL_MS);
  }

  #create(
    command: Command,
    runner: Runner,
    kind: Pick<JobOptions, 'isProtected' | 'isService'>,
  ): Job {
    const { place, registry, sink, onChange = () => {} } = this.#options;
    const found = registry.find(command.command);
    const job = new Job({
      command,
      core: place.core,
      runner,
      ...kind,
      isPidShown: typeof found === 'object' && found.isPidShown,
      onMessage: (message) => sink.publishMessage(place.core, command, message),
      onChange,
    });
    this.#jobs.set(command.id, job);
    onChange();
    return job;
  }

  #track(ending: Promise<void>): void {
    this.#endings.add(ending);
    void ending.finally(() => this.#endings.delete(ending));
  }

  #remove(job: Job): void {
    this.#jobs.delete(job.command.id);
    this.#options.onChange?.();
    this.#meter.forget(job.command.id);
  }

  #runnerOf(command: Command): Runner | undefined {
    const { place, guest, registry } = this.#options;
    const found = registry.find(command.command);
    if (found === undefined) return undefined;
    if (typeof found === 'object') return processRunner(place, () => found.plan(command.arguments));
    const context: Omit<CommandContext, 'job'> = { place, guest, jobs: this };
    return builtInRunner(found, context);
  }

  async #usages(): Promise<Map<string, Usage>> {
    const groups = [...this.#jobs.values()]
      .filter((job) => job.group !== undefined)
      .map((job) => ({
        id: job.command.id,
        group: job.group as number,
        startedAt: job.startedAt,
      }));
    const usages = await this.#meter.measure(groups);
    for (const { command, usage } of this.#internal.values()) usages.set(command.id, await usage());
    return usages;
  }
}
