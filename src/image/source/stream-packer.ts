/**
 * Contents of files that stream by: their blocks are packed while the stream is read on. Blocks of several
 * files are in progress at a time; what they hold in memory is bounded, and the stream waits. For one
 * stream at a time.
 */
import type { Chunk } from '../../format/content.ts';
import type { MutableInode } from '../../format/layer/node.ts';
import { BLOCKS_MAX } from '../chunk.ts';
import type { ChunkWriter } from '../chunk-writer.ts';

/** A block of a file by its index; what does not come is a hole. Indexes ascend. */
export type IndexedBlock = readonly [index: number, data: Uint8Array];

interface Job {
  readonly inode: MutableInode;
  readonly chunks: Chunk[];
  remaining: number;
}

export class StreamPacker {
  readonly #writer: ChunkWriter;
  #running = 0;
  #failure: { error: unknown } | undefined;
  #wake = (): void => {};

  constructor(writer: ChunkWriter) {
    this.#writer = writer;
  }

  /**
   * Takes all blocks of a file; its content is set once they are packed, by {@link finish} at the latest.
   *
   * @param title of the file, for messages
   * @throws what `blocks` throws, or what an earlier block has failed with
   */
  async add(
    inode: MutableInode,
    title: string,
    blocks: AsyncIterable<IndexedBlock>,
  ): Promise<void> {
    const chunks = this.#writer.chunksFor(inode.size, title);
    const job: Job = { inode, chunks, remaining: 1 };
    let next = 0;
    for await (const [index, data] of blocks) {
      this.#addHoles(inode.size, next, index);
      next = index + 1;
      await this.#room(BLOCKS_MAX - 1);
      this.#start(job, index, data);
    }
    this.#addHoles(inode.size, next, chunks.length);
    this.#finishBlock(job);
  }

  /** Waits until everything is packed. */
  async finish(): Promise<void> {
    await this.#room(0);
  }

  /** Waits until nothing is in progress any more, whatever came of it. */
  async settle(): Promise<void> {
    while (this.#running > 0) await this.#change();
  }

  async #room(runningMax: number): Promise<void> {
    while (this.#failure === undefined && this.#running > runningMax) await this.#change();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #start(job: Job, index: number, data: Uint8Array): void {
    this.#running++;
    job.remaining++;
    this.#writer
      .write({ data })
      .then((chunk) => {
        job.chunks[index] = chunk;
        this.#finishBlock(job);
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running--;
        this.#wake();
      });
  }

  #finishBlock(job: Job): void {
    if (--job.remaining === 0) this.#writer.setContent(job.inode, job.chunks);
  }

  #addHoles(size: number, from: number, to: number): void {
    const { blockSize } = this.#writer;
    for (let index = from; index < to; index++) {
      this.#writer.hole(Math.min(blockSize, size - index * blockSize));
    }
  }
}
