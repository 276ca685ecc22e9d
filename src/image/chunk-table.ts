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
  #ids: Uint32Array;
  #slots: Int32Array;
  #count = 0;

  /** @param expected how many there will be at most; with more, the table grows */
  constructor(expected = 0) {
    this.#ids = new Uint32Array(Math.max(CAPACITY_MIN, expected + 1) * ID_WORDS);
    this.#slots = newSlots(this.#ids.length / ID_WORDS);
  }

  /** Chunks so far. */
  get count(): number {
    return this.#count;
  }

  /** Number of a chunk: the one it has, else the next. */
  add(id: Uint8Array): number {
    return this.addWords(this.#wordsOf(id));
  }

  /** Number of a chunk, `undefined` when it is not known. */
  get(id: Uint8Array): number | undefined {
    return this.getWords(this.#wordsOf(id));
  }

  /** As {@link add}, with the id as {@link ContentsScan} has it. */
  addWords(id: Uint32Array): number {
    const slot = this.#find(id);
    const known = this.#slots[slot] as number;
    if (known !== EMPTY) return known;
    const number = this.#count++;
    const offset = number * ID_WORDS;
    for (let i = 0; i < ID_WORDS; i++) this.#ids[offset + i] = id[i] as number;
    this.#slots[slot] = number;
    if (this.#count * ID_WORDS === this.#ids.length) this.#grow();
    return number;
  }

  /** As {@link get}. */
  getWords(id: Uint32Array): number | undefined {
    const number = this.#slots[this.#find(id)] as number;
    return number === EMPTY ? undefined : number;
  }

  #wordsOf(id: Uint8Array): Uint32Array {
    this.#words.fill(0);
    this.#bytes.set(id);
    return this.#words;
  }

  /** The slot of the id, or the free one where it belongs. */
  #find(id: Uint32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#slotOf(id, 0); ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot] as number;
      if (number === EMPTY || this.#isAt(number, id)) return slot;
    }
  }

  #isAt(number: number, id: Uint32Array): boolean {
    for (let i = 0; i < ID_WORDS; i++) {
      if (this.#ids[number * ID_WORDS + i] !== id[i]) return false;
    }
    return true;
  }

  #slotOf(words: Uint32Array, offset: number): number {
    let sum = 0;
    for (let i = 0; i < ID_WORDS; i++) {
      sum = Math.imul(sum ^ (words[offset + i] as number), this.#multipliers[i] as number);
      sum ^= sum >>> 15;
    }
    return sum & (this.#slots.length - 1);
  }

  #grow(): void {
    const ids = new Uint32Array(this.#ids.length * 2);
    ids.set(this.#ids);
    this.#ids = ids;
    this.#slots = newSlots(ids.length / ID_WORDS);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = this.#slotOf(ids, number * ID_WORDS);
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = number;
    }
  }
}

/** A power of two, and at most half of them used. */
function newSlots(capacity: number): Int32Array {
  return new Int32Array(2 ** Math.ceil(Math.log2(capacity * 2))).fill(EMPTY);
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
