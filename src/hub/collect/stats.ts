/** What flists share: bytes that each needs, and bytes that it alone needs. */
import { throwIfAborted } from '../../base/abort.ts';
import type { RunProgress, StatsResult } from '../../store/hub-runs.ts';
import { ENTRY, type Entry } from '../catalogue/records.ts';
import { BUCKET_COUNT, IdBuckets } from './id-buckets.ts';
import { type Collected, eachReference } from './references.ts';
import { withRun } from './run.ts';

export interface StatsOptions {
  readonly tmpDir: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

const EXTRA_SIZE = 8;
const PROGRESS_COUNT = 10_000;

/** @throws ERR_CACHE_LOCKED while another run is under way; as `eachReference` */
export async function hubStats(hub: Collected, options: StatsOptions): Promise<StatsResult> {
  return await withRun(hub.catalogue, options, async (run) => {
    const numbers = new Map<string, number>();
    const rows = new IdBuckets(run.folder, 'rows', EXTRA_SIZE);
    let count = 0;
    const { packages } = await eachReference(hub, run, async (id, size, digest) => {
      const number = numbers.get(digest) ?? numbers.size;
      numbers.set(digest, number);
      const extra = Buffer.alloc(EXTRA_SIZE);
      extra.writeUInt32LE(number, 0);
      extra.writeUInt32LE(size, 4);
      await rows.add(id, extra);
      if (count++ % PROGRESS_COUNT === 0) options.onProgress?.({ phase: 'mark', count });
    });
    const needs = new Float64Array(numbers.size);
    const unique = new Float64Array(numbers.size);
    const total = { chunks: 0, storedBytes: 0, referencedBytes: 0 };
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      throwIfAborted(run.signal);
      await addBucket(rows, bucket, { needs, unique, total });
    }
    const flists: StatsResult['flists'] = [];
    for await (const { parts, value } of hub.catalogue.list<Entry>(ENTRY)) {
      const number = value.kind === 'flist' ? numbers.get(value.digest) : undefined;
      if (number === undefined) continue;
      flists.push({
        repository: parts[0] as string,
        name: parts[1] as string,
        bytes: needs[number] as number,
        uniqueBytes: unique[number] as number,
      });
    }
    const { storedBytes, referencedBytes } = total;
    return { flists, packages, ...total, ratio: storedBytes ? referencedBytes / storedBytes : 1 };
  });
}

async function addBucket(
  rows: IdBuckets,
  bucket: number,
  sums: {
    readonly needs: Float64Array;
    readonly unique: Float64Array;
    readonly total: { chunks: number; storedBytes: number; referencedBytes: number };
  },
): Promise<void> {
  const chunks = new Map<string, { size: number; readonly users: Set<number> }>();
  for await (const { id, extra } of rows.rows(bucket)) {
    const view = new DataView(extra.buffer, extra.byteOffset, extra.length);
    const chunk = chunks.get(id) ?? { size: 0, users: new Set() };
    chunk.users.add(view.getUint32(0, true));
    // Historical flists do not say how large it is; another one may.
    chunk.size = Math.max(chunk.size, view.getUint32(4, true));
    chunks.set(id, chunk);
  }
  const { needs, unique, total } = sums;
  for (const { size, users } of chunks.values()) {
    total.chunks++;
    total.storedBytes += size;
    total.referencedBytes += size * users.size;
    for (const user of users) needs[user] = (needs[user] as number) + size;
    if (users.size === 1) {
      const [user = 0] = users;
      unique[user] = (unique[user] as number) + size;
    }
  }
}
