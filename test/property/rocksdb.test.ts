/** Random databases survive a round trip; damaged ones end in an error of ours or in what they were. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compareBytes } from '../../src/base/bytes.ts';
import { isG8Error } from '../../src/base/errors.ts';
import { encodeLog, LogReader } from '../../src/format/rocksdb/log.ts';
import { decodeLz4 } from '../../src/format/rocksdb/lz4.ts';
import { openRocksdb } from '../../src/format/rocksdb/reader.ts';
import { buildRocksdb } from '../../src/format/rocksdb/writer.ts';
import { decodeZstd } from '../../src/format/rocksdb/zstd.ts';
import { decodeSnappy } from '../../src/format/snappy.ts';
import { dumpRecords, goldenRocksdbDir, readDatabaseFiles } from '../support/rocksdb.ts';

const FOOTER_SIZE = 53;

const golden = goldenRocksdbDir();
const databases = readdirSync(golden, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'should-fail')
  .map(({ name }) => {
    const files = readDatabaseFiles(join(golden, name));
    return { name, files, dump: dumpRecords(openRocksdb(files)) };
  });

/** Where to damage a file, relative to its size, and what to do there. */
const damage = fc.record({
  file: fc.nat(),
  kind: fc.constantFrom('flip', 'set', 'truncate', 'remove', 'repeat'),
  at: fc.nat(),
  value: fc.nat(255),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(bytes: Uint8Array, { kind, at, value }: Damage): Uint8Array {
  if (bytes.length === 0) return bytes;
  const copy = Uint8Array.from(bytes);
  const position = at % bytes.length;
  switch (kind) {
    case 'flip':
      copy[position] = (copy[position] as number) ^ (1 << (value & 7));
      return copy;
    case 'set':
      copy[position] = value;
      return copy;
    case 'truncate':
      return copy.subarray(0, position);
    case 'remove':
      return Buffer.concat([
        copy.subarray(0, position),
        copy.subarray(position + 1 + (value & 15)),
      ]);
    case 'repeat':
      return Buffer.concat([
        copy.subarray(0, position),
        copy.subarray(Math.max(0, position - value)),
      ]);
  }
}

/** The records, or `undefined` when the database was refused with an error of ours. */
function tryRead(files: ReadonlyMap<string, Uint8Array>): string | undefined {
  try {
    const database = openRocksdb(files);
    database.get(Buffer.from('records/017'));
    return dumpRecords(database);
  } catch (error) {
    if (isG8Error(error, 'ERR_FLIST_FORMAT') || isG8Error(error, 'ERR_FLIST_VERSION')) {
      return undefined;
    }
    throw error;
  }
}

function pick<T>(items: readonly T[], index: number): T {
  return items[index % items.length] as T;
}

function replaced(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  bytes: Uint8Array,
): Map<string, Uint8Array> {
  return new Map(files).set(name, bytes);
}

describe('damaged databases', () => {
  test('openRocksdb() throws nothing but its own errors', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(damage, { minLength: 1, maxLength: 3 }), (which, damages) => {
        const { files } = pick(databases, which);
        const copy = new Map(files);
        for (const item of damages) {
          const name = pick([...copy.keys()], item.file);
          copy.set(name, damaged(copy.get(name) as Uint8Array, item));
        }
        tryRead(copy);
      }),
      { numRuns: 1500 },
    );
  });

  test('openRocksdb() never shows other records when a bit of a table is flipped', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (which, file, bit) => {
        const { name, files, dump } = pick(databases, which);
        // This one has no checksums.
        fc.pre(name !== 'format-4');
        const tables = [...files.keys()].filter((entry) => entry.endsWith('.sst'));
        fc.pre(tables.length > 0);
        const table = pick(tables, file);
        const copy = Uint8Array.from(files.get(table) as Uint8Array);
        // The footer has no checksum: its format version could be made to mean something else.
        const position = (bit >> 3) % (copy.length - FOOTER_SIZE);
        copy[position] = (copy[position] as number) ^ (1 << (bit & 7));
        const read = tryRead(replaced(files, table, copy));
        if (read !== undefined) assert.equal(read, dump);
      }),
      { numRuns: 1500 },
    );
  });

  test('openRocksdb() stands tables that are damaged behind sound checksums', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(damage, { minLength: 1, maxLength: 4 }), (which, damages) => {
        const { files } = pick(databases, which);
        const copy = new Map(files);
        for (const [name, bytes] of files) {
          if (!name.endsWith('.sst') || bytes.length < FOOTER_SIZE) continue;
          let table = bytes;
          for (const item of damages) {
            if (item.kind === 'flip' || item.kind === 'set') table = damaged(table, item);
          }
          table = Uint8Array.from(table);
          table[table.length - FOOTER_SIZE] = 0;
          copy.set(name, table);
        }
        tryRead(copy);
      }),
      { numRuns: 1500 },
    );
  });

  test('openRocksdb() stands logs and MANIFESTs that are damaged behind sound checksums', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(damage, { minLength: 1, maxLength: 4 }), (which, damages) => {
        const { files } = pick(databases, which);
        const copy = new Map(files);
        for (const [name, bytes] of files) {
          if (!name.startsWith('MANIFEST') && !name.endsWith('.log')) continue;
          const records = [...new LogReader(name, bytes, 0).records()].map(
            (record) => record.bytes,
          );
          if (records.length === 0) continue;
          for (const item of damages) {
            const index = item.file % records.length;
            records[index] = damaged(records[index] as Uint8Array, item);
          }
          copy.set(name, encodeLog(records));
        }
        tryRead(copy);
      }),
      { numRuns: 1500 },
    );
  });
});

describe('decoders of arbitrary bytes', () => {
  const decoders = { decodeSnappy, decodeLz4, decodeZstd };
  for (const [name, decode] of Object.entries(decoders)) {
    test(`${name}() returns no more than it may or throws its own error`, () => {
      const magic = name === 'decodeZstd' ? [0x28, 0xb5, 0x2f, 0xfd, 0x20, 200] : [200, 1];
      fc.assert(
        fc.property(fc.boolean(), fc.uint8Array({ maxLength: 300 }), (hasMagic, bytes) => {
          try {
            const input = hasMagic ? Buffer.concat([Buffer.from(magic), bytes]) : bytes;
            assert.ok(decode(input, 200).length <= 200);
          } catch (error) {
            if (!isG8Error(error, 'ERR_FLIST_FORMAT')) throw error;
          }
        }),
        { numRuns: 3000 },
      );
    });
  }
});

describe('round trips', () => {
  const records = fc.array(
    fc.tuple(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ maxLength: 600, size: 'medium' })),
    { maxLength: 80 },
  );

  test('openRocksdb() reads what buildRocksdb() was given', () => {
    fc.assert(
      fc.property(records, fc.integer({ min: 1, max: 20_000 }), (list, tableSizeTarget) => {
        const byKey = new Map(
          list.map(([key, value]) => [Buffer.from(key).toString('hex'), value]),
        );
        const sorted = [...byKey]
          .map(([hex, value]) => [new Uint8Array(Buffer.from(hex, 'hex')), value] as const)
          .sort(([a], [b]) => compareBytes(a, b));
        const database = openRocksdb(buildRocksdb(sorted, { tableSizeTarget }));
        assert.equal(
          dumpRecords(database),
          dumpRecords({ get: () => undefined, entries: () => sorted }),
        );
        for (const [key, value] of sorted) {
          assert.equal(compareBytes(database.get(key) as Uint8Array, value), 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('LogReader reads what encodeLog() was given', () => {
    const sizes = fc.array(fc.nat(70_000), { maxLength: 6 });
    fc.assert(
      fc.property(sizes, (list) => {
        const expected = list.map((size, index) => new Uint8Array(size).fill(index + 1));
        const log = new LogReader('x', encodeLog(expected), 0);
        const read = [...log.records()].map(({ bytes }) => bytes);
        assert.deepEqual(read, expected);
        assert.equal(log.truncated, false);
      }),
      { numRuns: 100 },
    );
  });
});
