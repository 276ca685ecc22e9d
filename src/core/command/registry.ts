/**
 * The commands of one kind of place, by name. A command is either built in, a function that returns its
 * result as a JSON value, or a plan of an external process.
 */
import type { Guest } from '../guest/guest.ts';
import type { Jobs } from '../job/jobs.ts';
import type { Place, ProcessRequest } from '../job/place.ts';
import type { Command } from '../transport/command.ts';
import type { Arguments } from './arguments.ts';

/** What a running command may know and do about its own job. */
export interface JobHandle {
  readonly command: Command;
  /** Aborted when the job's time is up and when the daemon ends. */
  readonly signal: AbortSignal;
  /** Gives out a message of the job. `endFlags` (2 or 4) says that it is the last one of a stream. */
  emit(level: number, text: string, endFlags?: number): void;
}

export interface CommandContext {
  readonly place: Place;
  /** Files of the place. */
  readonly guest: Guest;
  /** Jobs of the place. */
  readonly jobs: Jobs;
  readonly job: JobHandle;
}

/**
 * @returns a JSON value; `undefined` counts as null
 * @throws CommandError with the code that the client gets; anything else is 500
 */
export type CommandHandler = (args: Arguments, context: CommandContext) => Promise<unknown>;

/** A command that is an external process. */
export interface ProcessCommand {
  /** @throws CommandError */
  readonly plan: (args: Arguments) => ProcessPlan;
  /** Whether `job.list` tells its process id. */
  readonly isPidShown: boolean;
}

export interface ProcessPlan extends Omit<ProcessRequest, 'stdin'> {
  /** Text for its standard input; `''`: it gets /dev/null. */
  readonly stdin: string;
}

export class CommandRegistry {
  readonly #commands = new Map<string, CommandHandler | ProcessCommand>();

  /** @throws TypeError when there is one of that name */
  add(commands: Readonly<Record<string, CommandHandler | ProcessCommand>>): this {
    for (const [name, command] of Object.entries(commands)) {
      if (this.#commands.has(name)) throw new TypeError(`There are two commands ${name}`);
      this.#commands.set(name, command);
    }
    return this;
  }

  find(name: string): CommandHandler | ProcessCommand | undefined {
    return this.#commands.get(name);
  }

  get names(): string[] {
    return [...this.#commands.keys()].sort();
  }
}
