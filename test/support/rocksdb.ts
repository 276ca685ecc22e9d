/** RocksDB databases in tests: files on disk, the dump of `ldb scan --hex`, and RocksDB's own tools. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toHex } from '../../src/base/bytes.ts';
import type { MetadataDatabase } from '../../src/format/database.ts';

/** The golden databases in the source tree, wherever the compiled test runs. */
export function goldenRocksdbDir(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'test', 'golden', 'rocksdb');
}

/** All files of a database directory. */
export function readDatabaseFiles(dir: string): Map<string, Uint8Array> {
  return new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]));
}

export function writeDatabaseFiles(dir: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(dir, name), bytes);
}

/** The records as `ldb scan --hex` of RocksDB prints them, but with one separator for all versions. */
export function dumpRecords(database: MetadataDatabase): string {
  let dump = '';
  for (const [key, value] of database.entries()) dump += dumpLine(key, value);
  return dump;
}

export function dumpLine(key: Uint8Array, value: Uint8Array): string {
  return `0x${toHex(key).toUpperCase()} : 0x${toHex(value).toUpperCase()}\n`;
}

export interface RocksdbTools {
  /** Standard output of `ldb --db=<dir> <args>`. */
  ldb(dir: string, args: readonly string[], input?: string): string;
  /** The records that `ldb` finds, in the form of {@link dumpRecords}. */
  scan(dir: string): string;
  /** Output of `sst_dump --file=<file> <args>`. */
  sstDump(file: string, args: readonly string[]): string;
}

/** RocksDB's tools, `undefined` where they are not installed; with CI=true that is an error. */
export function rocksdbTools(): RocksdbTools | undefined {
  const run = (program: string, args: readonly string[], input = ''): string =>
    execFileSync(program, args, {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 1024 ** 3,
    });
  try {
    run('ldb', ['--version']);
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return undefined;
  }
  const ldb: RocksdbTools['ldb'] = (dir, args, input) =>
    run('ldb', [`--db=${dir}`, ...args], input);
  return {
    ldb,
    scan: (dir) => ldb(dir, ['scan', '--hex']).replaceAll(' ==> ', ' : '),
    sstDump: (file, args) => run('sst_dump', [`--file=${file}`, ...args]),
  };
}
