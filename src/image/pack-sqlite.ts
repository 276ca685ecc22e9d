/**
 * From a tree to a flist of the sqlite generation, as zflist writes it. Contents must have its chunks
 * already. The file appears whole or not at all.
 */
import { throwIfAborted } from '../base/abort.ts';
import { blake2bReady } from '../base/blake2b.ts';
import { MEMBER, packFlist } from '../format/flist/package.ts';
import { buildSqlite } from '../format/flist/sqlite-writer.ts';
import { writeSqliteRecords } from '../format/flist/write-sqlite-records.ts';
import type { Inode } from '../format/tree.ts';
import { writeWholeFile } from './output.ts';
import { compressionOf, type Member, type PackTreeOptions, textMember } from './pack.ts';

/**
 * @param output file to write; one that is there is replaced
 * @returns its size in bytes
 * @throws ERR_CREATE, also when the tree has more than zflist can hold; ERR_ABORTED
 */
export async function packSqlite(
  root: Inode,
  output: string,
  options: PackTreeOptions = {},
): Promise<number> {
  const { router, metadata = new Map(), names, signal } = options;
  await blake2bReady();
  const database = await buildSqlite(writeSqliteRecords(root, names), metadata);
  throwIfAborted(signal);
  const members: Member[] = [{ name: MEMBER.sqlite, size: database.length, data: [database] }];
  if (router !== undefined) members.push(textMember(MEMBER.router, router));
  return await writeWholeFile(output, packFlist(members, compressionOf(options)), signal);
}
