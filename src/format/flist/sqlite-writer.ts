/**
 * Writes metadata databases of the sqlite generations. Same rows, same bytes, with one version of the
 * engine. Keeps nothing.
 */
import { toG8Error } from '../../base/errors.ts';
import type { Metadata } from './metadata.ts';
import { loadEngine } from './sqlite-engine.ts';

const SCHEMA = `
PRAGMA page_size = 4096;
PRAGMA encoding = 'UTF-8';
CREATE TABLE entries (key VARCHAR(64) PRIMARY KEY, value BLOB);
CREATE TABLE metadata (key VARCHAR(64) PRIMARY KEY, value TEXT);
`;

/**
 * Bytes of `flistdb.sqlite3`.
 *
 * @param records in the order in which they are to be stored
 * @throws ERR_CREATE when the engine refuses, such as for a key that is there twice
 */
export async function buildSqlite(
  records: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  metadata: Metadata,
): Promise<Uint8Array> {
  const { Database } = await loadEngine();
  const database = new Database();
  try {
    database.run(SCHEMA);
    database.run('BEGIN');
    const entry = database.prepare('INSERT INTO entries VALUES (?, ?)');
    for (const [key, value] of records) entry.run([Buffer.from(key).toString('latin1'), value]);
    entry.free();
    const setting = database.prepare('INSERT INTO metadata VALUES (?, ?)');
    for (const [key, value] of metadata) setting.run([key, value]);
    setting.free();
    database.run('COMMIT');
    return database.export();
  } catch (error) {
    throw toG8Error(error, 'ERR_CREATE', 'Flist database cannot be written');
  } finally {
    database.close();
  }
}
