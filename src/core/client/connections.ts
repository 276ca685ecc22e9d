/**
 * Connections of a client to its Redis: one for everything that is answered at once, and one for each wait,
 * because a command that blocks holds up all that follow it. Idle ones are used again.
 */
import type { Redis } from 'ioredis';
import { abortError, throwIfAborted } from '../../base/abort.ts';
import { withDeadline } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';
import { Limiter } from '../../base/limit.ts';
import type { Logger } from '../../fs/log.ts';
import { connectRedis, createRedis } from '../transport/redis.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Waits beyond that wait for each other. */
const WAITS_MAX = 64;
const WAITING_MAX = 10_000;
const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export class Connections {
  readonly #url: string;
  readonly #redis: Redis;
  readonly #idle: Redis[] = [];
  readonly #busy = new Set<Redis>();
  readonly #limit = new Limiter({ shares: [WAITS_MAX], queueCountMax: WAITING_MAX });
  #isClosed = false;

  private constructor(url: string) {
    this.#url = url;
    this.#redis = createRedis(url, SILENT);
  }

  /** @throws ERR_TIMEOUT when no Redis answers, ERR_PERMISSION, ERR_CONFIG, ERR_ABORTED */
  static async open(url: string, signal?: AbortSignal): Promise<Connections> {
    const connections = new Connections(url);
    try {
      await connections.#connect(connections.#redis, signal);
    } catch (error) {
      connections.close();
      throw error;
    }
    return connections;
  }

  /** For commands that do not block. */
  get redis(): Redis {
    return this.#redis;
  }

  /**
   * Runs something that blocks on a connection of its own. An abort ends the wait at once.
   *
   * @throws ERR_ABORTED, ERR_STORE_UNAVAILABLE when the connection is lost or closed
   */
  async wait<T>(run: (redis: Redis) => Promise<T>, signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    const task = async (): Promise<T> => {
      if (this.#isClosed) throw closed();
      const redis = this.#idle.pop() ?? createRedis(this.#url, SILENT);
      this.#busy.add(redis);
      const onAbort = (): void => redis.disconnect();
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        if (redis.status !== 'ready') await this.#connect(redis, signal);
        const value = await run(redis);
        this.#idle.push(redis);
        return value;
      } catch (error) {
        redis.disconnect();
        if (signal?.aborted) throw abortError(signal);
        throw error;
      } finally {
        signal?.removeEventListener('abort', onAbort);
        this.#busy.delete(redis);
      }
    };
    return await this.#limit.run(task, { priority: 0, signal });
  }

  /** Ends every connection, and with them every wait. */
  close(): void {
    this.#isClosed = true;
    for (const redis of [this.#redis, ...this.#idle, ...this.#busy]) redis.disconnect();
  }

  async #connect(redis: Redis, signal: AbortSignal | undefined): Promise<void> {
    const what = 'Connecting to the Redis of the core daemon';
    await withDeadline({ what, timeoutMs: CONNECT_TIMEOUT_MS, signal }, (inner) =>
      connectRedis(redis, inner),
    );
  }
}

function closed(): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', 'The client of the core daemon is closed');
}
