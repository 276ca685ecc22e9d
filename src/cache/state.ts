/**
 * The state database: LevelDB behind a write buffer, and with its LOCK file the cache's owner lock,
 * which the kernel releases when the process dies. Knows bytes only; what they mean: `catalog.ts`.
 *
 * Concurrency: writes are buffered in order and reach LevelDB in atomic batches, one at a time; reads
 * see the buffer. A batch that failed stays in the buffer and is tried again.
 */
import { rm } from 'node:fs/promises';
import { Level } from 'level';
import { G8Error, toG8Error } from '../base/errors.ts';

/** What a crash of the process can lose of presence and last use. */
const FLUSH_DELAY_MS = 200;
/** Buffered writes that start a batch at once: about 1 MiB of keys and values. */
const BUFFERED_COUNT_FLUSH = 4096;
/** Buffered writes from which writers have to wait: a full disk must not grow the heap. */
const BUFFERED_COUNT_MAX = 4 * BUFFERED_COUNT_FLUSH;
/** After a failed batch: the disk is full or broken, so there is no hurry. */
const RETRY_DELAY_MS = 2000;
/** Replayed at open after a kill: 1 MiB of log takes a few milliseconds. */
const WRITE_BUFFER_BYTES = 1024 * 1024;
/** LevelDB's own read cache. */
const READ_CACHE_BYTES = 8 * 1024 * 1024;

interface Write {
  readonly key: Uint8Array;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
}

const OPTIONS = {
  keyEncoding: 'view',
  valueEncoding: 'view',
  compression: false,
  writeBufferSize: WRITE_BUFFER_BYTES,
  cacheSize: READ_CACHE_BYTES,
} as const;

export class State {
  readonly #db: Level<Uint8Array, Uint8Array>;
  /** Called before each batch, to add what belongs to it. */
  readonly onFlush: (() => void)[] = [];
  /** Called after each batch; false: it failed and its writes are buffered again. */
  onFlushed: (written: boolean) => void = () => {};
  /** Batches that failed. */
  failures = 0;
  #buffered = new Map<string, Write>();
  #writing = new Map<string, Write>();
  #sync = false;
  #failed = false;
  #timer: NodeJS.Timeout | undefined;
  #flight: Promise<void> | undefined;
  #closed = false;

  private constructor(db: Level<Uint8Array, Uint8Array>) {
    this.#db = db;
  }

  /**
   * @returns the state, and whether it had to begin anew because the old one was unreadable
   * @throws ERR_CACHE_LOCKED when another process, or another cache of this process, has it open
   */
  static async open(dir: string): Promise<{ state: State; renewed: boolean }> {
    try {
      return { state: new State(await openLevel(dir)), renewed: false };
    } catch (error) {
      if (!isCorruption(error)) throw error;
      // Presence and rows are only a memory of work done: without them contents are fetched again.
      await rm(dir, { recursive: true, force: true });
      return { state: new State(await openLevel(dir)), renewed: true };
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const write = this.#find(key);
    if (write !== undefined) return write.value;
    const value = (await this.#db.get(key)) as Uint8Array | undefined;
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const writes = keys.map((key) => this.#find(key));
    const values = (await this.#db.getMany([...keys])) as (Uint8Array | undefined)[];
    return values.map((value, index) => {
      const write = writes[index];
      return write === undefined ? value : write.value;
    });
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#write({ key, value });
  }

  delete(key: Uint8Array): void {
    this.#write({ key, value: undefined });
  }

  /** Asks for a batch soon, for writers that add to it when it is made. */
  schedule(): void {
    this.#schedule(FLUSH_DELAY_MS);
  }

  /** The next batch is on disk when its flush ends, not only with the kernel. */
  requireSync(): void {
    this.#sync = true;
  }

  /** Waits while too much is buffered. */
  async throttle(): Promise<void> {
    if (this.#buffered.size >= BUFFERED_COUNT_MAX) await this.flush();
  }

  /**
   * Everything written before the call is with LevelDB when it ends; calls at the same time share
   * batches.
   *
   * @throws ERR_CACHE_FULL, ERR_IO
   */
  async flush(): Promise<void> {
    // Twice at most: the batch that runs may not hold what was written just before this call.
    if (this.#flight !== undefined) await this.#flight.catch(() => {});
    this.#flight ??= this.#writeBatch().finally(() => {
      this.#flight = undefined;
      if (this.#buffered.size > 0) this.#schedule(this.#failed ? RETRY_DELAY_MS : FLUSH_DELAY_MS);
    });
    await this.#flight;
  }

  /** Entries with keys from `from` (inclusive) to `to` (exclusive), as of the last batch. */
  entries(from: Uint8Array, to: Uint8Array): AsyncIterable<[Uint8Array, Uint8Array]> {
    return this.#db.iterator({ gte: from, lt: to });
  }

  /** Closes without writing what is buffered. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#flight?.catch(() => {});
    await this.#db.close();
  }

  #find(key: Uint8Array): Write | undefined {
    if (this.#buffered.size === 0 && this.#writing.size === 0) return undefined;
    const name = nameOf(key);
    return this.#buffered.get(name) ?? this.#writing.get(name);
  }

  #write(write: Write): void {
    this.#buffered.set(nameOf(write.key), write);
    this.#schedule(this.#buffered.size >= BUFFERED_COUNT_FLUSH ? 0 : FLUSH_DELAY_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#closed || (this.#timer !== undefined && delayMs > 0)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // A failure is counted, and the batch is tried again later.
      this.flush().catch(() => {});
    }, delayMs);
    this.#timer.unref();
  }

  async #writeBatch(): Promise<void> {
    for (const hook of this.onFlush) hook();
    if (this.#buffered.size === 0 && !this.#sync) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const sync = this.#sync;
    this.#writing = this.#buffered;
    this.#buffered = new Map();
    this.#sync = false;
    const operations = [...this.#writing.values()].map(({ key, value }) =>
      value === undefined
        ? ({ type: 'del', key } as const)
        : ({ type: 'put', key, value } as const),
    );
    try {
      await this.#db.batch(operations, { sync });
      this.#failed = false;
      this.onFlushed(true);
    } catch (error) {
      this.#failed = true;
      this.failures++;
      for (const [name, write] of this.#writing) {
        if (!this.#buffered.has(name)) this.#buffered.set(name, write);
      }
      this.#sync ||= sync;
      this.onFlushed(false);
      throw toG8Error(error, 'ERR_IO', 'Cannot write the cache state');
    } finally {
      this.#writing = new Map();
    }
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

async function openLevel(dir: string): Promise<Level<Uint8Array, Uint8Array>> {
  const db = new Level<Uint8Array, Uint8Array>(dir, OPTIONS);
  try {
    await db.open();
    return db;
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause;
    if (cause?.code === 'LEVEL_LOCKED') {
      throw new G8Error('ERR_CACHE_LOCKED', `The cache state ${dir} is in use`, { cause: error });
    }
    if (isCorruption(error)) throw error;
    throw toG8Error(cause ?? error, 'ERR_IO', `Cannot open the cache state ${dir}`);
  }
}

function isCorruption(error: unknown): boolean {
  return (error as { cause?: { code?: string } }).cause?.code === 'LEVEL_CORRUPTION';
}
