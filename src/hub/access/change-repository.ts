/** Changing a repository and its members, with the rules that hold whoever asks for it. */
import type { Transaction } from '../catalogue/catalogue.ts';
import { REPOSITORY, type Repository, USER } from '../catalogue/records.ts';
import { grantRepository } from '../grant.ts';
import { isUserName } from '../names.ts';
import { Problem } from '../problem.ts';
import type { HubContext } from '../route.ts';
import { type Actor, writeAudit } from './audit.ts';
import { type Identity, mayAccess } from './identity.ts';

/** What is absent stays. Owner and official are for administrators of the hub: the caller has looked. */
export interface RepositoryChange {
  readonly visibility?: Repository['visibility'] | undefined;
  readonly owner?: string | undefined;
  readonly official?: boolean | undefined;
}

export type MemberRight = Repository['members'][number]['right'];

const MEMBER_COUNT_MAX = 1000;

/** @throws Problem 404 unless the actor may manage it, and when there is no such owner; 409 for what is private and nobody's */
export async function changeRepository(
  context: HubContext,
  actor: Actor,
  name: string,
  change: RepositoryChange,
): Promise<Repository> {
  const { identity } = actor;
  const { visibility, owner, official } = change;
  const changed = await context.catalogue.transaction(async (transaction) => {
    const repository = await presentIn(transaction, identity, name);
    if (owner !== undefined) await assertUser(transaction, owner);
    const wanted = {
      ...repository,
      visibility: visibility ?? repository.visibility,
      official: official ?? repository.official,
      ...(owner !== undefined && { owner }),
    };
    if (wanted.visibility === 'private' && wanted.owner === undefined) {
      throw new Problem(409, 'What is private needs an owner');
    }
    transaction.put(REPOSITORY, [name], wanted);
    const what = Object.entries({ visibility, owner, official })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${value}`);
    writeAudit(transaction, actor, 'repository.change', `${name}: ${what.join(' ')}`);
    return wanted;
  });
  // Also when it was public already: a hub that was killed here is asked again.
  if (visibility === 'public') await grantRepository(context, identity, name);
  return changed;
}

/**
 * Gives a user a right, another right, or with `undefined` none.
 *
 * @throws Problem 404 unless the actor may manage it, and when there is no such user or member; 409 when there are too many
 */
export async function setMember(
  { catalogue }: Pick<HubContext, 'catalogue'>,
  actor: Actor,
  name: string,
  { user, right }: { readonly user: string; readonly right: MemberRight | undefined },
): Promise<void> {
  await catalogue.transaction(async (transaction) => {
    const repository = await presentIn(transaction, actor.identity, name);
    const members = repository.members.filter((member) => member.user !== user);
    if (right === undefined && members.length === repository.members.length) {
      throw new Problem(404, 'There is no such member');
    }
    if (right !== undefined) {
      await assertUser(transaction, user);
      if (members.length >= MEMBER_COUNT_MAX) {
        throw new Problem(409, `A repository has ${MEMBER_COUNT_MAX} members at most`);
      }
      members.push({ user, right });
    }
    transaction.put(REPOSITORY, [name], { ...repository, members });
    writeAudit(transaction, actor, 'repository.member', `${name}: ${user} ${right ?? 'none'}`);
  });
}

/** The repository, if the identity may manage it still. */
async function presentIn(
  transaction: Transaction,
  identity: Identity,
  name: string,
): Promise<Repository> {
  const repository = await transaction.get(REPOSITORY, name);
  if (repository === undefined || !mayAccess(identity, name, repository, 'manage')) {
    throw new Problem(404, 'There is no such repository');
  }
  return repository;
}

async function assertUser(transaction: Transaction, name: string): Promise<void> {
  const user = isUserName(name) ? await transaction.get(USER, name) : undefined;
  if (user === undefined) throw new Problem(404, 'There is no such user');
}
