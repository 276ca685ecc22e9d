import assert from 'node:assert/strict';
import { test } from 'node:test';
import initSqlJs from 'sql.js';

import { isG8Error } from '../../../../src/base/errors.ts';
import { openSqlite } from '../../../../src/format/flist/sqlite.ts';
import { bytes } from '../../../support/flist-trees.ts';

const isFormatError = (error: unknown) => isG8Error(error, 'ERR_FLIST_FORMAT');
const ENTRIES = 'CREATE TABLE entries (key VARCHAR(64) PRIMARY KEY, value BLOB);';
const METADATA = 'CREATE TABLE metadata (key VARCHAR(64) PRIMARY KEY, value TEXT);';

async function databaseOf(script: string): Promise<Uint8Array> {
  const { Database } = await initSqlJs();
  const database = new Database();
  database.run(script);
  const file = database.export();
  database.close();
  return file;
}

test('openSqlite() reads entries in byte order of their keys', async () => {
  const script = `${ENTRIES} INSERT INTO entries VALUES ('b', x'02'), ('a', x'0100'), ('B', x'');`;
  const database = await openSqlite(await databaseOf(script));
  assert.deepEqual(
    [...database.entries()],
    [
      [bytes('B'), new Uint8Array()],
      [bytes('a'), Uint8Array.of(1, 0)],
      [bytes('b'), Uint8Array.of(2)],
    ],
  );
  assert.deepEqual(database.get(bytes('b')), Uint8Array.of(2));
  assert.equal(database.get(bytes('c')), undefined);
});

test('openSqlite() takes a file without a table of metadata', async () => {
  assert.equal((await openSqlite(await databaseOf(ENTRIES))).metadata().size, 0);
});

test('openSqlite() reads metadata in the order in which it was stored', async () => {
  const script = `${ENTRIES} ${METADATA} INSERT INTO metadata VALUES ('z', '1'), ('a', 2), ('n', NULL);`;
  const database = await openSqlite(await databaseOf(script));
  assert.deepEqual(
    [...database.metadata()],
    [
      ['z', '1'],
      ['a', '2'],
    ],
  );
});

test('openSqlite() refuses what is no sqlite file', async () => {
  await assert.rejects(openSqlite(new Uint8Array()), isFormatError);
  await assert.rejects(openSqlite(new Uint8Array(4096)), isFormatError);
});

const HOSTILE: Readonly<Record<string, string>> = {
  'no table of entries': METADATA,
  'a view for entries': `CREATE VIEW entries (key, value) AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, zeroblob(1) FROM n;`,
  'a view for metadata': `${ENTRIES} CREATE VIEW metadata (key, value) AS SELECT 'a', 'b';`,
  'a generated column': `CREATE TABLE entries (key TEXT, value BLOB AS (zeroblob(1000000000)));
    INSERT INTO entries (key) VALUES ('a');`,
  'keys that are no text': `${ENTRIES} INSERT INTO entries VALUES (x'00', x'00');`,
  'values that are no blobs': `${ENTRIES} INSERT INTO entries VALUES ('a', 'text');`,
};

for (const [what, script] of Object.entries(HOSTILE)) {
  test(`openSqlite() refuses a database with ${what}`, async () => {
    await assert.rejects(openSqlite(await databaseOf(script)), isFormatError);
  });
}

test('openSqlite() refuses a file that is cut off', async () => {
  const rows = Array.from({ length: 500 }, (_, i) => `('${i}', zeroblob(400))`).join();
  const file = await databaseOf(`${ENTRIES} INSERT INTO entries VALUES ${rows};`);
  for (const size of [600, 4096, file.length - 4096]) {
    await assert.rejects(openSqlite(file.subarray(0, size)), isFormatError, `${size} bytes`);
  }
});

test('openSqlite() refuses values that share pages to become larger than the file', async () => {
  const rows = [...'abcdefghijkl'].map((name) => `('k${name}', zeroblob(400))`).join();
  const file = await databaseOf(
    `${ENTRIES} INSERT INTO entries VALUES ${rows}; UPDATE entries SET value = zeroblob(60000);`,
  );
  assert.equal([...(await openSqlite(file)).entries()].length, 12);
  await assert.rejects(openSqlite(shareOverflow(Buffer.from(file))), /tangled/);
});

/** Gives all values the overflow pages of the first one, and cuts the others off. */
function shareOverflow(file: Buffer): Buffer {
  const leafType = 13;
  const pageSize = file.readUInt16BE(16);
  const pageCount = 24;
  let first: Buffer | undefined;
  for (let page = 0; page < file.length; page += pageSize) {
    const cells = file[page] === leafType ? file.readUInt16BE(page + 3) : 0;
    for (let cell = 0; cell < cells; cell++) {
      const value = file.indexOf('k', page + file.readUInt16BE(page + 8 + 2 * cell)) + 2;
      // The zeros of the value go on until its last byte here: the number of a page below 256.
      let end = value;
      while (file[end] === 0) end++;
      first ??= Buffer.from(file.subarray(end - 3, end + 1));
      first.copy(file, end - 3);
    }
  }
  file.writeUInt32BE(pageCount, 28);
  return file.subarray(0, pageSize * pageCount);
}
