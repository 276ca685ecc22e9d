/**
 * The MANIFEST: a log of version edits whose sum says which tables are live and from which log on
 * records must be replayed. Reads the edits of the default column family; edits of others and whatever
 * RocksDB marks as safe to ignore are passed over. Pure.
 */
import { Input } from './input.ts';
import { LogReader } from './log.ts';
import { COMPARATOR, TRAILER_SIZE } from './version.ts';

export const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactCursor: 5,
  deletedFile: 6,
  newFile: 7,
  previousLogNumber: 9,
  minLogNumberToKeep: 10,
  newFile2: 100,
  newFile3: 102,
  newFile4: 103,
  columnFamily: 200,
  columnFamilyAdd: 201,
  columnFamilyDrop: 202,
  maxColumnFamily: 203,
  inAtomicGroup: 300,
  blobFileAddition: 400,
  blobFileGarbage: 401,
  /** Bit of tags whose length-prefixed contents an older reader may ignore. */
  ignorable: 1 << 13,
  // These four have the bit, but their contents have no length in front.
  oldBlobFileAddition: (1 << 13) + 2,
  oldBlobFileGarbage: (1 << 13) + 3,
  walAddition: (1 << 13) + 4,
  walDeletion: (1 << 13) + 5,
} as const;

/** Tags of the extensible part of `newFile4`. */
const FILE_TAG = { end: 1, needsReader: 1 << 6, pathId: 65 } as const;
const WAL_TAG = { end: 1, syncedSize: 2 } as const;

/** Levels are an array in RocksDB, seven by default. */
const LEVEL_MAX = 63;

/** A live table. */
export interface TableFile {
  readonly number: number;
  readonly level: number;
  readonly size: number;
  /** User keys of the first and the last record. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
  readonly largestSequence: number;
}

/** What a MANIFEST adds up to. */
export interface Manifest {
  readonly tables: readonly TableFile[];
  /** Logs from this number on are not in the tables yet. */
  readonly logNumber: number;
  /** One more log that is not, 0 for none: written by very old versions only. */
  readonly previousLogNumber: number;
}

interface Edit {
  columnFamily: number;
  logNumber?: number;
  previousLogNumber?: number;
  nextFileNumber?: number;
  lastSequence?: number;
  comparator?: Uint8Array;
  readonly deleted: { level: number; number: number }[];
  readonly added: TableFile[];
  /** Edits still to come that must be applied together with this one; -1 outside a group. */
  groupLeft: number;
}

/**
 * Reads a whole MANIFEST. A last edit that was cut off counts as never written, as in RocksDB.
 *
 * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION
 */
export function readManifest(file: string, bytes: Uint8Array, number: number): Manifest {
  const tables = new Map<number, TableFile>();
  const seen: Partial<Edit> = {};
  let group: Edit[] = [];
  for (const record of new LogReader(file, bytes, number).records()) {
    const input = new Input(file, record.bytes, record.offset);
    const edit = readEdit(input);
    group.push(edit);
    if (edit.groupLeft > 0) continue;
    for (const member of group) apply(member, tables, seen, input);
    group = [];
  }
  const { logNumber, nextFileNumber, lastSequence, previousLogNumber = 0 } = seen;
  if (logNumber === undefined || nextFileNumber === undefined || lastSequence === undefined) {
    throw new Input(file, bytes).fail('lacks log, file or sequence number');
  }
  return { tables: [...tables.values()], logNumber, previousLogNumber };
}

function apply(
  edit: Edit,
  tables: Map<number, TableFile>,
  seen: Partial<Edit>,
  input: Input,
): void {
  if (edit.nextFileNumber !== undefined) seen.nextFileNumber = edit.nextFileNumber;
  if (edit.lastSequence !== undefined) seen.lastSequence = edit.lastSequence;
  if (edit.previousLogNumber !== undefined) seen.previousLogNumber = edit.previousLogNumber;
  if (edit.columnFamily !== 0) return;
  if (edit.logNumber !== undefined) seen.logNumber = edit.logNumber;
  if (edit.comparator !== undefined) {
    const name = Buffer.from(edit.comparator).toString('latin1');
    if (name !== COMPARATOR) throw input.unsupported('another key order');
  }
  for (const { level, number } of edit.deleted) {
    if (tables.get(number)?.level !== level) throw input.fail(`deletes unknown table ${number}`);
    tables.delete(number);
  }
  for (const table of edit.added) {
    if (tables.has(table.number)) throw input.fail(`adds table ${table.number} twice`);
    tables.set(table.number, table);
  }
}

function readEdit(input: Input): Edit {
  const edit: Edit = { columnFamily: 0, deleted: [], added: [], groupLeft: -1 };
  while (input.remaining > 0) readField(input, input.varint32(), edit);
  return edit;
}

function readField(input: Input, tag: number, edit: Edit): void {
  switch (tag) {
    case TAG.comparator:
      edit.comparator = input.slice();
      return;
    case TAG.logNumber:
      edit.logNumber = input.varint64();
      return;
    case TAG.previousLogNumber:
      edit.previousLogNumber = input.varint64();
      return;
    case TAG.nextFileNumber:
      edit.nextFileNumber = input.varint64();
      return;
    case TAG.lastSequence:
      edit.lastSequence = input.varint64();
      return;
    case TAG.minLogNumberToKeep:
    case TAG.walDeletion:
      input.varint64();
      return;
    case TAG.maxColumnFamily:
      input.varint32();
      return;
    case TAG.compactCursor:
      input.varint32();
      input.slice();
      return;
    case TAG.deletedFile:
      edit.deleted.push({
        level: readLevel(input),
        number: input.varint64(),
      });
      return;
    case TAG.newFile:
    case TAG.newFile2:
    case TAG.newFile3:
    case TAG.newFile4:
      edit.added.push(readTableFile(input, tag));
      return;
    case TAG.columnFamily:
      edit.columnFamily = input.varint32();
      return;
    case TAG.columnFamilyAdd:
      input.slice();
      return;
    case TAG.columnFamilyDrop:
      return;
    case TAG.inAtomicGroup:
      edit.groupLeft = input.varint32();
      return;
    case TAG.walAddition:
      readWalAddition(input);
      return;
    case TAG.blobFileAddition:
    case TAG.blobFileGarbage:
    case TAG.oldBlobFileAddition:
    case TAG.oldBlobFileGarbage:
      throw input.unsupported('blob files');
    default:
      if ((tag & TAG.ignorable) === 0) throw input.unsupported(`version edit tag ${tag}`);
      input.slice();
  }
}

function readLevel(input: Input): number {
  const level = input.varint32();
  if (level > LEVEL_MAX) throw input.fail(`has a table of level ${level}`);
  return level;
}

function readUserKey(input: Input): Uint8Array {
  const key = input.slice();
  if (key.length < TRAILER_SIZE) throw input.fail('has a key without a sequence number');
  return key.subarray(0, key.length - TRAILER_SIZE);
}

function readTableFile(input: Input, tag: number): TableFile {
  const level = readLevel(input);
  const number = input.varint64();
  if (tag === TAG.newFile3 && input.varint32() !== 0) throw input.unsupported('a second directory');
  const size = input.varint64();
  const smallest = readUserKey(input);
  const largest = readUserKey(input);
  let largestSequence = 0;
  if (tag !== TAG.newFile) {
    input.varint64();
    largestSequence = input.varint64();
  }
  if (tag === TAG.newFile4) readFileTags(input);
  return { number, level, size, smallest, largest, largestSequence };
}

function readFileTags(input: Input): void {
  for (let tag = input.varint32(); tag !== FILE_TAG.end; tag = input.varint32()) {
    const field = input.slice();
    if (tag === FILE_TAG.pathId) {
      if (field.length !== 1 || field[0] !== 0) throw input.unsupported('a second directory');
    } else if ((tag & FILE_TAG.needsReader) !== 0) {
      throw input.unsupported(`table tag ${tag}`);
    }
  }
}

function readWalAddition(input: Input): void {
  input.varint64();
  for (let tag = input.varint32(); tag !== WAL_TAG.end; tag = input.varint32()) {
    if (tag !== WAL_TAG.syncedSize) throw input.unsupported(`log tag ${tag}`);
    input.varint64();
  }
}
