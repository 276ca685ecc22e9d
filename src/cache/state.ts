/**
 * The state database: LevelDB behind a write buffer, and with its LOCK file the cache's owner lock,
 * which the kernel releases when the process dies. Knows bytes only; what they mean: `catalog.ts`.
 *
 * Concurrency: writes are buffered in order and reach LevelDB in atomic batches, one at a time; reads
 * see the buffer. A batch that failed stays in the buffer and is tried again.
 */
import { rm, statfs } from 'node:fs/promises';
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
/** Room for what LevelDB writes when it is opened: a table of the log, a new log and manifest. */
const RENEW_FREE_BYTES = 4 * 1024 * 1024;
/** Replayed at open after a kill: 1 MiB of log takes a few milliseconds. */
const WRITE_BUFFER_BYTES = 1024 * 1024;
/** LevelDB's own read cache. */
const READ_CACHE_BYTES = 8 * 1024 * 1024;

/**
 * Keys read on this thread. A look-up takes microseconds (memory, Bloom filters, page cache), and a
 * turn through the thread pool ten times that; a small file needs half a dozen of them. As many as a batch of a start
 * profile has contents: what several batches want then comes to the fetch queue in one turn, and goes in one request.
 */
const SYNC_READ_COUNT_MAX = 64;

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
  readonly #dir: string;
  #db: Level<Uint8Array, Uint8Array>;
  /** Called before each batch, to add what belongs to it. */
  readonly onFlush: (() => void)[] = [];
  /** Called after each batch; false: it failed and its writes are buffered again. */
  onFlushed: (written: boolean) => void = () => {};
  /** Batches that failed. */
  failures = 0;
  #buffered = new Map<string, Write>();
  #writing = new Map<string, Write>();
  #sync = false;
  /** The last batch failed: open the database again before the next. */
  #failed = false;
  #renewal: Promise<void> | undefined;
  #readers = 0;
  #timer: NodeJS.Timeout | undefined;
  #flight: Promise<void> | undefined;
  #closed = false;

  private constructor(dir: string, db: Level<Uint8Array, Uint8Array>) {
    this.#dir = dir;
    this.#db = db;
  }

  /**
   * @returns the state, and whether it had to begin anew because the old one was unreadable
   * @throws ERR_CACHE_LOCKED when another process, or another cache of this process, has it open
   */
  static async open(dir: string): Promise<{ state: State; renewed: boolean }> {
    try {
      return { state: new State(dir, await openLevel(dir)), renewed: false };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // Presence and rows are only a memory of work done: without them contents are fetched again.
      await rm(dir, { recursive: true, force: true });
      return { state: new State(dir, await openLevel(dir)), renewed: true };
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const writes = keys.map((key) => this.#find(key));
    const unknown = keys.filter((_, index) => writes[index] === undefined);
    const values = unknown.length === 0 ? [] : await this.#read(unknown);
    let next = 0;
    return writes.map((write) => (write === undefined ? values[next++] : write.value));
  }

  /** @param value not empty: the database's addon never frees its copy of one that is (classic-level 3.0) */
  put(key: Uint8Array, value: Uint8Array): void {
    if (value.length === 0) throw new G8Error('ERR_INTERNAL', 'A value of the state is empty');
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
  async *entries(
    from: Uint8Array,
    to: Uint8Array,
    { isReverse = false }: { readonly isReverse?: boolean } = {},
  ): AsyncGenerator<[key: Uint8Array, value: Uint8Array]> {
    await this.#renewal?.catch(() => {});
    this.#readers++;
    try {
      yield* this.#db.iterator({ gte: from, lt: to, reverse: isReverse });
    } finally {
      this.#readers--;
    }
  }

  /** Closes without writing what is buffered. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#flight?.catch(() => {});
    await this.#db.close();
  }

  async #read(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.#renewal?.catch(() => {});
    this.#readers++;
    try {
      if (keys.length <= SYNC_READ_COUNT_MAX) return keys.map((key) => this.#db.getSync(key));
      return (await this.#db.getMany([...keys])) as (Uint8Array | undefined)[];
    } catch (error) {
      throw toG8Error(error, 'ERR_IO', 'Cannot read the cache state');
    } finally {
      this.#readers--;
    }
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
    if (this.#failed) await this.#renew();
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
      throw writeError(error);
    } finally {
      this.#writing = new Map();
    }
  }

  // A batch that failed may have left half a record in LevelDB's log, and LevelDB would drop what
  // follows it at the next recovery; after some failures it refuses every write. Opening it again
  // cures both, once there is room for that.
  async #renew(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#dir);
    if (bavail * bsize < RENEW_FREE_BYTES) {
      throw new G8Error('ERR_CACHE_FULL', 'The cache state has no room on its disk');
    }
    if (this.#readers > 0) throw new G8Error('ERR_IO', 'The cache state is to be opened again');
    this.#renewal = (async () => {
      await this.#db.close();
      this.#db = await openLevel(this.#dir);
    })();
    try {
      await this.#renewal;
      this.#failed = false;
    } finally {
      this.#renewal = undefined;
    }
  }
}

function writeError(error: unknown): G8Error {
  const isFull = error instanceof Error && /No space left|quota/i.test(error.message);
  const code = isFull ? 'ERR_CACHE_FULL' : 'ERR_IO';
  return new G8Error(code, 'Cannot write the cache state', { cause: error });
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
    if (isUnreadable(error)) throw error;
    throw toG8Error(cause ?? error, 'ERR_IO', `Cannot open the cache state ${dir}`);
  }
}

// Broken files, or files that are named and not there.
function isUnreadable(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  if (cause?.code === 'LEVEL_CORRUPTION') return true;
  return cause?.code === 'LEVEL_IO_ERROR' && /No such file/.test(cause.message ?? '');
}
