/** Verifies, decodes and writes one block into a partial file; asks for room once when there is none. */
import type { FileHandle } from 'node:fs/promises';
import { toG8Error } from '../base/errors.ts';
import type { Chunk } from '../format/content.ts';
import type { PartialContent } from './content.ts';
import { clearBlock } from './copy.ts';
import type { Evictor } from './evict.ts';
import type { CacheParts } from './parts.ts';

export interface BlockTarget {
  readonly content: PartialContent;
  /** Its partial file. */
  readonly file: FileHandle;
  readonly block: number;
  readonly chunk: Chunk;
}

/** @throws ERR_CHUNK_CORRUPT with nothing written; ERR_CACHE_FULL, ERR_IO */
export async function writeBlock(
  { addon }: Pick<CacheParts, 'addon'>,
  evictor: Evictor,
  { content, file, block, chunk }: BlockTarget,
  stored: Uint8Array,
): Promise<void> {
  if (content.isPresent(block)) return;
  if (content.reused) await clearBlock(content, file, block);
  const request = {
    fd: file.fd,
    offset: content.offset(block),
    stored,
    codec: chunk.codec,
    id: chunk.id,
    plainDigest: content.plainDigest(block),
    plainSize: content.plainSize(block),
  };
  try {
    await addon.decodeToFile(request);
  } catch (error) {
    const failure = toG8Error(error, 'ERR_IO', `Cannot write block ${block} of ${content.key}`);
    if (failure.code !== 'ERR_CACHE_FULL') throw failure;
    if ((await evictor.makeRoom(request.plainSize)) === 0) throw failure;
    await addon.decodeToFile(request);
  }
}
