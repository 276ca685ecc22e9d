/** Merging as the historical hub does it: its order of checks, and its words. */
import { flistFile, isRepositoryName, parseFlistName } from '../names.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import { MERGE_COUNT_MAX, type MergeSource, publishMerged } from '../uploads/merge.ts';
import type { Caller } from './caller.ts';
import { findVisible, type Visible } from './listing.ts';

/**
 * Merges flists into a new one of the caller.
 *
 * @param items what the client has sent: `repository/file` each
 * @throws Problem 400, 404
 */
export async function mergeInto(
  context: HubContext,
  { user, actor }: Caller,
  targetName: string,
  items: unknown,
  visible: Visible,
): Promise<void> {
  if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) {
    throw new Problem(400, 'malformed json request');
  }
  if (items.length === 0) throw new Problem(400, 'no source found');
  if (items.length > MERGE_COUNT_MAX) {
    throw new Problem(400, `more than ${MERGE_COUNT_MAX} sources`);
  }
  if (!items.every((item: string) => item.includes('/'))) {
    throw new Problem(400, 'malformed source filename');
  }
  const sources: MergeSource[] = [];
  for (const item of items as string[]) sources.push(await findSource(context, item, visible));
  const bare = targetName.replace(/\.flist$/, '');
  if (bare === '') throw new Problem(400, 'missing build (target) name');
  const name = parseFlistName(bare);
  if (name === undefined) throw new Problem(400, 'build name not allowed');
  const target = { repository: user, file: flistFile(name), actor };
  await publishMerged(context, target, sources);
}

async function findSource(
  { catalogue }: HubContext,
  item: string,
  visible: Visible,
): Promise<MergeSource> {
  const slash = item.indexOf('/');
  const repository = item.slice(0, slash);
  const name = parseFlistName(item.slice(slash + 1));
  const flist =
    name === undefined || !isRepositoryName(repository)
      ? undefined
      : await findVisible(catalogue, repository, flistFile(name), visible);
  if (flist === undefined) {
    throw new Problem(404, `${item.replace(/\.flist$/, '')}.flist does not exists`);
  }
  return { name: item, flist };
}
