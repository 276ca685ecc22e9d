/** A row of the content table as the cache wants it. */
import type { ContentRef } from '../cache/content.ts';
import type { ContentsReader } from '../format/index/contents-reader.ts';

/** @throws ERR_FLIST_FORMAT */
export function contentRef(contents: ContentsReader, index: number): ContentRef {
  const row = contents.content(index);
  return {
    digest: row.digest,
    size: row.size,
    blockSize: row.blockSize,
    algorithm: row.algorithm,
    chunkCount: row.chunkCount,
    chunk: (block) => contents.chunk(index, block),
  };
}
