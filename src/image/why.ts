/**
 * Why a chunk is in an image, and what a file is made of: from chunk ids to contents to paths and back.
 * Reads the mount index; contents are remembered by number, so memory does not grow with the tree.
 */
import { checkpoint } from '../base/abort.ts';
import { toHex } from '../base/bytes.ts';
import { CODEC, type Codec } from '../base/codec.ts';
import type { ContentSummary } from '../format/index/contents-reader.ts';
import type { IndexInode } from '../format/index/reader.ts';
import type { Image } from './open.ts';

type Source = Pick<Image, 'index' | 'contents'>;

/** Entries or contents between two looks at the signal. */
const CHECK_INTERVAL = 4096;

/** A chunk at its place in a content. */
export interface PlacedChunk {
  readonly offset: number;
  /** Plain bytes. */
  readonly size: number;
  readonly codec: Codec;
  /** Hex; empty for holes and lost chunks. */
  readonly id: string;
  /** 0 when it is not known. */
  readonly storedSize: number;
}

/** Where a chunk is used: a content and the places in it. */
export interface ChunkUse {
  /** Number of the content in its table. */
  readonly content: number;
  readonly digest: Uint8Array;
  readonly chunks: readonly PlacedChunk[];
}

/** The chunks of a content in order. */
export function* placedChunks(
  contents: Source['contents'],
  content: ContentSummary,
): Generator<PlacedChunk> {
  let offset = 0;
  for (const { codec, id, storedSize } of contents.chunksOf(content)) {
    const size = Math.min(content.blockSize, content.size - offset);
    yield { offset, size, codec, id: toHex(id), storedSize };
    offset += size;
  }
}

/**
 * Contents whose digest begins with these hex digits, with all their chunks, and contents that have a chunk
 * whose id does, with those.
 *
 * @throws ERR_FLIST_FORMAT, ERR_ABORTED
 */
export async function* findUses(
  { contents }: Pick<Source, 'contents'>,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<ChunkUse & { readonly by: 'content' | 'chunk' }> {
  let work = 0;
  for (const content of contents.all()) {
    work += 1 + content.chunkCount;
    if (work >= CHECK_INTERVAL) {
      work = 0;
      await checkpoint(signal);
    }
    const { index, digest } = content;
    if (toHex(digest).startsWith(prefix)) {
      const chunks = [...placedChunks(contents, content)];
      yield { by: 'content', content: index, digest, chunks };
    }
    const chunks = [...matching(placedChunks(contents, content), prefix)];
    if (chunks.length > 0) yield { by: 'chunk', content: index, digest, chunks };
  }
}

function* matching(chunks: Iterable<PlacedChunk>, prefix: string): Generator<PlacedChunk> {
  for (const chunk of chunks) if (chunk.id !== '' && chunk.id.startsWith(prefix)) yield chunk;
}

/**
 * Contents that have one of these chunks.
 *
 * @param ids hex
 */
export async function contentsWith(
  { contents }: Pick<Source, 'contents'>,
  ids: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Set<number>> {
  const found = new Set<number>();
  let work = 0;
  for (const content of contents.all()) {
    work += 1 + content.chunkCount;
    if (work >= CHECK_INTERVAL) {
      work = 0;
      await checkpoint(signal);
    }
    for (const { id } of contents.chunksOf(content)) {
      if (id.length > 0 && ids.has(toHex(id))) found.add(content.index);
    }
  }
  return found;
}

export interface ContentPath {
  readonly path: Uint8Array;
  readonly content: number;
  readonly inode: IndexInode;
}

/** Paths of files with one of these contents, in order. */
export async function* pathsOf(
  { index, contents }: Source,
  wanted: { has(content: number): boolean },
  signal?: AbortSignal,
): AsyncGenerator<ContentPath> {
  let count = 0;
  for (const entry of index.walk()) {
    if (++count % CHECK_INTERVAL === 0) await checkpoint(signal);
    if (entry.type !== 'file') continue;
    const content = contents.contentOf(entry.inode.ino);
    if (content !== undefined && wanted.has(content)) {
      yield { path: entry.path(), content, inode: entry.inode };
    }
  }
}

/** Whether a chunk has bytes in a store. */
export function isStored({ codec }: Pick<PlacedChunk, 'codec'>): boolean {
  return codec !== CODEC.hole && codec !== CODEC.lost;
}
