/**
 * Makes blocks present: what an earlier process left is verified, what another content holds is
 * copied, the rest is fetched, verified and written. Data first, then the driver, then the state.
 *
 * Concurrency: one load per block, shared by all callers; a batch of blocks goes on while anybody
 * waits for any of them. Not here: which content is attached, complete or evicted (`contents.ts`).
 */
import type { FileHandle } from 'node:fs/promises';
import { createAbortController, linkSignals, throwIfAborted } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { isG8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import { type Flight, SingleFlight } from '../base/singleflight.ts';
import type { Chunk } from '../format/content.ts';
import type { ChunkId } from '../store/store.ts';
import { chunkProblem } from './chunk-problem.ts';
import type { ContentRef, PartialContent } from './content.ts';
import { LocalCopier, verifyBlocks } from './copy.ts';
import { type Evictor, isBeyondLimit } from './evict.ts';
import { type ChunkFetcher, type FetchOptions, type FillPriority, PRIORITY } from './fetch.ts';
import type { FillOptions } from './fill-options.ts';
import type { CacheParts } from './parts.ts';
import { writeBlock } from './write-block.ts';

/** Blocks and plain bytes of one batch: one store call, and what a busy slot may hold in memory. */
const BATCH_COUNT_MAX = 32;
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** Batches of one call at the same time: the next is on its way while the last is decoded. */
const BATCHES_PER_CALL = 2;
/** Decodes and verifications at the same time by priority: two for each usual core, some spare. */
const WORK_SHARES = [8, 6, 4];
/** Every chunk in memory may wait, and there are at most slots × batch of them. */
const WORK_QUEUE_COUNT_MAX = 65_536;
/** Loads of other callers that a call waits for in turn before it gives up on a block. */
const FOLLOW_COUNT_MAX = 8;

type BatchOptions = FetchOptions & Pick<FillOptions, 'quota'>;

interface Job {
  readonly block: number;
  readonly flight: Flight<void>;
}

interface Batch {
  readonly content: PartialContent;
  readonly ref: ContentRef;
  readonly jobs: readonly Job[];
  readonly options: BatchOptions;
}

export class Filler {
  readonly #parts: CacheParts;
  readonly #evictor: Evictor;
  readonly #fetcher: ChunkFetcher;
  readonly #copier: LocalCopier;
  readonly #work = new Limiter({ shares: WORK_SHARES, queueCountMax: WORK_QUEUE_COUNT_MAX });
  readonly #flights = new SingleFlight<void>();
  readonly #batches = new Set<Promise<void>>();
  readonly #onBatchEnd: (content: PartialContent) => Promise<void>;

  /** @param onBatchEnd called when a batch has ended, whatever became of it; does not throw */
  constructor(
    parts: CacheParts,
    evictor: Evictor,
    fetcher: ChunkFetcher,
    onBatchEnd: (content: PartialContent) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#evictor = evictor;
    this.#fetcher = fetcher;
    this.#copier = new LocalCopier(parts);
    this.#onBatchEnd = onBatchEnd;
  }

  /** Blocks that are being loaded. */
  get flightCount(): number {
    return this.#flights.count;
  }

  /** Waits for the batches that run. */
  async idle(): Promise<void> {
    await Promise.all(this.#batches);
  }

  /**
   * Fills blocks `first` to `first + count` (exclusive) of a content that the caller retains.
   *
   * @throws the first failure, once every batch that was started has ended
   */
  async fill(
    content: PartialContent,
    ref: ContentRef,
    range: { readonly first: number; readonly count: number },
    options: FillOptions,
  ): Promise<void> {
    const end = Math.min(content.chunkCount, range.first + range.count);
    const perBatch = Math.min(
      BATCH_COUNT_MAX,
      Math.max(1, Math.floor(BATCH_BYTES_MAX / content.blockSize)),
    );
    const { signal, unlink } = linkSignals(options.signal, this.#parts.closing);
    const { store, priority, watcher, quota } = options;
    let next = range.first;
    let failed = false;
    const work = async (): Promise<void> => {
      while (next < end && !failed) {
        throwIfAborted(signal);
        const blocks: number[] = [];
        while (next < end && blocks.length < perBatch) blocks.push(next++);
        try {
          const batchOptions = { store, priority, signal, watcher, quota };
          await this.#fillBlocks(content, ref, blocks, batchOptions, FOLLOW_COUNT_MAX);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    const results = await Promise.allSettled(Array.from({ length: BATCHES_PER_CALL }, work));
    unlink();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #fillBlocks(
    content: PartialContent,
    ref: ContentRef,
    blocks: readonly number[],
    options: BatchOptions,
    turns: number,
  ): Promise<void> {
    const waits: Promise<void>[] = [];
    const jobs: Job[] = [];
    const abandoned = createAbortController();
    const onAbandoned = (): void => {
      if (jobs.every((job) => job.flight.ended)) abandoned.abort();
    };
    const { signal } = options;
    throwIfAborted(signal);
    for (const block of blocks) {
      if (content.isPresent(block)) {
        // The driver may ask for what it was told of just before it attached.
        this.#parts.residency.present(content.digest, block, 1);
        continue;
      }
      const name = `${content.key}:${block}`;
      const current = this.#flights.find(name);
      if (current !== undefined) {
        options.watcher?.onBlock?.(block, current.trail);
        waits.push(this.#follow(content, ref, block, current, options, turns));
        continue;
      }
      const flight = this.#flights.lead(name, options.store, onAbandoned);
      jobs.push({ block, flight });
      options.watcher?.onBlock?.(block, flight.trail);
      waits.push(flight.wait(signal));
    }
    if (jobs.length > 0) {
      const batchOptions = { ...options, signal: abandoned.signal };
      this.#start({ content, ref, jobs, options: batchOptions });
    }
    const results = await Promise.allSettled(waits);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #follow(
    content: PartialContent,
    ref: ContentRef,
    block: number,
    flight: Flight<void>,
    options: BatchOptions,
    turns: number,
  ): Promise<void> {
    flight.raise?.(PRIORITY[options.priority]);
    const { signal } = options;
    try {
      await flight.wait(signal);
    } catch (error) {
      // The leader's store failed, where ours may do better; or it was refused room that we get.
      const isRefused = options.priority === 'demand' && isBeyondLimit(error);
      const isFinal = flight.owner === options.store && !isRefused;
      if (signal.aborted || turns === 0 || isFinal) throw error;
      await this.#fillBlocks(content, ref, [block], options, turns - 1);
    }
  }

  #start(batch: Batch): void {
    const { content } = batch;
    this.#parts.partials.retain(content);
    const running = this.#runBatch(batch)
      .catch((error: unknown) => {
        for (const { flight } of batch.jobs) flight.reject(error);
      })
      .then(async () => {
        // The content is made complete while it is retained, so that nobody evicts it in between.
        await this.#onBatchEnd(content);
        this.#parts.partials.release(content);
        this.#batches.delete(running);
      });
    this.#batches.add(running);
  }

  async #runBatch(batch: Batch): Promise<void> {
    const { content, options } = batch;
    const { partials, state } = this.#parts;
    for (const { flight } of batch.jobs) flight.trail.enter('disk');
    await state.throttle();
    const file = await partials.open(content);
    const claimed = batch.jobs.filter(({ block }) => content.isClaimed(block));
    if (claimed.length > 0) await this.#verifyClaims(batch, claimed, file);

    const absent = wanted(batch.jobs);
    if (absent.length === 0) return;
    const bytes = absent.reduce((sum, { block }) => sum + content.plainSize(block), 0);
    // What another image has brought is no burden of this one.
    const quota = content.owner === options.quota?.owner ? options.quota : undefined;
    const giveBack = await this.#evictor.admit(bytes, options.priority, quota);
    try {
      await this.#copy(batch, absent, file);
      const misses = wanted(absent);
      this.#parts.counters.misses += misses.length;
      await this.#fetch(batch, misses, file);
    } finally {
      giveBack();
    }
  }

  async #verifyClaims(
    { content, options }: Batch,
    jobs: readonly Job[],
    file: FileHandle,
  ): Promise<void> {
    const blocks = jobs.map((job) => job.block);
    const good = await this.#operate(content, options.priority, () =>
      verifyBlocks(this.#parts, content, file, blocks),
    );
    for (const { block, flight } of jobs) {
      if (good.has(block)) this.#arrived(content, block, flight);
      else this.#parts.counters.rejectedBlocks++;
    }
  }

  async #copy({ content, options }: Batch, jobs: readonly Job[], file: FileHandle): Promise<void> {
    const copied = await this.#operate(content, options.priority, () => {
      // Looked at in the slot: somebody else's copy may have made the content complete meanwhile.
      const blocks = jobs.map(({ block }) => block).filter((block) => !content.isPresent(block));
      return this.#copier.copy(content, file, blocks);
    });
    for (const { block, flight } of jobs) {
      if (!copied.has(block)) continue;
      this.#parts.counters.copiedBlocks++;
      this.#parts.counters.copiedBytes += content.plainSize(block);
      this.#arrived(content, block, flight);
    }
  }

  async #fetch(batch: Batch, jobs: readonly Job[], file: FileHandle): Promise<void> {
    const { content, ref, options } = batch;
    const wants = new Map<ChunkId, { chunk: Chunk; jobs: Job[] }>();
    for (const job of jobs) {
      const chunk = ref.chunk(job.block);
      const problem = chunkProblem(chunk, content, job.block);
      if (problem !== undefined) {
        job.flight.reject(problem);
        continue;
      }
      const id = toHex(chunk.id);
      job.flight.raise = (priority) => this.#fetcher.raise(id, priority);
      job.flight.trail.chunk = id;
      const want = wants.get(id);
      if (want === undefined) wants.set(id, { chunk, jobs: [job] });
      else want.jobs.push(job);
    }
    await this.#fetcher.fetch(
      [...wants].map(
        ([
          id,
          {
            jobs: [first],
          },
        ]) => ({
          id,
          size: content.plainSize((first as Job).block),
        }),
      ),
      {
        use: async (id, bytes) => {
          const want = wants.get(id) as { chunk: Chunk; jobs: Job[] };
          const writes = want.jobs.map((job) => this.#write(batch, job, want.chunk, bytes, file));
          await Promise.all(writes);
        },
        onLoad: (id, trail) => {
          for (const { flight } of wants.get(id)?.jobs ?? []) flight.trail.follow(trail);
        },
        fail: (id, error) => {
          for (const { flight } of wants.get(id)?.jobs ?? []) flight.reject(error);
        },
      },
      options,
    );
  }

  // Never throws: the flight is settled either way.
  async #write(
    batch: Batch,
    job: Job,
    chunk: Chunk,
    bytes: Uint8Array,
    file: FileHandle,
  ): Promise<void> {
    const { content, options } = batch;
    const { trail } = job.flight;
    const decode = (stored: Uint8Array): Promise<void> => {
      trail.enter('queue');
      return this.#operate(content, options.priority, () => {
        trail.enter('decode');
        return writeBlock(
          this.#parts,
          this.#evictor,
          { content, file, block: job.block, chunk },
          stored,
        );
      });
    };
    try {
      try {
        await decode(bytes);
      } catch (error) {
        if (!isG8Error(error, 'ERR_CHUNK_CORRUPT')) throw error;
        this.#parts.counters.corruptChunks++;
        trail.enter('network');
        // A failover or routing store may have a good copy elsewhere.
        await decode(await this.#fetcher.refetch(toHex(chunk.id), options)).catch(
          (second: unknown) => {
            if (isG8Error(second, 'ERR_CHUNK_CORRUPT')) this.#parts.counters.corruptChunks++;
            throw second;
          },
        );
      }
      this.#arrived(content, job.block, job.flight);
    } catch (error) {
      job.flight.reject(error);
    }
  }

  async #operate<T>(
    content: PartialContent,
    priority: FillPriority,
    task: () => Promise<T>,
  ): Promise<T> {
    return await this.#work.run(
      async () => {
        content.operations++;
        try {
          return await task();
        } finally {
          content.operations--;
        }
      },
      { priority: PRIORITY[priority] },
    );
  }

  // The block is in the file: the driver first, the state with the next batch.
  #arrived(content: PartialContent, block: number, flight: Flight<void>): void {
    const { residency, catalog, dirty, state } = this.#parts;
    content.markPresent(block);
    dirty.add(content);
    state.schedule();
    if (!content.gone) residency.present(content.digest, block, 1);
    if (!content.isOwnDigest) {
      catalog.putSource(content.algorithm, content.row(block), { digest: content.digest, block });
    }
    flight.resolve();
  }
}

function wanted(jobs: readonly Job[]): Job[] {
  return jobs.filter(({ flight }) => !flight.ended);
}
