/**
 * Makes complete files durable behind everybody's back: fsync of each, then the record says so. No
 * read ever waits for the disk, and a power loss costs the verification of what was not synced yet.
 *
 * Concurrency: one pass at a time; a few fsyncs of it at once, each under its content's lock.
 */
import { toHex } from '../base/bytes.ts';
import type { CacheParts } from './parts.ts';
import { openExisting } from './seal.ts';

/** Between the first complete file and the pass that syncs it. */
export const CHECKPOINT_INTERVAL_MS = 30_000;
/** Fsyncs at the same time: enough for the journal to group them, few enough not to hurt reads. */
const SYNC_COUNT_MAX = 4;

export class Checkpoint {
  readonly #parts: CacheParts;
  readonly #onUnsynced: (key: string, digest: Uint8Array, error: unknown) => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;

  /**
   * @param onUnsynced called under the content's lock when the disk did not take a file: takes it out of
   *   service. The kernel tells of a failure once, and the next fsync would succeed without a byte written.
   */
  constructor(
    parts: CacheParts,
    onUnsynced: (key: string, digest: Uint8Array, error: unknown) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#onUnsynced = onUnsynced;
  }

  /** Something is not durable: a pass is due. */
  due(): void {
    if (this.#timer !== undefined || this.#parts.closing.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // What failed is still on the list: try again with the next pass.
      this.run().catch(() => this.due());
    }, CHECKPOINT_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Makes everything durable that is complete when it is called. */
  async run(): Promise<void> {
    await this.#pass?.catch(() => {});
    this.#pass ??= this.#run().finally(() => {
      this.#pass = undefined;
    });
    await this.#pass;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#pass?.catch(() => {});
  }

  async #run(): Promise<void> {
    const { catalog, state } = this.#parts;
    await state.flush();
    const running = new Set<Promise<void>>();
    try {
      for await (const digest of catalog.pending()) {
        const task = this.#sync(digest).finally(() => running.delete(task));
        running.add(task);
        if (running.size >= SYNC_COUNT_MAX) await Promise.race(running);
      }
    } finally {
      await Promise.all(running);
    }
    await state.flush();
  }

  async #sync(digest: Uint8Array): Promise<void> {
    const { catalog, layout, lock } = this.#parts;
    const key = toHex(digest);
    await lock.run(key, async () => {
      await using file = await openExisting(layout.filePath(key));
      if (file === undefined) return;
      try {
        // Not fdatasync: the seal is a time stamp.
        await file.sync();
      } catch (error) {
        await this.#onUnsynced(key, digest, error);
        return;
      }
      await catalog.update(digest, (record) =>
        record?.complete === true ? { ...record, durable: true } : record,
      );
    });
  }
}
