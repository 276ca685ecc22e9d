/**
 * XXH3 (64 bits, seed 0, default secret), one buffer at a time: the block checksum of databases made
 * by RocksDB 7 and later. The loop over long inputs works on 32-bit halves, everything else in BigInt.
 * Pure.
 *
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
import { avalanche64 } from './xxhash.ts';

const PRIME32_1 = 0x9e3779b1n;
const PRIME32_2 = 0x85ebca77n;
const PRIME32_3 = 0xc2b2ae3dn;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MIX_1 = 0x165667919e3779f9n;
const PRIME_MIX_2 = 0x9fb21c651e98df25n;

/** Inputs up to this size have formulas of their own. */
const MIDDLE_SIZE_MAX = 240;
const STRIPE_SIZE = 64;
const STRIPES_PER_BLOCK = 16;
const SECRET_SIZE = 192;

const SECRET_BYTES = /* @__PURE__ */ Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f' +
    'cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c' +
    '3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364' +
    'eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e' +
    '2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
);
const SECRET = /* @__PURE__ */ viewOf(SECRET_BYTES);

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

function wrap(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function secret64(at: number): bigint {
  return SECRET.getBigUint64(at, true);
}

function rotate(value: bigint, bits: bigint): bigint {
  return wrap(value << bits) | (value >> (64n - bits));
}

function swapBytes(value: bigint): bigint {
  let swapped = 0n;
  for (let shift = 0n; shift < 64n; shift += 8n) {
    swapped = (swapped << 8n) | ((value >> shift) & 0xffn);
  }
  return swapped;
}

/** Both halves of the 128-bit product, folded into one. */
function multiplyFold(a: bigint, b: bigint): bigint {
  const product = a * b;
  return wrap(product) ^ (product >> 64n);
}

function avalanche(value: bigint): bigint {
  const hash = wrap((value ^ (value >> 37n)) * PRIME_MIX_1);
  return hash ^ (hash >> 32n);
}

/** XXH3-64 as an unsigned 64-bit number. */
export function xxh3(data: Uint8Array): bigint {
  const view = viewOf(data);
  if (data.length <= 16) return hashShort(view);
  if (data.length <= MIDDLE_SIZE_MAX) return hashMiddle(view);
  return hashLong(view);
}

function hashShort(input: DataView): bigint {
  const size = input.byteLength;
  if (size > 8) {
    const low = input.getBigUint64(0, true) ^ secret64(24) ^ secret64(32);
    const high = input.getBigUint64(size - 8, true) ^ secret64(40) ^ secret64(48);
    return avalanche(wrap(BigInt(size) + swapBytes(low) + high + multiplyFold(low, high)));
  }
  if (size >= 4) {
    const word =
      BigInt(input.getUint32(size - 4, true)) | (BigInt(input.getUint32(0, true)) << 32n);
    const keyed = word ^ secret64(8) ^ secret64(16);
    let hash = wrap((keyed ^ rotate(keyed, 49n) ^ rotate(keyed, 24n)) * PRIME_MIX_2);
    hash = wrap((hash ^ ((hash >> 35n) + BigInt(size))) * PRIME_MIX_2);
    return hash ^ (hash >> 28n);
  }
  if (size > 0) {
    const combined =
      ((input.getUint8(0) << 16) |
        (input.getUint8(size >> 1) << 24) |
        input.getUint8(size - 1) |
        (size << 8)) >>>
      0;
    const flip = (SECRET.getUint32(0, true) ^ SECRET.getUint32(4, true)) >>> 0;
    return avalanche64(BigInt((combined ^ flip) >>> 0));
  }
  return avalanche64(secret64(56) ^ secret64(64));
}

function hashMiddle(input: DataView): bigint {
  const size = input.byteLength;
  const mix = (at: number, secretAt: number): bigint =>
    multiplyFold(
      input.getBigUint64(at, true) ^ secret64(secretAt),
      input.getBigUint64(at + 8, true) ^ secret64(secretAt + 8),
    );
  let sum = BigInt(size) * PRIME64_1;
  if (size <= 128) {
    const pairs = Math.ceil(size / 32);
    for (let pair = 0; pair < pairs; pair++) {
      sum += mix(16 * pair, 32 * pair) + mix(size - 16 * (pair + 1), 32 * pair + 16);
    }
    return avalanche(wrap(sum));
  }
  for (let i = 0; i < 8; i++) sum += mix(16 * i, 16 * i);
  sum = avalanche(wrap(sum));
  for (let i = 8; i < Math.floor(size / 16); i++) sum += mix(16 * i, 16 * (i - 8) + 3);
  return avalanche(wrap(sum + mix(size - 16, 119)));
}

/** Eight 64-bit accumulators as halves: 0 to 7 low, 8 to 15 high. */
type Lanes = Uint32Array;

function hashLong(input: DataView): bigint {
  const size = input.byteLength;
  const lanes: Lanes = new Uint32Array(16);
  const start = [
    PRIME32_3,
    PRIME64_1,
    PRIME64_2,
    PRIME64_3,
    PRIME64_4,
    PRIME32_2,
    PRIME64_5,
    PRIME32_1,
  ];
  for (const [lane, value] of start.entries()) {
    lanes[lane] = Number(value & 0xffffffffn);
    lanes[lane + 8] = Number(value >> 32n);
  }
  const stripes = Math.floor((size - 1) / STRIPE_SIZE);
  for (let stripe = 0; stripe < stripes; stripe++) {
    const inBlock = stripe % STRIPES_PER_BLOCK;
    accumulate(lanes, input, stripe * STRIPE_SIZE, 8 * inBlock);
    if (inBlock === STRIPES_PER_BLOCK - 1) scramble(lanes);
  }
  accumulate(lanes, input, size - STRIPE_SIZE, SECRET_SIZE - STRIPE_SIZE - 7);

  const lane64 = (lane: number): bigint =>
    BigInt(lanes[lane] as number) | (BigInt(lanes[lane + 8] as number) << 32n);
  let sum = BigInt(size) * PRIME64_1;
  for (let i = 0; i < 8; i += 2) {
    sum += multiplyFold(lane64(i) ^ secret64(11 + 8 * i), lane64(i + 1) ^ secret64(19 + 8 * i));
  }
  return avalanche(wrap(sum));
}

function accumulate(lanes: Lanes, input: DataView, at: number, secretAt: number): void {
  for (let lane = 0; lane < 8; lane++) {
    const low = input.getUint32(at + 8 * lane, true);
    const high = input.getUint32(at + 8 * lane + 4, true);
    const keyLow = (low ^ SECRET.getUint32(secretAt + 8 * lane, true)) >>> 0;
    const keyHigh = (high ^ SECRET.getUint32(secretAt + 8 * lane + 4, true)) >>> 0;
    add(lanes, lane ^ 1, low, high);
    add(lanes, lane, Math.imul(keyLow, keyHigh) >>> 0, multiplyHigh(keyLow, keyHigh));
  }
}

function scramble(lanes: Lanes): void {
  const prime = Number(PRIME32_1);
  const secretAt = SECRET_SIZE - STRIPE_SIZE;
  for (let lane = 0; lane < 8; lane++) {
    const high = lanes[lane + 8] as number;
    // value ^= value >> 47 touches the low half only.
    const low =
      ((lanes[lane] as number) ^ (high >>> 15) ^ SECRET.getUint32(secretAt + 8 * lane, true)) >>> 0;
    const mixed = high ^ SECRET.getUint32(secretAt + 8 * lane + 4, true);
    lanes[lane] = Math.imul(low, prime);
    lanes[lane + 8] = multiplyHigh(low, prime) + Math.imul(mixed, prime);
  }
}

function add(lanes: Lanes, lane: number, low: number, high: number): void {
  const sum = (lanes[lane] as number) + low;
  lanes[lane] = sum;
  lanes[lane + 8] = (lanes[lane + 8] as number) + high + (sum > 0xffffffff ? 1 : 0);
}

/** Upper half of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const cross = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle = aLow * bHigh + (cross % 0x10000);
  return aHigh * bHigh + Math.floor(cross / 0x10000) + Math.floor(middle / 0x10000);
}
