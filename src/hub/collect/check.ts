/**
 * Reads every chunk of a hub, compares it with its id, and looks for chunks that flists refer to and that are not
 * there; mends both from another store when it is given one.
 */
import { throwIfAborted } from '../../base/abort.ts';
import { isG8Error } from '../../base/errors.ts';
import { forEachParallel } from '../../base/workers.ts';
import { chunkMatches, type DigestFunction } from '../../store/chunk-id.ts';
import type { CheckResult, RunProgress } from '../../store/hub-runs.ts';
import type { ChunkId, ChunkStore, PrunableChunkStore } from '../../store/store.ts';
import { BUCKET_COUNT, IdBuckets } from './id-buckets.ts';
import { type Collected, eachReference } from './references.ts';
import { withRun } from './run.ts';

export interface CheckOptions {
  readonly tmpDir: string;
  readonly digest: DigestFunction | undefined;
  /** Where whole chunks are taken from. Default: nothing is mended. */
  readonly repairFrom?: ChunkStore | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

const DAMAGED_MAX = 1000;
// Full chunks of 5 MiB at most: 40 MiB.
const READ_CONCURRENCY = 8;
const PROGRESS_COUNT = 1000;

type Hub = Collected & { readonly chunks: PrunableChunkStore };

/** @throws ERR_CACHE_LOCKED while another run is under way; what the backend throws */
export async function checkChunks(hub: Hub, options: CheckOptions): Promise<CheckResult> {
  // The lease, because nothing may be deleted that was just found to be needed.
  return await withRun(hub.catalogue, options, async (run) => {
    const { digest, repairFrom, onProgress } = options;
    const { signal } = run;
    const count = { chunks: 0, bytes: 0, corrupt: 0, missing: 0, repaired: 0 };
    const damaged: { id: ChunkId; what: 'corrupt' | 'missing' }[] = [];
    const mend = async (id: ChunkId, what: 'corrupt' | 'missing'): Promise<void> => {
      count[what]++;
      const bytes = await wholeChunk(id, repairFrom, digest, signal);
      if (bytes !== undefined) {
        if (what === 'corrupt') await hub.chunks.delete(id, { signal });
        await hub.chunks.put(id, bytes, { signal });
        count.repaired++;
      } else if (damaged.length < DAMAGED_MAX) damaged.push({ id, what });
    };
    const stored = new IdBuckets(run.folder, 'stored');
    let listed = 0;
    for await (const id of hub.chunks.list({ signal })) {
      await stored.add(id);
      if (listed++ % PROGRESS_COUNT === 0) onProgress?.({ phase: 'list', count: listed });
    }
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const work = { concurrency: READ_CONCURRENCY, signal };
      await forEachParallel(await stored.ids(bucket), work, async (id) => {
        const bytes = await presentChunk(id, hub.chunks, signal);
        if (bytes === undefined) return;
        if (count.chunks++ % PROGRESS_COUNT === 0) {
          onProgress?.({ phase: 'read', count: count.chunks });
        }
        if (bytes !== 'corrupt') {
          count.bytes += bytes.length;
          if (await chunkMatches(id, bytes, digest)) return;
        }
        await mend(id, 'corrupt');
      });
    }
    // Behind the repair of pieces: a package that was damaged may be readable now.
    const damagedPackages = await mendMissing(hub, stored, options, { ...run, mend });
    return { ...count, damagedPackages, damaged };
  });
}

async function mendMissing(
  hub: Hub,
  stored: IdBuckets,
  { onProgress }: CheckOptions,
  run: {
    readonly folder: string;
    readonly signal: AbortSignal;
    readonly mend: (id: ChunkId, what: 'missing') => Promise<void>;
  },
): Promise<string[]> {
  const damagedPackages: string[] = [];
  const marked = new IdBuckets(run.folder, 'marked');
  let references = 0;
  const onUnknown = (digest: string) => damagedPackages.push(digest);
  const readsOn = { signal: run.signal, onUnknown };
  await eachReference(hub, readsOn, async (id) => {
    await marked.add(id);
    if (references++ % PROGRESS_COUNT === 0) onProgress?.({ phase: 'mark', count: references });
  });
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    throwIfAborted(run.signal);
    const present = await stored.ids(bucket);
    const absent = [...(await marked.ids(bucket))].filter((id) => !present.has(id));
    // What was uploaded since the listing is there.
    const missing = absent.length === 0 ? [] : await hub.chunks.missing(absent, run);
    for (const id of missing) await run.mend(id, 'missing');
  }
  return damagedPackages;
}

/** `undefined` when it was deleted since it was listed. */
async function presentChunk(
  id: ChunkId,
  chunks: ChunkStore,
  signal: AbortSignal,
): Promise<Uint8Array | 'corrupt' | undefined> {
  try {
    return await chunks.get(id, { signal });
  } catch (error) {
    if (isG8Error(error, 'ERR_CHUNK_MISSING')) return undefined;
    if (isG8Error(error, 'ERR_CHUNK_CORRUPT')) return 'corrupt';
    throw error;
  }
}

async function wholeChunk(
  id: ChunkId,
  from: ChunkStore | undefined,
  digest: DigestFunction | undefined,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (from === undefined) return undefined;
  try {
    const bytes = await from.get(id, { signal });
    return (await chunkMatches(id, bytes, digest)) ? bytes : undefined;
  } catch (error) {
    // Absent or broken there too; that the store cannot be asked ends the check.
    if (isG8Error(error, 'ERR_CHUNK_MISSING') || isG8Error(error, 'ERR_CHUNK_CORRUPT')) {
      return undefined;
    }
    throw error;
  }
}
