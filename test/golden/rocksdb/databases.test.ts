import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { openRocksdb } from '../../../src/format/rocksdb/reader.ts';
import { dumpRecords, goldenRocksdbDir, readDatabaseFiles } from '../../support/rocksdb.ts';

const golden = goldenRocksdbDir();

function databaseNames(dir: string): string[] {
  const folders = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.map((entry) => entry.name).filter((name) => name !== 'should-fail');
}

describe('databases made by ldb', () => {
  for (const name of databaseNames(golden)) {
    const own = join(golden, `${name}.txt`);
    const expected = readFileSync(existsSync(own) ? own : join(golden, 'records.txt'), 'utf8');

    test(`openRocksdb() reads the records of ${name}`, () => {
      const database = openRocksdb(readDatabaseFiles(join(golden, name)));
      assert.equal(dumpRecords(database), expected);
    });

    test(`get() finds every record of ${name} and no other`, () => {
      const database = openRocksdb(readDatabaseFiles(join(golden, name)));
      const keys = new Set<string>();
      for (const [key, value] of database.entries()) {
        keys.add(Buffer.from(key).toString('latin1'));
        assert.deepEqual(Buffer.from(database.get(key) ?? []), Buffer.from(value));
        for (const other of [Buffer.concat([key, Buffer.of(0)]), key.subarray(0, -1)]) {
          if (keys.has(other.toString())) continue;
          assert.equal(database.get(other), undefined);
        }
      }
    });
  }
});

describe('databases with features that no flist uses', () => {
  for (const name of databaseNames(join(golden, 'should-fail'))) {
    test(`openRocksdb() refuses ${name}`, () => {
      const files = readDatabaseFiles(join(golden, 'should-fail', name));
      assert.throws(
        () => dumpRecords(openRocksdb(files)),
        (error) => isG8Error(error, 'ERR_FLIST_VERSION'),
      );
    });
  }
});
