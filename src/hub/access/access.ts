/**
 * Who a request comes from and what it may do. Every request proves it on its own: nothing of an earlier one
 * on the same connection counts.
 *
 * Credentials: a token (`Bearer g8_…`, or as the password of `Basic`), a session (`Bearer` and a JWT), a
 * historical signed token (`Bearer`), if the hub was given their key.
 */
import type { FastifyRequest } from 'fastify';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { REPOSITORY, type Scope, TOKEN, USER } from '../catalogue/records.ts';
import { Problem } from '../problem.ts';
import type { FailureBound } from './failures.ts';
import {
  ANONYMOUS,
  hasScope,
  type Identity,
  isHubAdmin,
  mayAccess,
  type Right,
} from './identity.ts';
import type { RequestBound } from './request-bound.ts';
import type { Sessions } from './session.ts';
import type { SignedTokens } from './signed-token.ts';
import { parseToken, secretMatches } from './token.ts';

/**
 * Who may upload without credentials, to repositories that nobody owns: `local` the programs of this machine on a
 * hub that listens on loopback, `all` everybody. `default` is `local` until the hub has a second user.
 */
export type AnonymousWrites = 'none' | 'default' | 'local' | 'all';

export interface AccessOptions {
  readonly catalogue: Catalogue;
  readonly sessions: Sessions;
  readonly signed: SignedTokens | undefined;
  readonly anonymousWrites: AnonymousWrites;
  /** Whether the hub listens on a loopback address. */
  readonly isLocal: boolean;
  readonly failures: FailureBound;
  readonly requests: RequestBound;
}

export interface Need {
  /** Default: no repository in particular. */
  readonly repository?: string;
  readonly right: Right;
}

/** Credentials that were refused. `kind` is for routes that have their own words for it. */
export class CredentialsProblem extends Problem {
  readonly kind: 'malformed' | 'wrong';

  constructor(kind: 'malformed' | 'wrong', detail: string) {
    super(401, detail, CHALLENGE);
    this.kind = kind;
  }
}

/** What a 401 asks for (RFC 9110). */
export const CHALLENGE = { 'www-authenticate': 'Bearer realm="g8ufs hub"' } as const;
// An hour: a token that is used all the time is not written all the time.
const USED_STEP_MS = 3_600_000;

export class Access {
  /** For what takes credentials in a body. */
  readonly failures: FailureBound;
  readonly #options: AccessOptions;
  readonly #catalogue: Catalogue;
  readonly #known = new WeakMap<FastifyRequest, Promise<Identity>>();

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#catalogue = options.catalogue;
    this.failures = options.failures;
  }

  /**
   * Who asks; a request is looked at once.
   *
   * @throws CredentialsProblem 401 for credentials that are wrong, Problem 429 after too many of them, or too
   *   many requests of the user
   */
  async identify(request: FastifyRequest): Promise<Identity> {
    let known = this.#known.get(request);
    if (known === undefined) {
      known = this.#identify(request);
      this.#known.set(request, known);
    }
    return await known;
  }

  /**
   * Who has these credentials, whatever the request brings itself.
   *
   * @param header as of `Authorization`
   * @throws as {@link identify}
   */
  async check(request: FastifyRequest, header: string): Promise<Identity> {
    const { failures } = this;
    failures.assertFree(request.ip);
    try {
      return await this.#check(header);
    } catch (error) {
      if (error instanceof CredentialsProblem) failures.add(request.ip);
      throw error;
    }
  }

  /** Takes a session that did not come in a header as the request's credentials. @returns whether it is good */
  async adoptSession(request: FastifyRequest, session: string): Promise<boolean> {
    try {
      const identity = await this.#checkSession(session);
      this.#known.set(request, Promise.resolve(identity));
      return true;
    } catch (error) {
      // It may just have come to its end: no guess that would count.
      if (error instanceof CredentialsProblem) return false;
      throw error;
    }
  }

  /**
   * Who asks, if that is allowed.
   *
   * A repository that is not there may be read (there is nothing in it) and be made by whoever may publish;
   * not under the name of another user.
   *
   * @throws Problem 401 when credentials are needed or wrong, 403 when these do not suffice, 404 for a
   *   repository that is not to be seen
   */
  async authorize(request: FastifyRequest, need: Need): Promise<Identity> {
    const identity = await this.identify(request);
    const { repository: name, right } = need;
    if (name === undefined) {
      const scope: Scope = right === 'manage' ? 'admin' : right;
      if (!hasScope(identity, scope)) throw refusal(identity, `This needs the scope ${scope}`);
      return identity;
    }
    const repository = await this.#catalogue.get(REPOSITORY, name);
    if (repository === undefined) {
      if (right === 'manage') throw new Problem(404, 'There is no such repository');
      if (right === 'publish' && !(await this.#mayMake(identity, name))) {
        throw refusal(identity, `The repository ${name} is not yours to make`);
      }
      return identity;
    }
    if (mayAccess(identity, name, repository, right)) return identity;
    // Whether a private repository is there is not said to those who may not look into it.
    const isSeen = mayAccess(identity, name, repository, 'read');
    if (right !== 'publish' && !isSeen) throw new Problem(404, 'There is no such repository');
    throw refusal(identity, `You may not ${right} in the repository ${name}`);
  }

  /** @throws Problem 401, 403 unless it is an administrator with a token or session for that */
  async authorizeAdmin(request: FastifyRequest): Promise<Identity> {
    const identity = await this.identify(request);
    if (!isHubAdmin(identity)) throw refusal(identity, 'This needs an administrator');
    return identity;
  }

  /**
   * What the repositories that something lies in, or is reached through, are to who asks: all `public`,
   * `private` but readable, or `hidden`. One that is not there hides nothing.
   */
  async visibility(
    request: FastifyRequest,
    repositories: readonly string[],
  ): Promise<'public' | 'private' | 'hidden'> {
    const keys = repositories.map((name) => [name]);
    const records = await this.#catalogue.getMany(REPOSITORY, keys);
    // Nobody has to say who they are for what everybody may read.
    if (!records.some((record) => record?.visibility === 'private')) return 'public';
    const identity = await this.identify(request);
    const isReadable = records.every(
      (record, i) =>
        record === undefined || mayAccess(identity, repositories[i] ?? '', record, 'read'),
    );
    return isReadable ? 'private' : 'hidden';
  }

  async #identify(request: FastifyRequest): Promise<Identity> {
    const header = request.headers.authorization;
    if (header === undefined) return await this.#anonymous(request);
    const identity = await this.check(request, header);
    if (identity.user !== undefined) this.#options.requests.take('user', identity.user);
    return identity;
  }

  async #check(header: string): Promise<Identity> {
    const [scheme = '', word = ''] = header.trim().split(/\s+/, 2);
    let text = word;
    if (/^basic$/i.test(scheme)) {
      const plain = Buffer.from(word, 'base64').toString('utf8');
      text = plain.slice(plain.indexOf(':') + 1);
    } else if (!/^bearer$/i.test(scheme)) {
      throw new CredentialsProblem('malformed', 'The credentials are of an unknown kind');
    }
    if (text.startsWith('g8_')) return await this.#checkToken(text);
    if (text.includes('.')) return await this.#checkSession(text);
    return await this.#checkSigned(text);
  }

  async #checkToken(text: string): Promise<Identity> {
    const parsed = parseToken(text);
    const token = parsed && (await this.#catalogue.get(TOKEN, parsed.id));
    if (token === undefined || !secretMatches((parsed as { secret: string }).secret, token.hash)) {
      throw new CredentialsProblem('wrong', 'The token is not valid');
    }
    const now = Date.now();
    if (token.expires !== undefined && token.expires <= now) {
      throw new CredentialsProblem('wrong', 'The token has expired');
    }
    const id = (parsed as { id: string }).id;
    const { isAdmin } = await this.#user(token.user);
    if ((token.used ?? 0) < now - USED_STEP_MS) {
      await this.#catalogue.transaction(async (transaction) => {
        const present = await transaction.get(TOKEN, id);
        if (present !== undefined) transaction.put(TOKEN, [id], { ...present, used: now });
      });
    }
    return { user: token.user, isAdmin, scope: token.scope, via: 'token', token: id };
  }

  async #checkSession(text: string): Promise<Identity> {
    const session = await this.#options.sessions.check(text);
    if (session === undefined) throw new CredentialsProblem('wrong', 'The session is not valid');
    const user = await this.#user(session.user);
    if (session.made < user.sessionsFrom) {
      throw new CredentialsProblem('wrong', 'The session was ended');
    }
    const { isAdmin } = user;
    return { user: session.user, isAdmin, scope: session.scope, via: 'session' };
  }

  async #checkSigned(text: string): Promise<Identity> {
    const checked = this.#options.signed?.check(text) ?? 'forged';
    if (checked === 'old') throw new CredentialsProblem('wrong', 'The token is too old');
    if (checked === 'forged') throw new CredentialsProblem('wrong', 'The token is not valid');
    await this.#user(checked.user);
    // It may be years old and lie anywhere: never more than its own repositories.
    return { user: checked.user, isAdmin: false, scope: 'publish', via: 'signed' };
  }

  async #user(name: string): Promise<{ isAdmin: boolean; sessionsFrom: number }> {
    const user = await this.#catalogue.get(USER, name);
    if (user === undefined || user.disabled) {
      throw new CredentialsProblem('wrong', 'The user is not there or is disabled');
    }
    return { isAdmin: user.role === 'admin', sessionsFrom: user.sessionsFrom };
  }

  async #anonymous(request: FastifyRequest): Promise<Identity> {
    const { anonymousWrites, isLocal } = this.#options;
    const isOpen =
      anonymousWrites === 'all' ||
      (anonymousWrites !== 'none' &&
        isLocal &&
        isDirect(request) &&
        (anonymousWrites === 'local' || !(await this.#hasUsers())));
    return isOpen ? { ...ANONYMOUS, scope: 'publish' } : ANONYMOUS;
  }

  /** Whether there is a user besides the first administrator. */
  async #hasUsers(): Promise<boolean> {
    let count = 0;
    for await (const _ of this.#catalogue.list(USER, [], { limit: 2 })) count++;
    return count > 1;
  }

  async #mayMake(identity: Identity, name: string): Promise<boolean> {
    if (!hasScope(identity, 'publish')) return false;
    if (identity.user === name || identity.isAdmin) return true;
    return (await this.#catalogue.get(USER, name)) === undefined;
  }
}

/** 401 asks for credentials, 403 says that these are known and do not suffice. */
function refusal(identity: Identity, detail: string): Problem {
  if (identity.user !== undefined) return new Problem(403, detail);
  return new Problem(401, 'This needs credentials', CHALLENGE);
}

/** Whether a request to a loopback address comes from this machine's programs themselves. */
function isDirect(request: FastifyRequest): boolean {
  const { origin, forwarded, via } = request.headers;
  // A browser sends `Origin` with every write, for whichever page; a proxy says for whom it asks.
  return (
    origin === undefined &&
    forwarded === undefined &&
    request.headers['x-forwarded-for'] === undefined &&
    via === undefined
  );
}
