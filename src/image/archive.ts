/** A tree as a tar archive whose contents come from a store, verified. Each call is on its own. */
import { archivedContents, type WriteTreeOptions, writeTree } from '../format/tar/writer.ts';
import type { Inode } from '../format/tree.ts';
import type { ReadOptions } from './read.ts';
import { ContentSequence } from './read-ahead.ts';

export type ArchiveOptions = ReadOptions & Omit<WriteTreeOptions, 'read'>;

/**
 * The archive, uncompressed.
 *
 * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT; what the store throws; ERR_ABORTED
 */
export async function* archiveTree(
  root: Inode,
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array> {
  const { store, codec, signal, ...writing } = options;
  const contents = new ContentSequence(archivedContents(root), { store, codec, signal });
  try {
    yield* writeTree(root, { ...writing, read: (content) => contents.read(content) });
  } finally {
    await contents.close();
  }
}
