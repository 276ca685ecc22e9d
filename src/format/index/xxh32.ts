/** xxHash, 32 bits: EROFS places xattr names in its per-inode filter with it. Pure. */

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;
const STRIPE_SIZE = 16;

/**
 * Digest of `data` as an unsigned 32-bit number.
 *
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export function xxh32(data: Uint8Array, seed: number): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let offset = 0;
  let hash: number;
  if (data.length >= STRIPE_SIZE) {
    let lane1 = (seed + PRIME_1 + PRIME_2) | 0;
    let lane2 = (seed + PRIME_2) | 0;
    let lane3 = seed | 0;
    let lane4 = (seed - PRIME_1) | 0;
    for (; offset + STRIPE_SIZE <= data.length; offset += STRIPE_SIZE) {
      lane1 = mixLane(lane1, view.getUint32(offset, true));
      lane2 = mixLane(lane2, view.getUint32(offset + 4, true));
      lane3 = mixLane(lane3, view.getUint32(offset + 8, true));
      lane4 = mixLane(lane4, view.getUint32(offset + 12, true));
    }
    hash = rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18);
  } else {
    hash = seed + PRIME_5;
  }
  hash = (hash + data.length) | 0;
  for (; offset + 4 <= data.length; offset += 4) {
    const word = Math.imul(view.getUint32(offset, true), PRIME_3);
    hash = Math.imul(rotate((hash + word) | 0, 17), PRIME_4);
  }
  for (; offset < data.length; offset++) {
    const byte = Math.imul(view.getUint8(offset), PRIME_5);
    hash = Math.imul(rotate((hash + byte) | 0, 11), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixLane(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

function rotate(value: number, count: number): number {
  return (value << count) | (value >>> (32 - count));
}
