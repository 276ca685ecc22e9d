/** Sorts many 32-byte digests without an object for each. Pure. */
import { compareBytes } from '../../base/bytes.ts';

const DIGEST_SIZE = 32;
const BUCKET_COUNT = 1 << 16;

/**
 * Indexes of the digests in byte order; equal digests keep their order. Digests are evenly spread,
 * so one counting pass over their first two bytes leaves next to nothing to compare.
 */
export function sortDigests(digests: Uint8Array): Uint32Array {
  const count = digests.length / DIGEST_SIZE;
  const bucketEnd = new Uint32Array(BUCKET_COUNT + 1);
  for (let i = 0; i < count; i++) (bucketEnd[bucketOf(digests, i) + 1] as number)++;
  for (let b = 0; b < BUCKET_COUNT; b++) {
    bucketEnd[b + 1] = (bucketEnd[b + 1] as number) + (bucketEnd[b] as number);
  }
  const sorted = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(digests, i);
    const position = bucketEnd[bucket] as number;
    sorted[position] = i;
    bucketEnd[bucket] = position + 1;
  }
  // Every bucket now ends where the next one began.
  let start = 0;
  for (let b = 0; b < BUCKET_COUNT; b++) {
    const end = bucketEnd[b] as number;
    if (end - start > 1) {
      sorted.subarray(start, end).sort((x, y) => compareAt(digests, x, y) || x - y);
    }
    start = end;
  }
  return sorted;
}

function bucketOf(digests: Uint8Array, index: number): number {
  const offset = index * DIGEST_SIZE;
  return ((digests[offset] as number) << 8) | (digests[offset + 1] as number);
}

function compareAt(digests: Uint8Array, x: number, y: number): number {
  return compareBytes(
    digests.subarray(x * DIGEST_SIZE, (x + 1) * DIGEST_SIZE),
    digests.subarray(y * DIGEST_SIZE, (y + 1) * DIGEST_SIZE),
  );
}
