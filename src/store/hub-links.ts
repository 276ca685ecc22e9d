/**
 * Links and tags of a hub, by the routes that clients of the historical hubs know: which lead where, and making one.
 */
import { z } from 'zod';
import { isG8Error } from '../base/errors.ts';
import { type RetryPolicy, retry } from '../base/retry.ts';
import { readJson } from './http-answer.ts';
import { HttpClient, type HttpOptions } from './http-client.ts';
import { parseAnswer } from './hub-chunks.ts';
import type { FlistName } from './hub-client.ts';
import { TRANSFER_RETRY } from './retry.ts';
import type { StoreCallOptions } from './store.ts';

/** What leads from one name to a flist or a tag. Names are without extension. */
export type HubLink =
  | (FlistName & { readonly kind: 'link'; readonly target: FlistName })
  | (FlistName & { readonly kind: 'tag'; readonly tag: string; readonly target: FlistName })
  | (FlistName & {
      readonly kind: 'taglink';
      readonly target: { readonly repository: string; readonly tag: string };
    });

/** A repository with everything in it. */
const LISTING_SIZE_MAX = 64 * 1024 * 1024;
const FLIST = '.flist';
const text = z.string().max(1024);
const repositories = z.array(z.object({ name: text }));
const listing = z.array(
  z.object({
    name: text,
    type: z.enum(['regular', 'symlink', 'taglink', 'tag']),
    target: text.optional(),
  }),
);
const whoAmI = z.object({ payload: z.object({ username: text }) });

export class HubLinks {
  readonly #client: HttpClient;
  readonly #policy: RetryPolicy;

  /** @throws ERR_CONFIG when the URL is not http or https */
  constructor(url: string, options: { http?: HttpOptions; retry?: RetryPolicy } = {}) {
    this.#client = new HttpClient(url, options.http);
    this.#policy = options.retry ?? TRANSFER_RETRY;
  }

  /** Names of the repositories that may be read. */
  async repositories(options: StoreCallOptions = {}): Promise<string[]> {
    const all = await this.#get('/api/repositories', repositories, options);
    return all.map(({ name }) => name);
  }

  /** Tags first, as links lead to them. None when there is no such repository. */
  async list(repository: string, options: StoreCallOptions = {}): Promise<HubLink[]> {
    const path = `/api/flist/${encodeURIComponent(repository)}`;
    let items: z.infer<typeof listing>;
    try {
      items = await this.#get(path, listing, options);
    } catch (error) {
      if (isG8Error(error, 'ERR_NO_INPUT')) return [];
      throw error;
    }
    const links: HubLink[] = [];
    for (const { name: tag, type } of items) {
      if (type !== 'tag') continue;
      const tagPath = `${path}/tags/${encodeURIComponent(tag)}`;
      for (const { name, target } of await this.#get(tagPath, listing, options)) {
        const to = flistOf(repository, target);
        if (to !== undefined)
          links.push({ kind: 'tag', repository, tag, name: bare(name), target: to });
      }
    }
    for (const { name, type, target } of items) {
      if (type === 'symlink') {
        const to = flistOf(repository, target);
        if (to !== undefined)
          links.push({ kind: 'link', repository, name: bare(name), target: to });
      } else if (type === 'taglink') {
        const [owner = '', , tag = ''] = target?.split('/') ?? [];
        links.push({ kind: 'taglink', repository, name, target: { repository: owner, tag } });
      }
    }
    return links;
  }

  /** Whether these credentials may set links in a repository. */
  async mayLink(repository: string, options: StoreCallOptions = {}): Promise<boolean> {
    try {
      const headers = { cookie: `active-user=${repository}` };
      const { payload } = await this.#get('/api/flist/me', whoAmI, options, headers);
      return payload.username === repository;
    } catch (error) {
      if (isG8Error(error, 'ERR_PERMISSION')) return false;
      throw error;
    }
  }

  /**
   * Sets a link or a link to a tag, in place of what link had the name.
   *
   * @throws ERR_NO_INPUT when there is nothing it could lead to; ERR_PERMISSION, also when a flist has its name
   */
  async set(
    link: Extract<HubLink, { kind: 'link' | 'taglink' }>,
    options: StoreCallOptions = {},
  ): Promise<void> {
    const { kind, repository, name, target } = link;
    const words =
      kind === 'link'
        ? [name, 'crosslink', target.repository, target.name]
        : [name, 'crosstag', target.repository, target.tag];
    const path = `/api/flist/me/${words.map(encodeURIComponent).join('/')}`;
    await this.#retried(path, options, (signal) =>
      this.#client.request(
        { method: 'POST', path, headers: { cookie: `active-user=${repository}` }, signal },
        () => undefined,
      ),
    );
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #get<T>(
    path: string,
    shape: z.ZodType<T>,
    options: StoreCallOptions,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    return await this.#retried(path, options, (signal) =>
      this.#client.request({ method: 'GET', path, headers, signal }, async (response) =>
        parseAnswer(this.#client, shape, await readJson(response, LISTING_SIZE_MAX, path)),
      ),
    );
  }

  async #retried<T>(
    path: string,
    { signal }: StoreCallOptions,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const what = `${path} at ${this.#client.name}`;
    return await retry({ policy: this.#policy, what, signal }, run);
  }
}

/** `name.flist` of the same repository, or `repository/name.flist`. */
function flistOf(repository: string, target: string | undefined): FlistName | undefined {
  const parts = target?.split('/') ?? [];
  const file = parts.pop();
  if (file === undefined || !file.endsWith(FLIST)) return undefined;
  return { repository: parts.pop() ?? repository, name: bare(file) };
}

function bare(file: string): string {
  return file.endsWith(FLIST) ? file.slice(0, -FLIST.length) : file;
}
