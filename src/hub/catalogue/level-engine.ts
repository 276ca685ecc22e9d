/**
 * The catalogue in LevelDB: for one hub process, which the LOCK file of the folder makes sure of.
 *
 * Concurrency: commits queue up; each turn checks and writes as many as have come, in one batch and
 * with one flush of the device.
 */
import { Level } from 'level';
import { G8Error, toG8Error } from '../../base/errors.ts';
import { makeFolder } from '../../base/make-folder.ts';
import {
  type CatalogueEngine,
  type CatalogueEntry,
  type Commit,
  endOfPrefix,
  PAGE_COUNT,
  type ScanOptions,
  sameBytes,
} from './engine.ts';

interface Waiting {
  readonly commit: Commit;
  readonly resolve: (written: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Commits of one batch; more wait for the next turn. */
const BATCH_COUNT_MAX = 256;
/** Commits that may wait: each belongs to a request, whose number is bounded, too. */
const WAITING_COUNT_MAX = 16_384;
/** Keys that are looked up on this thread: less than a turn of the pool takes. */
const SYNC_COUNT_MAX = 8;
const OPTIONS = { keyEncoding: 'view', valueEncoding: 'view', cacheSize: 32 << 20 } as const;

export class LevelEngine implements CatalogueEngine {
  readonly name: string;
  readonly isExclusive = true;
  readonly #db: Level<Uint8Array, Uint8Array>;
  readonly #sync: boolean;
  #waiting: Waiting[] = [];
  #turn: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  private constructor(path: string, db: Level<Uint8Array, Uint8Array>, sync: boolean) {
    this.name = `level:${path}`;
    this.#db = db;
    this.#sync = sync;
  }

  /**
   * Opens the folder, which is made when absent.
   *
   * @param options.fsync flush each commit to the device before it resolves, default true
   * @throws ERR_CACHE_LOCKED when another process has it open, ERR_IO
   */
  static async open(path: string, options: { fsync?: boolean } = {}): Promise<LevelEngine> {
    const db = new Level<Uint8Array, Uint8Array>(path, OPTIONS);
    try {
      await makeFolder(path);
      await db.open();
    } catch (error) {
      await db.close();
      const cause = (error as { cause?: { code?: string } }).cause ?? error;
      if ((cause as { code?: string }).code === 'LEVEL_LOCKED') {
        throw new G8Error('ERR_CACHE_LOCKED', `Another hub has the catalogue ${path} open`, {
          cause: error,
        });
      }
      throw toG8Error(cause, 'ERR_IO', `Cannot open the catalogue ${path}`);
    }
    return new LevelEngine(path, db, options.fsync ?? true);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    // On this thread: microseconds (memory, Bloom filter, page cache), and a turn of the pool ten times that.
    return await this.#call(async () => this.#db.getSync(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    if (keys.length <= SYNC_COUNT_MAX) return await Promise.all(keys.map((key) => this.get(key)));
    const values: (Uint8Array | undefined)[] = [];
    for (let start = 0; start < keys.length; start += PAGE_COUNT) {
      const page = keys.slice(start, start + PAGE_COUNT);
      values.push(...(await this.#call(() => this.#db.getMany(page))));
    }
    return values;
  }

  async *scan(options: ScanOptions): AsyncGenerator<CatalogueEntry, void, void> {
    const { prefix, limit = Number.POSITIVE_INFINITY } = options;
    const end = endOfPrefix(prefix);
    let count = 0;
    let after = options.after;
    if (after !== undefined && Buffer.compare(after, prefix) < 0) after = undefined;
    // In pages: an iterator that is open for long keeps LevelDB from tidying up behind it.
    for (;;) {
      const page = Math.min(PAGE_COUNT, limit - count);
      if (page <= 0) return;
      const range = {
        ...(after === undefined ? { gte: prefix } : { gt: after }),
        ...(end !== undefined && { lt: end }),
        limit: page,
      };
      const found = await this.#call(() => this.#db.iterator(range).all());
      for (const [key, value] of found) yield { key, value };
      count += found.length;
      if (found.length < page) return;
      after = found.at(-1)?.[0];
    }
  }

  async commit(commit: Commit): Promise<boolean> {
    if (this.#closed !== undefined) throw this.#closedError();
    if (this.#waiting.length >= WAITING_COUNT_MAX) {
      throw new G8Error('ERR_STORE_UNAVAILABLE', `Too many writes wait for ${this.name}`);
    }
    return await new Promise<boolean>((resolve, reject) => {
      this.#waiting.push({ commit, resolve, reject });
      this.#turn ??= this.#run().finally(() => {
        this.#turn = undefined;
      });
    });
  }

  async close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#turn;
      await this.#db.close();
    })();
    await this.#closed;
  }

  /** Writes what waits until nothing does. Never rejects. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const turn = this.#waiting.splice(0, BATCH_COUNT_MAX);
      try {
        const results = await this.#write(turn.map(({ commit }) => commit));
        for (const [index, { resolve }] of turn.entries()) resolve(results[index] === true);
      } catch (error) {
        for (const { reject } of turn) reject(error);
      }
    }
  }

  async #write(commits: readonly Commit[]): Promise<boolean[]> {
    const present = new Map<string, Uint8Array | undefined>();
    const keys = commits.flatMap(({ checks }) => checks.map(({ key }) => key));
    const values = await this.getMany(keys);
    for (const [index, key] of keys.entries()) present.set(textOf(key), values[index]);
    const writes = new Map<string, { key: Uint8Array; value: Uint8Array | undefined }>();
    const results = commits.map((commit) => {
      const holds = commit.checks.every(({ key, expected }) =>
        sameBytes(present.get(textOf(key)), expected),
      );
      if (!holds) return false;
      for (const write of commit.writes) {
        writes.set(textOf(write.key), write);
        // Later commits of this turn are checked against what this one leaves.
        present.set(textOf(write.key), write.value);
      }
      return true;
    });
    const batch = [...writes.values()].map(({ key, value }) =>
      value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value },
    );
    if (batch.length > 0) await this.#call(() => this.#db.batch(batch, { sync: this.#sync }));
    return results;
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if ((error as { code?: string }).code === 'LEVEL_DATABASE_NOT_OPEN')
        throw this.#closedError();
      throw toG8Error(error, 'ERR_IO', `The catalogue ${this.name} failed`);
    }
  }

  #closedError(): G8Error {
    return new G8Error('ERR_STORE_UNAVAILABLE', `The catalogue ${this.name} is closed`);
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
