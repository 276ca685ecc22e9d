/**
 * Reader of one block-based table (SST), footer versions 0 to 5. The index is parsed when the table is
 * opened; data blocks are read, verified and decompressed when they are needed. Pure; safe to share,
 * as nothing changes after opening but the block cache.
 *
 * @see https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format
 */
import { compareBytes } from '../../base/bytes.ts';
import {
  BLOCK_TRAILER_SIZE,
  BlockCursor,
  decodeHandle,
  type Handle,
  type IndexCoding,
  indexEntries,
} from './block.ts';
import type { BlockCache, Budget } from './budget.ts';
import { blockChecksum, CHECKSUM } from './checksum.ts';
import { decompressBlock } from './compression.ts';
import { formatError, Input, readFixed32, versionError } from './input.ts';
import { COMPARATOR, decodeVersion, type Version } from './version.ts';

const FOOTER_SIZE = 53;
const FOOTER_SIZE_V0 = 48;
/** Two handles of at most two 10-byte numbers each, padded. */
const FOOTER_HANDLES_SIZE = 40;
const FORMAT_VERSION_MAX = 5;
/** Magic numbers as low and high half. */
const MAGIC = [0x85f4cff7, 0x88e241b7] as const;
const MAGIC_V0 = [0x8b80fb57, 0xdb477524] as const;

const INDEX_TYPE = { binary: 0, hash: 1, twoLevel: 2, binaryWithFirstKey: 3 } as const;

const GLOBAL_SEQUENCE = 'rocksdb.external_sst_file.global_seqno';

// One million blocks with keys of a flist; the index of an honest database is far smaller.
const INDEX_KEY_BYTES_MAX = 64 * 1024 * 1024;

interface Footer {
  readonly formatVersion: number;
  readonly checksum: number;
  readonly metaindex: Handle;
  readonly index: Handle;
  readonly offset: number;
}

interface Properties extends IndexCoding {
  readonly indexType: number;
  /** Sequence number of every record, for files made outside and ingested. */
  readonly globalSequence: number | undefined;
}

interface IndexEntry {
  readonly lastKey: Uint8Array;
  readonly handle: Handle;
}

export class Table {
  readonly file: string;
  readonly #bytes: Uint8Array;
  readonly #footer: Footer;
  readonly #properties: Properties;
  readonly #index: readonly IndexEntry[];
  readonly #cache: BlockCache;

  /**
   * @param largestSequence what the MANIFEST says of this file
   * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION
   */
  constructor(
    file: string,
    bytes: Uint8Array,
    largestSequence: number,
    cache: BlockCache,
    budget: Budget,
  ) {
    this.file = file;
    this.#bytes = bytes;
    this.#cache = cache;
    this.#footer = readFooter(file, bytes);
    this.#properties = this.#readProperties(largestSequence, budget);
    this.#index = this.#readIndex(budget);
  }

  /** Newest version of a key, `undefined` when the table has none. */
  find(key: Uint8Array, budget: Budget): Version | undefined {
    let low = 0;
    let high = this.#index.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#index[middle]?.lastKey as Uint8Array, key) < 0) low = middle + 1;
      else high = middle;
    }
    // A key between two blocks is looked for in the first, which ends below it.
    for (const { handle } of this.#index.slice(low, low + 2)) {
      const cursor = this.#openBlock(handle, budget, true);
      if (!cursor.seek(key)) continue;
      return cursor.compareUserKey(key) === 0 ? this.#version(cursor) : undefined;
    }
    return undefined;
  }

  /** All versions in order: user keys ascending, newer versions of a key first. */
  *versions(budget: Budget): Generator<Version> {
    let last: Version | undefined;
    for (const { handle } of this.#index) {
      const cursor = this.#openBlock(handle, budget, false);
      while (cursor.next()) {
        const version = this.#version(cursor);
        budget.spend(cursor.key.length, this.file, handle.offset);
        if (last !== undefined) {
          const order = compareBytes(last.key, version.key);
          if (order > 0 || (order === 0 && last.sequence <= version.sequence)) {
            throw cursor.input.fail('has records out of order');
          }
        }
        last = version;
        yield version;
      }
    }
  }

  #version(cursor: BlockCursor): Version {
    const version = decodeVersion(cursor.key, cursor.value, cursor.input);
    const { globalSequence } = this.#properties;
    return globalSequence === undefined ? version : { ...version, sequence: globalSequence };
  }

  #openBlock(handle: Handle, budget: Budget, keep: boolean): BlockCursor {
    const cached = this.#cache.get(this.file, handle.offset);
    const block = cached ?? this.#readBlock(handle, budget);
    if (keep && cached === undefined) this.#cache.set(this.file, handle.offset, block);
    return new BlockCursor(this.file, block, handle.offset);
  }

  #readBlock(handle: Handle, budget: Budget): Uint8Array {
    const stored = this.#storedBlock(handle);
    if (!this.#isIntact(stored, handle)) {
      throw formatError(this.file, handle.offset, 'has a block with a wrong checksum');
    }
    return this.#decompress(stored, handle, budget);
  }

  /** A block as stored, with its compression type byte. */
  #storedBlock({ offset, size }: Handle): Uint8Array {
    if (offset + size + BLOCK_TRAILER_SIZE > this.#footer.offset) {
      throw formatError(this.file, offset, 'has a block beyond its end');
    }
    return this.#bytes.subarray(offset, offset + size + 1);
  }

  #isIntact(stored: Uint8Array, { offset, size }: Handle): boolean {
    const actual = blockChecksum(this.#footer.checksum, stored);
    return actual === undefined || actual === readFixed32(this.#bytes, offset + size + 1);
  }

  #decompress(stored: Uint8Array, { offset, size }: Handle, budget: Budget): Uint8Array {
    const bytes = stored.subarray(0, size);
    const block = { file: this.file, offset, bytes, compression: stored[size] as number };
    const plain = decompressBlock(block, this.#footer.formatVersion);
    budget.spend(plain.length, this.file, offset);
    return plain;
  }

  /**
   * The block of properties. When a table is ingested, RocksDB may write a sequence number into this
   * block without renewing its checksum, which still holds for zero.
   */
  #readPropertyBlock(handle: Handle, budget: Budget): Uint8Array {
    const stored = this.#storedBlock(handle);
    if (this.#isIntact(stored, handle)) return this.#decompress(stored, handle, budget);
    const cursor = new BlockCursor(this.file, stored.subarray(0, handle.size), handle.offset);
    const restored = Uint8Array.from(stored);
    while (cursor.next()) {
      if (textOf(cursor.key) !== GLOBAL_SEQUENCE) continue;
      const at = cursor.value.byteOffset - stored.byteOffset;
      restored.fill(0, at, at + cursor.value.length);
    }
    if (!this.#isIntact(restored, handle)) {
      throw formatError(this.file, handle.offset, 'has a block with a wrong checksum');
    }
    return this.#decompress(stored, handle, budget);
  }

  #readProperties(largestSequence: number, budget: Budget): Properties {
    let values = new Map<string, Input>();
    const { metaindex } = this.#footer;
    const meta = this.#readMap(metaindex, this.#readBlock(metaindex, budget), budget);
    for (const unsupported of ['rocksdb.range_del', 'rocksdb.compression_dict']) {
      const found = meta.get(unsupported);
      if (found !== undefined) throw found.unsupported(`meta block ${unsupported}`);
    }
    const found = meta.get('rocksdb.properties');
    if (found !== undefined) {
      const handle = decodeHandle(found);
      values = this.#readMap(handle, this.#readPropertyBlock(handle, budget), budget);
    }
    const comparator = values.get('rocksdb.comparator');
    if (comparator !== undefined && textOf(comparator.bytes) !== COMPARATOR) {
      throw comparator.unsupported('another key order');
    }
    const indexType = values.get('rocksdb.block.based.table.index.type')?.fixed32() ?? 0;
    if (indexType > INDEX_TYPE.binaryWithFirstKey) {
      throw versionError(this.file, this.#footer.offset, `index type ${indexType}`);
    }
    return {
      indexType,
      keyIsUserKey: (values.get('rocksdb.index.key.is.user.key')?.varint64() ?? 0) !== 0,
      valueIsDelta: (values.get('rocksdb.index.value.is.delta.encoded')?.varint64() ?? 0) !== 0,
      globalSequence: globalSequence(values, largestSequence),
    };
  }

  /** A block of named values: the metaindex and the properties. */
  #readMap(handle: Handle, block: Uint8Array, budget: Budget): Map<string, Input> {
    const cursor = new BlockCursor(this.file, block, handle.offset);
    const values = new Map<string, Input>();
    while (cursor.next()) {
      budget.spend(cursor.key.length, this.file, handle.offset);
      values.set(textOf(cursor.key), new Input(this.file, cursor.value, handle.offset));
    }
    return values;
  }

  #readIndex(budget: Budget): IndexEntry[] {
    let keyBytes = 0;
    const read = (handle: Handle, isTop: boolean): IndexEntry[] => {
      const entries: IndexEntry[] = [];
      const block = this.#readBlock(handle, budget);
      const hasFirstKey = isTop && this.#properties.indexType === INDEX_TYPE.binaryWithFirstKey;
      for (const [lastKey, at] of indexEntries(
        this.file,
        block,
        handle.offset,
        this.#properties,
        hasFirstKey,
      )) {
        keyBytes += lastKey.length;
        if (keyBytes > INDEX_KEY_BYTES_MAX) {
          throw formatError(this.file, handle.offset, 'has an oversized index');
        }
        entries.push({ lastKey, handle: at });
      }
      return entries;
    };
    const top = read(this.#footer.index, true);
    if (this.#properties.indexType !== INDEX_TYPE.twoLevel) return this.#checkIndex(top);
    return this.#checkIndex(this.#checkIndex(top).flatMap(({ handle }) => read(handle, false)));
  }

  /** Blocks follow each other without overlap, so that no block can be read twice in a pass. */
  #checkIndex(entries: IndexEntry[]): IndexEntry[] {
    let end = 0;
    let previous: IndexEntry | undefined;
    for (const entry of entries) {
      const { offset, size } = entry.handle;
      const isOrdered =
        previous === undefined || compareBytes(previous.lastKey, entry.lastKey) <= 0;
      if (offset < end || size < 0 || !isOrdered) {
        throw formatError(this.file, this.#footer.index.offset, 'has an index out of order');
      }
      end = offset + size + BLOCK_TRAILER_SIZE;
      previous = entry;
    }
    if (end > this.#footer.offset) {
      throw formatError(this.file, this.#footer.index.offset, 'has an index beyond its end');
    }
    return entries;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/**
 * A file made outside a database carries sequence number 0 on every record. Its real one stands in the
 * MANIFEST and, unless the file was to stay as it was, in its properties as well.
 */
function globalSequence(values: Map<string, Input>, largest: number): number | undefined {
  const version = values.get('rocksdb.external_sst_file.version')?.fixed32() ?? 0;
  if (version < 2) return undefined;
  const property = values.get(GLOBAL_SEQUENCE);
  const written = property?.fixed64() ?? 0;
  if (property !== undefined && written !== 0 && written !== largest) {
    throw property.fail('has another sequence number than the MANIFEST says');
  }
  return largest;
}

function readFooter(file: string, bytes: Uint8Array): Footer {
  const size = bytes.length;
  if (size < FOOTER_SIZE_V0) throw formatError(file, 0, 'is too short for a table');
  const low = readFixed32(bytes, size - 8);
  const high = readFixed32(bytes, size - 4);
  if (low === MAGIC_V0[0] && high === MAGIC_V0[1]) {
    return readHandles(
      file,
      bytes,
      size - FOOTER_SIZE_V0,
      size - FOOTER_SIZE_V0,
      0,
      CHECKSUM.crc32c,
    );
  }
  if (low !== MAGIC[0] || high !== MAGIC[1]) {
    throw formatError(file, size - 8, 'is no block-based table');
  }
  if (size < FOOTER_SIZE) throw formatError(file, 0, 'is too short for a table');
  const offset = size - FOOTER_SIZE;
  const formatVersion = readFixed32(bytes, size - 12);
  if (formatVersion === 0 || formatVersion > FORMAT_VERSION_MAX) {
    throw versionError(file, size - 12, `table format ${formatVersion}`);
  }
  const checksum = bytes[offset] as number;
  if (checksum > CHECKSUM.xxh3) throw versionError(file, offset, `checksum type ${checksum}`);
  return readHandles(file, bytes, offset, offset + 1, formatVersion, checksum);
}

function readHandles(
  file: string,
  bytes: Uint8Array,
  offset: number,
  handlesAt: number,
  formatVersion: number,
  checksum: number,
): Footer {
  const handles = bytes.subarray(handlesAt, handlesAt + FOOTER_HANDLES_SIZE);
  const input = new Input(file, handles, handlesAt);
  const metaindex = decodeHandle(input);
  return { formatVersion, checksum, metaindex, index: decodeHandle(input), offset };
}
