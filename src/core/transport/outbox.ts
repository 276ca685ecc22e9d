/**
 * What the daemon writes to Redis, in order: records and results. While Redis is away it is kept, and written
 * when it is back; what exceeds the bounds is lost, records before results and old ones first.
 */
import type { Redis } from 'ioredis';
import { sleep } from '../../base/deadline.ts';
import { LimitedLog } from '../../fs/limited-log.ts';
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

/** A list in Redis that texts are put at the end of. */
export interface GrowingList {
  readonly key: string;
  /** What is at its begin beyond that is dropped. */
  readonly countMax: number;
  /** Seconds after the last text; absent: for ever. */
  readonly ttlS?: number;
}

/** Commands that are sent at once: a few milliseconds of work for the server. */
const BATCH_PARCELS_MAX = 256;
const SIZE_MAX = 64 * 1024 * 1024;
const COUNT_MAX = 100_000;
/** Texts for one list that go out in one command. */
const LIST_SIZE_MAX = 1024 * 1024;

export class Outbox {
  readonly #redis: Redis;
  readonly #log: LimitedLog;
  readonly #closing = new AbortController();
  #parcels: Parcel[] = [];
  #size = 0;
  /** For texts that come while others for the same list are still here. */
  readonly #lists = new Map<string, ListParcel>();
  #running: Promise<void> | undefined;

  constructor(redis: Redis, log: Logger) {
    this.#redis = redis;
    this.#log = new LimitedLog(log, 'losses');
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

  /** Puts texts at the end of a list. When they come faster than Redis takes them, many go in one command. */
  pushTo(list: GrowingList, texts: readonly string[]): void {
    for (const text of texts) {
      let parcel = this.#lists.get(list.key);
      if (parcel === undefined || parcel.size > LIST_SIZE_MAX) {
        parcel = new ListParcel(list);
        this.#lists.set(list.key, parcel);
        this.push(parcel);
      }
      this.#size += parcel.add(text);
    }
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
      for (const parcel of batch) {
        if (parcel instanceof ListParcel && this.#lists.get(parcel.key) === parcel) {
          this.#lists.delete(parcel.key);
        }
      }
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
      const { length } = commands;
      onReplies?.(replies.slice(at, at + length).map(([, value]) => value));
      at += length;
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
        if (parcel instanceof ListParcel) this.#lists.delete(parcel.key);
        return false;
      });
    }
    const lost = before - this.#parcels.length;
    this.#log.write(
      'error',
      { lost },
      'Redis takes too little or is away: records or results are lost',
    );
  }
}

/** Texts on their way to one list. */
class ListParcel implements Parcel {
  readonly isImportant = false;
  readonly #list: GrowingList;
  readonly #texts: string[] = [];
  #size = 0;

  constructor(list: GrowingList) {
    this.#list = list;
  }

  get key(): string {
    return this.#list.key;
  }

  get size(): number {
    return this.#size;
  }

  get commands(): RedisCommand[] {
    const { key, countMax, ttlS } = this.#list;
    const expiry: RedisCommand[] = ttlS === undefined ? [] : [['EXPIRE', key, ttlS]];
    return [['RPUSH', key, ...this.#texts], ['LTRIM', key, -countMax, -1], ...expiry];
  }

  /** @returns how much its size has grown */
  add(text: string): number {
    const before = this.#size;
    this.#texts.push(text);
    this.#size += text.length;
    // Redis would drop it again at once.
    if (this.#texts.length > this.#list.countMax) {
      this.#size -= (this.#texts.shift() as string).length;
    }
    return this.#size - before;
  }
}
