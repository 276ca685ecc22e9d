/**
 * Numbers chunks by their ids, densely from 0: millions of them in about 45 bytes each, where a `Map` of
 * texts takes several times that. For one event loop.
 */
import { randomInt } from 'node:crypto';

/** Ids have 16 or 32 bytes; the short ones are padded with zeros. */
const ID_SIZE = 32;
const ID_WORDS = ID_SIZE / 4;
const CAPACITY_MIN = 1024;
const EMPTY = -1;

export class ChunkTable {
  // Ids come from strangers: with a random multiplier nobody can choose ones that all meet in one slot.
  readonly #multipliers = Uint32Array.from({ length: ID_WORDS }, () => randomInt(2 ** 31) * 2 + 1);
  readonly #words = new Uint32Array(ID_WORDS);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  #ids = new Uint32Array(CAPACITY_MIN * ID_WORDS);
  #slots = new Int32Array(CAPACITY_MIN * 2).fill(EMPTY);
  #count = 0;

  /** Chunks so far. */
  get count(): number {
    return this.#count;
  }

  /** Number of a chunk: the one it has, else the next. */
  add(id: Uint8Array): number {
    const slot = this.#find(id);
    const known = this.#slots[slot] as number;
    if (known !== EMPTY) return known;
    const number = this.#count++;
    this.#ids.set(this.#words, number * ID_WORDS);
    this.#slots[slot] = number;
    if (this.#count * ID_WORDS === this.#ids.length) this.#grow();
    return number;
  }

  /** Number of a chunk, `undefined` when it is not known. */
  get(id: Uint8Array): number | undefined {
    const number = this.#slots[this.#find(id)] as number;
    return number === EMPTY ? undefined : number;
  }

  /** The slot of the id, or the free one where it belongs; the id is in `#words` afterwards. */
  #find(id: Uint8Array): number {
    this.#words.fill(0);
    this.#bytes.set(id);
    for (let slot = this.#slotOf(this.#words, 0); ; slot = (slot + 1) % this.#slots.length) {
      const number = this.#slots[slot] as number;
      if (number === EMPTY || this.#isAt(number)) return slot;
    }
  }

  #isAt(number: number): boolean {
    for (let i = 0; i < ID_WORDS; i++) {
      if (this.#ids[number * ID_WORDS + i] !== this.#words[i]) return false;
    }
    return true;
  }

  #slotOf(words: Uint32Array, offset: number): number {
    let sum = 0;
    for (let i = 0; i < ID_WORDS; i++) {
      const word = words[offset + i] as number;
      sum = (Math.imul(word ^ (word >>> 15), this.#multipliers[i] as number) + sum) >>> 0;
    }
    return ((sum ^ (sum >>> 16)) >>> 0) % this.#slots.length;
  }

  #grow(): void {
    const ids = new Uint32Array(this.#ids.length * 2);
    ids.set(this.#ids);
    this.#ids = ids;
    this.#slots = new Int32Array(this.#slots.length * 2).fill(EMPTY);
    for (let number = 0; number < this.#count; number++) {
      let slot = this.#slotOf(ids, number * ID_WORDS);
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) % this.#slots.length;
      this.#slots[slot] = number;
    }
  }
}

/** A number for each number from 0 on, zero at first: what a table's chunks have, for example. */
export class Numbers {
  #values = new Float64Array(CAPACITY_MIN);

  get(at: number): number {
    return this.#values[at] ?? 0;
  }

  set(at: number, value: number): void {
    if (at >= this.#values.length) {
      const values = new Float64Array(Math.max(this.#values.length * 2, at + 1));
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[at] = value;
  }

  add(at: number, value: number): void {
    this.set(at, this.get(at) + value);
  }
}
