/** What a hub keeps: catalogue and chunks, opened by their URLs. For the server, and for commands beside it. */
import { join } from 'node:path';
import type { StreamBinding } from '../native/addon.ts';
import { isNetworkBackend, openBackend } from '../store/backend.ts';
import type { DigestFunction } from '../store/chunk-id.ts';
import { DirectoryStore, type DirectoryStoreOptions } from '../store/directory.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { openCatalogue } from './catalogue/open.ts';
import { GuardedStore } from './collect/guarded-store.ts';
import { endDeadRun } from './collect/run.ts';
import { PackageStore } from './package-store.ts';
import type { HubChunkStore } from './route.ts';

export interface StorageOptions {
  /** Holds `chunks/` and `catalogue/` unless they are elsewhere. */
  readonly dataDir: string;
  /** URL of the catalogue, default `level:<dataDir>/catalogue`. */
  readonly catalogue?: string | undefined;
  /** Where chunks are kept, or its URL (`store/backend.ts`); default the folder `<dataDir>/chunks`. */
  readonly chunks?: HubChunkStore | string | undefined;
  /** Flush chunks and commits to the device, where that is this process's affair. Default true. */
  readonly fsync?: boolean | undefined;
  readonly digest?: DigestFunction | undefined;
  /** Decoders for packages of zstd; without them no garbage is collected while there are such. */
  readonly streams?: StreamBinding | undefined;
  /** Reads many chunks of a directory in one call. */
  readonly readChunks?: DirectoryStoreOptions['readChunks'];
  /** Opens a chunk of a directory that is in memory. */
  readonly openCachedChunk?: DirectoryStoreOptions['openCachedChunk'];
}

export interface HubStorage {
  readonly catalogue: Catalogue;
  /** As uploads see it: what it says is there stays. Has all of the backend besides. */
  readonly chunks: GuardedStore;
  readonly packages: PackageStore;
  readonly streams: StreamBinding | undefined;
  /** For temporary files; made when it is needed. */
  readonly tmpDir: string;
  close(): Promise<void>;
}

// No upload takes this long; what is older was left by a hub that was killed.
const TEMPORARY_AGE_MS = 24 * 3_600_000;

/** @throws ERR_CONFIG, and as `openCatalogue`; ERR_CACHE_LOCKED while another process has the catalogue */
export async function openStorage(options: StorageOptions): Promise<HubStorage> {
  const { dataDir, digest, fsync = true, streams } = options;
  const { readChunks, openCachedChunk } = options;
  const directory = { create: true, fsync, readChunks, openCachedChunk };
  const backend = await openChunks(options.chunks ?? join(dataDir, 'chunks'), directory);
  const url = options.catalogue ?? `level:${join(dataDir, 'catalogue')}`;
  const catalogue = await openCatalogue(url, { fsync }).catch(async (error: unknown) => {
    await backend.close();
    throw error;
  });
  await endDeadRun(catalogue);
  const chunks = new GuardedStore(backend, catalogue);
  return {
    catalogue,
    chunks,
    packages: new PackageStore({ catalogue, chunks, digest }),
    streams,
    tmpDir: join(dataDir, 'tmp'),
    close: async () => {
      await Promise.all([catalogue.close(), chunks.close()]);
    },
  };
}

async function openChunks(
  chunks: HubChunkStore | string,
  directory: Omit<DirectoryStoreOptions, 'path'>,
): Promise<HubChunkStore> {
  if (typeof chunks !== 'string') return chunks;
  const store = openBackend(chunks, { directory });
  if (!isNetworkBackend(chunks) && store instanceof DirectoryStore) {
    await store.sweep(TEMPORARY_AGE_MS);
  }
  return store;
}
