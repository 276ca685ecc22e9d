/** What publishing opens: the chunks that a package refers to, for whoever may read where it is published. */
import { isG8Error } from '../base/errors.ts';
import type { ChunkId } from '../store/store.ts';
import { grantChunks } from './access/chunk-access.ts';
import type { Identity } from './access/identity.ts';
import { listEntries } from './catalogue/entries.ts';
import type { PackageRecord } from './catalogue/records.ts';
import { findRepository } from './catalogue/repositories.ts';
import { eachPackageChunk } from './collect/package-chunks.ts';
import { Problem } from './problem.ts';
import type { HubContext } from './route.ts';

const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Gives the chunks of a saved package, of those that `identity` may read, to the readers of a repository. Comes
 * before its entry, so that nobody finds a flist whose chunks are withheld.
 *
 * @throws Problem 501 when this hub cannot read the package, what the backend throws
 */
export async function grantPackage(
  context: HubContext,
  identity: Identity,
  digest: string,
  repository: string,
): Promise<void> {
  // What comes without a name is public from the start.
  if (identity.user === undefined) return;
  const { catalogue, packages } = context;
  const saved = await packages.find(digest);
  if (saved === undefined) return;
  const record = await findRepository(catalogue, repository);
  const isPublic = record?.visibility !== 'private';
  const ids = await referencesOf(context, saved);
  await grantChunks(catalogue, identity, ids, { repository, isPublic });
}

/** {@link grantPackage} of all flists of a repository that has become public. */
export async function grantRepository(
  context: HubContext,
  identity: Identity,
  repository: string,
): Promise<void> {
  const digests = new Set<string>();
  for await (const { value } of listEntries(context.catalogue, repository)) {
    if (value.kind === 'flist') digests.add(value.digest);
  }
  for (const digest of digests) await grantPackage(context, identity, digest, repository);
}

/** Its pieces, and the chunks of its files; what is no readable flist has only pieces. */
async function referencesOf(
  { packages, addon }: HubContext,
  saved: PackageRecord,
): Promise<Set<ChunkId>> {
  const ids = new Set<ChunkId>(saved.pieces);
  if (addon === undefined) {
    const head: Uint8Array[] = [];
    for await (const bytes of packages.read(saved, 0, ZSTD_MAGIC.length)) head.push(bytes);
    if (Buffer.concat(head).equals(ZSTD_MAGIC)) {
      throw new Problem(501, 'This hub has no native addon, which flists packed by zstd need');
    }
  }
  const source = packages.read(saved);
  try {
    await eachPackageChunk(source, addon, async ({ id }) => {
      ids.add(id);
    });
  } catch (error) {
    const isUnreadable =
      isG8Error(error, 'ERR_FLIST_FORMAT') || isG8Error(error, 'ERR_FLIST_VERSION');
    if (!isUnreadable) throw error;
  } finally {
    source.destroy();
  }
  return ids;
}
