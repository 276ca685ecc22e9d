/**
 * RocksDB's log format, which carries both the MANIFEST and the write-ahead logs: blocks of 32 KiB
 * with checksummed records, long ones in fragments. A reader of one file and the encoder for the
 * writer's MANIFEST. Pure; a reader is for one use by one caller.
 *
 * @see https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format
 */
import { crc32cUpdate } from '../../base/crc32c.ts';
import { maskCrc } from './checksum.ts';
import { formatError, readFixed32, versionError } from './input.ts';
import { Output } from './output.ts';

const BLOCK_SIZE = 32768;
const HEADER_SIZE = 7;
/** Records in recycled files name the log they belong to. */
const RECYCLABLE_HEADER_SIZE = 11;

const TYPE = {
  zero: 0,
  full: 1,
  first: 2,
  middle: 3,
  last: 4,
  recyclableFull: 5,
  recyclableLast: 8,
  compression: 9,
  recyclableTimestampSize: 11,
  // From here on a reader may skip what it does not know.
  ignorable: 128,
  recyclablePredecessor: 131,
} as const;

/** One logical record. */
export interface LogRecord {
  readonly bytes: Uint8Array;
  /** Of its first fragment's header. */
  readonly offset: number;
}

interface Fragment {
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
}

export class LogReader {
  /** Whether the file ends inside a record: its writer was stopped. Known after the last record. */
  truncated = false;
  readonly #file: string;
  readonly #bytes: Uint8Array;
  readonly #number: number;
  #position = 0;
  #recycled = false;

  /** @param number the file's own number, low 32 bits of which recyclable records carry */
  constructor(file: string, bytes: Uint8Array, number: number) {
    this.#file = file;
    this.#bytes = bytes;
    this.#number = number % 2 ** 32;
  }

  /**
   * All records up to the end, or to where the file was cut off or an older log's remains begin.
   *
   * @throws ERR_FLIST_FORMAT for damage before the end; ERR_FLIST_VERSION for compressed logs
   */
  *records(): Generator<LogRecord> {
    let parts: Uint8Array[] = [];
    let start = -1;
    for (let fragment = this.#next(); fragment !== undefined; fragment = this.#next()) {
      const { type, bytes, offset } = fragment;
      const begins = type === TYPE.full || type === TYPE.first;
      // An old writer could leave an empty first fragment at the end of a block and start again.
      const abandoned = parts.length === 1 && parts[0]?.length === 0;
      if (begins && start >= 0 && !abandoned) {
        throw formatError(this.#file, offset, 'has a record without its end');
      }
      if (!begins && start < 0) {
        throw formatError(this.#file, offset, 'has a record without its beginning');
      }
      if (begins) {
        parts = [];
        start = offset;
      }
      parts.push(bytes);
      if (type === TYPE.full || type === TYPE.last) {
        yield { bytes: parts.length === 1 ? bytes : join(parts), offset: start };
        parts = [];
        start = -1;
      }
    }
    if (start >= 0) this.truncated = true;
  }

  /** The next fragment with a plain type, `undefined` at the end. */
  #next(): Fragment | undefined {
    const bytes = this.#bytes;
    for (;;) {
      const offset = this.#position;
      const left = BLOCK_SIZE - (offset % BLOCK_SIZE);
      if (left < HEADER_SIZE) {
        this.#position += left;
        continue;
      }
      if (offset + HEADER_SIZE > bytes.length) return this.#stop(offset < bytes.length);
      const length = (bytes[offset + 4] as number) | ((bytes[offset + 5] as number) << 8);
      const type = bytes[offset + 6] as number;
      if (type === TYPE.zero && length === 0) {
        // Preallocated and never written.
        this.#position += left;
        continue;
      }
      const recyclable = isRecyclable(type);
      const headerSize = recyclable ? RECYCLABLE_HEADER_SIZE : HEADER_SIZE;
      if (offset === 0 && recyclable) this.#recycled = true;
      const end = offset + headerSize + length;
      if (end > offset + left) {
        // In a recycled file the previous user's bytes follow the last record.
        if (this.#recycled) return this.#stop(false);
        throw formatError(this.#file, offset, 'has a record across a block boundary');
      }
      if (end > bytes.length) return this.#stop(true);
      if (recyclable && readFixed32(bytes, offset + HEADER_SIZE) !== this.#number) {
        return this.#stop(false);
      }
      const crc = ~crc32cUpdate(0xffffffff, bytes.subarray(offset + 6, end)) >>> 0;
      if (maskCrc(crc) !== readFixed32(bytes, offset)) {
        if (this.#recycled) return this.#stop(false);
        throw formatError(this.#file, offset, 'has a record with a wrong checksum');
      }
      this.#position = end;
      if (type >= TYPE.ignorable) continue;
      if (type === TYPE.compression) throw versionError(this.#file, offset, 'log compression');
      if (type === TYPE.zero || type > TYPE.recyclableLast) {
        throw versionError(this.#file, offset, `log record type ${type}`);
      }
      return {
        type: recyclable ? type - TYPE.recyclableFull + TYPE.full : type,
        bytes: bytes.subarray(offset + headerSize, end),
        offset,
      };
    }
  }

  #stop(truncated: boolean): undefined {
    this.truncated = truncated;
    this.#position = this.#bytes.length;
    return undefined;
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Output();
  for (const part of parts) whole.bytes(part);
  return whole.concat();
}

function isRecyclable(type: number): boolean {
  return (
    (type >= TYPE.recyclableFull && type <= TYPE.recyclableLast) ||
    type === TYPE.recyclableTimestampSize ||
    type === TYPE.recyclablePredecessor
  );
}

/** A log file with these records, in plain (not recyclable) form. */
export function encodeLog(records: Iterable<Uint8Array>): Uint8Array {
  const output = new Output();
  for (const record of records) {
    let from = 0;
    do {
      let left = BLOCK_SIZE - (output.size % BLOCK_SIZE);
      if (left < HEADER_SIZE) {
        output.bytes(new Uint8Array(left));
        left = BLOCK_SIZE;
      }
      const to = Math.min(record.length, from + left - HEADER_SIZE);
      output.bytes(encodeFragment(record.subarray(from, to), from === 0, to === record.length));
      from = to;
    } while (from < record.length);
  }
  return output.concat();
}

function encodeFragment(payload: Uint8Array, isFirst: boolean, isLast: boolean): Uint8Array {
  const fragment = new Uint8Array(HEADER_SIZE + payload.length);
  fragment[4] = payload.length & 0xff;
  fragment[5] = payload.length >>> 8;
  if (isFirst) fragment[6] = isLast ? TYPE.full : TYPE.first;
  else fragment[6] = isLast ? TYPE.last : TYPE.middle;
  fragment.set(payload, HEADER_SIZE);
  const crc = maskCrc(~crc32cUpdate(0xffffffff, fragment.subarray(6)) >>> 0);
  new DataView(fragment.buffer).setUint32(0, crc, true);
  return fragment;
}
