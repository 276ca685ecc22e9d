/**
 * A whole package, of whichever generation, as a tree. Pure but for the sqlite engine that is loaded
 * for its generation.
 */
import type { MetadataDatabase } from '../database.ts';
import { openRocksdb } from '../rocksdb/reader.ts';
import type { Inode } from '../tree.ts';
import { detectGeneration, type Generation, MEMBER } from './package.ts';
import { type ReadTreeOptions, readTree } from './read-tree.ts';
import { openSqlite } from './sqlite.ts';

export interface Flist {
  readonly generation: Generation;
  readonly database: MetadataDatabase;
  /** Settings that go with the flist; only sqlite flists have them. */
  readonly metadata: Map<string, string>;
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
  const sqlite = members.get(MEMBER.sqlite);
  const opened = generation === 'sqlite' && sqlite ? await openSqlite(sqlite) : undefined;
  const database = opened ?? openRocksdb(members);
  return {
    generation,
    database,
    metadata: opened?.metadata() ?? new Map(),
    ...(router && { router }),
    tree: (options) => readTree(database, options),
  };
}
