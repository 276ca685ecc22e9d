/**
 * Work that outlives its request: a client gets an id at once and listens to what happens. Jobs live in the
 * memory of the hub that took them; several hubs behind one name need a proxy that keeps a client at one.
 */
import { randomUUID } from 'node:crypto';
import { Problem } from './problem.ts';

/** What a listener of the historical hub gets; the last one says how it ended. */
export type JobEvent =
  | { readonly status: 'update'; readonly message: string; readonly progress: number }
  | { readonly status: 'info'; readonly info: unknown }
  | { readonly status: 'error'; readonly message: string };

export type JobState = 'running' | 'done' | 'failed';

/** What the work of a job has to report with. */
export interface JobReport {
  readonly signal: AbortSignal;
  /** @param progress percent */
  update(message: string, progress: number): void;
}

export interface Job {
  readonly id: string;
  readonly owner: string | undefined;
  readonly kind: string;
  readonly state: JobState;
  /** What was reported last. */
  readonly last: JobEvent | undefined;
}

export interface JobsOptions {
  /** Jobs that run at a time; more are refused. */
  readonly runningCountMax: number;
  /** What becomes of a failure for its listener. */
  readonly describe: (error: unknown) => string;
}

/** A finished job that nobody asks for is forgotten after this. */
const KEPT_MS = 10 * 60_000;
const KEPT_COUNT_MAX = 1000;

class Running implements Job {
  readonly id: string = randomUUID();
  readonly owner: string | undefined;
  readonly kind: string;
  readonly controller: AbortController = new AbortController();
  /** Not yet listened to: the newest update, and what ends the job. */
  readonly queue: JobEvent[] = [];
  state: JobState = 'running';
  last: JobEvent | undefined;
  done: Promise<void> = Promise.resolve();
  wake: () => void = () => {};

  constructor(kind: string, owner: string | undefined) {
    this.kind = kind;
    this.owner = owner;
  }

  push(event: JobEvent): void {
    this.last = event;
    // Only the newest update is of interest: the queue holds one, and the end.
    if (this.queue.at(-1)?.status === 'update') this.queue.pop();
    this.queue.push(event);
    this.wake();
  }
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #jobs = new Map<string, Running>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #runningCount = 0;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /**
   * Starts a job.
   *
   * @param work gives what its listener is told at the end
   * @throws Problem 503 when too many run
   */
  start(
    kind: string,
    owner: string | undefined,
    work: (report: JobReport) => Promise<unknown>,
  ): Job {
    const { runningCountMax } = this.#options;
    if (this.#runningCount >= runningCountMax || this.#jobs.size >= KEPT_COUNT_MAX) {
      throw new Problem(503, 'Too many conversions at once', { 'retry-after': '10' });
    }
    const job = new Running(kind, owner);
    this.#jobs.set(job.id, job);
    this.#runningCount++;
    job.done = this.#run(job, work);
    return job;
  }

  find(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  /** Forgets a job that has ended. */
  forget(id: string): void {
    if (this.#jobs.get(id)?.state === 'running') return;
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#jobs.delete(id);
  }

  /**
   * Events from here on, each to one listener only, until the job has ended; then it is forgotten.
   *
   * @param idleMs gives `undefined` when nothing happened for so long
   */
  async *listen(
    id: string,
    idleMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<JobEvent | undefined, void, void> {
    const job = this.#jobs.get(id);
    while (job !== undefined && !signal.aborted) {
      const event = job.queue.shift();
      if (event !== undefined) {
        yield event;
      } else if (job.state !== 'running') {
        this.forget(id);
        return;
      } else if (!(await somethingHappens(job, idleMs, signal))) {
        yield undefined;
      }
    }
  }

  /** Ends all jobs and waits for them. */
  async close(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const { controller } of jobs) controller.abort();
    await Promise.all(jobs.map((job) => job.done));
    for (const id of [...this.#jobs.keys()]) this.forget(id);
  }

  async #run(job: Running, work: (report: JobReport) => Promise<unknown>): Promise<void> {
    const report: JobReport = {
      signal: job.controller.signal,
      update: (message, progress) => job.push({ status: 'update', message, progress }),
    };
    try {
      const info = await work(report);
      job.state = 'done';
      job.push({ status: 'info', info });
    } catch (error) {
      job.state = 'failed';
      job.push({ status: 'error', message: this.#options.describe(error) });
    } finally {
      this.#runningCount--;
      const timer = setTimeout(() => this.forget(job.id), KEPT_MS);
      timer.unref();
      this.#timers.set(job.id, timer);
    }
  }
}

/** @returns false when `idleMs` have passed */
async function somethingHappens(
  job: Running,
  idleMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return await new Promise((resolve) => {
    const end = (happened: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      resolve(happened);
    };
    const onAbort = (): void => end(true);
    const timer = setTimeout(() => end(false), idleMs);
    signal.addEventListener('abort', onAbort, { once: true });
    job.wake = () => end(true);
  });
}
