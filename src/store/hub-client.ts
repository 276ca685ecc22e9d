/**
 * A hub as its clients see it: flists up and down, chunks in batches, health. Calls that may be
 * repeated are retried; all may run at the same time and share one pool of connections.
 */
import { G8Error } from '../base/errors.ts';
import { type RetryPolicy, retry } from '../base/retry.ts';
import { isLarge, uploadInPieces } from './flist-pieces.ts';
import {
  type DownloadOptions,
  type DownloadResult,
  downloadFlist,
  TRANSFER_TIMEOUT_MS,
  type TransferOptions,
  uploadFlist,
} from './flist-transfer.ts';
import { HttpStore } from './http.ts';
import { readBody, readJson } from './http-answer.ts';
import { HttpClient, type HttpOptions } from './http-client.ts';
import { type HubChunk, parseAnswer, probeHub } from './hub-chunks.ts';
import {
  type FlistEntry,
  type FlistReceipt,
  flistReceipt,
  type HubInfo,
  JSON_SIZE_MAX,
  listResponse,
} from './hub-protocol.ts';
import { TRANSFER_RETRY, withRetry } from './retry.ts';
import type { StoreCallOptions, WritableChunkStore } from './store.ts';
import { type UploadResult, uploadChunks } from './upload-chunks.ts';
import { whenAllowed } from './when-allowed.ts';

export interface HubClientOptions {
  readonly http?: HttpOptions;
  readonly retry?: RetryPolicy;
}

export interface FlistName {
  readonly repository: string;
  /** With or without `.flist`. */
  readonly name: string;
}

/** A link of a tag of a repository, by the name that it has there. */
export interface TagLink extends FlistName {
  readonly tag: string;
}

/** Signatures and start profiles. */
const TEXT_SIZE_MAX = 16 * 1024 * 1024;
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json' } as const;
// A listing of this many pages is longer than any hub has.
const PAGE_COUNT_MAX = 10_000;

export class HubClient {
  /** Base URL without credentials. */
  readonly name: string;
  /** The hub's chunks, with retries. Closed with the client. */
  readonly chunks: WritableChunkStore;
  readonly #client: HttpClient;
  readonly #policy: RetryPolicy;

  /** @throws ERR_CONFIG when the URL is not http or https */
  constructor(url: string, options: HubClientOptions = {}) {
    this.#client = new HttpClient(url, options.http);
    this.#policy = options.retry ?? TRANSFER_RETRY;
    this.chunks = withRetry(new HttpStore(this.#client), this.#policy);
    this.name = this.#client.name;
  }

  /** @throws ERR_PROTOCOL when the server is no hub */
  async info(options: StoreCallOptions = {}): Promise<HubInfo> {
    const info = await this.#retried('Probe', options, (signal) =>
      probeHub(this.#client, { signal }),
    );
    if (info === undefined) throw new G8Error('ERR_PROTOCOL', `Server ${this.name} is no hub`);
    return info;
  }

  /** Whether the hub says that it can serve. @throws when it does not answer; never retried */
  async isReady(options: StoreCallOptions = {}): Promise<boolean> {
    return await this.#client.request(
      { method: 'GET', path: '/ready', signal: options.signal, accept: [503] },
      (response) => response.status === 200,
    );
  }

  async uploadFlist(
    flist: FlistName & { readonly source: string },
    options: TransferOptions = {},
  ): Promise<FlistReceipt> {
    const path = `/api/v1/flists/${pathOf(flist, '')}`;
    const { source } = flist;
    const inPieces = await isLarge(source);
    return await this.#transferred(`Upload of ${source}`, options, async (signal) => {
      if (inPieces && (await this.#has('flists-present', signal))) {
        return await uploadInPieces(this.#client, this, { path, source, ...options, signal });
      }
      return await uploadFlist(this.#client, path, source, { ...options, signal });
    });
  }

  /** Publishes what the hub has under a name under another one as well. @throws ERR_NO_INPUT when it does not have it */
  async copyFlist(
    from: FlistName,
    to: FlistName,
    options: StoreCallOptions = {},
  ): Promise<FlistReceipt> {
    const body = { from: fullName(from) };
    return await this.#retried(`Copy of ${body.from}`, options, (signal) =>
      this.#client.request(
        {
          method: 'POST',
          path: `/api/v1/flists/${pathOf(to, '')}`,
          refused: 'ERR_USAGE',
          headers: JSON_HEADERS,
          body: JSON.stringify(body),
          signal,
          absent: () => this.#absentFlist(from),
        },
        async (response) =>
          parseAnswer(
            this.#client,
            flistReceipt,
            await readJson(response, JSON_SIZE_MAX, 'Answer'),
          ),
      ),
    );
  }

  /** Sets a link of a tag to a flist of the hub. @throws ERR_NO_INPUT when the hub does not have it */
  async setTag(link: TagLink, from: FlistName, options: StoreCallOptions = {}): Promise<void> {
    await this.#retried(`Tag ${link.tag}`, options, (signal) =>
      this.#client.request(
        {
          method: 'PUT',
          path: tagPath(link),
          refused: 'ERR_USAGE',
          headers: JSON_HEADERS,
          body: JSON.stringify({ from: fullName(from) }),
          signal,
          absent: () => this.#absentFlist(from),
        },
        () => undefined,
      ),
    );
  }

  /** Removes a link of a tag. @throws ERR_NO_INPUT when there is none */
  async removeTag(link: TagLink, options: StoreCallOptions = {}): Promise<void> {
    const { repository, tag, name } = link;
    const message = `Tag ${repository}/${tag} of ${this.name} has no ${name}`;
    await this.#delete(tagPath(link), options, () => new G8Error('ERR_NO_INPUT', message));
  }

  /** Puts the text of a signature beside its flist. @throws ERR_NO_INPUT when the hub has no such flist */
  async uploadSignature(
    flist: FlistName,
    text: string,
    options: StoreCallOptions = {},
  ): Promise<void> {
    await this.#uploadBeside('signature', flist, text, options);
  }

  /** Puts the text of a start profile beside its flist. @throws ERR_NO_INPUT when the hub has no such flist */
  async uploadProfile(
    flist: FlistName,
    text: string,
    options: StoreCallOptions = {},
  ): Promise<void> {
    await this.#uploadBeside('profile', flist, text, options);
  }

  async #uploadBeside(
    word: 'signature' | 'profile',
    flist: FlistName,
    text: string,
    options: StoreCallOptions,
  ): Promise<void> {
    const absent = `Hub ${this.name} has no flist ${flist.name}, or takes no ${word}s`;
    await this.#retried(`Upload of the ${word} of ${flist.name}`, options, (signal) =>
      this.#client.request(
        {
          method: 'PUT',
          path: `/api/v1/flists/${pathOf(flist, '')}/${word}`,
          refused: 'ERR_USAGE',
          headers: { 'content-type': 'application/octet-stream' },
          body: text,
          signal,
          absent: () => new G8Error('ERR_NO_INPUT', absent),
        },
        () => undefined,
      ),
    );
  }

  /** Downloads to `options.destination`. @throws ERR_NO_INPUT when the hub does not have it */
  async downloadFlist(flist: FlistName, options: DownloadOptions): Promise<DownloadResult> {
    const path = `/${pathOf(flist, '.flist')}`;
    return await this.#transferred(`Download of ${flist.name}`, options, (signal) =>
      downloadFlist(this.#client, path, { ...options, signal }),
    );
  }

  /** MD5 of a flist, hex; `undefined` when the hub does not have it. */
  async flistMd5(flist: FlistName, options: StoreCallOptions = {}): Promise<string | undefined> {
    const text = await this.#text(`/${pathOf(flist, '.flist')}.md5`, options);
    const md5 = text?.trim();
    if (md5 === undefined || /^[0-9a-f]{32}$/.test(md5)) return md5;
    throw new G8Error('ERR_PROTOCOL', `Hub ${this.name} answered with something that is no MD5`);
  }

  /** Signatures or start profile of a flist; `undefined` when there are none. */
  async flistText(
    flist: FlistName,
    kind: 'sig' | 'profile',
    options: StoreCallOptions = {},
  ): Promise<string | undefined> {
    return await this.#text(`/${pathOf(flist, '.flist')}.${kind}`, options);
  }

  async #text(path: string, options: StoreCallOptions): Promise<string | undefined> {
    return await this.#retried(`Text ${path}`, options, (signal) =>
      this.#client.request({ method: 'GET', path, signal, accept: [404] }, async (response) => {
        if (response.status === 404) return undefined;
        const bytes = await readBody(response, TEXT_SIZE_MAX, `Text ${path}`);
        return Buffer.from(bytes).toString('latin1');
      }),
    );
  }

  /** @throws ERR_NO_INPUT when the hub does not have it */
  async deleteFlist(flist: FlistName, options: StoreCallOptions = {}): Promise<void> {
    await this.#delete(`/api/v1/flists/${pathOf(flist, '')}`, options, () =>
      this.#absentFlist(flist),
    );
  }

  // Not retried but where nothing was done: the second attempt could not tell its own success from what never was.
  async #delete(path: string, options: StoreCallOptions, absent: () => G8Error): Promise<void> {
    const refused = 'ERR_USAGE';
    const request = { method: 'DELETE', path, signal: options.signal, absent, refused } as const;
    await whenAllowed(options, () => this.#client.request(request, () => undefined));
  }

  /**
   * All flists, sorted by repository and name.
   *
   * @param options.words only those whose names have all of them
   */
  async *listFlists(
    options: StoreCallOptions & { readonly words?: readonly string[] } = {},
  ): AsyncGenerator<FlistEntry, void, void> {
    const { words = [] } = options;
    let after: string | undefined;
    for (let page = 0; page < PAGE_COUNT_MAX; page++) {
      const fields = new URLSearchParams();
      if (words.length > 0) fields.set('q', words.join(' '));
      if (after !== undefined) fields.set('after', after);
      const query = fields.size === 0 ? '' : `?${fields}`;
      const { flists, next } = await this.#retried('Listing', options, (signal) =>
        this.#client.request(
          { method: 'GET', path: `/api/v1/flists${query}`, signal },
          async (response) =>
            parseAnswer(
              this.#client,
              listResponse,
              await readJson(response, JSON_SIZE_MAX, 'Listing'),
            ),
        ),
      );
      yield* flists;
      if (next === undefined) return;
      after = next;
    }
  }

  /**
   * Uploads chunks as they come, in batches, several at once. The source is read no further ahead
   * than the batches that are under way. Results come in any order, one for each chunk.
   */
  async *uploadChunks(
    chunks: AsyncIterable<HubChunk> | Iterable<HubChunk>,
    options: StoreCallOptions = {},
  ): AsyncGenerator<UploadResult, void, void> {
    yield* uploadChunks(this.#client, chunks, {
      ...options,
      retried: (what, inner, run) => this.#retried(what, inner, run),
    });
  }

  async close(): Promise<void> {
    await this.chunks.close();
    await this.#client.close();
  }

  #absentFlist(flist: FlistName): G8Error {
    return new G8Error('ERR_NO_INPUT', `Flist ${fullName(flist)} is not on ${this.name}`);
  }

  /** Whether the hub is new enough for something; not asked of servers that are none. */
  async #has(feature: string, signal: AbortSignal): Promise<boolean> {
    const info = await probeHub(this.#client, { signal });
    return info?.features.includes(feature) ?? false;
  }

  async #retried<T>(
    what: string,
    options: StoreCallOptions,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return await this.#run(this.#policy, what, options.signal, run);
  }

  // A whole flist may take longer than all the chunk requests that the policy is made for.
  async #transferred<T>(
    what: string,
    options: TransferOptions,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const totalMs = Math.max(this.#policy.totalMs, TRANSFER_TIMEOUT_MS);
    return await this.#run({ ...this.#policy, totalMs }, what, options.signal, run);
  }

  async #run<T>(
    policy: RetryPolicy,
    what: string,
    signal: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return await retry({ policy, what: `${what} at ${this.name}`, signal }, run);
  }
}

function tagPath({ repository, tag, name }: TagLink): string {
  return `/api/v1/tags/${[repository, tag, name].map(encodeURIComponent).join('/')}`;
}

function fullName({ repository, name }: FlistName): string {
  return `${repository}/${name}`;
}

function pathOf({ repository, name }: FlistName, extension: string): string {
  const bare = name.endsWith('.flist') ? name.slice(0, -'.flist'.length) : name;
  return `${encodeURIComponent(repository)}/${encodeURIComponent(bare)}${extension}`;
}
