/** RocksDB's own tools as oracle: they read what we write, and we read what they write. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openRocksdb } from '../../../src/format/rocksdb/reader.ts';
import { buildRocksdb } from '../../../src/format/rocksdb/writer.ts';
import {
  dumpLine,
  dumpRecords,
  readDatabaseFiles,
  rocksdbTools,
  writeDatabaseFiles,
} from '../../support/rocksdb.ts';

const tools = rocksdbTools();
const skip = tools === undefined ? 'ldb is not installed (Debian: rocksdb-tools)' : false;
const work = mkdtempSync(join(tmpdir(), 'g8ufs-rocksdb-'));
after(() => rmSync(work, { recursive: true }));

type Record = readonly [key: Uint8Array, value: Uint8Array];

function sampleRecords(count: number, valueSize: (index: number) => number): Record[] {
  return Array.from({ length: count }, (_, index) => [
    Buffer.from(`key ${String(index).padStart(6, '0')}`),
    Buffer.alloc(valueSize(index), `value ${index} `),
  ]);
}

function dumpOf(records: readonly Record[]): string {
  return records.map(([key, value]) => dumpLine(key, value)).join('');
}

describe('buildRocksdb()', { skip }, () => {
  const cases: [name: string, records: Record[], tableSizeTarget?: number][] = [
    ['no record', []],
    ['one empty record', [[new Uint8Array(0), new Uint8Array(0)]]],
    ['many small records', sampleRecords(5000, (index) => index % 90)],
    ['several tables', sampleRecords(2000, () => 100), 20_000],
    ['so many tables that the MANIFEST has several blocks', sampleRecords(900, () => 5), 1],
    ['large records', sampleRecords(3, (index) => index * 5_000_000)],
  ];
  for (const [name, records, tableSizeTarget] of cases) {
    test(`writes a database that RocksDB accepts: ${name}`, () => {
      const dir = mkdtempSync(join(work, 'written-'));
      const options = tableSizeTarget === undefined ? {} : { tableSizeTarget };
      writeDatabaseFiles(dir, buildRocksdb(records, options));
      assert.equal(tools?.scan(dir), dumpOf(records));
      assert.match(tools?.ldb(dir, ['checkconsistency']) ?? '', /OK/);
      for (const file of readdirSync(dir)
        .filter((entry) => entry.endsWith('.sst'))
        .slice(0, 5)) {
        assert.match(tools?.sstDump(join(dir, file), ['--command=verify']) ?? '', /file is ok/);
        const entries = tools?.sstDump(join(dir, file), ['--command=check', '--verify_checksum']);
        assert.doesNotMatch(entries ?? '', /corrupt|error/i);
      }
    });
  }

  test('writes a database that RocksDB can go on writing to', () => {
    const dir = mkdtempSync(join(work, 'continued-'));
    const records = sampleRecords(300, () => 200);
    writeDatabaseFiles(dir, buildRocksdb(records, { tableSizeTarget: 10_000 }));
    tools?.ldb(dir, ['put', 'key 000007', 'changed']);
    tools?.ldb(dir, ['delete', 'key 000008']);
    tools?.ldb(dir, ['compact']);
    const expected = records.toSpliced(7, 2, [Buffer.from('key 000007'), Buffer.from('changed')]);
    assert.equal(tools?.scan(dir), dumpOf(expected));
    assert.equal(dumpRecords(openRocksdb(readDatabaseFiles(dir))), dumpOf(expected));
  });
});

describe('openRocksdb()', { skip }, () => {
  const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
  const toArguments = (records: readonly Record[]): string[] =>
    records.flatMap(([key, value]) => [hex(key), hex(value)]);

  for (const compression of ['no', 'snappy', 'zlib', 'lz4', 'zstd']) {
    test(`reads what ldb writes with compression ${compression}`, () => {
      const dir = mkdtempSync(join(work, 'read-'));
      const flags = [`--compression_type=${compression}`];
      const records = sampleRecords(120, (index) => (index === 60 ? 30_000 : index * 7));
      tools?.ldb(dir, [
        'batchput',
        '--hex',
        '--create_if_missing',
        ...flags,
        ...toArguments(records),
      ]);
      assert.equal(dumpRecords(openRocksdb(readDatabaseFiles(dir))), dumpOf(records));
      tools?.ldb(dir, ['compact', ...flags]);
      assert.equal(dumpRecords(openRocksdb(readDatabaseFiles(dir))), dumpOf(records));
      tools?.ldb(dir, ['delete', 'key 000003', ...flags]);
      tools?.ldb(dir, ['put', 'key 000004', 'new', ...flags]);
      assert.equal(dumpRecords(openRocksdb(readDatabaseFiles(dir))), tools?.scan(dir));
    });
  }
});
