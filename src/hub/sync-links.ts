/** The links and tags of one hub at another, where the flists are there already. */
import { throwIfAborted } from '../base/abort.ts';
import { isG8Error } from '../base/errors.ts';
import type { HubClient } from '../store/hub-client.ts';
import type { HubLink, HubLinks } from '../store/hub-links.ts';

/** A hub by both of its ways. */
export interface LinkedHub {
  readonly client: HubClient;
  readonly links: HubLinks;
}

export interface SyncedLinks {
  /** Links, links to tags, and links of tags that were brought. */
  links: number;
  /** Those that were not: what they lead to is not there, a flist has their name, or one may not set them. */
  readonly left: string[];
}

/** A link may lead to a link: as long as one was set, others may have got something to lead to. */
const ROUND_COUNT_MAX = 9;

/** @throws what hubs throw, but for single links that cannot be set */
export async function syncLinks(
  from: LinkedHub,
  to: LinkedHub,
  options: { readonly repository?: string | undefined; readonly signal: AbortSignal },
): Promise<SyncedLinks> {
  const { signal } = options;
  const result: SyncedLinks = { links: 0, left: [] };
  let waiting: HubLink[] = [];
  const all = await from.links.repositories({ signal });
  for (const repository of all) {
    throwIfAborted(signal);
    if (options.repository !== undefined && repository !== options.repository) continue;
    const wanted = await from.links.list(repository, { signal });
    if (wanted.length === 0) continue;
    const present = new Set((await to.links.list(repository, { signal })).map(textOf));
    const isOurs = await to.links.mayLink(repository, { signal });
    for (const link of wanted) {
      if (present.has(textOf(link))) continue;
      if (link.kind !== 'tag' && !isOurs) result.left.push(nameOf(link));
      else waiting.push(link);
    }
  }
  for (let round = 0; waiting.length > 0 && round < ROUND_COUNT_MAX; round++) {
    const refused: HubLink[] = [];
    for (const link of waiting) {
      if (await set(to, link, signal)) result.links++;
      else refused.push(link);
    }
    const isStuck = refused.length === waiting.length;
    waiting = refused;
    if (isStuck) break;
  }
  result.left.push(...waiting.map(nameOf));
  return result;
}

async function set(to: LinkedHub, link: HubLink, signal: AbortSignal): Promise<boolean> {
  throwIfAborted(signal);
  try {
    if (link.kind === 'tag') await to.client.setTag(link, link.target, { signal });
    else await to.links.set(link, { signal });
    return true;
  } catch (error) {
    if (isG8Error(error, 'ERR_NO_INPUT') || isG8Error(error, 'ERR_PERMISSION')) return false;
    throw error;
  }
}

function nameOf(link: HubLink): string {
  const { repository, name } = link;
  return link.kind === 'tag' ? `${repository}/${link.tag}/${name}` : `${repository}/${name}`;
}

function textOf(link: HubLink): string {
  return JSON.stringify([link.kind, nameOf(link), link.target]);
}
