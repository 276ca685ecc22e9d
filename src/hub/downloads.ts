/**
 * How often blocks were downloaded. A download is counted in memory and written with others a few seconds later:
 * a hub that is killed loses those, which is what a count of this kind is worth.
 */

import type { ChunkId } from '../store/store.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { DOWNLOADS } from './catalogue/records.ts';

const FLUSH_MS = 5_000;
const FLUSH_COUNT = 1_000;
/** Records in one transaction. */
const PART_COUNT = 100;

export class DownloadCounter {
  readonly #catalogue: Catalogue;
  #counts = new Map<ChunkId, number>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  add(id: ChunkId): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    if (this.#counts.size >= FLUSH_COUNT) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), FLUSH_MS);
  }

  /** Downloads so far, by all hubs but for what others have not written yet. */
  async count(id: ChunkId): Promise<number> {
    this.#write();
    await this.#writing;
    return (await this.#catalogue.get(DOWNLOADS, id))?.count ?? 0;
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#write();
    await this.#writing;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counts = [...this.#counts];
    this.#counts = new Map();
    if (counts.length === 0) return;
    // A count is not worth a failed request; what cannot be written is lost.
    this.#writing = this.#writing.then(() => this.#commit(counts)).catch(() => {});
  }

  async #commit(counts: readonly (readonly [ChunkId, number])[]): Promise<void> {
    for (let start = 0; start < counts.length; start += PART_COUNT) {
      await this.#catalogue.transaction(async (transaction) => {
        for (const [id, more] of counts.slice(start, start + PART_COUNT)) {
          const count = (await transaction.get(DOWNLOADS, id))?.count ?? 0;
          transaction.put(DOWNLOADS, [id], { count: count + more });
        }
      });
    }
  }
}
