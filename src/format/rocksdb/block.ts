/**
 * Entries of a plain table block: keys coded as deltas between restart points, and index entries
 * whose handles may be deltas too. Works on decompressed, verified blocks, whose contents are hostile
 * all the same. Pure; a cursor belongs to one caller.
 *
 * @see https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format
 */
import { compareBytes } from '../../base/bytes.ts';
import { Input, readFixed32 } from './input.ts';
import { KEY_SIZE_MAX, TRAILER_SIZE } from './version.ts';

/** Type and checksum behind every stored block. */
export const BLOCK_TRAILER_SIZE = 5;

/** Where a block is in its file, without its trailer. */
export interface Handle {
  readonly offset: number;
  readonly size: number;
}

// RocksDB's default is 16 entries between restart points. A lookup scans them one by one, so a
// hostile block must not have millions.
const RESTART_INTERVAL_MAX = 1024;

/** Larger blocks never carry a hash index, and the flag bit belongs to the restart count. */
const HASH_INDEX_BLOCK_SIZE_MAX = 64 * 1024;
const HASH_INDEX_FLAG = 0x80000000;

const NO_BYTES = new Uint8Array(0);

export class BlockCursor {
  key: Uint8Array = NO_BYTES;
  value: Uint8Array = NO_BYTES;
  /** Whether the current key shares bytes with the one before it. */
  isDelta = false;
  readonly input: Input;
  readonly #restartsAt: number;
  readonly #restartCount: number;

  /** @param base offset of the stored block in its file */
  constructor(file: string, block: Uint8Array, base: number) {
    const whole = new Input(file, block, base);
    if (block.length < 4) throw whole.fail('has a block without restart points');
    let restartCount = readFixed32(block, block.length - 4);
    let end = block.length - 4;
    if (block.length <= HASH_INDEX_BLOCK_SIZE_MAX && restartCount >= HASH_INDEX_FLAG) {
      restartCount -= HASH_INDEX_FLAG;
      if (end < 2) throw whole.fail('has a block with a broken hash index');
      const buckets = (block[end - 2] as number) | ((block[end - 1] as number) << 8);
      end -= 2 + buckets;
    }
    this.#restartsAt = end - 4 * restartCount;
    this.#restartCount = restartCount;
    if (this.#restartsAt < 0) throw whole.fail('has a block with too many restart points');
    this.input = new Input(file, block, base, this.#restartsAt);
  }

  /** Moves to the next entry, with its value behind a length; `false` at the end. */
  next(): boolean {
    return this.#nextKey(true);
  }

  /** Moves to the next entry, without its value: the caller reads that from `input`. */
  nextKey(): boolean {
    return this.#nextKey(false);
  }

  /** Moves to the first entry of a data block whose user key is not below `userKey`. */
  seek(userKey: Uint8Array): boolean {
    let low = 0;
    let high = this.#restartCount - 1;
    // The last restart point whose key is below the wanted one.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      this.#moveTo(middle);
      if (this.next() && this.compareUserKey(userKey) < 0) low = middle;
      else high = middle - 1;
    }
    this.#moveTo(low);
    for (let scanned = 0; this.next(); scanned++) {
      if (this.compareUserKey(userKey) >= 0) return true;
      if (scanned > RESTART_INTERVAL_MAX) {
        throw this.input.fail(
          `has more than ${RESTART_INTERVAL_MAX} entries in a restart interval`,
        );
      }
    }
    return false;
  }

  /** Compares the current entry's user key with `userKey`. */
  compareUserKey(userKey: Uint8Array): number {
    const size = this.key.length - TRAILER_SIZE;
    if (size < 0) throw this.input.fail('has a key without a sequence number');
    return compareBytes(this.key.subarray(0, size), userKey);
  }

  #moveTo(restart: number): void {
    if (this.#restartCount === 0) return;
    const position = readFixed32(this.input.bytes, this.#restartsAt + 4 * restart);
    if (position > this.#restartsAt) throw this.input.fail('has a restart point beyond its block');
    this.input.position = position;
    this.key = NO_BYTES;
  }

  #nextKey(withValue: boolean): boolean {
    const { input } = this;
    if (input.remaining === 0) return false;
    const shared = input.varint32();
    const rest = input.varint32();
    const valueSize = withValue ? input.varint32() : 0;
    if (shared > this.key.length) throw input.fail('has a key that shares more than there is');
    if (shared + rest > KEY_SIZE_MAX + TRAILER_SIZE) throw input.fail('has an oversized key');
    const suffix = input.take(rest);
    this.isDelta = shared > 0;
    if (shared === 0) {
      this.key = suffix;
    } else {
      const key = new Uint8Array(shared + rest);
      key.set(this.key.subarray(0, shared));
      key.set(suffix, shared);
      this.key = key;
    }
    if (withValue) this.value = input.take(valueSize);
    return true;
  }
}

/** How a table's index blocks are coded, as its properties say. */
export interface IndexCoding {
  /** Keys lack type and sequence number. */
  readonly keyIsUserKey: boolean;
  /** Handles between restart points are deltas to the one before. */
  readonly valueIsDelta: boolean;
}

/** The entries of an index block: last (or later) user key of each block, and where the block is. */
export function* indexEntries(
  file: string,
  block: Uint8Array,
  base: number,
  coding: IndexCoding,
  hasFirstKey: boolean,
): Generator<readonly [userKey: Uint8Array, handle: Handle]> {
  const cursor = new BlockCursor(file, block, base);
  let handle: Handle = { offset: 0, size: 0 };
  for (;;) {
    const found = coding.valueIsDelta ? cursor.nextKey() : cursor.next();
    if (!found) return;
    const input = coding.valueIsDelta ? cursor.input : new Input(file, cursor.value, base);
    if (coding.valueIsDelta && cursor.isDelta) {
      // Blocks follow each other, so only the size has to be said.
      const offset = handle.offset + handle.size + BLOCK_TRAILER_SIZE;
      handle = { offset, size: handle.size + input.signed64() };
    } else {
      handle = decodeHandle(input);
    }
    if (coding.valueIsDelta && hasFirstKey) input.slice();
    const keySize = cursor.key.length - (coding.keyIsUserKey ? 0 : TRAILER_SIZE);
    if (keySize < 0) throw cursor.input.fail('has an index key without a sequence number');
    yield [cursor.key.subarray(0, keySize), handle];
  }
}

export function decodeHandle(input: Input): Handle {
  const offset = input.varint64();
  return { offset, size: input.varint64() };
}
