/** Chunks to a hub as they come, in batches, several at once. */
import { isG8Error } from '../base/errors.ts';
import { mergeParallel } from '../base/parallel.ts';
import { FRAME_HEADER_SIZE_MAX } from './chunk-frames.ts';
import { assertChunkId } from './chunk-id.ts';
import type { HttpClient } from './http-client.ts';
import { type HubChunk, mismatchError, refusedError, uploadToHub } from './hub-chunks.ts';
import { BATCH_COUNT_MAX } from './hub-protocol.ts';
import type { ChunkId, StoreCallOptions } from './store.ts';

export type UploadResult =
  | { readonly id: ChunkId; readonly outcome: 'new' | 'known' }
  | { readonly id: ChunkId; readonly error: unknown };

/** Runs a request until it succeeds or there is no use in it any more. */
export type Retried = <T>(
  what: string,
  options: StoreCallOptions,
  run: (signal: AbortSignal) => Promise<T>,
) => Promise<T>;

// Half a full batch of common chunks: large enough to be worth a request, small enough to repeat.
const UPLOAD_BATCH_BYTES = 16 * 1024 * 1024;
const UPLOAD_CONCURRENCY = 4;

/** The source is read no further ahead than the batches under way. Results come in any order, one for each chunk. */
export async function* uploadChunks(
  client: HttpClient,
  chunks: AsyncIterable<HubChunk> | Iterable<HubChunk>,
  options: StoreCallOptions & { readonly retried: Retried },
): AsyncGenerator<UploadResult, void, void> {
  const upload = (batch: readonly HubChunk[]) => (signal: AbortSignal) =>
    uploadBatch(client, batch, options, signal);
  async function* tasks() {
    for await (const batch of batchesOf(chunks)) yield upload(batch);
  }
  yield* mergeParallel(tasks(), { concurrency: UPLOAD_CONCURRENCY, signal: options.signal });
}

async function* uploadBatch(
  client: HttpClient,
  batch: readonly HubChunk[],
  options: StoreCallOptions & { readonly retried: Retried },
  signal: AbortSignal,
): AsyncGenerator<UploadResult, void, void> {
  try {
    const statuses = await options.retried('Upload of chunks', { signal }, (inner) =>
      uploadToHub(client, batch, { signal: inner }),
    );
    for (const [index, { id }] of batch.entries()) {
      const outcome = statuses[index];
      if (outcome === 'new' || outcome === 'known') yield { id, outcome };
      else if (outcome === 'mismatch') yield { id, error: mismatchError(client, id) };
      else yield { id, error: refusedError(client, id) };
    }
  } catch (error) {
    if (options.signal?.aborted || isG8Error(error, 'ERR_ABORTED')) throw error;
    for (const { id } of batch) yield { id, error };
  }
}

async function* batchesOf(
  chunks: AsyncIterable<HubChunk> | Iterable<HubChunk>,
): AsyncGenerator<HubChunk[], void, void> {
  let batch: HubChunk[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    assertChunkId(chunk.id);
    batch.push(chunk);
    size += FRAME_HEADER_SIZE_MAX + chunk.bytes.length;
    if (size >= UPLOAD_BATCH_BYTES || batch.length === BATCH_COUNT_MAX) {
      yield batch;
      batch = [];
      size = 0;
    }
  }
  if (batch.length > 0) yield batch;
}
