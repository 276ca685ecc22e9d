/**
 * A RocksDB database, opened from the bytes of its files: reads the default column family in byte
 * order. It never writes, repairs or creates anything. All of it is hostile input: whatever is wrong
 * ends in a `G8Error`. Synchronous; a database may be shared by callers of one thread.
 *
 * @see docs/decisions/0001-rocksdb-binding.md
 */
import { compareBytes } from '../../base/bytes.ts';
import type { MetadataDatabase } from '../database.ts';
import { BlockCache, Budget } from './budget.ts';
import { formatError, versionError } from './input.ts';
import { readManifest, type TableFile } from './manifest.ts';
import { Table } from './table.ts';
import type { Version } from './version.ts';
import { type LogFile, replayLogs } from './wal.ts';

/** Tables of level 0 overlap, so all are read at once. RocksDB stops writing at 36. */
const LEVEL_0_COUNT_MAX = 1024;

/** A table and the range of user keys that its MANIFEST entry states. */
interface LiveTable {
  readonly entry: TableFile;
  readonly table: Table;
}

/** Tables in ascending order that share no key but at their ends. One of level 0 is a run by itself. */
type Run = readonly LiveTable[];

/**
 * Opens a database.
 *
 * Indexes are read and checked at once, records when they are asked for; so both methods of the
 * result can throw as well. Keys and values are views of `source`, or of decoded blocks: copy what has
 * to be modified.
 *
 * @param source name without directory → contents; others than RocksDB's are ignored
 * @throws ERR_FLIST_FORMAT when a file is missing or malformed; ERR_FLIST_VERSION for features that no
 *   flist writer used: merges, range deletions, blob files, transactions, other key orders, newer tables
 */
export function openRocksdb(source: ReadonlyMap<string, Uint8Array>): MetadataDatabase {
  // Plain arrays even for callers with Buffers, whose views are slower and whose slice() is no copy.
  const files = new Map(
    [...source].map(([file, { buffer, byteOffset, byteLength }]) => [
      file,
      new Uint8Array(buffer, byteOffset, byteLength),
    ]),
  );
  const name = currentManifest(files);
  const bytes = files.get(name);
  if (bytes === undefined) throw formatError(name, 0, 'is named by CURRENT, but missing, read');
  const manifest = readManifest(name, bytes, Number(name.slice('MANIFEST-'.length)));
  const cache = new BlockCache();
  const budget = new Budget();
  const tables = manifest.tables.map((entry) => ({
    entry,
    table: openTable(files, entry, cache, budget),
  }));
  const logs = findLogs(files, manifest.logNumber, manifest.previousLogNumber);
  return new Database(replayLogs(logs), sortRuns(tables));
}

function currentManifest(files: ReadonlyMap<string, Uint8Array>): string {
  const current = files.get('CURRENT');
  if (current === undefined) throw formatError('CURRENT', 0, 'is missing, read');
  const text = Buffer.from(current.subarray(0, 64)).toString('latin1');
  const match = /^(MANIFEST-\d{1,15})\n$/.exec(text);
  if (match === null) throw formatError('CURRENT', 0, 'does not name a MANIFEST');
  return match[1] as string;
}

function openTable(
  files: ReadonlyMap<string, Uint8Array>,
  entry: TableFile,
  cache: BlockCache,
  budget: Budget,
): Table {
  const file = `${String(entry.number).padStart(6, '0')}.sst`;
  const bytes = files.get(file);
  if (bytes === undefined) throw formatError(file, 0, 'is live, but missing, read');
  if (bytes.length !== entry.size) {
    throw formatError(
      file,
      bytes.length,
      `has not the ${entry.size} bytes that it should, but ends`,
    );
  }
  return new Table(file, bytes, entry.largestSequence, cache, budget);
}

function findLogs(
  files: ReadonlyMap<string, Uint8Array>,
  logNumber: number,
  previousLogNumber: number,
): LogFile[] {
  const logs: LogFile[] = [];
  for (const [file, bytes] of files) {
    const match = /^(\d{1,15})\.log$/.exec(file);
    if (match === null) continue;
    const number = Number(match[1]);
    if (number >= logNumber || number === previousLogNumber) logs.push({ file, number, bytes });
  }
  return logs.sort((a, b) => a.number - b.number);
}

/** Runs in the order in which RocksDB would search them, newest first. */
function sortRuns(tables: LiveTable[]): Run[] {
  const levels = new Map<number, LiveTable[]>();
  for (const table of tables) {
    const level = levels.get(table.entry.level);
    if (level === undefined) levels.set(table.entry.level, [table]);
    else level.push(table);
  }
  const level0 = levels.get(0) ?? [];
  if (level0.length > LEVEL_0_COUNT_MAX) {
    const first = level0[0] as LiveTable;
    throw versionError(first.table.file, 0, `more than ${LEVEL_0_COUNT_MAX} overlapping tables`);
  }
  level0.sort((a, b) => b.entry.number - a.entry.number);
  const runs: Run[] = level0.map((table) => [table]);
  levels.delete(0);
  for (const [, run] of [...levels].sort(([a], [b]) => a - b)) {
    run.sort((a, b) => compareBytes(a.entry.smallest, b.entry.smallest));
    for (const [index, { entry, table }] of run.entries()) {
      const before = run[index - 1];
      if (before !== undefined && compareBytes(before.entry.largest, entry.smallest) > 0) {
        throw formatError(table.file, 0, 'overlaps another table of its level, read');
      }
    }
    runs.push(run);
  }
  return runs;
}

class Database implements MetadataDatabase {
  readonly #recent: readonly Version[];
  readonly #runs: readonly Run[];

  /** @param recent newest versions of keys in the logs, in byte order */
  constructor(recent: readonly Version[], runs: readonly Run[]) {
    this.#recent = recent;
    this.#runs = runs;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const budget = new Budget();
    let newest = findRecent(this.#recent, key);
    for (const run of this.#runs) {
      const found = findInRun(run, key, budget);
      if (found !== undefined && (newest === undefined || found.sequence > newest.sequence)) {
        newest = found;
      }
    }
    return newest?.value;
  }

  *entries(): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    const budget = new Budget();
    const sources: Iterator<Version>[] = this.#runs.map((run) => runVersions(run, budget));
    if (this.#recent.length > 0) sources.unshift(this.#recent[Symbol.iterator]());
    let last: Uint8Array | undefined;
    for (const { key, value } of merge(sources)) {
      if (last !== undefined && compareBytes(last, key) === 0) continue;
      last = key;
      if (value !== undefined) yield [key, value];
    }
  }
}

/** Position of the first item that is not below the wanted one. */
function lowerBound<T>(items: readonly T[], isBelow: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBelow(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function findRecent(recent: readonly Version[], key: Uint8Array): Version | undefined {
  const found = recent[lowerBound(recent, (version) => compareBytes(version.key, key) < 0)];
  return found !== undefined && compareBytes(found.key, key) === 0 ? found : undefined;
}

function findInRun(run: Run, key: Uint8Array, budget: Budget): Version | undefined {
  let newest: Version | undefined;
  // Old writers could split the versions of one key between neighbours.
  let index = lowerBound(run, ({ entry }) => compareBytes(entry.largest, key) < 0);
  for (; index < run.length; index++) {
    const { entry, table } = run[index] as LiveTable;
    if (compareBytes(entry.smallest, key) > 0) break;
    const found = table.find(key, budget);
    if (found !== undefined && (newest === undefined || found.sequence > newest.sequence)) {
      newest = found;
    }
  }
  return newest;
}

function* runVersions(run: Run, budget: Budget): Generator<Version> {
  let last: Uint8Array | undefined;
  for (const { table } of run) {
    for (const version of table.versions(budget)) {
      if (last !== undefined && compareBytes(last, version.key) > 0) {
        throw formatError(table.file, 0, 'overlaps another table of its level, read');
      }
      last = version.key;
      yield version;
    }
  }
}

/** Joins sorted sources: keys ascending, newer versions first; among equals the first source's. */
function* merge(sources: readonly Iterator<Version>[]): Generator<Version> {
  const heads = sources.map((source) => source.next());
  for (;;) {
    let best = -1;
    let bestVersion: Version | undefined;
    for (const [index, head] of heads.entries()) {
      if (head.done === true) continue;
      if (bestVersion !== undefined) {
        const order = compareBytes(head.value.key, bestVersion.key);
        if (order > 0 || (order === 0 && head.value.sequence <= bestVersion.sequence)) continue;
      }
      best = index;
      bestVersion = head.value;
    }
    if (bestVersion === undefined) return;
    yield bestVersion;
    heads[best] = (sources[best] as Iterator<Version>).next();
  }
}
