/**
 * A repository as the historical hub shows its folder: flists, links, tags (`.tag-<name>`, which come first)
 * and links to tags.
 */
import type { Catalogue } from '../catalogue/catalogue.ts';
import { listEntries, resolveFlist } from '../catalogue/entries.ts';
import type { Entry, FlistRecord, LinkRecord } from '../catalogue/records.ts';
import { listTag, listTags } from '../catalogue/tags.ts';

/** Whether a repository may be shown to whoever asks. */
export type Visible = (repository: string) => Promise<boolean>;

export interface ListedItem {
  readonly name: string;
  /** KiB as text. */
  readonly size: string;
  /** Unix seconds; so is `linktime`. */
  readonly updated: number;
  readonly linktime?: number;
  readonly type: 'regular' | 'symlink' | 'taglink' | 'tag';
  readonly target?: string;
}

/** Folders have one block. */
const FOLDER_SIZE = 4096;

export function unixSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

function sizeText(bytes: number): string {
  return `${(bytes / 1024).toFixed(2)} KB`;
}

/** Names of what lies in a repository's folder, sorted. */
export async function* listNames(catalogue: Catalogue, repository: string): AsyncGenerator<string> {
  for (const { tag } of await listTags(catalogue, repository)) yield `.tag-${tag}`;
  for await (const { parts } of listEntries(catalogue, repository)) yield parts[1] as string;
}

/** The items of a repository, sorted by their names on disk. */
export async function* listRepository(
  catalogue: Catalogue,
  repository: string,
  visible: Visible,
): AsyncGenerator<ListedItem> {
  for (const { tag, updated } of await listTags(catalogue, repository)) {
    yield { name: tag, size: '0 KB', updated: unixSeconds(updated), type: 'tag' };
  }
  for await (const { parts, value } of listEntries(catalogue, repository)) {
    yield await itemOf(catalogue, repository, parts[1] as string, value, visible);
  }
}

/** The links of a tag; none when there is no such tag. */
export async function* listTagged(
  catalogue: Catalogue,
  repository: string,
  tag: string,
  visible: Visible,
): AsyncGenerator<ListedItem> {
  for await (const { parts, value } of listTag(catalogue, repository, tag)) {
    const { target, linked } = value;
    const raw = `../../${target.repository}/${target.file}`;
    yield await linkItem(catalogue, parts[2] as string, { target, linked }, raw, visible);
  }
}

async function itemOf(
  catalogue: Catalogue,
  repository: string,
  name: string,
  entry: Entry,
  visible: Visible,
): Promise<ListedItem> {
  switch (entry.kind) {
    case 'flist': {
      const { size, updated } = entry;
      return { name, size: sizeText(size), updated: unixSeconds(updated), type: 'regular' };
    }
    case 'link':
      return await linkItem(catalogue, name, entry, rawTarget(repository, entry), visible);
    case 'taglink': {
      const { target, linked } = entry;
      const updated = unixSeconds(await tagUpdated(catalogue, target, linked));
      return {
        name,
        size: sizeText(FOLDER_SIZE),
        updated,
        linktime: unixSeconds(linked),
        type: 'taglink',
        target: `${target.repository}/tags/${target.tag}`,
      };
    }
  }
}

async function linkItem(
  catalogue: Catalogue,
  name: string,
  { target, linked }: Pick<LinkRecord, 'target' | 'linked'>,
  raw: string,
  visible: Visible,
): Promise<ListedItem> {
  const flist = await findVisible(catalogue, target.repository, target.file, visible);
  const linktime = unixSeconds(linked);
  return {
    name,
    // A link to nowhere shows its own size and time.
    size: sizeText(flist?.size ?? raw.length),
    updated: flist === undefined ? linktime : unixSeconds(flist.updated),
    linktime,
    type: 'symlink',
    target: raw.replaceAll('../', ''),
  };
}

/** The flist that a file is or leads to, unless there is a repository on the way that may not be seen. */
export async function findVisible(
  catalogue: Catalogue,
  repository: string,
  file: string,
  visible: Visible,
): Promise<FlistRecord | undefined> {
  const found = await resolveFlist(catalogue, repository, file);
  for (const name of found?.through ?? []) {
    if (!(await visible(name))) return undefined;
  }
  return found?.flist;
}

async function tagUpdated(
  catalogue: Catalogue,
  target: { repository: string; tag: string },
  otherwise: number,
): Promise<number> {
  let updated: number | undefined;
  for await (const { value } of listTag(catalogue, target.repository, target.tag)) {
    updated = Math.max(updated ?? 0, value.linked);
  }
  return updated ?? otherwise;
}

/** Where a link leads, as it would be on disk. */
export function rawTarget(repository: string, { target }: Pick<LinkRecord, 'target'>): string {
  return target.repository === repository ? target.file : `../${target.repository}/${target.file}`;
}
