/**
 * From a tree whose contents are known to a flist file: mount index, records, router, package. Touches no
 * store. The file appears whole or not at all.
 */

import { throwIfAborted } from '../base/abort.ts';
import { blake2bReady } from '../base/blake2b.ts';
import { formatMetadata, type Metadata } from '../format/flist/metadata.ts';
import { MEMBER, type PackOptions, packFlist } from '../format/flist/package.ts';
import { type WriteRecordsOptions, writeRecords } from '../format/flist/write-records.ts';
import { buildMountIndex, type MountIndexImage } from '../format/index/writer.ts';
import { buildRocksdb } from '../format/rocksdb/writer.ts';
import type { Inode } from '../format/tree.ts';
import type { StreamBinding } from '../native/addon.ts';
import { encodeStream } from './decompress.ts';
import { writeWholeFile } from './output.ts';

/** Metadata is small and read often: packing may take its time. */
const ZSTD_LEVEL = 12;

export interface PackTreeOptions {
  /** Default `gzip`, which every reader knows. */
  readonly compression?: 'gzip' | 'zstd' | 'none' | undefined;
  /** Needed for zstd. */
  readonly streams?: StreamBinding | undefined;
  /** Text of `router.yaml`; without it the package has none. */
  readonly router?: string | undefined;
  /** Settings that go with the flist; the package names them when there are any. */
  readonly metadata?: Metadata | undefined;
  /** Names of owners, for old readers. */
  readonly names?: WriteRecordsOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PackedTree {
  /** Bytes of the file. */
  readonly flistSize: number;
  readonly counts: MountIndexImage['counts'];
  readonly rootDigest: Uint8Array;
}

/**
 * Writes a flist of a tree.
 *
 * @param output file to write; one that is there is replaced
 * @throws ERR_CREATE, ERR_FLIST_FORMAT when the tree breaks a rule of the format, ERR_ABORTED
 */
export async function packTree(
  root: Inode,
  output: string,
  options: PackTreeOptions = {},
): Promise<PackedTree> {
  const { signal } = options;
  await blake2bReady();
  const index = buildMountIndex(root);
  throwIfAborted(signal);
  const members = packageMembers(root, index, options);
  throwIfAborted(signal);
  const pieces = packFlist(members, compressionOf(options));
  const flistSize = await writeWholeFile(output, pieces, signal);
  return { flistSize, counts: index.counts, rootDigest: index.rootDigest() };
}

export function compressionOf({ compression = 'gzip', streams }: PackTreeOptions): PackOptions {
  if (compression !== 'zstd') return { compression };
  if (streams === undefined) throw new TypeError('Packing with zstd needs `streams`');
  return { compression: (tar) => encodeStream('zstd', ZSTD_LEVEL, tar, streams) };
}

export interface Member {
  readonly name: string;
  readonly size: number;
  readonly data: Iterable<Uint8Array>;
}

function packageMembers(
  root: Inode,
  index: MountIndexImage,
  { router, metadata, names }: PackTreeOptions,
): Member[] {
  const members: Member[] = [
    { name: MEMBER.erofs, size: index.erofsSize, data: index.erofs() },
    { name: MEMBER.contents, size: index.contentsSize, data: index.contents() },
    { name: MEMBER.chunks, size: index.chunksSize, data: index.chunks() },
  ];
  if (router !== undefined) members.push(textMember(MEMBER.router, router));
  if (metadata !== undefined && metadata.size > 0) {
    members.push(textMember(MEMBER.metadata, formatMetadata(metadata)));
  }
  for (const [name, bytes] of buildRocksdb(writeRecords(root, names))) {
    members.push({ name, size: bytes.length, data: [bytes] });
  }
  return members;
}

export function textMember(name: string, text: string): Member {
  const bytes = Buffer.from(text);
  return { name, size: bytes.length, data: [bytes] };
}
