/**
 * The life of a content's file: attached (partial), complete, doubted, evicted. Which blocks are
 * filled and how: `fill.ts`.
 *
 * Concurrency: creating, renaming, judging and removing a content's file happens under its lock. A
 * content in memory is used without the lock by retaining it in the same turn that found it.
 */
import { rm, unlink } from 'node:fs/promises';
import { toHex } from '../base/bytes.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { type ContentRef, PartialContent, readRows } from './content.ts';
import { setCorruptAside } from './corrupt.ts';
import type { CacheParts } from './parts.ts';
import { putPresence, putRows, restorePresence } from './presence.ts';
import type { ContentRecord } from './records.ts';
import { moveIntoPlace, type Recovery, verifyAndSeal } from './recover.ts';
import { findStats, isSealed, seal } from './seal.ts';
import { allocated, isSameShape, requireShape, shapeError } from './shape.ts';

/** Last use is kept to the minute: one state write per content and minute, not one per open. */
const TOUCH_RESOLUTION_MS = 60_000;
/** Times an attach meets a content that just became complete or was evicted. */
const ATTACH_TURNS_MAX = 4;

export interface ContentsOptions {
  readonly parts: CacheParts;
  readonly recovery: Recovery;
  /** A content became complete and is not durable yet. */
  readonly onComplete: () => void;
}

export class Contents {
  readonly #parts: CacheParts;
  readonly #recovery: Recovery;
  readonly #onComplete: () => void;

  constructor({ parts, recovery, onComplete }: ContentsOptions) {
    this.#parts = parts;
    this.#recovery = recovery;
    this.#onComplete = onComplete;
    parts.state.onFlush.push(() => putPresence(parts));
  }

  /** See `ContentCache.attach`. */
  async attach(ref: ContentRef, owner?: number): Promise<'partial' | 'complete'> {
    const { counters, partials, residency } = this.#parts;
    for (let turn = 0; turn < ATTACH_TURNS_MAX; turn++) {
      const content = await this.acquire(ref, owner);
      if (content === 'complete') {
        counters.hits++;
        await this.touch([ref.digest]);
        residency.complete(ref.digest);
        return 'complete';
      }
      try {
        await this.complete(content);
        if (content.gone) continue;
        const { fd } = await partials.open(content);
        if (content.gone) continue;
        const { size, blockSize } = content;
        residency.attach(content.digest, { fd, size, blockSize, present: content.present.slice() });
        return 'partial';
      } finally {
        partials.release(content);
      }
    }
    throw new G8Error('ERR_IO', `Content ${toHex(ref.digest)} does not settle`);
  }

  /**
   * The content in memory, retained for the caller, or 'complete' when its file is in place.
   *
   * @param owner whose it is if it is new
   */
  async acquire(ref: ContentRef, owner?: number): Promise<PartialContent | 'complete'> {
    const { lock, partials } = this.#parts;
    const key = toHex(ref.digest);
    const found = partials.find(key);
    if (found !== undefined && isSameShape(found, ref)) {
      partials.retain(found);
      return found;
    }
    return await lock.run(key, async () => {
      const content = await this.#load(key, ref, owner);
      if (content !== 'complete') partials.retain(content);
      return content;
    });
  }

  /**
   * Puts a content's file in place if all its blocks are there. Does not throw: until it succeeds the
   * content is served from its partial file, and the next attach or fill tries again.
   */
  async complete(content: PartialContent): Promise<void> {
    if (!isFull(content)) return;
    content.completing ??= this.#parts.lock
      .run(content.key, () => this.#complete(content))
      .catch(() => {})
      .finally(() => {
        content.completing = undefined;
      });
    await content.completing;
  }

  /** See `ContentCache.doubt`. */
  async doubt(ref: ContentRef): Promise<boolean> {
    const { catalog, layout, lock, partials } = this.#parts;
    const key = toHex(ref.digest);
    const rows = await readRows(ref, this.#parts.addon);
    return await lock.run(key, async () => {
      if (partials.find(key) !== undefined) return false;
      const record = await catalog.find(ref.digest);
      if (record?.complete === true) requireShape(record, ref);
      const stats = await findStats(layout.filePath(key));
      if (stats === undefined) return false;
      if (record?.complete === true && isSealed(stats, ref.size)) return true;
      return await this.#judge(key, ref, rows);
    });
  }

  /** Evicts one content; returns the bytes freed, `undefined` when it has to stay. */
  async evict(digest: Uint8Array): Promise<number | undefined> {
    const { catalog, layout, lock, partials, residency } = this.#parts;
    const key = toHex(digest);
    if (lock.isHeld(key)) return undefined;
    return await lock.run(key, async () => {
      const record = await catalog.find(digest);
      if (record === undefined || record.pinned) return undefined;
      const paths = [layout.filePath(key), layout.partialPath(key)];
      let bytes = 0;
      for (const path of paths) bytes += allocated(await findStats(path));
      // From here to the removal from memory there is no turn in which somebody could retain it.
      const content = partials.find(key);
      if (content !== undefined && (content.users > 0 || content.operations > 0)) return undefined;
      if (!residency.drop(digest)) {
        await this.#setLastUse(digest);
        return undefined;
      }
      if (content !== undefined) await partials.remove(content);
      for (const path of paths) await rm(path, { force: true });
      if (this.#recovery.active) await this.#recovery.discard(key);
      await catalog.remove(digest);
      return bytes;
    });
  }

  /** See `ContentCache.pin`. */
  async setPinned(digest: Uint8Array, pinned: boolean): Promise<void> {
    const record = await this.#parts.catalog.update(digest, (now) => now && { ...now, pinned });
    if (record !== undefined) return;
    throw new G8Error('ERR_NO_INPUT', `Content ${toHex(digest)} is not in the cache`);
  }

  /** Forgets contents in memory that nobody uses, beyond this many; their files stay. */
  async forgetIdle(countMax: number): Promise<void> {
    const { dirty, lock, partials, residency } = this.#parts;
    for (const content of [...partials.all()]) {
      if (partials.count <= countMax) return;
      const isBusy = content.users > 0 || content.operations > 0 || lock.isHeld(content.key);
      // The driver must not keep a file whose content we would load again without its knowledge.
      if (isBusy || dirty.has(content) || !residency.drop(content.digest)) continue;
      await partials.remove(content);
    }
  }

  /** Brings the bytes that a partial content is counted with up to date. */
  async measure(content: PartialContent): Promise<void> {
    if (content.gone) return;
    const { catalog, layout } = this.#parts;
    const bytes = allocated(await findStats(layout.partialPath(content.key)));
    await catalog.update(content.digest, (record) => {
      const isCurrent = record !== undefined && !record.complete && !content.gone;
      return isCurrent && record.bytes !== bytes ? { ...record, bytes } : record;
    });
  }

  /** Brings last-use times up to date. */
  async touch(digests: readonly Uint8Array[]): Promise<void> {
    const records = await this.#parts.catalog.findMany(digests);
    const dueMs = this.#parts.now() - TOUCH_RESOLUTION_MS;
    for (const [index, record] of records.entries()) {
      if (record === undefined || record.lastUseMs > dueMs) continue;
      await this.#setLastUse(digests[index] as Uint8Array);
    }
  }

  /**
   * Takes a content whose bytes are wrong out of service and keeps the file aside. Open files of it stay as
   * they are. Under the content's lock.
   */
  async discard(key: string, digest: Uint8Array): Promise<void> {
    const { catalog, counters, layout } = this.#parts;
    counters.corruptFiles++;
    // The record first: what is not known is verified before it is used.
    await catalog.remove(digest);
    await setCorruptAside(layout, layout.filePath(key), key);
  }

  /**
   * The content's file could not be read: verifies a complete one, and sets it aside when it is bad. A partial
   * one goes anyway. Open files stay as they are.
   */
  async recheck(ref: ContentRef): Promise<void> {
    const { catalog, counters, layout, lock, partials } = this.#parts;
    const key = toHex(ref.digest);
    const rows = await readRows(ref, this.#parts.addon);
    await lock.run(key, async () => {
      const content = partials.find(key);
      if (content !== undefined) {
        counters.corruptFiles++;
        await partials.remove(content);
        await catalog.remove(ref.digest);
        await setCorruptAside(layout, layout.partialPath(key), key);
      }
      const stats = await findStats(layout.filePath(key)).catch(() => null);
      if (stats !== undefined) await this.#judge(key, ref, rows);
    });
  }

  async #setLastUse(digest: Uint8Array): Promise<void> {
    const lastUseMs = this.#parts.now();
    await this.#parts.catalog.update(digest, (record) => record && { ...record, lastUseMs });
  }

  // Under the content's lock.
  async #load(
    key: string,
    ref: ContentRef,
    owner: number | undefined,
  ): Promise<PartialContent | 'complete'> {
    const { catalog, layout, partials, residency } = this.#parts;
    const found = partials.find(key);
    if (found !== undefined) {
      if (isSameShape(found, ref)) return found;
      // Only a content of one chunk can be claimed with a wrong size, and then nothing is in it.
      if (found.users > 0 || found.operations > 0 || !residency.drop(ref.digest)) {
        throw shapeError(ref);
      }
      await partials.remove(found);
      await this.#removePartial(key, ref.digest);
    }
    const record = await catalog.find(ref.digest);
    if (record?.complete === true) requireShape(record, ref);
    const stats = await findStats(layout.filePath(key));
    if (record?.complete === true && stats !== undefined && isSealed(stats, ref.size)) {
      return 'complete';
    }
    const rows = await readRows(ref, this.#parts.addon);
    if (stats !== undefined && (await this.#judge(key, ref, rows))) return 'complete';
    if (this.#recovery.active && (await this.#adopt(ref, record, rows))) return 'complete';
    if (record !== undefined && !record.complete && !isSameShape(record, ref)) {
      await this.#removePartial(key, ref.digest);
    }
    return await this.#create(ref, rows, owner);
  }

  async #create(
    ref: ContentRef,
    rows: Uint8Array,
    owner: number | undefined,
  ): Promise<PartialContent> {
    const { catalog, now, partials } = this.#parts;
    const content = new PartialContent(ref, rows);
    try {
      await partials.open(content);
      const existed = partials.existed(content);
      if (existed) await restorePresence(this.#parts, content);
      const record = await catalog.update(ref.digest, (current) => ({
        complete: false,
        durable: false,
        pinned: current?.pinned ?? false,
        algorithm: ref.algorithm,
        blockSize: ref.blockSize,
        size: ref.size,
        bytes: existed ? (current?.bytes ?? 0) : 0,
        lastUseMs: now(),
        owner: current === undefined ? owner : current.owner,
      }));
      content.owner = record?.owner;
    } catch (error) {
      await partials.remove(content);
      throw toG8Error(error, 'ERR_IO', `Cannot attach content ${content.key}`);
    }
    catalog.putPresence(content.digest, content.claims());
    partials.add(content);
    return content;
  }

  // Under the content's lock.
  async #complete(content: PartialContent): Promise<void> {
    const { catalog, dirty, layout, now, partials, residency, state } = this.#parts;
    if (!isFull(content)) return;
    const { digest } = content;
    const file = await partials.open(content);
    const stats = await file.stat({ bigint: true });
    const bytes = allocated(stats);
    await catalog.settleRemoval(digest);
    putRows(this.#parts, content);
    const { algorithm, blockSize, size } = content;
    const shape = { algorithm, blockSize, size, bytes, durable: false };
    await catalog.update(digest, (record) => ({
      ...shape,
      complete: true,
      pinned: record?.pinned ?? false,
      lastUseMs: record?.lastUseMs ?? now(),
      owner: record?.owner,
    }));
    try {
      // The record is with the kernel before the file is in place: a file there is never unknown.
      await state.flush();
      await seal(file, stats.mode);
      await moveIntoPlace(layout.partialPath(content.key), layout.filePath(content.key));
    } catch (error) {
      await catalog.update(digest, (record) => record && { ...record, complete: false });
      throw error;
    }
    catalog.deletePresence(digest);
    dirty.delete(content);
    // Gone in this turn; only the closing of its file is waited for.
    const closed = partials.remove(content);
    residency.complete(digest);
    this.#onComplete();
    await closed;
  }

  // Under the content's lock: a file is in place that its seal or the state does not vouch for.
  async #judge(key: string, ref: ContentRef, rows: Uint8Array): Promise<boolean> {
    const { layout } = this.#parts;
    const path = layout.filePath(key);
    if (!(await verifyAndSeal(this.#parts, path, ref, rows))) {
      await this.discard(key, ref.digest);
      return false;
    }
    await this.#recordComplete(ref, rows, false);
    return true;
  }

  async #adopt(
    ref: ContentRef,
    record: ContentRecord | undefined,
    rows: Uint8Array,
  ): Promise<boolean> {
    const { algorithm, blockSize, size } = ref;
    const durable = record?.complete === true && record.durable;
    const shape = { algorithm, blockSize, size, durable };
    if (!(await this.#recovery.adopt(ref.digest, shape, async () => rows))) return false;
    await this.#recordComplete(ref, rows, true);
    return true;
  }

  async #recordComplete(ref: ContentRef, rows: Uint8Array, durable: boolean): Promise<void> {
    const { catalog, layout, now } = this.#parts;
    const bytes = allocated(await findStats(layout.filePath(toHex(ref.digest))));
    const content = new PartialContent(ref, rows);
    for (let block = 0; block < content.chunkCount; block++) content.markPresent(block);
    putRows(this.#parts, content);
    const { algorithm, blockSize, size } = ref;
    await catalog.update(ref.digest, (record) => ({
      complete: true,
      durable,
      pinned: record?.pinned ?? false,
      algorithm,
      blockSize,
      size,
      bytes,
      lastUseMs: now(),
      owner: record?.owner,
    }));
    if (!durable) this.#onComplete();
  }

  async #removePartial(key: string, digest: Uint8Array): Promise<void> {
    const { catalog, layout } = this.#parts;
    await unlink(layout.partialPath(key)).catch((error: unknown) => {
      const failure = toG8Error(error, 'ERR_IO', `Cannot remove the partial file of ${key}`);
      if (!isG8Error(failure, 'ERR_NO_INPUT')) throw failure;
    });
    await catalog.remove(digest);
  }
}

function isFull(content: PartialContent): boolean {
  return content.absentCount === 0 && content.operations === 0 && !content.gone;
}
