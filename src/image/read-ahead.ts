/**
 * Reads many contents one after the other, with chunks fetched ahead across their borders: a tree of small
 * files is then read as fast as one large file. For one reader, which takes the contents in the order in
 * which they were announced.
 */
import { createAbortController, linkSignals, throwIfAborted } from '../base/abort.ts';
import type { Content } from '../format/content.ts';
import { chunkCountOf } from '../format/index/content-digest.ts';
import { type ReadOptions, readChunk } from './read.ts';

/** In progress or waiting to be taken: what hides a network's latency for small files. */
const CHUNKS_MAX = 32;
/** Their plain bytes; the largest chunk fits in any case. */
const BYTES_MAX = 32 * 1024 * 1024;

interface Pending {
  readonly content: Content;
  readonly size: number;
  readonly bytes: Promise<Uint8Array>;
}

export class ContentSequence {
  readonly #options: ReadOptions;
  readonly #controller = createAbortController();
  readonly #link: ReturnType<typeof linkSignals>;
  readonly #chunks: Iterator<{ content: Content; index: number }>;
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  #isDone = false;

  constructor(contents: Iterable<Content>, options: ReadOptions) {
    this.#options = options;
    this.#link = linkSignals(options.signal, this.#controller.signal);
    this.#chunks = chunksOf(contents);
  }

  /**
   * The bytes of the next content, which has to be read to its end.
   *
   * @throws RangeError when `content` is not the one that comes next; as `readContent`
   */
  async *read(content: Content): AsyncGenerator<Uint8Array> {
    for (let left = chunkCountOf(content); left > 0; left--) {
      throwIfAborted(this.#options.signal);
      this.#fill();
      const next = this.#pending.shift();
      if (next === undefined || next.content !== content) {
        throw new RangeError('Contents are read in another order than they were announced');
      }
      this.#pendingBytes -= next.size;
      yield await next.bytes;
    }
  }

  /** Ends what is in progress. Idempotent. */
  async close(): Promise<void> {
    this.#isDone = true;
    this.#controller.abort();
    this.#link.unlink();
    await Promise.allSettled(this.#pending.splice(0).map(({ bytes }) => bytes));
  }

  #fill(): void {
    while (this.#pending.length < CHUNKS_MAX && !this.#isDone) {
      if (this.#pending.length > 0 && this.#pendingBytes >= BYTES_MAX) return;
      const next = this.#chunks.next();
      if (next.done === true) {
        this.#isDone = true;
        return;
      }
      const { content, index } = next.value;
      const size = Math.min(content.blockSize, content.size - index * content.blockSize);
      const bytes = readChunk(content.chunks[index], size, this.#options, this.#link.signal);
      // It is awaited later; until then a failure is not an unhandled one.
      bytes.catch(() => {});
      this.#pending.push({ content, size, bytes });
      this.#pendingBytes += size;
    }
  }
}

function* chunksOf(contents: Iterable<Content>): Generator<{ content: Content; index: number }> {
  for (const content of contents) {
    const count = chunkCountOf(content);
    for (let index = 0; index < count; index++) yield { content, index };
  }
}
