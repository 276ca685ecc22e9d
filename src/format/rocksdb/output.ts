/** Growing byte string with RocksDB's integers, the counterpart of `input.ts`. For one writer. */
export class Output {
  readonly #parts: Uint8Array[] = [];
  /** Bytes so far. */
  size = 0;

  /** Appends bytes without copying them. */
  bytes(part: Uint8Array): this {
    this.#parts.push(part);
    this.size += part.length;
    return this;
  }

  byte(value: number): this {
    return this.bytes(Uint8Array.of(value));
  }

  fixed32(value: number): this {
    const part = new Uint8Array(4);
    new DataView(part.buffer).setUint32(0, value, true);
    return this.bytes(part);
  }

  /** Integers from 0 to 2^53 - 1. */
  varint(...values: readonly number[]): this {
    const part: number[] = [];
    for (const value of values) {
      let left = value;
      for (; left >= 128; left = Math.floor(left / 128)) part.push((left % 128) + 128);
      part.push(left);
    }
    return this.bytes(new Uint8Array(part));
  }

  /** Bytes behind their length. */
  slice(part: Uint8Array): this {
    return this.varint(part.length).bytes(part);
  }

  /** All bytes in one piece. */
  concat(): Uint8Array {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
