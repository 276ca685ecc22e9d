/** Which chunks a package's files consist of. */
import { blake2bReady } from '../../base/blake2b.ts';
import { toHex } from '../../base/bytes.ts';
import { G8Error } from '../../base/errors.ts';
import { readFlist } from '../../format/flist/open.ts';
import { MEMBER, unpackFlist } from '../../format/flist/package.ts';
import type { Inode } from '../../format/tree.ts';
import { decodeStream } from '../../image/decompress.ts';
import type { StreamBinding } from '../../native/addon.ts';
import { isChunkId } from '../../store/chunk-id.ts';
import type { ChunkId } from '../../store/store.ts';

export interface PackageChunk {
  readonly id: ChunkId;
  /** Bytes in the store, 0 when the flist does not say. */
  readonly size: number;
}

// The table of chunks (docs/format.md, section 6).
const HEADER_SIZE = 64;
const ROW_SIZE = 40;
const SIZE_OFFSET = 32;
const LENGTH_OFFSET = 37;
/** Of a historical package's members, which have no table and are read as a whole. */
const RECORDS_SIZE_MAX = 1024 ** 3;

/**
 * Calls `onChunk` for each chunk; many times for one that is in many files.
 *
 * A package of ours has a table of them, which is read as it streams by; of a historical one the tree is read.
 *
 * @param streams decoders for packages of zstd, which are refused without
 * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION, and what the source throws
 */
export async function eachPackageChunk(
  source: AsyncIterable<Uint8Array>,
  streams: StreamBinding | undefined,
  onChunk: (chunk: PackageChunk) => Promise<void>,
): Promise<void> {
  const members = new Map<string, Uint8Array>();
  let size = 0;
  let hasTable = false;
  await unpackFlist(
    source,
    async (name, memberSize, body) => {
      if (name === MEMBER.erofs || name === MEMBER.contents) return undefined;
      if (name === MEMBER.chunks) {
        hasTable = true;
        await readTable(body, onChunk);
        return 'stop';
      }
      size += memberSize;
      if (size > RECORDS_SIZE_MAX) {
        throw new G8Error('ERR_FLIST_FORMAT', 'The records of the flist are too large');
      }
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(Uint8Array.from(piece));
      members.set(name, Buffer.concat(pieces));
      return undefined;
    },
    streams && { zstdDecompress: (packed) => decodeStream('zstd-decode', packed, streams) },
  );
  if (hasTable) return;
  await blake2bReady();
  const { tree } = await readFlist(members);
  for (const { content } of inodesOf(tree())) {
    for (const { id, storedSize } of content?.chunks ?? []) {
      if (id.length > 0) await onChunk({ id: toHex(id), size: storedSize });
    }
  }
}

async function readTable(
  body: AsyncIterable<Uint8Array>,
  onChunk: (chunk: PackageChunk) => Promise<void>,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  let skip = HEADER_SIZE;
  for await (const piece of body) {
    rest = Buffer.concat([rest, piece]);
    let at = Math.min(skip, rest.length);
    skip -= at;
    for (; skip === 0 && at + ROW_SIZE <= rest.length; at += ROW_SIZE) {
      const length = rest[at + LENGTH_OFFSET] as number;
      const id = rest.toString('hex', at, at + length);
      // Holes and lost chunks have no id.
      if (length > 0 && isChunkId(id)) {
        await onChunk({ id, size: rest.readUInt32LE(at + SIZE_OFFSET) });
      }
    }
    rest = rest.subarray(at);
  }
  if (skip > 0 || rest.length > 0) {
    throw new G8Error('ERR_FLIST_FORMAT', 'The table of chunks is cut off');
  }
}

function* inodesOf(root: Inode): Generator<Inode> {
  const waiting = [root];
  for (let inode = waiting.pop(); inode !== undefined; inode = waiting.pop()) {
    yield inode;
    for (const entry of inode.entries ?? []) waiting.push(entry.inode);
  }
}
