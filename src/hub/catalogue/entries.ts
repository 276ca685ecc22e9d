/**
 * What a repository shows: flists, links to them, links to tags. Names are valid already (`names.ts`).
 *
 * A `file` is a name as it is shown: `<name>.flist` for flists and links, `<name>` alone for links to tags.
 */
import type { Catalogue, Found, ListOptions, Transaction } from './catalogue.ts';
import {
  ENTRY,
  type Entry,
  type FlistRecord,
  PACKAGE,
  type PackageRecord,
  TAG,
  TEXT,
  TEXT_KINDS,
} from './records.ts';
import { ensureRepository } from './repositories.ts';

/** Where a flist is after all links to it were followed. */
export interface ResolvedFlist {
  readonly repository: string;
  readonly file: string;
  readonly flist: FlistRecord;
  /** Repositories that the links led through, from the first to the last: a reader needs all. */
  readonly through: readonly string[];
}

/** Links behind links; more are a circle, or as good as one. */
const LINK_COUNT_MAX = 8;

export async function findEntry(
  catalogue: Catalogue,
  repository: string,
  file: string,
): Promise<Entry | undefined> {
  return await catalogue.get(ENTRY, repository, file);
}

/** Entries of one repository, sorted by file; key parts are repository and file. */
export function listEntries(
  catalogue: Catalogue,
  repository: string,
  options: { after?: string | undefined; limit?: number | undefined } = {},
): AsyncIterable<Found<Entry>> {
  const { after, limit } = options;
  return catalogue.list(ENTRY, [repository], {
    limit,
    after: after === undefined ? undefined : [repository, after],
  });
}

/** Entries of all repositories, sorted by repository and file, behind `after: [repository, file]`. */
export function listAllEntries(
  catalogue: Catalogue,
  options: ListOptions = {},
): AsyncIterable<Found<Entry>> {
  return catalogue.list(ENTRY, [], options);
}

/**
 * The flist that a file is or links to.
 *
 * @returns `undefined` when there is none: no such file, a link to nowhere or in a circle, a link to a tag
 */
export async function resolveFlist(
  catalogue: Catalogue,
  repository: string,
  file: string,
): Promise<ResolvedFlist | undefined> {
  const through: string[] = [];
  let place = { repository, file };
  for (let count = 0; count <= LINK_COUNT_MAX; count++) {
    if (!through.includes(place.repository)) through.push(place.repository);
    const entry = await findEntry(catalogue, place.repository, place.file);
    if (entry?.kind === 'flist') return { ...place, flist: entry, through };
    if (entry?.kind !== 'link') return undefined;
    place = entry.target;
  }
  return undefined;
}

/** {@link resolveFlist} of a file in a tag. */
export async function resolveTagged(
  catalogue: Catalogue,
  repository: string,
  tag: string,
  file: string,
): Promise<ResolvedFlist | undefined> {
  const link = await catalogue.get(TAG, repository, tag, file);
  if (link === undefined) return undefined;
  const found = await resolveFlist(catalogue, link.target.repository, link.target.file);
  return found && { ...found, through: [...new Set([repository, ...found.through])] };
}

export interface NewFlist {
  readonly repository: string;
  readonly file: string;
  /** BLAKE2b-256 of a package that is saved (`PackageStore.save`). */
  readonly digest: string;
  readonly uploader: string | undefined;
  /** Unix milliseconds, default now. */
  readonly updated?: number;
}

/**
 * Shows a saved package under a name, in place of whatever flist or link was there; makes the repository when
 * it is the first. Signatures of another flist go, other texts stay.
 *
 * @returns whether the name is new; `undefined` when the package is not there (any more)
 */
export async function putFlist(
  catalogue: Catalogue,
  flist: NewFlist,
): Promise<{ created: boolean } | undefined> {
  return await catalogue.transaction((transaction) => putFlistIn(transaction, flist));
}

/** {@link putFlist} as a part of a transaction. */
export async function putFlistIn(
  transaction: Transaction,
  { repository, file, digest, uploader, updated = Date.now() }: NewFlist,
): Promise<{ created: boolean } | undefined> {
  // Read here so that the commit fails when the package is collected meanwhile.
  const saved = await touchPackage(transaction, digest);
  if (saved === undefined) return undefined;
  await ensureRepository(transaction, repository, uploader);
  const present = await transaction.get(ENTRY, repository, file);
  if (present?.kind !== 'flist' || present.digest !== digest) {
    const signature = [repository, file, 'sig'] as const;
    if ((await transaction.get(TEXT, ...signature)) !== undefined) {
      transaction.delete(TEXT, signature);
    }
  }
  const { md5, size } = saved;
  transaction.put(ENTRY, [repository, file], {
    kind: 'flist',
    digest,
    md5,
    size,
    updated,
    ...(uploader !== undefined && { uploader }),
  });
  return { created: present === undefined };
}

/**
 * A package to which an entry is about to refer. Its record is written anew, so that a collector that has read it and
 * has looked for entries meanwhile cannot delete it any more.
 */
async function touchPackage(
  transaction: Transaction,
  digest: string,
): Promise<PackageRecord | undefined> {
  const record = await transaction.get(PACKAGE, digest);
  if (record !== undefined) transaction.put(PACKAGE, [digest], { ...record, saved: Date.now() });
  return record;
}

/** Takes an entry away, and what lies beside it. @returns what it was */
export async function deleteEntry(
  catalogue: Catalogue,
  repository: string,
  file: string,
): Promise<Entry | undefined> {
  return await catalogue.transaction((transaction) => deleteEntryIn(transaction, repository, file));
}

/** {@link deleteEntry} as a part of a transaction. */
export async function deleteEntryIn(
  transaction: Transaction,
  repository: string,
  file: string,
): Promise<Entry | undefined> {
  const entry = await transaction.get(ENTRY, repository, file);
  if (entry === undefined) return undefined;
  transaction.delete(ENTRY, [repository, file]);
  for (const kind of TEXT_KINDS) transaction.delete(TEXT, [repository, file, kind]);
  return entry;
}

/**
 * Gives an entry another name in its repository, in place of what had it; what lies beside it moves along.
 *
 * @returns false when there is no such entry
 */
export async function renameEntry(
  catalogue: Catalogue,
  repository: string,
  from: string,
  to: string,
): Promise<boolean> {
  return await catalogue.transaction(async (transaction) => {
    const entry = await transaction.get(ENTRY, repository, from);
    if (entry === undefined) return false;
    if (from === to) return true;
    if (entry.kind === 'flist') await touchPackage(transaction, entry.digest);
    transaction.put(ENTRY, [repository, to], entry);
    transaction.delete(ENTRY, [repository, from]);
    for (const kind of TEXT_KINDS) {
      const text = await transaction.get(TEXT, repository, from, kind);
      if (text === undefined) transaction.delete(TEXT, [repository, to, kind]);
      else transaction.put(TEXT, [repository, to, kind], text);
      transaction.delete(TEXT, [repository, from, kind]);
    }
    return true;
  });
}
