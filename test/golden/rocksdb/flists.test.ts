/** Databases of historical flists, the largest of them real: RocksDB 4.6, Snappy, half in the log. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { openRocksdb } from '../../../src/format/rocksdb/reader.ts';
import { buildRocksdb } from '../../../src/format/rocksdb/writer.ts';
import { fixturesDir } from '../../support/fixtures.ts';
import { dumpRecords, rocksdbTools, writeDatabaseFiles } from '../../support/rocksdb.ts';

const fixtures = fixturesDir();
const tools = rocksdbTools();
const work = mkdtempSync(join(tmpdir(), 'g8ufs-flists-'));
after(() => rmSync(work, { recursive: true }));

async function unpack(name: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const tar = extract();
  tar.end(gunzipSync(await readFile(join(fixtures ?? '', 'rocksdb', name))));
  for await (const member of tar) {
    const chunks: Buffer[] = [];
    for await (const chunk of member) chunks.push(chunk as Buffer);
    if (member.header.type === 'file') files.set(member.header.name, Buffer.concat(chunks));
  }
  return files;
}

const flists = [
  ['ubuntu1604-2017.flist', 1116],
  ['sample-legacy.flist', 48],
] as const;

describe('historical flists', { skip: fixtures === undefined && 'no fixtures' }, () => {
  for (const [name, count] of flists) {
    test(`openRocksdb() reads the ${count} records of ${name}`, async () => {
      const database = openRocksdb(await unpack(name));
      assert.equal([...database.entries()].length, count);
    });

    test(`get() finds every record of ${name}`, async () => {
      const database = openRocksdb(await unpack(name));
      for (const [key, value] of database.entries()) {
        assert.equal(Buffer.compare(database.get(key) ?? new Uint8Array(0), value), 0);
      }
    });

    test(`openRocksdb() reads what ldb reads from ${name}`, {
      skip: tools === undefined && 'ldb is not installed',
    }, async () => {
      const files = await unpack(name);
      const dir = mkdtempSync(join(work, 'flist-'));
      writeDatabaseFiles(dir, files);
      assert.equal(dumpRecords(openRocksdb(files)), tools?.scan(dir));
    });

    test(`buildRocksdb() keeps every record of ${name}`, async () => {
      const database = openRocksdb(await unpack(name));
      const again = openRocksdb(buildRocksdb(database.entries()));
      assert.equal(dumpRecords(again), dumpRecords(database));
    });
  }
});
