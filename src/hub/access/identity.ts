/** Who asks, and what that allows. Pure. */
import { type Repository, SCOPES, type Scope } from '../catalogue/records.ts';

export interface Identity {
  /** Absent: anonymous. */
  readonly user?: string;
  /** The user's role; what it allows still depends on the scope. */
  readonly isAdmin: boolean;
  /** What the credentials are good for; anonymous: `publish` where the hub takes such uploads, else `read`. */
  readonly scope: Scope;
  readonly via: 'anonymous' | 'token' | 'session' | 'signed';
  /** Id of the token, for the audit log. */
  readonly token?: string;
}

/** Nobody in particular, who may read what is public. */
export const ANONYMOUS: Identity = { isAdmin: false, scope: 'read', via: 'anonymous' };

/** What somebody may do with a repository: `manage` is to say who else may do what. */
export type Right = 'read' | 'publish' | 'manage';

const SCOPE_OF: Readonly<Record<Right, Scope>> = {
  read: 'read',
  publish: 'publish',
  manage: 'admin',
};

export function hasScope(identity: Identity, scope: Scope): boolean {
  return SCOPES.indexOf(identity.scope) >= SCOPES.indexOf(scope);
}

/** Whether it may change users, all repositories and what belongs to the hub itself. */
export function isHubAdmin(identity: Identity): boolean {
  return identity.isAdmin && hasScope(identity, 'admin');
}

/** Whether the identity has a right in a repository that is there. */
export function mayAccess(
  identity: Identity,
  name: string,
  repository: Repository,
  right: Right,
): boolean {
  if (!hasScope(identity, SCOPE_OF[right])) return false;
  if (right === 'read' && repository.visibility === 'public') return true;
  const { user } = identity;
  if (user === undefined) {
    // What nobody owns is open to whom the hub lets upload anonymously.
    return (
      right === 'publish' && repository.owner === undefined && repository.visibility === 'public'
    );
  }
  if (identity.isAdmin || repository.owner === user) return true;
  // From an anonymous upload or an older hub: it is the user's of this name.
  if (repository.owner === undefined && name === user) return true;
  const member = repository.members.find((one) => one.user === user);
  if (member === undefined || right === 'manage') return false;
  return right === 'read' || member.right === 'publish';
}
