/** Chunk ids as text: their form, where a chunk lies in the static layout, and checking them. Pure. */
import { createHash } from 'node:crypto';
import { blake2b } from '../base/blake2b.ts';
import { fromHex, toHex } from '../base/bytes.ts';
import { G8Error } from '../base/errors.ts';
import type { ChunkId } from './store.ts';

/** Digits of an id: 64 in G1 and in our own chunks, 32 in G2/G3. */
export const CHUNK_ID_PATTERN = /^(?:[0-9a-f]{64}|[0-9a-f]{32})$/;

/** Bytes in front of a G1 chunk that its id does not cover (docs/format.md, section 8). */
const G1_HEADER_SIZE = 16;

/** BLAKE2b of `data` with 16 or 32 bytes of output; may run elsewhere. */
export type DigestFunction = (
  data: Uint8Array,
  length: 16 | 32,
) => Uint8Array | Promise<Uint8Array>;

export function isChunkId(text: string): text is ChunkId {
  return CHUNK_ID_PATTERN.test(text);
}

/** @throws TypeError, because an id that is none is a mistake of the caller */
export function assertChunkId(id: string): void {
  if (!isChunkId(id)) throw new TypeError(`Not a chunk id: ${JSON.stringify(id).slice(0, 100)}`);
}

/** The 16 or 32 bytes of an id. @throws TypeError */
export function chunkIdBytes(id: ChunkId): Uint8Array {
  assertChunkId(id);
  return fromHex(id) as Uint8Array;
}

/** Path below the base of the static layout, such as `1f/1f3a…`. */
export function chunkPath(id: ChunkId): string {
  return `${id.slice(0, 2)}/${id}`;
}

/**
 * Whether the bytes are those of the id: BLAKE2b-128 for 32 digits; BLAKE2b-256, or SHA-256 behind a
 * G1 header, for 64.
 */
export async function chunkMatches(
  id: ChunkId,
  bytes: Uint8Array,
  digest: DigestFunction = blake2b,
): Promise<boolean> {
  if (id.length === 32) return toHex(await digest(bytes, 16)) === id;
  if (toHex(await digest(bytes, 32)) === id) return true;
  if (bytes.length <= G1_HEADER_SIZE) return false;
  return createHash('sha256').update(bytes.subarray(G1_HEADER_SIZE)).digest('hex') === id;
}

export function missingError(id: ChunkId, storeName: string): G8Error {
  return new G8Error('ERR_CHUNK_MISSING', `Chunk ${id} is not in ${storeName}`, {
    details: { id, store: storeName },
  });
}

export function corruptError(id: ChunkId, storeName: string, reason: string): G8Error {
  return new G8Error('ERR_CHUNK_CORRUPT', `Chunk ${id} from ${storeName} ${reason}`, {
    details: { id, store: storeName },
  });
}
