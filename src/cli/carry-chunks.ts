/** Brings the chunks of an image from the stores that have them into one that is to have them: `push` and `pull`. */
import { linkSignals } from '../base/abort.ts';
import type { Image } from '../image/open.ts';
import type { ChunkStore, WritableChunkStore } from '../store/store.ts';
import type { Context } from './context.ts';
import { type ProgressCounter, showProgress } from './ui/progress.ts';

/** Chunks that are asked for and brought together. */
const BATCH_COUNT = 256;

export interface CarriedChunks {
  /** Different chunks of the image. */
  readonly chunks: number;
  /** Those that were not there, and their stored bytes. */
  readonly newChunks: number;
  readonly newBytes: number;
}

/**
 * Chunks that are there are not brought again, so that one that was cut goes on where it was. Each is verified
 * on its way.
 *
 * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT, ERR_FLIST_FORMAT, what the stores throw
 */
export async function carryChunks(
  context: Context,
  image: Image,
  from: ChunkStore,
  to: WritableChunkStore,
  label: string,
): Promise<CarriedChunks> {
  const { chunkIdsOf } = await import('../image/verify/chunk-ids.ts');
  const { imageTree } = await import('../image/tree.ts');
  const { Uploader } = await import('../image/upload.ts');
  const { chunkMatches, corruptError } = await import('../store/chunk-id.ts');
  const { addon } = await import('../native/load.ts');
  const codec = addon();
  const ids = [...chunkIdsOf(imageTree(image))];
  const { signal, unlink } = linkSignals(context.signal);
  const counter: ProgressCounter = { label, done: 0, total: ids.length, unit: 'entries' };
  const view = await showProgress(context, counter);
  const uploader = new Uploader(to, signal);
  try {
    for (let start = 0; start < ids.length; start += BATCH_COUNT) {
      const batch = ids.slice(start, start + BATCH_COUNT);
      const missing = await to.missing(batch, { signal });
      counter.done += batch.length - missing.length;
      for await (const got of from.getMany(missing, { signal })) {
        if ('error' in got) throw got.error;
        const { id, bytes } = got;
        const isRight = await chunkMatches(id, bytes, (data, length) =>
          codec.blake2b(data, length),
        );
        if (!isRight) throw corruptError(id, from.name, 'does not match its id');
        await uploader.add(Buffer.from(id, 'hex'), bytes);
        counter.done++;
      }
    }
    await uploader.finish();
    const { newChunks, uploadedBytes } = uploader.counts;
    return { chunks: ids.length, newChunks, newBytes: uploadedBytes };
  } finally {
    view.stop();
    await uploader.settle();
    unlink();
  }
}
