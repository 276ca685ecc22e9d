/**
 * What was running, for the daemon that comes after this one: a file with the jobs that are alive, written
 * anew a moment after they change. Jobs that are shorter than that moment are not worth a write.
 *
 * After an end without warning the next daemon finds them there: it ends their processes, which nobody reads
 * any more, and publishes an error for each, so that no client waits for ever.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../fs/log.ts';
import { type Command, commandDocument, parseCommand } from '../transport/command.ts';
import { failureOutcome, type Result } from '../transport/result.ts';
import { killGroup } from './host-place.ts';

/** A job that is alive. */
export interface LiveJob {
  readonly command: Command;
  /** 0: the host; else the id of a container. */
  readonly core: number;
  /** Process group that runs now, as the host numbers it. */
  readonly group: number | undefined;
  /** Milliseconds since 1970; 0 before the first run. */
  readonly startedAt: number;
}

interface Entry {
  readonly command: Record<string, unknown>;
  readonly core: number;
  readonly startedAt: number;
  readonly group?: { readonly pid: number; readonly began: string };
}

const DELAY_MS = 100;
const SIGKILL = 9;

export class JobJournal {
  readonly #path: string;
  readonly #jobs: () => readonly LiveJob[];
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param jobs tells those that are alive, of every place */
  constructor(stateDir: string, jobs: () => readonly LiveJob[], log: Logger) {
    this.#path = join(stateDir, 'jobs.json');
    this.#jobs = jobs;
    this.#log = log;
  }

  /** To be told when a job comes, starts a process, or ends. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, DELAY_MS).unref();
  }

  /** Ends what an earlier daemon has left. @returns the results that its jobs are owed */
  async recover(): Promise<Result[]> {
    const results: Result[] = [];
    try {
      for (const entry of await this.#read()) results.push(await endOf(entry));
    } catch (error) {
      this.#log.warn({ err: error }, 'the journal of jobs makes no sense');
    }
    return results;
  }

  /** Nothing is running any more. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    await rm(this.#path, { force: true });
  }

  async #write(): Promise<void> {
    const entries = await Promise.all(this.#jobs().map(entryOf));
    const draft = `${this.#path}.new`;
    try {
      await writeFile(draft, JSON.stringify(entries), { mode: 0o600 });
      await rename(draft, this.#path);
    } catch (error) {
      // Jobs go on; what is lost is what the next daemon would know of them.
      this.#log.error({ err: error }, 'the jobs that are running cannot be written down');
    }
  }

  async #read(): Promise<Entry[]> {
    try {
      return JSON.parse(await readFile(this.#path, 'utf8')) as Entry[];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}

/** Ends a job's processes; its result is an error. */
async function endOf({ command, core, startedAt, group }: Entry): Promise<Result> {
  if (group !== undefined && (await beginOf(group.pid)) === group.began) {
    killGroup(group.pid, SIGKILL);
  }
  const message = 'the core daemon has ended while the job was running';
  return {
    command: parseCommand(command),
    core,
    outcome: failureOutcome({ code: 500, message }),
    startedAt,
    durationMs: 0,
  };
}

async function entryOf({ command, core, group, startedAt }: LiveJob): Promise<Entry> {
  const began = group === undefined ? undefined : await beginOf(group);
  return {
    // What it was asked to do is nobody's business afterwards.
    command: { ...commandDocument(command), arguments: {} },
    core,
    startedAt,
    ...(group !== undefined && began !== undefined && { group: { pid: group, began } }),
  };
}

/** When a process began, in ticks since the boot: numbers of processes are used again. */
async function beginOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
