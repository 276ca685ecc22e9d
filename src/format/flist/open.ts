/**
 * A whole package, of whichever generation, as a tree. Pure but for the sqlite engine that is loaded
 * for its generation.
 */
import type { MetadataDatabase } from '../database.ts';
import { openRocksdb } from '../rocksdb/reader.ts';
import type { Inode } from '../tree.ts';
import { type Metadata, parseMetadata } from './metadata.ts';
import { detectGeneration, type Generation, MEMBER } from './package.ts';
import { type ReadTreeOptions, readTree } from './read-tree.ts';
import { openSqlite } from './sqlite.ts';

export interface Flist {
  readonly generation: Generation;
  readonly database: MetadataDatabase;
  /** Settings that go with the flist; historical RocksDB flists have none. */
  readonly metadata: Metadata;
  /** Text of `router.yaml`, when the package has one. */
  readonly router?: Uint8Array;
  /** Reads the records, anew at each call. @throws as `readTree` */
  tree(options?: ReadTreeOptions): Inode;
}

/**
 * Opens the metadata database of an unpacked flist.
 *
 * @param members contents of the package's files by bare name
 * @throws ERR_FLIST_FORMAT when there is no database or it is damaged
 */
export async function readFlist(members: ReadonlyMap<string, Uint8Array>): Promise<Flist> {
  const generation = detectGeneration(members.keys());
  const router = members.get(MEMBER.router);
  const metadata = members.get(MEMBER.metadata);
  const sqlite = members.get(MEMBER.sqlite);
  const opened = generation === 'sqlite' && sqlite ? await openSqlite(sqlite) : undefined;
  const database = opened ?? openRocksdb(members);
  return {
    generation,
    database,
    metadata: opened?.metadata() ?? parseMetadata(metadata ? utf8(metadata) : '{}'),
    ...(router && { router }),
    tree: (options) => readTree(database, options),
  };
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}
