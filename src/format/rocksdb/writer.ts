/**
 * A RocksDB database made from sorted records: tables, MANIFEST and CURRENT, no log. The bytes are a
 * function of the records alone, and every RocksDB since 4.6 opens them. Pure and synchronous.
 *
 * @see docs/decisions/0001-rocksdb-binding.md
 */
import { compareBytes } from '../../base/bytes.ts';
import { encodeLog } from './log.ts';
import { TAG } from './manifest.ts';
import { Output } from './output.ts';
import { TableWriter, type WrittenTable } from './table-writer.ts';
import { COMPARATOR, KEY_SIZE_MAX } from './version.ts';

/** A table ends after this many bytes, so with its last record it stays below 2 GiB. */
const TABLE_SIZE_TARGET = 256 * 1024 * 1024;

/** Keeps tables below 2 GiB; the largest directory that a record can describe is far smaller. */
export const VALUE_SIZE_MAX = 1024 * 1024 * 1024;

/** The bottom level of a database with default options: nothing is left to be compacted. */
const LEVEL = 6;

const MANIFEST_NUMBER = 1;
const TABLE_NUMBER_FIRST = 2;

/**
 * Builds a database.
 *
 * @param entries records in byte order of their keys, keys unique
 * @param options `tableSizeTarget`: bytes after which a table ends, default 256 MiB
 * @returns file name → contents: `CURRENT`, `MANIFEST-000001`, and `NNNNNN.sst` unless there is no record
 * @throws RangeError when keys are not ascending, or a key or value is larger than a reader accepts
 */
export function buildRocksdb(
  entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  options: { readonly tableSizeTarget?: number } = {},
): Map<string, Uint8Array> {
  const sizeTarget = options.tableSizeTarget ?? TABLE_SIZE_TARGET;
  const tables: WrittenTable[] = [];
  let writer: TableWriter | undefined;
  let last: Uint8Array | undefined;
  for (const [key, value] of entries) {
    checkRecord(last, key, value);
    last = key;
    writer ??= new TableWriter();
    writer.add(key, value);
    if (writer.size >= sizeTarget) {
      tables.push(writer.finish());
      writer = undefined;
    }
  }
  if (writer !== undefined) tables.push(writer.finish());

  const manifest = `MANIFEST-${sixDigits(MANIFEST_NUMBER)}`;
  const files = new Map([
    ['CURRENT', new TextEncoder().encode(`${manifest}\n`)],
    [manifest, encodeLog(encodeEdits(tables))],
  ]);
  for (const [index, { bytes }] of tables.entries()) {
    files.set(`${sixDigits(TABLE_NUMBER_FIRST + index)}.sst`, bytes);
  }
  return files;
}

function checkRecord(last: Uint8Array | undefined, key: Uint8Array, value: Uint8Array): void {
  if (last !== undefined && compareBytes(last, key) >= 0) {
    throw new RangeError('Keys of a database must be unique and in byte order');
  }
  if (key.length > KEY_SIZE_MAX) {
    throw new RangeError(`Key of ${key.length} bytes is larger than ${KEY_SIZE_MAX}`);
  }
  if (value.length > VALUE_SIZE_MAX) {
    throw new RangeError(`Value of ${value.length} bytes is larger than ${VALUE_SIZE_MAX}`);
  }
}

function sixDigits(number: number): string {
  return String(number).padStart(6, '0');
}

/** Version edits in the oldest form, without anything that a reader might not know. */
function* encodeEdits(tables: readonly WrittenTable[]): Generator<Uint8Array> {
  yield new Output()
    .varint(TAG.comparator)
    .slice(new TextEncoder().encode(COMPARATOR))
    .varint(TAG.logNumber)
    .varint(0)
    .varint(TAG.nextFileNumber)
    .varint(TABLE_NUMBER_FIRST + tables.length)
    .varint(TAG.lastSequence)
    .varint(0)
    .concat();
  for (const [index, table] of tables.entries()) {
    yield new Output()
      .varint(TAG.newFile2)
      .varint(LEVEL)
      .varint(TABLE_NUMBER_FIRST + index)
      .varint(table.bytes.length)
      .slice(table.smallest)
      .slice(table.largest)
      .varint(0)
      .varint(0)
      .concat();
  }
}
