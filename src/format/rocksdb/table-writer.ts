/**
 * Writer of one block-based table (SST) that every RocksDB since 4.6 reads: format version 2, CRC-32C,
 * no compression, binary-search index, no filter. Every record is a value at sequence number 0, as in
 * a fully compacted database. For one use by one caller.
 *
 * @see https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format
 */
import { crc32cUpdate } from '../../base/crc32c.ts';
import { BLOCK_TRAILER_SIZE, type Handle } from './block.ts';
import { CHECKSUM, maskCrc } from './checksum.ts';
import { COMPRESSION } from './compression.ts';
import { Output } from './output.ts';
import { COMPARATOR, TRAILER_SIZE, TYPE } from './version.ts';

/** RocksDB's defaults. */
const BLOCK_SIZE_TARGET = 4096;
const DATA_RESTART_INTERVAL = 16;

const FORMAT_VERSION = 2;
const FOOTER_SIZE = 53;
const MAGIC_LOW = 0x85f4cff7;
const MAGIC_HIGH = 0x88e241b7;

const NO_BYTES = new Uint8Array(0);

/** Entries with delta-coded keys and restart points. */
class BlockBuilder {
  readonly #interval: number;
  #output = new Output();
  #restarts: number[] = [];
  #sinceRestart = 0;
  lastKey: Uint8Array = NO_BYTES;

  constructor(restartInterval: number) {
    this.#interval = restartInterval;
  }

  get isEmpty(): boolean {
    return this.#restarts.length === 0;
  }

  /** Bytes of the block if it ended here. */
  get size(): number {
    return this.#output.size + 4 * this.#restarts.length + 4;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    let shared = 0;
    if (this.isEmpty || this.#sinceRestart === this.#interval) {
      this.#restarts.push(this.#output.size);
      this.#sinceRestart = 0;
    } else {
      const sharedMax = Math.min(key.length, this.lastKey.length);
      while (shared < sharedMax && key[shared] === this.lastKey[shared]) shared++;
    }
    this.#output
      .varint(shared, key.length - shared, value.length)
      .bytes(key.subarray(shared))
      .bytes(value);
    this.#sinceRestart++;
    this.lastKey = key;
  }

  /** The block; the builder is empty again. */
  finish(): Uint8Array {
    // A block without entries has a restart point all the same.
    const restarts = this.isEmpty ? [0] : this.#restarts;
    for (const restart of restarts) this.#output.fixed32(restart);
    const block = this.#output.fixed32(restarts.length).concat();
    this.#output = new Output();
    this.#restarts = [];
    this.#sinceRestart = 0;
    return block;
  }
}

/** A finished table and what the MANIFEST says of it. */
export interface WrittenTable {
  readonly bytes: Uint8Array;
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
}

export class TableWriter {
  readonly #output = new Output();
  readonly #data = new BlockBuilder(DATA_RESTART_INTERVAL);
  // Lookups bisect the index, which restart points between all entries allow.
  readonly #index = new BlockBuilder(1);
  #smallest: Uint8Array = NO_BYTES;
  #entryCount = 0;
  #blockCount = 0;
  #keyBytes = 0;
  #valueBytes = 0;

  /** Bytes of the file so far. */
  get size(): number {
    return this.#output.size + this.#data.size;
  }

  /** Appends a record; the caller has checked the order. */
  add(key: Uint8Array, value: Uint8Array): void {
    const internalKey = encodeInternalKey(key);
    const added = internalKey.length + value.length;
    if (!this.#data.isEmpty && this.#data.size + added > BLOCK_SIZE_TARGET) this.#flush();
    if (this.#entryCount === 0) this.#smallest = internalKey;
    this.#data.add(internalKey, value);
    this.#entryCount++;
    this.#keyBytes += internalKey.length;
    this.#valueBytes += value.length;
  }

  /** Completes the file; needs at least one record. */
  finish(): WrittenTable {
    this.#flush();
    const dataSize = this.#output.size;
    const indexBlock = this.#index.finish();
    // As in RocksDB, the index comes last but counts in the properties before it.
    const properties = this.#writeBlock(this.#properties(dataSize, indexBlock.length));
    const metaindex = new BlockBuilder(1);
    metaindex.add(ascii('rocksdb.properties'), encodeHandle(properties));
    const metaindexHandle = this.#writeBlock(metaindex.finish());
    const indexHandle = this.#writeBlock(indexBlock);
    this.#output.bytes(encodeFooter(metaindexHandle, indexHandle));
    return {
      bytes: this.#output.concat(),
      smallest: this.#smallest,
      largest: this.#data.lastKey,
    };
  }

  #flush(): void {
    const handle = this.#writeBlock(this.#data.finish());
    this.#index.add(this.#data.lastKey, encodeHandle(handle));
    this.#blockCount++;
  }

  #writeBlock(block: Uint8Array): Handle {
    const handle = { offset: this.#output.size, size: block.length };
    const type = Uint8Array.of(COMPRESSION.none);
    const crc = ~crc32cUpdate(crc32cUpdate(0xffffffff, block), type) >>> 0;
    this.#output.bytes(block).bytes(type).fixed32(maskCrc(crc));
    return handle;
  }

  #properties(dataSize: number, indexSize: number): Uint8Array {
    const number = (value: number): Uint8Array => new Output().varint(value).concat();
    // In byte order. Nothing here depends on time or machine.
    const properties: [name: string, value: Uint8Array][] = [
      ['rocksdb.block.based.table.index.type', new Uint8Array(4)],
      ['rocksdb.block.based.table.prefix.filtering', ascii('0')],
      ['rocksdb.block.based.table.whole.key.filtering', ascii('1')],
      ['rocksdb.column.family.id', number(0)],
      ['rocksdb.column.family.name', ascii('default')],
      ['rocksdb.comparator', ascii(COMPARATOR)],
      ['rocksdb.compression', ascii('NoCompression')],
      ['rocksdb.data.size', number(dataSize)],
      ['rocksdb.deleted.keys', number(0)],
      ['rocksdb.filter.size', number(0)],
      ['rocksdb.fixed.key.length', number(0)],
      ['rocksdb.format.version', number(0)],
      ['rocksdb.index.size', number(indexSize + BLOCK_TRAILER_SIZE)],
      ['rocksdb.merge.operands', number(0)],
      ['rocksdb.merge.operator', ascii('nullptr')],
      ['rocksdb.num.data.blocks', number(this.#blockCount)],
      ['rocksdb.num.entries', number(this.#entryCount)],
      ['rocksdb.prefix.extractor.name', ascii('nullptr')],
      ['rocksdb.property.collectors', ascii('[]')],
      ['rocksdb.raw.key.size', number(this.#keyBytes)],
      ['rocksdb.raw.value.size', number(this.#valueBytes)],
    ];
    const block = new BlockBuilder(1);
    for (const [name, value] of properties) block.add(ascii(name), value);
    return block.finish();
  }
}

function ascii(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** User key, type and sequence number 0. */
function encodeInternalKey(key: Uint8Array): Uint8Array {
  const internal = new Uint8Array(key.length + TRAILER_SIZE);
  internal.set(key);
  internal[key.length] = TYPE.value;
  return internal;
}

function encodeHandle(handle: Handle): Uint8Array {
  return new Output().varint(handle.offset, handle.size).concat();
}

function encodeFooter(metaindex: Handle, index: Handle): Uint8Array {
  const footer = new Uint8Array(FOOTER_SIZE);
  const view = new DataView(footer.buffer);
  const handles = new Output().bytes(encodeHandle(metaindex)).bytes(encodeHandle(index)).concat();
  footer[0] = CHECKSUM.crc32c;
  footer.set(handles, 1);
  view.setUint32(FOOTER_SIZE - 12, FORMAT_VERSION, true);
  view.setUint32(FOOTER_SIZE - 8, MAGIC_LOW, true);
  view.setUint32(FOOTER_SIZE - 4, MAGIC_HIGH, true);
  return footer;
}
