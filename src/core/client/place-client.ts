/** Commands that the host and each container have alike. */
import type { CoreJob, WaitOptions } from './core-job.ts';
import { type CoreResult, commandValue } from './core-result.ts';
import { FileClient } from './file-client.ts';

/** What can be said of a command besides its arguments. */
export interface SendOptions {
  /** Default: a new one. The daemon ignores a command whose id it knows. */
  readonly id?: string;
  /** Commands of one queue run one after the other. */
  readonly queue?: string;
  /** Seconds that one run may take. */
  readonly maxTimeS?: number;
  /** Runs of a failing job in all. */
  readonly maxRestart?: number;
  /** Runs again and again, this many seconds after each run. */
  readonly recurringPeriodS?: number;
  /** Whether `CoreJob.records` gives out what it says. */
  readonly stream?: boolean;
  readonly tags?: readonly string[];
}

export interface SystemOptions extends SendOptions {
  readonly args?: readonly string[];
  readonly dir?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export type CommandArguments = Readonly<Record<string, unknown>>;

/** Sends a command and resolves when the daemon has taken it. */
export type Send = (
  command: string,
  args: CommandArguments,
  options: SendOptions,
) => Promise<CoreJob>;

/** @public */
export class PlaceClient {
  readonly files: FileClient;
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
    this.files = new FileClient((command, args) => this.json(command, args));
  }

  /** Sends any command. @throws ERR_STORE_UNAVAILABLE, ERR_TIMEOUT when nobody takes it */
  async send(
    command: string,
    args: CommandArguments = {},
    options: SendOptions = {},
  ): Promise<CoreJob> {
    return await this.#send(command, args, options);
  }

  /** Sends a command and waits for its value. @throws what `commandValue` and `CoreJob.result` throw */
  async json<T = unknown>(
    command: string,
    args: CommandArguments = {},
    options: SendOptions & WaitOptions = {},
  ): Promise<T> {
    const job = await this.#send(command, args, options);
    return commandValue<T>(await job.result(options));
  }

  /** Runs a program. */
  async system(program: string, options: SystemOptions = {}): Promise<CoreJob> {
    const { args = [], dir = '', stdin = '', env = null, ...rest } = options;
    return await this.#send('core.system', { name: program, args, dir, stdin, env }, rest);
  }

  /** Runs a script of the shell. */
  async bash(script: string, options: SendOptions & { stdin?: string } = {}): Promise<CoreJob> {
    const { stdin = '', ...rest } = options;
    return await this.#send('bash', { script, stdin }, rest);
  }

  /** Runs a script of the shell to its end. */
  async run(script: string, options: SendOptions & WaitOptions = {}): Promise<CoreResult> {
    return await (await this.bash(script, options)).result(options);
  }

  /** `PONG …` with the daemon's version. */
  async ping(options: WaitOptions = {}): Promise<string> {
    return await this.json<string>('core.ping', {}, options);
  }
}
