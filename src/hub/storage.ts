/** What a hub keeps: catalogue and chunks, opened by their URLs. For the server, and for commands beside it. */
import { join } from 'node:path';
import type { StreamBinding } from '../native/addon.ts';
import { isNetworkBackend, openBackend } from '../store/backend.ts';
import type { DigestFunction } from '../store/chunk-id.ts';
import { DirectoryStore, type DirectoryStoreOptions } from '../store/directory.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { openCatalogue } from './catalogue/open.ts';
import { CHUNK_ACCESS } from './catalogue/records.ts';
import { ChunkCache } from './chunk-cache/chunk-cache.ts';
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
  /** Writes many chunks of a directory in one call. */
  readonly writeChunks?: DirectoryStoreOptions['writeChunks'];
  /** Chunks of a backend on another machine are kept here; default none, and none where chunks are in a folder. */
  readonly chunkCache?: ChunkCacheFolder | undefined;
}

export interface ChunkCacheFolder {
  /** Default `<dataDir>/chunk-cache`. Of this hub alone. */
  readonly path?: string | undefined;
  /** Bytes. */
  readonly sizeMax: number;
}

export interface HubStorage {
  readonly catalogue: Catalogue;
  /** As uploads see it: what it says is there stays. Has all of the backend besides. */
  readonly chunks: GuardedStore;
  /** For what is served: the backend's chunks, kept on this machine's disk. */
  readonly cache: ChunkCache | undefined;
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
  let cache: ChunkCache | undefined;
  try {
    await endDeadRun(catalogue);
    cache = await openCache(backend, catalogue, options);
  } catch (error) {
    await Promise.all([catalogue.close(), backend.close()]);
    throw error;
  }
  const chunks = new GuardedStore(backend, catalogue, cache && ((id) => cache.remove(id)));
  return {
    catalogue,
    chunks,
    cache,
    packages: new PackageStore({ catalogue, chunks, digest }),
    streams,
    tmpDir: join(dataDir, 'tmp'),
    close: async () => {
      await cache?.close();
      await Promise.all([catalogue.close(), chunks.close()]);
    },
  };
}

async function openCache(
  backend: HubChunkStore,
  catalogue: Catalogue,
  options: StorageOptions,
): Promise<ChunkCache | undefined> {
  const { dataDir, chunkCache, digest, readChunks, openCachedChunk, writeChunks } = options;
  if (chunkCache === undefined || backend.openChunk !== undefined) return undefined;
  return await ChunkCache.open(backend, {
    path: chunkCache.path ?? join(dataDir, 'chunk-cache'),
    sizeMax: chunkCache.sizeMax,
    readChunks,
    openCachedChunk,
    writeChunks,
    digest,
    isPublic: async (id) => (await catalogue.get(CHUNK_ACCESS, id)) === undefined,
  });
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
