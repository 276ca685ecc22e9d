/**
 * Checks the chunks of a tree: that stores have them, or that they are what the flist says, by fetching and
 * decoding each one once. Several at a time; holds no more than those.
 */
import { linkSignals } from '../../base/abort.ts';
import { toHex } from '../../base/bytes.ts';
import { CODEC } from '../../base/codec.ts';
import { isG8Error } from '../../base/errors.ts';
import { forEachParallel } from '../../base/workers.ts';
import type { Chunk } from '../../format/content.ts';
import { chunkCountOf } from '../../format/index/content-digest.ts';
import type { Inode } from '../../format/tree.ts';
import type { CodecBinding } from '../../native/addon.ts';
import type { ChunkStore } from '../../store/store.ts';
import { readChunk } from '../read.ts';
import type { Findings } from './findings.ts';

/** Ids in one question, as many as an upload asks at once. */
const BATCH_COUNT = 256;
/** Below 64 MiB of the largest chunks. */
const CHUNKS_MAX = 16;

export interface UsedChunk {
  readonly id: string;
  readonly chunk: Chunk;
  readonly plainSize: number;
  /** A file that has it. */
  readonly path: Uint8Array;
}

export interface UsedChunks {
  /** Each once, in the order of the tree. */
  readonly chunks: readonly UsedChunk[];
  readonly plainBytes: number;
}

/** All chunks of a tree. Those that a broken flist does not name become findings. */
export function usedChunks(root: Inode, findings: Findings): UsedChunks {
  const chunks = new Map<string, UsedChunk>();
  let plainBytes = 0;
  const seen = new Set<Inode['content']>();
  for (const [path, { content }] of filesOf(root)) {
    if (content === undefined || seen.has(content)) continue;
    seen.add(content);
    for (let i = 0; i < chunkCountOf(content); i++) {
      const chunk = content.chunks[i];
      if (chunk?.codec === CODEC.hole) continue;
      if (chunk === undefined || chunk.id.length === 0) {
        findings.add({
          kind: 'chunk',
          path,
          message: `Chunk ${i} is lost: the flist does not name it`,
        });
        continue;
      }
      const plainSize = Math.min(content.blockSize, content.size - i * content.blockSize);
      // One id with two digests is two claims, of which one is wrong.
      const key = `${toHex(chunk.id)} ${toHex(chunk.plainDigest)} ${chunk.codec} ${plainSize}`;
      if (chunks.has(key)) continue;
      chunks.set(key, { id: toHex(chunk.id), chunk, plainSize, path });
      plainBytes += plainSize;
    }
  }
  return { chunks: [...chunks.values()], plainBytes };
}

function* filesOf(root: Inode): Generator<[path: Uint8Array, inode: Inode]> {
  const slash = Buffer.from('/');
  const stack: [Uint8Array, Inode][] = [[new Uint8Array(0), root]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [path, inode] = top;
    if (inode.content !== undefined) yield [path, inode];
    for (const entry of (inode.entries ?? []).toReversed()) {
      stack.push([Buffer.concat([path, slash, entry.name]), entry.inode]);
    }
  }
}

/**
 * Which of the ids the store does not have.
 *
 * @throws what the store throws: one that cannot be asked has not answered
 */
export async function missingIds(
  ids: readonly string[],
  store: ChunkStore,
  signal: AbortSignal | undefined,
  onAsked: (count: number) => void = () => {},
): Promise<Set<string>> {
  const missing = new Set<string>();
  for (let at = 0; at < ids.length; at += BATCH_COUNT) {
    const batch = ids.slice(at, at + BATCH_COUNT);
    for (const id of await store.missing(batch, signal && { signal })) missing.add(id);
    onAsked(batch.length);
  }
  return missing;
}

/** Adds a finding for each chunk that is in no store. */
export function reportMissing(
  { chunks }: UsedChunks,
  missing: ReadonlySet<string>,
  findings: Findings,
): void {
  for (const { id, path } of chunks) {
    if (!missing.has(id)) continue;
    findings.add({ kind: 'chunk', chunk: id, path, message: `Chunk ${id} is in no store` });
  }
}

/** Fetches and decodes every chunk. @throws what the store throws, but for missing and corrupt chunks */
export async function verifyData(
  { chunks }: UsedChunks,
  findings: Findings,
  options: {
    readonly store: ChunkStore;
    readonly codec: CodecBinding;
    readonly signal?: AbortSignal | undefined;
    readonly onChunk?: (plainSize: number) => void;
  },
): Promise<void> {
  const { store, codec, onChunk } = options;
  // Many calls listen at the same time; this signal is made for that.
  const { signal, unlink } = linkSignals(options.signal);
  const work = { concurrency: CHUNKS_MAX, signal };
  const check = async ({ id, chunk, plainSize, path }: UsedChunk): Promise<void> => {
    try {
      await readChunk(chunk, plainSize, { store, codec }, signal);
    } catch (error) {
      if (!isG8Error(error, 'ERR_CHUNK_MISSING') && !isG8Error(error, 'ERR_CHUNK_CORRUPT')) {
        throw error;
      }
      findings.add({ kind: 'chunk', chunk: id, path, message: error.message });
    }
    onChunk?.(plainSize);
  };
  try {
    await forEachParallel(chunks, work, check);
  } finally {
    unlink();
  }
}
