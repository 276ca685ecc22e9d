/**
 * What a hub keeps of its users: who asks, users, tokens, repositories with their members, the audit log. Each call is
 * one request, or one per page, and repeats only what the hub had no time to look at (429).
 */
import { z } from 'zod';
import { G8Error } from '../base/errors.ts';
import { readJson } from './http-answer.ts';
import { HttpClient, type HttpOptions, type HttpRequest } from './http-client.ts';
import {
  type newRepository,
  type newToken,
  type newUser,
  type RepositoryView,
  type repositoryChange,
  repositoryView,
  type TokenView,
  tokenView,
  type UserView,
  type userChange,
  userView,
} from './hub-access-protocol.ts';
import { parseAnswer } from './hub-chunks.ts';
import type { StoreCallOptions } from './store.ts';
import { whenAllowed } from './when-allowed.ts';

const ANSWER_SIZE_MAX = 4 * 1024 * 1024;
// More than any hub has users or repositories.
const PAGE_COUNT_MAX = 10_000;

const next = z.string().optional();
const whoAmI = z.object({
  name: z.string(),
  role: z.enum(['user', 'admin']),
  scope: z.enum(['read', 'publish', 'admin']),
});
const madeToken = tokenView.extend({ token: z.string().max(1024) });

export type WhoAmI = z.infer<typeof whoAmI>;
export type Scope = WhoAmI['scope'];

export class HubAdmin {
  /** Base URL without credentials. */
  readonly name: string;
  readonly #client: HttpClient;

  /** @throws ERR_CONFIG when the URL is not http or https */
  constructor(url: string, http: HttpOptions = {}) {
    this.#client = new HttpClient(url, http);
    this.name = this.#client.name;
  }

  /** @throws ERR_PERMISSION when the credentials are not good */
  async whoAmI(options: StoreCallOptions = {}): Promise<WhoAmI> {
    return await this.#json('GET', ['user'], whoAmI, options);
  }

  /** A session for a password, to be used as a token. @throws ERR_PERMISSION */
  async signIn(
    credentials: { readonly username: string; readonly password: string; readonly scope: Scope },
    options: StoreCallOptions = {},
  ): Promise<string> {
    const answer = z.object({ access_token: z.string() });
    return (await this.#json('POST', ['signin'], answer, options, credentials)).access_token;
  }

  async createToken(
    token: z.infer<typeof newToken>,
    options: StoreCallOptions = {},
  ): Promise<TokenView & { readonly token: string }> {
    return await this.#json('POST', ['tokens'], madeToken, options, token);
  }

  /** @param user default: who asks */
  async listTokens(user: string | undefined, options: StoreCallOptions = {}): Promise<TokenView[]> {
    const query = user === undefined ? '' : `?user=${encodeURIComponent(user)}`;
    const answer = z.object({ tokens: z.array(tokenView) });
    return (await this.#json('GET', ['tokens'], answer, options, undefined, query)).tokens;
  }

  /** @throws ERR_NO_INPUT when there is no such token */
  async revokeToken(id: string, options: StoreCallOptions = {}): Promise<void> {
    await this.#done('DELETE', ['tokens', id], options);
  }

  async *listUsers(options: StoreCallOptions = {}): AsyncGenerator<UserView, void, void> {
    const answer = z.object({ users: z.array(userView), next });
    yield* this.#pages('users', options, answer, (page) => page.users);
  }

  async getUser(name: string, options: StoreCallOptions = {}): Promise<UserView> {
    return await this.#json('GET', ['users', name], userView, options);
  }

  async createUser(
    user: z.infer<typeof newUser>,
    options: StoreCallOptions = {},
  ): Promise<UserView> {
    return await this.#json('POST', ['users'], userView, options, user);
  }

  async changeUser(
    name: string,
    change: z.infer<typeof userChange>,
    options: StoreCallOptions = {},
  ): Promise<UserView> {
    return await this.#json('PATCH', ['users', name], userView, options, change);
  }

  async *listRepositories(
    options: StoreCallOptions = {},
  ): AsyncGenerator<RepositoryView, void, void> {
    const answer = z.object({ repositories: z.array(repositoryView), next });
    yield* this.#pages('repositories', options, answer, (page) => page.repositories);
  }

  async getRepository(name: string, options: StoreCallOptions = {}): Promise<RepositoryView> {
    return await this.#json('GET', ['repositories', name], repositoryView, options);
  }

  async createRepository(
    repository: z.infer<typeof newRepository>,
    options: StoreCallOptions = {},
  ): Promise<RepositoryView> {
    return await this.#json('POST', ['repositories'], repositoryView, options, repository);
  }

  async changeRepository(
    name: string,
    change: z.infer<typeof repositoryChange>,
    options: StoreCallOptions = {},
  ): Promise<RepositoryView> {
    return await this.#json('PATCH', ['repositories', name], repositoryView, options, change);
  }

  /** @param right `undefined` takes it away */
  async setMember(
    repository: string,
    user: string,
    right: 'read' | 'publish' | undefined,
    options: StoreCallOptions = {},
  ): Promise<void> {
    const path = ['repositories', repository, 'members', user];
    if (right === undefined) await this.#done('DELETE', path, options);
    else await this.#done('PUT', path, options, { right });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async *#pages<Page extends { next?: string | undefined }, T>(
    path: string,
    options: StoreCallOptions,
    answer: z.ZodType<Page>,
    items: (page: Page) => readonly T[],
  ): AsyncGenerator<T, void, void> {
    let query = '';
    for (let count = 0; count < PAGE_COUNT_MAX; count++) {
      const page = await this.#json('GET', [path], answer, options, undefined, query);
      yield* items(page);
      if (page.next === undefined) return;
      query = `?after=${encodeURIComponent(page.next)}`;
    }
  }

  async #json<T>(
    method: HttpRequest['method'],
    path: readonly string[],
    answer: z.ZodType<T>,
    options: StoreCallOptions,
    body?: unknown,
    query = '',
  ): Promise<T> {
    const request = { ...requestOf(method, path, body, query), ...options, accept: [409] };
    return await whenAllowed(options, () =>
      this.#client.request(request, async (response) => {
        const document = await readJson(response, ANSWER_SIZE_MAX, `Answer of ${this.name}`);
        if (response.status === 409) throw conflict(document);
        return parseAnswer(this.#client, answer, document);
      }),
    );
  }

  async #done(
    method: HttpRequest['method'],
    path: readonly string[],
    options: StoreCallOptions,
    body?: unknown,
  ): Promise<void> {
    const request = { ...requestOf(method, path, body, ''), ...options, accept: [409] };
    await whenAllowed(options, () =>
      this.#client.request(request, async (response) => {
        if (response.status !== 409) return;
        throw conflict(await readJson(response, ANSWER_SIZE_MAX, `Answer of ${this.name}`));
      }),
    );
  }
}

function requestOf(
  method: HttpRequest['method'],
  path: readonly string[],
  body: unknown,
  query: string,
): HttpRequest {
  return {
    method,
    path: `/api/v1/${path.map(encodeURIComponent).join('/')}${query}`,
    refused: 'ERR_USAGE',
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
}

/** What stands in the way, in the words of the hub. */
function conflict(document: unknown): G8Error {
  const { detail } = document as { detail?: unknown };
  const text = typeof detail === 'string' ? detail.replace(/[^\x20-\x7e]/g, '?').slice(0, 200) : '';
  return new G8Error('ERR_USAGE', text || 'The hub has something of that name');
}
