/**
 * Typed records over an engine, and transactions: what a function reads is checked when its writes are
 * committed, and it runs again when somebody else was faster. Any number of hubs may work on one
 * engine at the same time; nothing here is kept in memory between calls.
 */
import { sleep } from '../../base/deadline.ts';
import { G8Error } from '../../base/errors.ts';
import type { CatalogueEngine } from './engine.ts';
import {
  decodeRecord,
  encodeRecord,
  keyOf,
  keyText,
  partsOf,
  positionOf,
  prefixOf,
  type RecordKind,
} from './records.ts';

export interface ListOptions {
  /** Key parts behind which to go on. */
  readonly after?: readonly string[] | undefined;
  readonly limit?: number | undefined;
}

/** A record with the parts of its key. */
export interface Found<T> {
  readonly parts: readonly string[];
  readonly value: T;
}

// Each attempt that fails means that another one succeeded: many writers of one record get through
// one after the other.
const ATTEMPT_COUNT_MAX = 50;
const DELAY_MS_MAX = 50;

export class Catalogue {
  readonly engine: CatalogueEngine;

  constructor(engine: CatalogueEngine) {
    this.engine = engine;
  }

  async get<T>(record: RecordKind<T>, ...parts: string[]): Promise<T | undefined> {
    const key = keyOf(record, parts);
    const bytes = await this.engine.get(key);
    return bytes === undefined ? undefined : decodeRecord(record, key, bytes);
  }

  /** A value per key, in their order. */
  async getMany<T>(
    record: RecordKind<T>,
    keys: readonly (readonly string[])[],
  ): Promise<(T | undefined)[]> {
    const encoded = keys.map((parts) => keyOf(record, parts));
    const values = await this.engine.getMany(encoded);
    return values.map((bytes, index) =>
      bytes === undefined ? undefined : decodeRecord(record, encoded[index] as Uint8Array, bytes),
    );
  }

  /** Records whose first key parts are `parts`, in order; no snapshot (`CatalogueEngine.scan`). */
  async *list<T>(
    record: RecordKind<T>,
    parts: readonly string[] = [],
    options: ListOptions = {},
  ): AsyncGenerator<Found<T>, void, void> {
    const entries = this.engine.scan({
      prefix: prefixOf(record, parts),
      limit: options.limit,
      after: options.after && positionOf(record, options.after),
    });
    for await (const { key, value } of entries) {
      yield { parts: partsOf(key), value: decodeRecord(record, key, value) };
    }
  }

  /**
   * Runs `work` and writes what it has put, all or nothing, on the device when this resolves. It may
   * run several times: it has no effects but through its transaction. What it throws ends it without a write.
   *
   * @throws ERR_STORE_UNAVAILABLE when others were faster every time
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPT_COUNT_MAX; attempt++) {
      if (attempt > 0) await sleep(Math.random() * Math.min(DELAY_MS_MAX, 2 ** attempt));
      const transaction = new Transaction(this.engine);
      const result = await work(transaction);
      if (await transaction.commit()) return result;
    }
    throw new G8Error('ERR_STORE_UNAVAILABLE', 'The catalogue is too busy with this record');
  }

  async close(): Promise<void> {
    await this.engine.close();
  }
}

/** Reads and writes that belong together; sees its own writes. */
export class Transaction {
  readonly #engine: CatalogueEngine;
  readonly #read = new Map<string, { key: Uint8Array; expected: Uint8Array | undefined }>();
  readonly #written = new Map<string, { key: Uint8Array; value: Uint8Array | undefined }>();

  constructor(engine: CatalogueEngine) {
    this.#engine = engine;
  }

  async get<T>(record: RecordKind<T>, ...parts: string[]): Promise<T | undefined> {
    const key = keyOf(record, parts);
    const text = keyText(record, parts);
    const written = this.#written.get(text);
    let bytes = written?.value;
    if (written === undefined) {
      const known = this.#read.get(text);
      bytes = known === undefined ? await this.#engine.get(key) : known.expected;
      this.#read.set(text, { key, expected: bytes });
    }
    return bytes === undefined ? undefined : decodeRecord(record, key, bytes);
  }

  /** Reads many records in one call; each `get` of one of them is then answered from what it read. */
  async read(record: RecordKind<unknown>, keys: readonly (readonly string[])[]): Promise<void> {
    const unknown = keys
      .map((parts) => ({ key: keyOf(record, parts), text: keyText(record, parts) }))
      .filter(({ text }) => !this.#read.has(text));
    const values = await this.#engine.getMany(unknown.map(({ key }) => key));
    for (const [i, { key, text }] of unknown.entries()) {
      this.#read.set(text, { key, expected: values[i] });
    }
  }

  put<T>(record: RecordKind<T>, parts: readonly string[], value: T): void {
    const write = { key: keyOf(record, parts), value: encodeRecord(record, value) };
    this.#written.set(keyText(record, parts), write);
  }

  delete(record: RecordKind<unknown>, parts: readonly string[]): void {
    this.#written.set(keyText(record, parts), { key: keyOf(record, parts), value: undefined });
  }

  /** Whether there is anything to commit so far. */
  get hasWrites(): boolean {
    return this.#written.size > 0;
  }

  /** Called by {@link Catalogue.transaction}. */
  async commit(): Promise<boolean> {
    if (this.#written.size === 0) return true;
    return await this.#engine.commit({
      checks: [...this.#read.values()],
      writes: [...this.#written.values()],
    });
  }
}
