/**
 * A stream of bytes that is taken from in sizes of the taker's choice. Holds one piece of the source and
 * what is being put together. For one reader, one call at a time.
 */

const NOTHING = new Uint8Array(0);

export class TarInput {
  /** Bytes taken so far. */
  position = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = NOTHING;
  #isDone = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /**
   * Takes up to `size` bytes: fewer only when the source ends. The bytes are valid until the next call,
   * unless they are copied.
   */
  async read(size: number): Promise<Uint8Array> {
    if (this.#piece.length >= size) return this.#take(size);
    const bytes = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const some = await this.readSome(size - filled);
      if (some.length === 0) return bytes.subarray(0, filled);
      bytes.set(some, filled);
      filled += some.length;
    }
    return bytes;
  }

  /** Takes between 1 and `sizeMax` bytes, as they lie there; none only at the end of the source. */
  async readSome(sizeMax: number): Promise<Uint8Array> {
    while (this.#piece.length === 0) {
      if (this.#isDone) return NOTHING;
      const next = await this.#source.next();
      if (next.done === true) this.#isDone = true;
      else this.#piece = next.value;
    }
    return this.#take(Math.min(sizeMax, this.#piece.length));
  }

  /** @returns whether there were as many bytes */
  async skip(size: number): Promise<boolean> {
    let left = size;
    while (left > 0) {
      const some = await this.readSome(left);
      if (some.length === 0) return false;
      left -= some.length;
    }
    return true;
  }

  /** Ends the source. Idempotent. */
  async close(): Promise<void> {
    this.#piece = NOTHING;
    this.#isDone = true;
    await this.#source.return?.();
  }

  #take(size: number): Uint8Array {
    const taken = this.#piece.subarray(0, size);
    this.#piece = this.#piece.subarray(size);
    this.position += size;
    return taken;
  }
}
