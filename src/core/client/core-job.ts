/** One command that was sent: whether it runs, what it says, how it ends. */
import { G8Error } from '../../base/errors.ts';
import { flagKey, resultKey, streamKey } from '../transport/keys.ts';
import type { Connections } from './connections.ts';
import { type CoreResult, parseRecord, parseResult, type StreamRecord } from './core-result.ts';

/** One look at Redis waits this long; a server cuts off what is silent for longer than 15 s. */
const BLOCK_S = 5;
const TIMEOUT_MS = 60_000;

export interface WaitOptions {
  /** Default 60 s; `Infinity`: as long as the job takes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export class CoreJob {
  readonly id: string;
  readonly #connections: Connections;

  constructor(connections: Connections, id: string) {
    this.#connections = connections;
    this.id = id;
  }

  /** Whether the daemon knows the job: while it runs and for five minutes after. */
  async exists(): Promise<boolean> {
    return (await this.#connections.redis.exists(flagKey(this.id))) === 1;
  }

  /** Whether it has not ended yet. */
  async isRunning(): Promise<boolean> {
    return (await this.#connections.redis.ttl(flagKey(this.id))) === -1;
  }

  /**
   * Waits for the result, whatever it is.
   *
   * @throws ERR_TIMEOUT when it does not end in time, ERR_NO_INPUT when the daemon does not know the job,
   *   ERR_PROTOCOL for a result that makes no sense, ERR_ABORTED
   */
  async result(options: WaitOptions = {}): Promise<CoreResult> {
    const { timeoutMs = TIMEOUT_MS, signal } = options;
    const key = resultKey(this.id);
    const end = performance.now() + timeoutMs;
    for (;;) {
      const left = end - performance.now();
      if (left <= 0) {
        throw new G8Error('ERR_TIMEOUT', `Job ${this.id} has not ended in ${timeoutMs} ms`);
      }
      if (!(await this.exists())) {
        throw new G8Error('ERR_NO_INPUT', `The core daemon does not know job ${this.id}`);
      }
      const seconds = Math.min(BLOCK_S, Math.max(left / 1000, 0.01));
      // Turned around in its list, so that it can be read again.
      const text = await this.#connections.wait(
        (redis) => redis.brpoplpush(key, key, seconds),
        signal,
      );
      if (text !== null) return parseResult(text);
    }
  }

  /**
   * Everything that a job says that was sent with `stream`, as it comes; ends with the job. Each record is
   * given out once only, to whoever asks first.
   */
  async *records(
    options: Pick<WaitOptions, 'signal'> = {},
  ): AsyncGenerator<StreamRecord, void, void> {
    const key = streamKey(this.id);
    for (;;) {
      const taken = await this.#connections.wait(
        (redis) => redis.blpop(key, BLOCK_S),
        options.signal,
      );
      if (taken === null) {
        if (!(await this.isRunning())) return;
        continue;
      }
      const record = parseRecord(taken[1]);
      yield record;
      if (record.isEnd) return;
    }
  }
}
