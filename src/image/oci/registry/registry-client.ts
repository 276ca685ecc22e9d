/**
 * Requests to one repository of a registry: finds out how it is reached, answers its challenges, follows
 * its redirects, repeats what failed in passing. An `Authorization` never goes to another server.
 *
 * Calls may run at the same time; the connections bound how many do.
 *
 * @see OCI distribution specification
 */
import { throwIfAborted } from '../../../base/abort.ts';
import { G8Error, isG8Error } from '../../../base/errors.ts';
import { type RetryPolicy, retry } from '../../../base/retry.ts';
import { showText } from '../../../format/oci/malformed.ts';
import { isLoopback, type RegistryReference } from '../../../format/oci/reference.ts';
import type { Credentials } from '../../../store/credential-helper.ts';
import { type HttpResponse, readJson } from '../../../store/http-answer.ts';
import { HttpClient, type HttpOptions, type HttpRequest } from '../../../store/http-client.ts';
import { Authorizer } from './authorizer.ts';
import { parseChallenge } from './challenge.ts';

/** Storage behind registries may think for a while before its first byte. */
const IDLE_TIMEOUT_MS = 30_000;
const REQUEST_TIMEOUT_MS = 60_000;
const REDIRECTS_MAX = 5;
/** The registry, its token server, and the stores behind it. */
const SERVERS_MAX = 16;
const PROBLEM_SIZE_MAX = 16 * 1024;

/** A registry that does not answer at all is not waited for as one that is busy. */
const PING_RETRY: RetryPolicy = {
  attemptCount: 2,
  delayMsMin: 200,
  delayMsMax: 1000,
  totalMs: 60_000,
};
export const REGISTRY_RETRY: RetryPolicy = {
  attemptCount: 6,
  delayMsMin: 200,
  delayMsMax: 10_000,
  totalMs: 3_600_000,
};

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Also asked for the hosts that a registry redirects to, and those of its token server. */
export type MayReach = (host: string, address: string) => boolean;

export interface RegistryOptions {
  readonly credentials: (signal: AbortSignal) => Promise<Credentials | undefined>;
  /** Plain http also to other machines, with whatever goes over it. Default false. */
  readonly insecure?: boolean | undefined;
  /** Default `pull`. */
  readonly actions?: 'pull' | 'pull,push' | undefined;
  readonly http?: HttpOptions | undefined;
  /** Whether an address of a host (with its port, when it has one) may be connected to; default all. */
  readonly mayReach?: MayReach | undefined;
  readonly retry?: RetryPolicy | undefined;
}

/** What is asked for below `/v2/<repository>`, or at the URL a registry gave. */
export interface RegistryRequest extends Omit<HttpRequest, 'path' | 'absent'> {
  readonly path: string | URL;
  /** What the request is about, for messages: `Blob sha256:…`. */
  readonly what: string;
}

type Reader<T> = (response: HttpResponse) => Promise<T> | T;

export class RegistryClient {
  /** `host/repository`, for messages. */
  readonly name: string;
  readonly #reference: RegistryReference;
  readonly #options: RegistryOptions;
  readonly #clients = new Map<string, HttpClient>();
  readonly #authorizer: Authorizer;
  readonly #policy: RetryPolicy;
  #connecting: Promise<URL> | undefined;

  constructor(reference: RegistryReference, options: RegistryOptions) {
    this.name = `${reference.registry}/${reference.repository}`;
    this.#reference = reference;
    this.#options = options;
    this.#policy = options.retry ?? REGISTRY_RETRY;
    this.#authorizer = new Authorizer({
      credentials: options.credentials,
      clientOf: (url) => this.#clientOf(url),
      scope: `repository:${reference.repository}:${options.actions ?? 'pull'}`,
      what: reference.registry,
    });
  }

  /**
   * Sends a request and hands the response to `read`; both again when they fail in passing.
   *
   * @throws ERR_NO_INPUT on 404, ERR_PERMISSION, ERR_STORE_UNAVAILABLE, ERR_PROTOCOL, ERR_TIMEOUT,
   *   ERR_HOST_UNKNOWN, ERR_ABORTED, and what `read` throws
   */
  async request<T>(request: RegistryRequest, read: Reader<T>): Promise<T> {
    return await this.attempts(request.what, request.signal, (signal) =>
      this.requestOnce({ ...request, signal }, read),
    );
  }

  /** As {@link request}, but a failure in passing is the caller's to deal with. */
  async requestOnce<T>(
    request: RegistryRequest & { readonly signal: AbortSignal },
    read: Reader<T>,
  ): Promise<T> {
    const base = await this.#connect(request.signal);
    const url = typeof request.path === 'string' ? this.#urlOf(base, request.path) : request.path;
    return await this.#follow(url, base, request, read);
  }

  /** Runs several requests that are one step: all again when one of them fails in passing. */
  async attempts<T>(
    what: string,
    signal: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    // Found out first: a registry that does not answer has fewer attempts.
    await this.#connect(signal);
    return await retry({ policy: this.#policy, what: `${what} of ${this.name}`, signal }, run);
  }

  /** Where a `Location` of the registry leads. @throws ERR_PROTOCOL */
  async locate(location: string | undefined, signal?: AbortSignal): Promise<URL> {
    return this.#resolve(location, await this.#connect(signal));
  }

  /** Ends all requests. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #urlOf(base: URL, path: string): URL {
    return new URL(`/v2/${this.#reference.repository}${path}`, base);
  }

  async #follow<T>(
    start: URL,
    base: URL,
    request: RegistryRequest & { readonly signal: AbortSignal },
    read: Reader<T>,
  ): Promise<T> {
    let url = start;
    let isAnswered = false;
    for (let hops = 0; hops <= REDIRECTS_MAX; ) {
      const isHome = url.origin === base.origin;
      const used = isHome ? this.#authorizer.header : undefined;
      const outcome = await this.#send(url, used, request, read);
      if ('value' in outcome) return outcome.value;
      if ('location' in outcome) {
        url = this.#resolve(outcome.location, url);
        hops++;
        continue;
      }
      if (!isHome || isAnswered) {
        throw new G8Error('ERR_PERMISSION', `${request.what} of ${this.name} is not for this user`);
      }
      const challenge = parseChallenge(outcome.challenge);
      await this.#authorizer.answer(challenge, used, request.signal);
      isAnswered = true;
    }
    throw new G8Error('ERR_PROTOCOL', `${request.what} of ${this.name} is redirected in circles`);
  }

  async #send<T>(
    url: URL,
    authorization: string | undefined,
    request: RegistryRequest,
    read: Reader<T>,
  ): Promise<{ value: T } | { location: string | undefined } | { challenge: string | undefined }> {
    const { what } = request;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    return await this.#clientOf(url).request(
      {
        ...request,
        path: `${url.pathname}${url.search}`,
        headers: { ...request.headers, ...(authorization !== undefined && { authorization }) },
        accept: [...(request.accept ?? []), 400, 401, 403, 404, ...(isRead ? REDIRECTS : [])],
      },
      async (response) => {
        const { status } = response;
        if (status < 300 || request.accept?.includes(status))
          return { value: await read(response) };
        if (status === 401) return { challenge: response.header('www-authenticate') };
        if (status < 400) return { location: response.header('location') };
        const code = { 403: 'ERR_PERMISSION', 404: 'ERR_NO_INPUT' } as const;
        throw new G8Error(
          status === 400 ? 'ERR_PROTOCOL' : code[status as 403 | 404],
          `${what} of ${this.name} ${await describeProblem(response)}`,
        );
      },
    );
  }

  #resolve(location: string | undefined, from: URL): URL {
    if (location === undefined || !URL.canParse(location, from.href)) {
      throw new G8Error('ERR_PROTOCOL', `${this.name} redirects to no URL`);
    }
    return new URL(location, from);
  }

  /** @throws ERR_PERMISSION for plain http to another machine and for addresses that are not allowed, ERR_PROTOCOL for no http at all */
  #clientOf({ protocol, origin, host }: URL): HttpClient {
    const known = this.#clients.get(origin);
    if (known !== undefined) return known;
    if (protocol === 'http:' && !this.#isPlainAllowed(host)) {
      throw new G8Error(
        'ERR_PERMISSION',
        `${host} is only reached over plain http (--insecure-registry)`,
      );
    }
    if (this.#clients.size >= SERVERS_MAX) {
      throw new G8Error('ERR_PROTOCOL', `${this.name} is spread over too many servers`);
    }
    const { mayReach } = this.#options;
    const client = new HttpClient(origin, {
      mayConnect: mayReach && ((address) => mayReach(host, address)),
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      ...this.#options.http,
    });
    this.#clients.set(origin, client);
    return client;
  }

  #isPlainAllowed(host: string): boolean {
    return this.#options.insecure === true || isLoopback(host);
  }

  /** The registry's base URL, once for all calls; a failure is found out again by the next one. */
  #connect(signal: AbortSignal | undefined): Promise<URL> {
    this.#connecting ??= this.#findBase(signal).catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #findBase(signal: AbortSignal | undefined): Promise<URL> {
    const { host } = this.#reference;
    const secure = new URL(`https://${host}`);
    try {
      await this.#ping(secure, signal);
      return secure;
    } catch (error) {
      throwIfAborted(signal);
      if (!this.#isPlainAllowed(host) || isG8Error(error, 'ERR_HOST_UNKNOWN')) throw error;
    }
    const plain = new URL(`http://${host}`);
    await this.#ping(plain, signal);
    return plain;
  }

  async #ping(base: URL, signal: AbortSignal | undefined): Promise<void> {
    const { registry } = this.#reference;
    const client = this.#clientOf(base);
    const what = `Registry ${registry}`;
    await retry({ policy: PING_RETRY, what, signal }, (inner) =>
      client.request(
        {
          method: 'GET',
          path: '/v2/',
          signal: inner,
          accept: [401],
          absent: () => new G8Error('ERR_PROTOCOL', `${registry} is no registry: it has no /v2/`),
        },
        async (response) => {
          if (response.status !== 401) return;
          const challenge = parseChallenge(response.header('www-authenticate'));
          // Some registries name a scope here that is only an example: what is wanted is known better.
          const bare =
            challenge?.scheme === 'bearer' ? { ...challenge, scope: undefined } : challenge;
          await this.#authorizer.answer(bare, undefined, inner);
        },
      ),
    );
  }
}

/** What a registry says of a failure: the first message of its error document. */
async function describeProblem(response: HttpResponse): Promise<string> {
  const status =
    response.status === 404 ? 'does not exist' : `was answered with ${response.status}`;
  if (response.status === 404) return status;
  try {
    const document = (await readJson(response, PROBLEM_SIZE_MAX, 'Problem')) as {
      errors?: readonly { message?: unknown }[];
    };
    const message = document.errors?.[0]?.message;
    return typeof message === 'string' && message !== ''
      ? `${status}: ${showText(message)}`
      : status;
  } catch {
    return status; // The status alone says enough.
  }
}
