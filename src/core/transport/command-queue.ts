/**
 * Takes commands from the queue, one after the other, and hands them over. It never waits for a job, but for
 * room for another one.
 */
import type { Redis } from 'ioredis';
import { sleep } from '../../base/deadline.ts';
import { isG8Error } from '../../base/errors.ts';
import type { Logger } from '../../fs/log.ts';
import { type Command, parseCommandText } from './command.ts';
import { QUEUE_KEY } from './keys.ts';
import type { Publisher } from './publisher.ts';
import { RETRY_MS } from './redis.ts';

export interface CommandQueueOptions {
  /** A connection that nothing else uses: its commands block. */
  readonly blocking: Redis;
  /** A connection that is free to end the wait of the other. */
  readonly redis: Redis;
  readonly publisher: Publisher;
  readonly waitForRoom: (signal: AbortSignal) => Promise<void>;
  readonly submit: (command: Command) => void;
  readonly log: Logger;
}

/** Seconds that one look at the queue waits. */
const BLOCK_S = 10;
/** A server that cannot end the wait, or does not answer, is left without. */
const UNBLOCK_MS = 1_000;

export class CommandQueue {
  readonly #options: CommandQueueOptions;
  readonly #stopping = new AbortController();
  /** Of a command that was taken and cannot be told to its client: later than the other. */
  readonly #givingUp = new AbortController();
  #running: Promise<void> | undefined;
  #clientId: number | undefined;
  #isWaiting = false;
  #hasWarned = false;

  constructor(options: CommandQueueOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Takes no more commands; one that was taken is handed over. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const { blocking, redis } = this.#options;
    const late = setTimeout(() => {
      this.#givingUp.abort();
      blocking.disconnect();
    }, UNBLOCK_MS);
    // Without this, a command that the server is just giving out would be lost with the connection.
    if (this.#isWaiting && this.#clientId !== undefined) {
      redis.client('UNBLOCK', this.#clientId).catch(() => blocking.disconnect());
    }
    await this.#running;
    clearTimeout(late);
    blocking.disconnect();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { blocking, waitForRoom } = this.#options;
    blocking.on('close', () => {
      this.#clientId = undefined;
    });
    while (!signal.aborted) {
      try {
        await waitForRoom(signal);
        this.#clientId ??= await blocking.client('ID');
        if (signal.aborted) return;
        this.#isWaiting = true;
        const taken = await blocking.blpop(QUEUE_KEY, BLOCK_S);
        this.#isWaiting = false;
        this.#hasWarned = false;
        if (taken !== null) await this.#accept(taken[1]);
      } catch (error) {
        this.#isWaiting = false;
        // That Redis is away is told where the connection is made.
        if (!signal.aborted && blocking.status === 'ready') this.#warn(error);
        await sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }

  /** Once, until a command can be taken again. */
  #warn(error: unknown): void {
    if (!this.#hasWarned) this.#options.log.warn({ err: String(error) }, 'no command can be taken');
    this.#hasWarned = true;
  }

  async #accept(text: string): Promise<void> {
    const { publisher, submit, log } = this.#options;
    let command: Command;
    try {
      command = parseCommandText(text);
    } catch (error) {
      if (!isG8Error(error, 'ERR_PROTOCOL')) throw error;
      log.warn({ reason: error.message }, 'dropped a command that makes no sense');
      return;
    }
    const { signal } = this.#givingUp;
    if (await publisher.isKnown(command.id, signal)) {
      log.debug({ id: command.id }, 'dropped a command whose id is known');
      return;
    }
    await publisher.acknowledge(command.id, signal);
    log.debug({ id: command.id, command: command.command }, 'accepted');
    submit(command);
  }
}
