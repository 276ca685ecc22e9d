/** What showing a flist under a name, and taking it away, mean beyond the entry itself: who did it, who may read. */
import type { FastifyRequest } from 'fastify';
import { actorOf, writeAudit } from './access/audit.ts';
import { deleteEntryIn, putFlistIn } from './catalogue/entries.ts';
import { grantPackage } from './grant.ts';
import { Problem } from './problem.ts';
import type { HubContext } from './route.ts';

/**
 * Shows a saved package in a repository in which the request may publish.
 *
 * @param digest of `PackageStore.save`
 * @returns whether the name is new
 * @throws Problem 503 when the package is not there (any more)
 */
export async function publish(
  context: HubContext,
  request: FastifyRequest,
  { repository, file, digest }: { repository: string; file: string; digest: string },
): Promise<{ created: boolean }> {
  const { access, catalogue } = context;
  const identity = await access.identify(request);
  const actor = actorOf(request, identity);
  await grantPackage(context, identity, digest, repository);
  const put = await catalogue.transaction(async (transaction) => {
    const flist = { repository, file, digest, uploader: identity.user };
    const done = await putFlistIn(transaction, flist);
    if (done !== undefined)
      writeAudit(transaction, actor, 'flist.publish', `${repository}/${file}`);
    return done;
  });
  // Saved a moment ago: only a collection without a grace period can have taken it.
  if (put === undefined) throw new Problem(503, 'The upload is gone, send it again');
  return put;
}

/** Takes an entry away, in a repository in which the request may publish. @returns whether there was one */
export async function unpublish(
  { access, catalogue }: HubContext,
  request: FastifyRequest,
  { repository, file }: { repository: string; file: string },
): Promise<boolean> {
  const actor = actorOf(request, await access.identify(request));
  return await catalogue.transaction(async (transaction) => {
    const entry = await deleteEntryIn(transaction, repository, file);
    if (entry === undefined) return false;
    writeAudit(transaction, actor, `${entry.kind}.delete`, `${repository}/${file}`);
    return true;
  });
}
