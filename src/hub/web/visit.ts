/** What a page knows of who asks for it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Identity, mayAccess, type Right } from '../access/identity.ts';
import { findEntry, type ResolvedFlist, resolveFlist } from '../catalogue/entries.ts';
import type { Entry, Repository } from '../catalogue/records.ts';
import { findRepository } from '../catalogue/repositories.ts';
import { flistFile, isRepositoryName, parseFlistName } from '../names.ts';
import { Problem } from '../problem.ts';
import { type HubContext, parameter } from '../route.ts';

export interface Visit {
  readonly context: HubContext;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly identity: Identity;
}

/** A flist as it is named, and where it is. */
export interface ShownFlist extends ResolvedFlist {
  readonly shown: { readonly repository: string; readonly file: string };
  readonly entry: Entry;
}

/** @throws Problem 404 unless it is there and may be seen */
export async function repositoryOf(
  visit: Visit,
): Promise<{ name: string; repository: Repository }> {
  const name = parameter(visit.request, 'repository');
  const repository = isRepositoryName(name)
    ? await findRepository(visit.context.catalogue, name)
    : undefined;
  if (repository === undefined || !mayAccess(visit.identity, name, repository, 'read')) {
    throw new Problem(404, 'There is no such repository');
  }
  return { name, repository };
}

/** The flist that a path names; {@link findFlist}. */
export async function flistOf(visit: Visit): Promise<ShownFlist> {
  const { request } = visit;
  return await findFlist(visit, parameter(request, 'repository'), parameter(request, 'file'));
}

/**
 * @param fileName with or without its extension
 * @throws Problem 404 unless it is there and may be seen, with all repositories that it is reached through
 */
export async function findFlist(
  visit: Visit,
  repository: string,
  fileName: string,
): Promise<ShownFlist> {
  const { context, request } = visit;
  const name = parseFlistName(fileName);
  const absent = new Problem(404, 'There is no such flist');
  if (name === undefined || !isRepositoryName(repository)) throw absent;
  const file = flistFile(name);
  const entry = await findEntry(context.catalogue, repository, file);
  const found = entry && (await resolveFlist(context.catalogue, repository, file));
  if (entry === undefined || found === undefined) throw absent;
  if ((await context.access.visibility(request, found.through)) === 'hidden') throw absent;
  return { ...found, shown: { repository, file }, entry };
}

/** Whether the visitor may change what is in a repository. */
export async function may(visit: Visit, repository: string, right: Right): Promise<boolean> {
  const record = await findRepository(visit.context.catalogue, repository);
  return record !== undefined && mayAccess(visit.identity, repository, record, right);
}
