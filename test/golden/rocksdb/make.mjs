#!/usr/bin/env node
/**
 * Makes the databases of this folder again, with RocksDB's own `ldb` (Debian: rocksdb-tools 7.8), and
 * records what `ldb` reads from them. Options that `ldb` has no flag for are set by editing the OPTIONS
 * file of a new database. The files differ from run to run, since RocksDB stamps them.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const work = mkdtempSync(join(tmpdir(), 'g8ufs-golden-'));

function ldb(db, args, input) {
  return execFileSync('ldb', [`--db=${db}`, ...args], {
    input: input ?? '',
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex').toUpperCase()}`;

/** Keys with long common prefixes; values that compress, that do not, long ones and an empty one. */
function records(from, to, salt = '') {
  const list = [];
  for (let i = from; i < to; i++) {
    const key = `records/${String(i).padStart(3, '0')}${i % 3 === 0 ? '/longer' : ''}`;
    let value = `${salt}value ${i} `.repeat(1 + (i % 7));
    if (i === 5) value = `${salt}${'abcdefgh'.repeat(150)}`;
    if (i === 9) value = '';
    let bytes = Buffer.from(value);
    if (i === 11) bytes = Buffer.from(Array.from({ length: 64 }, (_, n) => (n * n * 89 + 7) & 255));
    list.push([Buffer.from(key), bytes]);
  }
  return list;
}

const put = (db, list, ...flags) =>
  ldb(db, [
    'batchput',
    '--hex',
    ...flags,
    ...list.flatMap(([key, value]) => [hex(key), hex(value)]),
  ]);

/** A database without records whose OPTIONS have the given settings. */
function create(name, options) {
  const db = join(work, name);
  ldb(db, ['put', '--create_if_missing', 'records/none', 'x']);
  ldb(db, ['delete', 'records/none']);
  const file = readdirSync(db)
    .filter((entry) => entry.startsWith('OPTIONS-'))
    .sort()
    .at(-1);
  let text = readFileSync(join(db, file), 'utf8');
  const settings = { block_size: 512, compression: 'kNoCompression', ...options };
  for (const [key, value] of Object.entries(settings)) {
    const changed = text.replace(new RegExp(`^  ${key}=.*$`, 'm'), `  ${key}=${value}`);
    if (!changed.includes(`  ${key}=${value}`)) throw new Error(`no option ${key}`);
    text = changed;
  }
  writeFileSync(join(db, file), text);
  return db;
}

/** What most of the databases contain. */
let common;

function save(name, db, expected = 'ok') {
  const target = join(here, expected === 'ok' ? '' : 'should-fail', name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const file of readdirSync(db)) {
    if (!/^(CURRENT|MANIFEST-\d+|\d+\.(sst|log|blob))$/.test(file)) continue;
    writeFileSync(join(target, file), readFileSync(join(db, file)));
  }
  if (expected !== 'ok') return;
  const scan = ldb(db, ['scan', '--hex']).replaceAll(' ==> ', ' : ');
  common ??= scan;
  writeFileSync(join(here, 'records.txt'), common);
  if (scan !== common) writeFileSync(join(here, `${name}.txt`), scan);
}

function compacted(name, options, expected) {
  const db = create(name, options);
  put(db, records(0, 40));
  ldb(db, ['compact']);
  save(name, db, expected);
}

for (const name of ['No', 'Snappy', 'Zlib', 'LZ4', 'ZSTD']) {
  const compression = `k${name}${name === 'ZSTD' ? '' : 'Compression'}`;
  compacted(`compression-${name.toLowerCase()}`, { compression });
}
for (const compression of ['Zlib', 'LZ4']) {
  compacted(`format-1-${compression.toLowerCase()}`, {
    format_version: 1,
    checksum: 'kxxHash',
    compression: `k${compression}Compression`,
  });
}
compacted('format-0', {
  format_version: 0,
  checksum: 'kCRC32c',
  compression: 'kSnappyCompression',
});
compacted('format-2', { format_version: 2, checksum: 'kCRC32c', compression: 'kZSTD' });
compacted('format-3', { format_version: 3, checksum: 'kxxHash64' });
compacted('format-4', {
  format_version: 4,
  checksum: 'kNoChecksum',
  index_block_restart_interval: 8,
});
compacted('format-5', { format_version: 5, index_block_restart_interval: 3, block_size: 128 });
compacted('index-two-level', {
  index_type: 'kTwoLevelIndexSearch',
  metadata_block_size: 64,
  block_size: 128,
  index_block_restart_interval: 4,
});
compacted('index-first-key', {
  index_type: 'kBinarySearchWithFirstKey',
  index_block_restart_interval: 4,
  block_size: 256,
});
compacted('index-hash', { index_type: 'kHashSearch', prefix_extractor: 'rocksdb.FixedPrefix.9' });
compacted('data-block-hash', { data_block_index_type: 'kDataBlockBinaryAndHash' });
compacted('block-64k', {
  data_block_index_type: 'kDataBlockBinaryAndHash',
  block_size: 4096,
  block_restart_interval: 2,
});

{
  const db = join(work, 'log-only');
  put(db, records(0, 20), '--create_if_missing');
  save('log-only', db);
}
{
  // Tables of level 0 that overlap, with overwritten and deleted records, the newest in the log.
  const db = create('overlapping', {
    compression: 'kSnappyCompression',
    disable_auto_compactions: true,
  });
  put(db, records(0, 40));
  put(db, records(10, 20, 'new '));
  ldb(db, ['delete', 'records/016']);
  ldb(db, ['delete', 'records/017']);
  put(db, records(17, 18, 'again '));
  ldb(db, ['delete', 'records/001']);
  save('overlapping', db);
}
{
  const db = create('compacted-deletions', {});
  put(db, records(0, 40));
  for (const key of ['records/001', 'records/002', 'records/000/longer']) ldb(db, ['delete', key]);
  ldb(db, ['compact']);
  ldb(db, ['delete', 'records/004']);
  save('compacted-deletions', db);
}
{
  const db = create('column-families', {});
  put(db, records(0, 20));
  ldb(db, ['create_column_family', 'other']);
  ldb(db, ['--column_family=other', 'put', 'records/000', 'of the other']);
  put(db, records(20, 30));
  ldb(db, ['--column_family=other', 'put', 'records/001', 'of the other']);
  save('column-families', db);
}
{
  const db = create('ingested', { disable_auto_compactions: true });
  put(db, records(0, 20));
  const list = records(10, 30, 'ingested ').map(
    ([key, value]) => `${hex(key)} ==> ${hex(value)}\n`,
  );
  const file = join(work, 'extern.sst');
  ldb(db, ['--hex', 'write_extern_sst', file], list.join(''));
  ldb(db, ['ingest_extern_sst', file]);
  ldb(db, ['delete', 'records/011']);
  save('ingested', db);
}
compacted('compression-bzip2', { compression: 'kBZip2Compression' }, 'version');
{
  const db = create('range-deletion-log', { disable_auto_compactions: true });
  put(db, records(0, 20));
  ldb(db, ['deleterange', 'records/003', 'records/005']);
  save('range-deletion-log', db, 'version');
  put(db, records(30, 31));
  save('range-deletion-table', db, 'version');
}
{
  const db = create('blob-files', {});
  put(db, records(0, 20), '--enable_blob_files', '--min_blob_size=100');
  ldb(db, ['compact', '--enable_blob_files', '--min_blob_size=100']);
  save('blob-files', db, 'version');
}
compacted(
  'compression-dictionary',
  {
    compression: 'kZSTD',
    compression_opts:
      '{max_dict_bytes=512;zstd_max_train_bytes=0;level=3;window_bits=-14;strategy=0}',
  },
  'version',
);
{
  const db = create('log-compression', { wal_compression: 'kZSTD' });
  put(db, records(0, 20));
  save('log-compression', db, 'version');
}

rmSync(work, { recursive: true });
