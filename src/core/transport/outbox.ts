/**
 * What the daemon writes to Redis, in order: records and results. While Redis is away it is kept, and written
 * when it is back; what exceeds the bounds is lost, records before results and old ones first.
 */
import type { Redis } from 'ioredis';
import { sleep } from '../../base/deadline.ts';
import type { Logger } from '../../fs/log.ts';
import { RETRY_MS } from './redis.ts';

export type RedisCommand = readonly [name: string, ...args: (string | number)[]];

/** Something to be written: its commands follow each other, and nothing comes between them. */
export interface Parcel {
  readonly commands: readonly RedisCommand[];
  /** In front of them when they may have been carried out already. */
  readonly beforeRetry?: readonly RedisCommand[];
  /** Lost only when nothing else is left to lose. */
  readonly isImportant: boolean;
  /** Bytes, about. */
  readonly size: number;
  /** Told of the replies to the commands. */
  readonly onReplies?: (replies: readonly unknown[]) => void;
}

/** Commands that are sent at once: a few milliseconds of work for the server. */
const BATCH_PARCELS_MAX = 256;
const SIZE_MAX = 64 * 1024 * 1024;
const COUNT_MAX = 100_000;

export class Outbox {
  readonly #redis: Redis;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #parcels: Parcel[] = [];
  #size = 0;
  #running: Promise<void> | undefined;

  constructor(redis: Redis, log: Logger) {
    this.#redis = redis;
    this.#log = log;
  }

  push(...parcels: Parcel[]): void {
    for (const parcel of parcels) {
      this.#parcels.push(parcel);
      this.#size += parcel.size;
    }
    if (this.#size > SIZE_MAX || this.#parcels.length > COUNT_MAX) this.#shrink();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Waits until all is written. */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Gives up what is not written. */
  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    // What is pushed in the same turn goes out together.
    await Promise.resolve();
    while (this.#parcels.length > 0) {
      const batch = this.#parcels.splice(0, BATCH_PARCELS_MAX);
      for (let isRetry = false; !(await this.#send(batch, isRetry)); isRetry = true) {
        const isOver = await sleep(RETRY_MS, this.#closing.signal).catch(() => true);
        if (isOver === true) return;
      }
      for (const { size } of batch) this.#size -= size;
    }
  }

  /** @returns whether Redis has answered all of it */
  async #send(batch: readonly Parcel[], isRetry: boolean): Promise<boolean> {
    const pipeline = this.#redis.pipeline();
    for (const parcel of batch) {
      const before = isRetry ? (parcel.beforeRetry ?? []) : [];
      for (const [name, ...args] of [...before, ...parcel.commands]) pipeline.call(name, ...args);
    }
    let replies: [Error | null, unknown][];
    try {
      replies = (await pipeline.exec()) ?? [];
    } catch {
      return false;
    }
    // A key of another type is a client's own doing; everything else passes.
    const isLost = replies.some(([error]) => error !== null && !/^WRONGTYPE/.test(error.message));
    if (isLost) return false;
    let at = 0;
    for (const { commands, beforeRetry = [], onReplies } of batch) {
      at += isRetry ? beforeRetry.length : 0;
      onReplies?.(replies.slice(at, at + commands.length).map(([, value]) => value));
      at += commands.length;
    }
    return true;
  }

  /** Halves what is kept. */
  #shrink(): void {
    const before = this.#parcels.length;
    let excess = this.#size / 2;
    for (const isImportant of [false, true]) {
      if (excess <= 0) break;
      this.#parcels = this.#parcels.filter((parcel) => {
        if (excess <= 0 || parcel.isImportant !== isImportant) return true;
        excess -= parcel.size;
        this.#size -= parcel.size;
        return false;
      });
    }
    const lost = before - this.#parcels.length;
    this.#log.error({ lost }, 'Redis is away for too long: records or results are lost');
  }
}
