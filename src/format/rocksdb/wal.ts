/**
 * Replay of write-ahead logs: the records that were written after the last table. Yields what the
 * database's memory table would hold, newest version of each key only. Pure.
 */
import { compareBytes } from '../../base/bytes.ts';
import { Input } from './input.ts';
import { LogReader } from './log.ts';
import { TYPE, type Version } from './version.ts';

const BATCH_HEADER_SIZE = 12;

/**
 * Records in all logs together. RocksDB starts a new table after 64 MiB of records, so this is far
 * beyond an honest log, and a record costs about 200 bytes here, however short it is.
 */
const RECORD_COUNT_MAX = 2 * 1024 * 1024;

export interface LogFile {
  readonly file: string;
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * Replays logs in order of their numbers.
 *
 * A last record that was cut off counts as never written, as in RocksDB's default recovery mode. Where
 * RocksDB would silently drop everything behind damage, this throws.
 *
 * @returns newest version of each key, in byte order
 * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION
 */
export function replayLogs(logs: readonly LogFile[]): Version[] {
  const versions: Version[] = [];
  let cutOff: string | undefined;
  let next = 0;
  for (const { file, number, bytes } of logs) {
    const reader = new LogReader(file, bytes, number);
    for (const record of reader.records()) {
      const input = new Input(file, record.bytes, record.offset);
      const first = readBatch(input, versions);
      // Only the record that was cut off may be missing, and then nothing follows it.
      if (cutOff !== undefined && first.sequence !== next) {
        throw input.fail(`continues after a gap, because ${cutOff} ends too early`);
      }
      cutOff = undefined;
      next = first.sequence + first.count;
    }
    if (reader.truncated) cutOff = file;
  }
  return newest(versions);
}

function newest(versions: Version[]): Version[] {
  versions.sort((a, b) => compareBytes(a.key, b.key) || b.sequence - a.sequence);
  return versions.filter((version, index) => {
    const before = versions[index - 1];
    return before === undefined || compareBytes(before.key, version.key) !== 0;
  });
}

/** Appends a batch's versions of the default column family. */
function readBatch(input: Input, to: Version[]): { sequence: number; count: number } {
  if (input.remaining < BATCH_HEADER_SIZE) throw input.fail('has a batch without a header');
  const sequence = input.fixed64();
  const count = input.fixed32();
  let found = 0;
  while (input.remaining > 0) {
    const type = input.byte();
    if (type === TYPE.noop) continue;
    if (type === TYPE.logData) {
      input.slice();
      continue;
    }
    const record = readRecord(input, type);
    if (record !== undefined) {
      if (to.length === RECORD_COUNT_MAX) throw input.fail('has too many records');
      to.push({ ...record, sequence: sequence + found });
    }
    found++;
  }
  if (found !== count) throw input.fail(`has a batch of ${found} instead of ${count} records`);
  return { sequence, count };
}

/** One record that has a sequence number; `undefined` when it is another column family's. */
function readRecord(input: Input, type: number): Omit<Version, 'sequence'> | undefined {
  switch (type) {
    case TYPE.value:
      return { key: input.slice(), value: input.slice() };
    case TYPE.deletion:
    case TYPE.singleDeletion:
      return { key: input.slice(), value: undefined };
    case TYPE.familyDeletion:
    case TYPE.familySingleDeletion: {
      const isOther = input.varint32() !== 0;
      const key = input.slice();
      return isOther ? undefined : { key, value: undefined };
    }
    case TYPE.familyValue: {
      const isOther = input.varint32() !== 0;
      const key = input.slice();
      const value = input.slice();
      return isOther ? undefined : { key, value };
    }
    case TYPE.familyMerge:
    case TYPE.familyRangeDeletion:
    case TYPE.familyBlobIndex:
      if (input.varint32() === 0) throw input.unsupported(`record type ${type}`);
      input.slice();
      input.slice();
      return undefined;
    default:
      throw input.unsupported(`record type ${type}`);
  }
}
