/**
 * XXH32 and XXH64 with seed 0, one buffer at a time: block checksums that a database may use instead
 * of CRC-32C. XXH64 computes in BigInt: it is rare enough that clarity wins. Pure.
 *
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
import { readFixed32 } from './input.ts';

const PRIME32_1 = 0x9e3779b1;
const PRIME32_2 = 0x85ebca77;
const PRIME32_3 = 0xc2b2ae3d;
const PRIME32_4 = 0x27d4eb2f;
const PRIME32_5 = 0x165667b1;

const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;

function rotate32(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** XXH32 as an unsigned 32-bit number. */
export function xxh32(data: Uint8Array): number {
  let at = 0;
  let hash: number;
  if (data.length >= 16) {
    const lanes = new Int32Array([PRIME32_1 + PRIME32_2, PRIME32_2, 0, -PRIME32_1]);
    for (; at + 16 <= data.length; at += 16) {
      for (let lane = 0; lane < 4; lane++) {
        const word = readFixed32(data, at + 4 * lane);
        const sum = (lanes[lane] as number) + Math.imul(word, PRIME32_2);
        lanes[lane] = Math.imul(rotate32(sum | 0, 13), PRIME32_1);
      }
    }
    const [a, b, c, d] = lanes as unknown as [number, number, number, number];
    hash = (rotate32(a, 1) + rotate32(b, 7) + rotate32(c, 12) + rotate32(d, 18)) | 0;
  } else {
    hash = PRIME32_5 | 0;
  }
  hash = (hash + data.length) | 0;
  for (; at + 4 <= data.length; at += 4) {
    hash = (hash + Math.imul(readFixed32(data, at), PRIME32_3)) | 0;
    hash = Math.imul(rotate32(hash, 17), PRIME32_4);
  }
  for (; at < data.length; at++) {
    hash = (hash + Math.imul(data[at] as number, PRIME32_5)) | 0;
    hash = Math.imul(rotate32(hash, 11), PRIME32_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME32_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME32_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function wrap(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function rotate64(value: bigint, bits: bigint): bigint {
  return wrap(value << bits) | (value >> (64n - bits));
}

function round64(lane: bigint, word: bigint): bigint {
  return wrap(rotate64(wrap(lane + word * PRIME64_2), 31n) * PRIME64_1);
}

/** Final mix of XXH64, which XXH3 uses as well for its shortest inputs. */
export function avalanche64(value: bigint): bigint {
  let hash = wrap((value ^ (value >> 33n)) * PRIME64_2);
  hash = wrap((hash ^ (hash >> 29n)) * PRIME64_3);
  return hash ^ (hash >> 32n);
}

/** XXH64 as an unsigned 64-bit number. */
export function xxh64(data: Uint8Array): bigint {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  let hash = PRIME64_5;
  if (data.length >= 32) {
    let a = wrap(PRIME64_1 + PRIME64_2);
    let b = PRIME64_2;
    let c = 0n;
    let d = wrap(-PRIME64_1);
    for (; at + 32 <= data.length; at += 32) {
      a = round64(a, view.getBigUint64(at, true));
      b = round64(b, view.getBigUint64(at + 8, true));
      c = round64(c, view.getBigUint64(at + 16, true));
      d = round64(d, view.getBigUint64(at + 24, true));
    }
    hash = wrap(rotate64(a, 1n) + rotate64(b, 7n) + rotate64(c, 12n) + rotate64(d, 18n));
    for (const lane of [a, b, c, d]) {
      hash = wrap((hash ^ round64(0n, lane)) * PRIME64_1 + PRIME64_4);
    }
  }
  hash = wrap(hash + BigInt(data.length));
  for (; at + 8 <= data.length; at += 8) {
    hash ^= round64(0n, view.getBigUint64(at, true));
    hash = wrap(rotate64(hash, 27n) * PRIME64_1 + PRIME64_4);
  }
  if (at + 4 <= data.length) {
    hash ^= wrap(BigInt(view.getUint32(at, true)) * PRIME64_1);
    hash = wrap(rotate64(hash, 23n) * PRIME64_2 + PRIME64_3);
    at += 4;
  }
  for (; at < data.length; at++) {
    hash ^= wrap(BigInt(data[at] as number) * PRIME64_5);
    hash = wrap(rotate64(hash, 11n) * PRIME64_1);
  }
  return avalanche64(hash);
}
