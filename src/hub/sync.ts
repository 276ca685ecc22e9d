/**
 * Brings what one hub has to another: flists that the other lacks or has in another form, with their chunks, which
 * are verified on the way, the texts beside them, and in the end links and tags. Nothing is deleted there. Users, their
 * tokens, members and owners of repositories, and the audit log stay where they are.
 *
 * A flist appears there when all its chunks are there, so a sync that was interrupted goes on where it was: chunks and
 * flists that are there already are only asked for.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { G8Error } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { fileStream } from '../image/file-stream.ts';
import type { StreamBinding } from '../native/addon.ts';
import { chunkMatches, corruptError, type DigestFunction } from '../store/chunk-id.ts';
import type { HubAdmin } from '../store/hub-admin.ts';
import type { HubChunk } from '../store/hub-chunks.ts';
import type { FlistName, HubClient } from '../store/hub-client.ts';
import type { ChunkId } from '../store/store.ts';
import { TEXT_KINDS } from './catalogue/records.ts';
import { eachPackageChunk } from './collect/package-chunks.ts';
import { type LinkedHub, syncLinks } from './sync-links.ts';

/** A hub by all the ways that a sync needs. */
export interface SyncedHub extends LinkedHub {
  readonly admin: HubAdmin;
}

export interface SyncOptions {
  /** Where packages go on their way. */
  readonly tmpDir: string;
  readonly streams: StreamBinding | undefined;
  readonly digest?: DigestFunction | undefined;
  /** Only flists of this repository. */
  readonly repository?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: SyncResult) => void) | undefined;
}

export interface SyncResult {
  /** Flists looked at, and of them those that were brought. */
  flists: number;
  copied: number;
  /** Chunks brought, and their bytes. */
  chunks: number;
  bytes: number;
  /** Links and tags brought, and the names of those that could not be. */
  links: number;
  left: readonly string[];
}

/** Chunks that are asked for and brought together. */
const BATCH_COUNT = 512;
const READ_SIZE = 1024 * 1024;

/** @throws ERR_CHUNK_MISSING, ERR_CHUNK_CORRUPT when `from` lacks chunks of its flists, and what hubs throw */
export async function syncHubs(
  source: SyncedHub,
  target: SyncedHub,
  options: SyncOptions,
): Promise<SyncResult> {
  const { signal, repository, onProgress } = options;
  const [from, to] = [source.client, target.client];
  const result: SyncResult = { flists: 0, copied: 0, chunks: 0, bytes: 0, links: 0, left: [] };
  await makeFolder(options.tmpDir);
  const folder = await mkdtemp(join(options.tmpDir, 'sync-'));
  try {
    await keepPrivate(source, target, options);
    for await (const flist of from.listFlists({ signal })) {
      throwIfAborted(signal);
      if (repository !== undefined && flist.repository !== repository) continue;
      result.flists++;
      onProgress?.(result);
      if (await syncFlist(from, to, flist, { ...options, folder, result })) result.copied++;
      await syncTexts(from, to, flist, signal);
    }
    Object.assign(result, await syncLinks(source, target, options));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  onProgress?.(result);
  return result;
}

/**
 * Makes the private repositories that are not there yet: an upload would make them public.
 *
 * @throws ERR_PERMISSION when one may not be made, or is public there
 */
async function keepPrivate(
  from: SyncedHub,
  to: SyncedHub,
  { repository, signal }: SyncOptions,
): Promise<void> {
  const there = new Map<string, string>();
  for await (const { name, visibility } of to.admin.listRepositories({ signal })) {
    there.set(name, visibility);
  }
  for await (const { name, visibility } of from.admin.listRepositories({ signal })) {
    if (visibility === 'public' || (repository !== undefined && name !== repository)) continue;
    if (there.get(name) === 'public') {
      const message = `Repository ${name} is private at ${from.client.name} and public at ${to.client.name}`;
      throw new G8Error('ERR_PERMISSION', message);
    }
    if (!there.has(name)) await to.admin.createRepository({ name, visibility }, { signal });
  }
}

/** @returns whether it was not there */
async function syncFlist(
  from: HubClient,
  to: HubClient,
  flist: FlistName,
  options: SyncOptions & { readonly folder: string; readonly result: SyncResult },
): Promise<boolean> {
  const { signal } = options;
  const md5 = await from.flistMd5(flist, { signal });
  // Deleted since it was listed, or there already.
  if (md5 === undefined || md5 === (await to.flistMd5(flist, { signal }))) return false;
  const destination = join(options.folder, 'package.flist');
  await from.downloadFlist(flist, { destination, signal });
  let batch = new Set<ChunkId>();
  const flush = async () => {
    await copyChunks(from, to, [...batch], options);
    batch = new Set();
  };
  const bytes = fileStream(destination, { highWaterMark: READ_SIZE, signal });
  await eachPackageChunk(bytes, options.streams, async ({ id }) => {
    batch.add(id);
    if (batch.size === BATCH_COUNT) await flush();
  });
  await flush();
  await to.uploadFlist({ ...flist, source: destination }, { signal });
  await rm(destination, { force: true });
  return true;
}

async function copyChunks(
  from: HubClient,
  to: HubClient,
  ids: readonly ChunkId[],
  { signal, digest, result, onProgress }: SyncOptions & { readonly result: SyncResult },
): Promise<void> {
  if (ids.length === 0) return;
  const missing = await to.chunks.missing(ids, { signal });
  async function* chunks(): AsyncGenerator<HubChunk, void, void> {
    for await (const got of from.chunks.getMany(missing, { signal })) {
      if ('error' in got) throw got.error;
      if (!(await chunkMatches(got.id, got.bytes, digest))) {
        throw corruptError(got.id, from.name, 'does not match its digest');
      }
      result.bytes += got.bytes.length;
      yield got;
    }
  }
  for await (const sent of to.uploadChunks(chunks(), { signal })) {
    if ('error' in sent) throw sent.error;
    result.chunks++;
    onProgress?.(result);
  }
}

async function syncTexts(
  from: HubClient,
  to: HubClient,
  flist: FlistName,
  signal: AbortSignal,
): Promise<void> {
  for (const kind of TEXT_KINDS) {
    const text = await from.flistText(flist, kind, { signal });
    if (text === undefined || text === (await to.flistText(flist, kind, { signal }))) continue;
    if (kind === 'sig') await to.uploadSignature(flist, text, { signal });
    else await to.uploadProfile(flist, text, { signal });
  }
}
