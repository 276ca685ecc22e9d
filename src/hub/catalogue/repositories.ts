/** Repositories: whose they are and who may look into them. */
import type { Catalogue, Found, ListOptions, Transaction } from './catalogue.ts';
import { REPOSITORY, type Repository } from './records.ts';

export async function findRepository(
  catalogue: Catalogue,
  name: string,
): Promise<Repository | undefined> {
  return await catalogue.get(REPOSITORY, name);
}

/** All of them, sorted; the key part is the name. */
export function listRepositories(
  catalogue: Catalogue,
  options: ListOptions = {},
): AsyncIterable<Found<Repository>> {
  return catalogue.list(REPOSITORY, [], options);
}

/** The repository, made as a public one of `owner` when there is none. */
export async function ensureRepository(
  transaction: Transaction,
  name: string,
  owner: string | undefined,
): Promise<Repository> {
  const present = await transaction.get(REPOSITORY, name);
  if (present !== undefined) return present;
  const made: Repository = {
    ...(owner !== undefined && { owner }),
    members: [],
    visibility: 'public',
    official: false,
    created: Date.now(),
  };
  transaction.put(REPOSITORY, [name], made);
  return made;
}
