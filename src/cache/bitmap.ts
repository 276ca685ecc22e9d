/** Bit per block: bit i of byte i >> 3, as the addon and the state have it. Pure. */

export function createBitmap(count: number): Uint8Array {
  return new Uint8Array(Math.ceil(count / 8));
}

export function hasBit(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[index >> 3] as number) >> (index & 7)) & 1) === 1;
}

export function setBit(bitmap: Uint8Array, index: number): void {
  (bitmap[index >> 3] as number) |= 1 << (index & 7);
}

export function clearBit(bitmap: Uint8Array, index: number): void {
  (bitmap[index >> 3] as number) &= ~(1 << (index & 7));
}

/** Set bits among the first `count`. */
export function countBits(bitmap: Uint8Array, count: number): number {
  let bits = 0;
  for (let index = 0; index < count; index++) if (hasBit(bitmap, index)) bits++;
  return bits;
}
