/** Tags: named sets of links to flists. A tag comes with its first link and goes with its last. */
import type { Catalogue, Found } from './catalogue.ts';
import { ENTRY, TAG, type TagRecord } from './records.ts';
import { ensureRepository } from './repositories.ts';

export interface TagSummary {
  readonly tag: string;
  readonly count: number;
  /** When a link of it was last set. */
  readonly updated: number;
}

/** The tags of a repository, sorted. */
export async function listTags(catalogue: Catalogue, repository: string): Promise<TagSummary[]> {
  const tags = new Map<string, TagSummary>();
  for await (const { parts, value } of catalogue.list(TAG, [repository])) {
    const tag = parts[1] as string;
    const known = tags.get(tag);
    const updated = Math.max(known?.updated ?? 0, value.linked);
    tags.set(tag, { tag, count: (known?.count ?? 0) + 1, updated });
  }
  return [...tags.values()];
}

/** The links of a tag, sorted by file; key parts are repository, tag, file. Empty: there is no such tag. */
export function listTag(
  catalogue: Catalogue,
  repository: string,
  tag: string,
): AsyncIterable<Found<TagRecord>> {
  return catalogue.list(TAG, [repository, tag]);
}

/** Sets a link of a tag. `owner` owns the repository if this makes it. @returns false when there is no such target */
export async function putTag(
  catalogue: Catalogue,
  link: { repository: string; tag: string; file: string; owner: string | undefined },
  target: { repository: string; file: string },
): Promise<boolean> {
  return await catalogue.transaction(async (transaction) => {
    if ((await transaction.get(ENTRY, target.repository, target.file)) === undefined) return false;
    await ensureRepository(transaction, link.repository, link.owner);
    const linked = Date.now();
    transaction.put(TAG, [link.repository, link.tag, link.file], { target, linked });
    return true;
  });
}

/** Removes a link of a tag. @returns whether there was one */
export async function deleteTag(
  catalogue: Catalogue,
  repository: string,
  tag: string,
  file: string,
): Promise<boolean> {
  return await catalogue.transaction(async (transaction) => {
    if ((await transaction.get(TAG, repository, tag, file)) === undefined) return false;
    transaction.delete(TAG, [repository, tag, file]);
    return true;
  });
}
