/**
 * Metadata databases of the sqlite generations. The file is opened in WebAssembly memory, read once
 * into a map and closed, so that nothing of the engine stays behind and no query ever runs later.
 * The schema is part of the hostile input: only plain tables are read, since views and generated
 * columns would compute whatever they like.
 */
import type { Database, SqlValue } from 'sql.js';

import { compareBytes } from '../../base/bytes.ts';
import { G8Error, toG8Error } from '../../base/errors.ts';
import type { MetadataDatabase } from '../database.ts';
import { keyBytes } from './keys.ts';
import { loadEngine } from './sqlite-engine.ts';

export interface SqliteDatabase extends MetadataDatabase {
  /** The table of settings that go with the flist, in stored order; empty when there is none. */
  metadata(): Map<string, string>;
}

const MAGIC = 'SQLite format 3\0';
const PAGE_SIZE_MIN = 512;
/** Settings are a few lines of JSON each; `readme` is the largest. */
const METADATA_ROWS_MAX = 10_000;

/**
 * Opens `flistdb.sqlite3`.
 *
 * @param bytes the whole file
 * @throws ERR_FLIST_FORMAT when it is no such database or is damaged
 */
export async function openSqlite(bytes: Uint8Array): Promise<SqliteDatabase> {
  if (bytes.length < PAGE_SIZE_MIN || latin1(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    throw new G8Error('ERR_FLIST_FORMAT', 'Flist database is no sqlite file');
  }
  const { Database } = await loadEngine();
  let database: Database | undefined;
  try {
    database = new Database(bytes);
    return new Records(readEntries(database, bytes.length), readMetadata(database, bytes.length));
  } catch (error) {
    throw toG8Error(error, 'ERR_FLIST_FORMAT', 'Flist database cannot be read');
  } finally {
    database?.close();
  }
}

class Records implements SqliteDatabase {
  readonly #values: Map<string, Uint8Array>;
  readonly #metadata: Map<string, string>;

  constructor(values: Map<string, Uint8Array>, metadata: Map<string, string>) {
    this.#values = values;
    this.#metadata = metadata;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(latin1(key));
  }

  *entries(): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    const keys = [...this.#values.keys()].map(keyBytes).sort(compareBytes);
    for (const key of keys) yield [key, this.#values.get(latin1(key)) as Uint8Array];
  }

  metadata(): Map<string, string> {
    return new Map(this.#metadata);
  }
}

function readEntries(database: Database, sizeMax: number): Map<string, Uint8Array> {
  if (!hasPlainTable(database, 'entries')) {
    throw new G8Error('ERR_FLIST_FORMAT', 'Flist database has no table of entries');
  }
  const values = new Map<string, Uint8Array>();
  // Values cannot be larger than the file they are in, unless its pages are shared by several.
  let sizeLeft = sizeMax;
  for (const [key, value] of rows(database, 'SELECT key, value FROM entries')) {
    if (typeof key !== 'string' || !(value instanceof Uint8Array)) {
      throw new G8Error('ERR_FLIST_FORMAT', 'Flist database has an entry of another type');
    }
    sizeLeft -= key.length + value.length;
    if (sizeLeft < 0) throw new G8Error('ERR_FLIST_FORMAT', 'Flist database is tangled');
    values.set(latin1(Buffer.from(key)), value);
  }
  return values;
}

function readMetadata(database: Database, sizeMax: number): Map<string, string> {
  const metadata = new Map<string, string>();
  if (!hasPlainTable(database, 'metadata')) return metadata;
  let sizeLeft = sizeMax;
  for (const [key, value] of rows(database, 'SELECT key, value FROM metadata ORDER BY rowid')) {
    if (typeof key !== 'string' || value === null || value === undefined) continue;
    const text = value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
    sizeLeft -= key.length + text.length;
    if (sizeLeft < 0 || metadata.size >= METADATA_ROWS_MAX) {
      throw new G8Error('ERR_FLIST_FORMAT', 'Flist database has too much metadata');
    }
    metadata.set(key, text);
  }
  return metadata;
}

/** @throws ERR_FLIST_FORMAT when there is something else of that name */
function hasPlainTable(database: Database, name: string): boolean {
  const query = `SELECT type, rootpage FROM sqlite_master WHERE name = '${name}' COLLATE NOCASE`;
  for (const [type, rootPage] of rows(database, query)) {
    // A virtual table has no pages of its own.
    if (type !== 'table' || typeof rootPage !== 'number' || rootPage <= 0) {
      throw new G8Error('ERR_FLIST_FORMAT', `Flist database has ${name} that are no table`);
    }
    for (const column of rows(database, `PRAGMA table_xinfo(${name})`)) {
      if (column.at(-1) !== 0) {
        throw new G8Error('ERR_FLIST_FORMAT', `Flist database has computed ${name}`);
      }
    }
    return true;
  }
  return false;
}

function* rows(database: Database, query: string): Generator<SqlValue[]> {
  const statement = database.prepare(query);
  try {
    while (statement.step()) yield statement.get();
  } finally {
    statement.free();
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
