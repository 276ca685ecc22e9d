/**
 * A client of a core daemon, over the Redis that carries its protocol. Any number of calls may run at once.
 *
 * @see docs/core.md
 */
import { randomUUID } from 'node:crypto';
import { G8Error } from '../../base/errors.ts';
import { flagKey, QUEUE_KEY } from '../transport/keys.ts';
import { Connections } from './connections.ts';
import { ContainersClient } from './containers-client.ts';
import { CoreJob } from './core-job.ts';
import { commandValue } from './core-result.ts';
import { type CommandArguments, PlaceClient, type SendOptions } from './place-client.ts';

/** The daemon takes a command within milliseconds, unless all its jobs are taken. */
const ACCEPT_TIMEOUT_S = 10;

/** @public */
export interface CoreClientOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * @example
 * ```ts
 * const client = await CoreClient.connect('redis://127.0.0.1:6379');
 * const id = await client.containers.create({ root: 'http://hub:8080/demo/debian.flist' });
 * const { stdout } = await client.container(id).run('uname -a');
 * await client.containers.terminate(id);
 * client.close();
 * ```
 *
 * @public
 */
export class CoreClient extends PlaceClient {
  readonly containers: ContainersClient;
  readonly #connections: Connections;

  private constructor(connections: Connections) {
    super((command, args, options) => this.#push(command, args, options));
    this.#connections = connections;
    this.containers = new ContainersClient(this);
  }

  /**
   * Connects to the Redis; whether a daemon is behind it, `ping` tells.
   *
   * @param url `redis://`, `rediss://` or `unix:///path/of/socket`
   * @throws ERR_TIMEOUT when no Redis answers, ERR_PERMISSION, ERR_CONFIG
   */
  static async connect(url: string, options: CoreClientOptions = {}): Promise<CoreClient> {
    return new CoreClient(await Connections.open(url, options.signal));
  }

  /** Commands inside a container. */
  container(id: number): PlaceClient {
    return new PlaceClient((command, args, options) => this.#dispatch(id, command, args, options));
  }

  /** A job by its id, whoever has sent it. */
  job(id: string): CoreJob {
    return new CoreJob(this.#connections, id);
  }

  /** Ends all connections; calls that still wait fail. */
  close(): void {
    this.#connections.close();
  }

  async #push(command: string, args: CommandArguments, options: SendOptions): Promise<CoreJob> {
    const id = options.id ?? randomUUID();
    const flag = flagKey(id);
    await this.#connections.redis.rpush(
      QUEUE_KEY,
      JSON.stringify(document(id, command, args, options)),
    );
    const taken = await this.#connections.wait((redis) =>
      redis.brpoplpush(flag, flag, ACCEPT_TIMEOUT_S),
    );
    if (taken === null) {
      throw new G8Error(
        'ERR_TIMEOUT',
        `No core daemon takes ${command} within ${ACCEPT_TIMEOUT_S} s`,
      );
    }
    return new CoreJob(this.#connections, id);
  }

  async #dispatch(
    container: number,
    command: string,
    args: CommandArguments,
    options: SendOptions,
  ): Promise<CoreJob> {
    const inner = document(options.id ?? null, command, args, options);
    const outer = await this.#push('corex.dispatch', { container, command: inner }, {});
    return new CoreJob(this.#connections, commandValue<string>(await outer.result()));
  }
}

/** The command as the protocol writes it. */
function document(
  id: string | null,
  command: string,
  args: CommandArguments,
  options: SendOptions,
): Record<string, unknown> {
  const { queue, maxTimeS, maxRestart, recurringPeriodS, stream, tags } = options;
  return {
    id,
    command,
    arguments: args,
    queue: queue ?? null,
    max_time: maxTimeS ?? null,
    stream: stream ?? false,
    tags: tags ?? null,
    recurring_period: recurringPeriodS ?? null,
    ...(maxRestart !== undefined && { max_restart: maxRestart }),
  };
}
