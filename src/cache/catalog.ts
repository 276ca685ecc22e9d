/**
 * What the cache knows of its contents, on top of the state database: records, presence, plain
 * digests, where a block's bytes are to be had locally, the order of last use, and totals.
 *
 * Concurrency: {@link Catalog.update} is a read-modify-write that is serial per content. Everything
 * lands in the next state batch, totals included, so they always agree with the records.
 */

import { toHex } from '../base/bytes.ts';
import { DIGEST } from '../base/codec.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import {
  type ContentRecord,
  contentKey,
  DIGEST_SIZE,
  decodeMeta,
  decodeRecord,
  decodeTotals,
  digestOfOwnedKey,
  digestOfUseKey,
  encodeJson,
  encodeRecord,
  META_KEY,
  type Meta,
  ownedKey,
  PREFIX,
  pendingKey,
  presenceKey,
  rowsKey,
  SEGMENT_ROWS,
  sourceKey,
  TOTALS_KEY,
  type Totals,
  timeOfUseKey,
  useKey,
} from './records.ts';
import type { State } from './state.ts';

/** Earlier versions wrote the id of the cache's opening before the bitmap, and take zeros for that of another one. */
const PRESENCE_HEAD = new Uint8Array(16);
/** Look-ups of one state call while a content's block sources are removed. */
const REMOVE_COUNT_BATCH = 256;

/** Of keys that say all; not empty (`State.put`). */
const NO_VALUE = Uint8Array.of(0);

/** A block that some content of this cache holds. */
export interface BlockSource {
  readonly digest: Uint8Array;
  readonly block: number;
}

export class Catalog {
  readonly #state: State;
  readonly #lock = new KeyedLock();
  /** Contents whose durable record is gone here but not on disk: buffered, and being written. */
  #removals = new Set<string>();
  #removalsWriting = new Set<string>();
  #totals: Omit<Totals, 'owned'> = { files: 0, partialFiles: 0, bytes: 0 };
  /** Bytes by owner. */
  readonly #owned = new Map<number, number>();
  #totalsChanged = false;

  private constructor(state: State) {
    this.#state = state;
  }

  static async open(state: State): Promise<{ catalog: Catalog; meta: Meta }> {
    const catalog = new Catalog(state);
    const [meta, totals] = await state.getMany([META_KEY, TOTALS_KEY]);
    const { owned, ...sums } = decodeTotals(totals);
    catalog.#totals = sums;
    for (const [owner, bytes] of Object.entries(owned)) catalog.#owned.set(Number(owner), bytes);
    state.onFlush.push(() => catalog.#beforeBatch());
    state.onFlushed = (written) => catalog.#afterBatch(written);
    return { catalog, meta: decodeMeta(meta) };
  }

  get totals(): Omit<Totals, 'owned'> {
    return this.#totals;
  }

  /** Bytes of the contents of an owner. */
  ownedBytes(owner: number): number {
    return this.#owned.get(owner) ?? 0;
  }

  /** Writes at once and onto the disk. */
  async putMeta(meta: Meta): Promise<void> {
    this.#state.put(META_KEY, encodeJson(meta));
    this.#state.requireSync();
    await this.#state.flush();
  }

  async find(digest: Uint8Array): Promise<ContentRecord | undefined> {
    return decodeRecord(await this.#state.get(contentKey(digest)));
  }

  async findMany(digests: readonly Uint8Array[]): Promise<(ContentRecord | undefined)[]> {
    const values = await this.#state.getMany(digests.map((digest) => contentKey(digest)));
    return values.map((value) => decodeRecord(value));
  }

  /**
   * Changes a content's record.
   *
   * @param change gets the record as it is and returns the new one, or the same to leave it
   */
  update(
    digest: Uint8Array,
    change: (record: ContentRecord | undefined) => ContentRecord | undefined,
  ): Promise<ContentRecord | undefined> {
    return this.#lock.run(toHex(digest), async () => {
      const before = await this.find(digest);
      const after = change(before);
      if (after !== before) this.#replace(digest, before, after);
      return after;
    });
  }

  /** As {@link update} for several contents, with one look-up for all. */
  updateMany(
    digests: readonly Uint8Array[],
    change: (record: ContentRecord | undefined, index: number) => ContentRecord | undefined,
  ): Promise<void> {
    return this.#lock.runMany(digests.map(toHex), async () => {
      const records = await this.findMany(digests);
      for (const [index, before] of records.entries()) {
        const after = change(before, index);
        if (after !== before) this.#replace(digests[index] as Uint8Array, before, after);
      }
    });
  }

  /** Forgets a content and everything that points at it. Its file is the caller's to delete. */
  async remove(digest: Uint8Array): Promise<ContentRecord | undefined> {
    let removed: ContentRecord | undefined;
    await this.update(digest, (record) => {
      removed = record;
      return undefined;
    });
    this.#state.delete(presenceKey(digest));
    if (removed !== undefined) await this.#removeRows(digest, removed);
    return removed;
  }

  /**
   * A removed record that says "durable" must be gone from the disk before a new file of the same
   * content may appear: after a power loss it would vouch for a file that was never synced.
   */
  async settleRemoval(...digests: readonly Uint8Array[]): Promise<void> {
    if (this.#removals.size === 0 && this.#removalsWriting.size === 0) return;
    const isRemoved = (key: string) => this.#removals.has(key) || this.#removalsWriting.has(key);
    if (digests.some((digest) => isRemoved(toHex(digest)))) await this.#state.flush();
  }

  putPresence(digest: Uint8Array, bitmap: Uint8Array): void {
    this.#state.put(presenceKey(digest), Buffer.concat([PRESENCE_HEAD, bitmap]));
  }

  deletePresence(digest: Uint8Array): void {
    this.#state.delete(presenceKey(digest));
  }

  async findPresence(digest: Uint8Array): Promise<Uint8Array | undefined> {
    const value = await this.#state.get(presenceKey(digest));
    return value?.slice(PRESENCE_HEAD.length);
  }

  /** Remembers the plain digests of one segment of a content. */
  putRows(digest: Uint8Array, segment: number, rows: Uint8Array): void {
    const from = segment * SEGMENT_ROWS * DIGEST_SIZE;
    this.#state.put(rowsKey(digest, segment), rows.slice(from, from + SEGMENT_ROWS * DIGEST_SIZE));
  }

  /**
   * Plain digests of a content, 32 bytes each, zeros for holes and for segments that were never
   * filled (they hold nothing but holes when the content is complete).
   */
  async getRows(digest: Uint8Array, record: ContentRecord): Promise<Uint8Array> {
    const count = Math.ceil(record.size / record.blockSize);
    const segments = Math.ceil(count / SEGMENT_ROWS);
    const keys = Array.from({ length: segments }, (_, segment) => rowsKey(digest, segment));
    const values = await this.#state.getMany(keys);
    const rows = new Uint8Array(count * DIGEST_SIZE);
    for (const [segment, value] of values.entries()) {
      if (value === undefined) continue;
      const from = segment * SEGMENT_ROWS * DIGEST_SIZE;
      rows.set(value.subarray(0, rows.length - from), from);
    }
    const isOwnDigest = count === 1 && record.algorithm === DIGEST.blake2b256;
    if (isOwnDigest && values[0] === undefined) rows.set(digest);
    return rows;
  }

  putSource(algorithm: number, row: Uint8Array, source: BlockSource): void {
    const value = Buffer.alloc(DIGEST_SIZE + 4);
    value.set(source.digest);
    value.writeUInt32LE(source.block, DIGEST_SIZE);
    this.#state.put(sourceKey(algorithm, row), value);
  }

  /**
   * For each plain digest, a content that probably holds these bytes. The caller verifies what it
   * reads there: the entry may be older than the content's last eviction.
   */
  async findSources(
    algorithm: number,
    rows: readonly Uint8Array[],
  ): Promise<(BlockSource | undefined)[]> {
    const values = await this.#state.getMany(rows.map((row) => sourceKey(algorithm, row)));
    const sources = values.map((value) => decodeSource(value));
    if (algorithm !== DIGEST.blake2b256) return sources;
    // A content of one chunk is named by that chunk's digest and has no entry of its own.
    const absent = rows.filter((_, index) => sources[index] === undefined);
    const records = await this.findMany(absent);
    return sources.map((source, index) => {
      if (source !== undefined) return source;
      const row = rows[index] as Uint8Array;
      return records[absent.indexOf(row)]?.complete === true
        ? { digest: row, block: 0 }
        : undefined;
    });
  }

  /** Digests of contents that are not pinned, least recently used first, as of the last batch. */
  async *byLastUse(): AsyncGenerator<Uint8Array> {
    for await (const [key] of this.#state.entries(...rangeOf(PREFIX.use)))
      yield digestOfUseKey(key);
  }

  /** As {@link byLastUse} for the contents of one owner. */
  async *ownedByLastUse(owner: number): AsyncGenerator<Uint8Array> {
    const none = new Uint8Array(DIGEST_SIZE);
    const from = ownedKey(owner, 0, none).subarray(0, 5);
    // Behind all times there are.
    const to = Buffer.concat([from, new Uint8Array(8).fill(0xff)]);
    for await (const [key] of this.#state.entries(from, to)) yield digestOfOwnedKey(key);
  }

  /** The last use of all contents that are not pinned, milliseconds since 1970; 0 without any. */
  async newestUse(): Promise<number> {
    for await (const [key] of this.#state.entries(...rangeOf(PREFIX.use), { isReverse: true })) {
      return timeOfUseKey(key);
    }
    return 0;
  }

  /** Digests of complete contents that are not durable, as of the last batch. */
  async *pending(): AsyncGenerator<Uint8Array> {
    for await (const [key] of this.#state.entries(...rangeOf(PREFIX.pending))) yield key.slice(1);
  }

  /** All contents, as of the last batch. */
  async *records(): AsyncGenerator<{ digest: Uint8Array; record: ContentRecord }> {
    for await (const [key, value] of this.#state.entries(...rangeOf(PREFIX.content))) {
      const record = decodeRecord(value);
      if (record !== undefined) yield { digest: key.slice(1), record };
    }
  }

  #replace(
    digest: Uint8Array,
    before: ContentRecord | undefined,
    after: ContentRecord | undefined,
  ): void {
    const state = this.#state;
    if (after === undefined) state.delete(contentKey(digest));
    else state.put(contentKey(digest), encodeRecord(after));

    if (before !== undefined && !before.pinned) state.delete(useKey(before.lastUseMs, digest));
    if (after !== undefined && !after.pinned) state.put(useKey(after.lastUseMs, digest), NO_VALUE);
    const ownedBefore = ownedKeyOf(digest, before);
    const ownedAfter = ownedKeyOf(digest, after);
    if (ownedBefore !== undefined) state.delete(ownedBefore);
    if (ownedAfter !== undefined) state.put(ownedAfter, NO_VALUE);

    const wasPending = before?.complete === true && !before.durable;
    const isPending = after?.complete === true && !after.durable;
    if (isPending) state.put(pendingKey(digest), NO_VALUE);
    else if (wasPending) state.delete(pendingKey(digest));

    if (before?.durable === true && after?.durable !== true) {
      this.#removals.add(toHex(digest));
      state.requireSync();
    }
    this.#count(before, -1);
    this.#count(after, 1);
  }

  #count(record: ContentRecord | undefined, sign: 1 | -1): void {
    if (record === undefined) return;
    const { files, partialFiles, bytes } = this.#totals;
    this.#totals = {
      files: Math.max(0, files + (record.complete ? sign : 0)),
      partialFiles: Math.max(0, partialFiles + (record.complete ? 0 : sign)),
      bytes: Math.max(0, bytes + sign * record.bytes),
    };
    this.#totalsChanged = true;
    if (record.owner === undefined) return;
    const sum = this.ownedBytes(record.owner) + sign * record.bytes;
    if (sum > 0) this.#owned.set(record.owner, sum);
    else this.#owned.delete(record.owner);
  }

  #beforeBatch(): void {
    this.#removalsWriting = this.#removals;
    this.#removals = new Set();
    if (!this.#totalsChanged) return;
    this.#totalsChanged = false;
    const owned = Object.fromEntries(this.#owned);
    this.#state.put(TOTALS_KEY, encodeJson({ ...this.#totals, owned }));
  }

  #afterBatch(written: boolean): void {
    if (!written) for (const key of this.#removalsWriting) this.#removals.add(key);
    this.#removalsWriting = new Set();
  }

  async #removeRows(digest: Uint8Array, record: ContentRecord): Promise<void> {
    const rows = await this.getRows(digest, record);
    const count = rows.length / DIGEST_SIZE;
    for (let first = 0; first < count; first += REMOVE_COUNT_BATCH) {
      const keys: Uint8Array[] = [];
      for (let index = first; index < Math.min(count, first + REMOVE_COUNT_BATCH); index++) {
        const row = rows.subarray(index * DIGEST_SIZE, (index + 1) * DIGEST_SIZE);
        keys.push(sourceKey(record.algorithm, row));
      }
      const values = await this.#state.getMany(keys);
      for (const [index, value] of values.entries()) {
        const source = decodeSource(value);
        const isOurs = source !== undefined && Buffer.compare(source.digest, digest) === 0;
        if (isOurs) this.#state.delete(keys[index] as Uint8Array);
      }
    }
    const segments = Math.ceil(count / SEGMENT_ROWS);
    for (let segment = 0; segment < segments; segment++) {
      this.#state.delete(rowsKey(digest, segment));
    }
  }
}

function ownedKeyOf(digest: Uint8Array, record: ContentRecord | undefined): Uint8Array | undefined {
  if (record?.owner === undefined || record.pinned) return undefined;
  return ownedKey(record.owner, record.lastUseMs, digest);
}

function decodeSource(value: Uint8Array | undefined): BlockSource | undefined {
  if (value === undefined || value.length !== DIGEST_SIZE + 4) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const digest = new Uint8Array(value.subarray(0, DIGEST_SIZE));
  return { digest, block: view.getUint32(DIGEST_SIZE, true) };
}

function rangeOf(prefix: number): [from: Uint8Array, to: Uint8Array] {
  return [Uint8Array.of(prefix), Uint8Array.of(prefix + 1)];
}
