/** What the catalogue refers to: packages by entries, chunks by packages. */
import { throwIfAborted } from '../../base/abort.ts';
import { G8Error, isG8Error } from '../../base/errors.ts';
import type { StreamBinding } from '../../native/addon.ts';
import { PIECE_SIZE } from '../../store/hub-protocol.ts';
import type { ChunkId } from '../../store/store.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { PACKAGE, type PackageRecord } from '../catalogue/records.ts';
import type { PackageStore } from '../package-store.ts';
import { eachPackageChunk } from './package-chunks.ts';

/** What runs over the chunks of a hub are given. */
export interface Collected {
  readonly catalogue: Catalogue;
  readonly packages: PackageStore;
  readonly streams: StreamBinding | undefined;
}

export interface References {
  readonly packages: number;
  /** Digests of packages that are no flists: they keep nothing but their own pieces. */
  readonly unreadable: readonly string[];
}

/** The first of the unreadable ones are named; a hub may have any number. */
const UNREADABLE_MAX = 100;

/**
 * Calls `onChunk` for every chunk that a package needs: its pieces, and those of its files.
 *
 * @param options.skip digests of packages that do not count
 * @param options.onUnknown told of packages of which it cannot be known what they refer to; default: that is thrown
 * @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT, ERR_FLIST_VERSION when it cannot be known what a package
 *   refers to; what the backend throws
 */
export async function eachReference(
  hub: Collected,
  options: {
    readonly signal: AbortSignal;
    readonly skip?: ReadonlySet<string>;
    readonly onUnknown?: (digest: string, error: G8Error) => void;
  },
  onChunk: (id: ChunkId, size: number, digest: string) => Promise<void>,
): Promise<References> {
  const unreadable: string[] = [];
  let packages = 0;
  for await (const { parts, value } of hub.catalogue.list(PACKAGE)) {
    throwIfAborted(options.signal);
    const digest = parts[0] as string;
    if (options.skip?.has(digest)) continue;
    packages++;
    for (const [i, piece] of value.pieces.entries()) {
      const size = Math.min(PIECE_SIZE, value.size - i * PIECE_SIZE);
      await onChunk(piece, size, digest);
    }
    try {
      await eachChunkOf(hub, value, (id, size) => onChunk(id, size, digest));
    } catch (error) {
      if (isG8Error(error, 'ERR_FLIST_FORMAT')) {
        if (unreadable.length < UNREADABLE_MAX) unreadable.push(digest);
      } else if (isG8Error(error) && !error.retryable && options.onUnknown !== undefined) {
        options.onUnknown(digest, error);
      } else {
        throw unknownReferences(error, digest);
      }
    }
  }
  return { packages, unreadable };
}

async function eachChunkOf(
  hub: Collected,
  record: PackageRecord,
  onChunk: (id: ChunkId, size: number) => Promise<void>,
): Promise<void> {
  const source = hub.packages.read(record);
  try {
    await eachPackageChunk(source, hub.streams, ({ id, size }) => onChunk(id, size));
  } finally {
    source.destroy();
  }
}

function unknownReferences(error: unknown, digest: string): unknown {
  if (!isG8Error(error)) return error;
  return new G8Error(error.code, `Package ${digest} cannot be read: ${error.message}`, {
    cause: error,
    details: { ...error.details, package: digest },
  });
}
