/**
 * A whole flist in memory, as a tree of values: for commands that change it or write it in another form.
 * To look into one, `open.ts` reads less.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blake2bReady } from '../base/blake2b.ts';
import { G8Error, toG8Error } from '../base/errors.ts';
import type { Loss, Unread } from '../format/flist/losses.ts';
import type { Metadata } from '../format/flist/metadata.ts';
import { readFlist } from '../format/flist/open.ts';
import { ownerNames } from '../format/flist/owner-names.ts';
import { collectFlist, type Generation } from '../format/flist/package.ts';
import type { WriteRecordsOptions } from '../format/flist/write-records.ts';
import type { Inode } from '../format/tree.ts';
import type { StreamBinding } from '../native/addon.ts';
import { decodeStream } from './decompress.ts';
import { fetchPackage } from './fetch.ts';
import { fileStream } from './file-stream.ts';
import { namedError } from './named-error.ts';

const READ_SIZE = 1024 * 1024;

export interface LoadFlistOptions {
  readonly codec: StreamBinding;
  /** Where a download goes meanwhile; default the system's temporary folder. */
  readonly tmpDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoadedFlist {
  /** As it was named. */
  readonly source: string;
  readonly generation: Generation;
  readonly root: Inode;
  readonly metadata: Metadata;
  /** Text of `router.yaml`, when the package has one. */
  readonly router: string | undefined;
  /** Names that a historical flist gives to owners, for writing it back. */
  readonly names?: WriteRecordsOptions | undefined;
  /** What its records say and the tree does not. */
  readonly unread: readonly Loss[];
}

/**
 * @param source path of a flist, or its http(s) URL
 * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT, ERR_FLIST_VERSION, ERR_IO; ERR_STORE_UNAVAILABLE and its kin
 *   for a URL
 */
export async function loadFlist(source: string, options: LoadFlistOptions): Promise<LoadedFlist> {
  const { codec, tmpDir = tmpdir(), signal } = options;
  const dir = await mkdtemp(join(tmpDir, 'g8ufs-')).catch((error: unknown) => {
    throw toG8Error(error, 'ERR_CREATE', `No temporary folder can be made in ${tmpDir}`);
  });
  try {
    const path = await fetchPackage(source, dir, signal);
    const members = await collectFile(path, source, codec, signal);
    await blake2bReady();
    const { generation, database, metadata, router, tree } = await readFlist(members);
    const unread = new Map<Unread, number>();
    const onUnread = (what: Unread) => unread.set(what, (unread.get(what) ?? 0) + 1);
    return {
      source,
      generation,
      root: tree({ onUnread }),
      unread: [...unread].map(([what, count]) => ({ what, count })),
      metadata,
      router: router === undefined ? undefined : Buffer.from(router).toString(),
      ...(generation !== 'ours' && { names: ownerNames(database, generation) }),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function collectFile(
  path: string,
  source: string,
  streams: StreamBinding,
  signal: AbortSignal | undefined,
): Promise<Map<string, Uint8Array>> {
  try {
    if (!(await stat(path)).isFile()) {
      throw new G8Error('ERR_NO_INPUT', `${source} is not a flist file`);
    }
    const bytes = fileStream(path, { highWaterMark: READ_SIZE, signal });
    return await collectFlist(bytes, {
      zstdDecompress: (packed) => decodeStream('zstd-decode', packed, streams),
    });
  } catch (error) {
    throw namedError(error, source);
  }
}
