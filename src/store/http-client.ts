/**
 * HTTP requests to one base URL: pooled connections, deadlines, statuses as errors, no secrets shown.
 *
 * It knows nothing of chunks or flists and never repeats a request; that is for its callers. Calls
 * may run at the same time; those above the connection bound wait for a free one, within their deadline.
 */
import type { Readable } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import { raceAbort, throwIfAborted } from '../base/abort.ts';
import { type Deadline, startDeadline } from '../base/deadline.ts';
import { G8Error } from '../base/errors.ts';
import { assertAddress, guardedLookup, type MayConnect } from './guarded-connect.ts';
import { HeldToken } from './held-token.ts';
import type { HttpResponse } from './http-answer.ts';
import { errorOfStatus, isRefusal, problemText, transportError } from './http-failure.ts';
import { authorizationOf, parseHttpUrl } from './http-url.ts';
import type { FindToken } from './logins.ts';
import { lookUpName } from './name-lookup.ts';

export interface HttpOptions {
  /** Bearer token. It wins over credentials in the URL. */
  readonly token?: string | undefined;
  /** Finds a bearer token when there are no other credentials; asked again when a request is refused. */
  readonly login?: FindToken | undefined;
  /** Connections to the origin at most, default 16. */
  readonly connectionsMax?: number | undefined;
  /** Default 5 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest wait for response headers and between two pieces of a body, default 8 000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Whole time of a request for one chunk or one JSON document, default 20 000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Which addresses may be connected to; default all. */
  readonly mayConnect?: MayConnect | undefined;
  /** What the body of a failure says, for its message; default: the sentence of a problem document. */
  readonly failureText?: (response: HttpResponse) => Promise<string>;
}

export interface HttpRequest {
  readonly method: Dispatcher.HttpMethod;
  /** Below the base URL, beginning with a slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A function gives the stream anew when the request has to be sent again with other credentials. */
  readonly body?: Uint8Array | string | (() => Readable);
  readonly signal?: AbortSignal | undefined;
  /** Whole time of the request, default the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Longest wait for the head of the answer, default the client's `idleTimeoutMs`. */
  readonly answerTimeoutMs?: number;
  /** Statuses that are answers, not errors, besides 2xx. */
  readonly accept?: readonly number[];
  /** What a 404 or 410 means; default `ERR_NO_INPUT`. */
  readonly absent?: () => G8Error;
  /** What a 400 that gives a reason means; default `ERR_PROTOCOL`. */
  readonly refused?: 'ERR_USAGE';
}

// Twice what a browser opens: on-demand reads find a free one beside the prefetch.
const CONNECTIONS_MAX = 16;
const CONNECT_TIMEOUT_MS = 5_000;
// Both leave room, within the 30 s that a read may take, for asking another store.
const IDLE_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS = 20_000;
// Longer than the pauses of an interactive reader, shorter than servers' own habits (nginx: 75 s).
const KEEP_ALIVE_MS = 30_000;
// Answers that are not the answer yet; each costs time, and takes it from the deadline of the next.
const INTERIM_COUNT_MAX = 16;
// A response is given up rather than waited out when its rest is larger than this.
const DISCARD_SIZE_MAX = 64 * 1024;
// And a rest that takes longer is not worth the wait of whoever has the answer already.
const DISCARD_MS = 250;
const LOGIN_HINT = 'log in with g8ufs login';

export class HttpClient {
  /** Base URL without credentials and query. */
  readonly name: string;
  /** Whole time of a request that says nothing else. */
  readonly requestTimeoutMs: number;
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #query: string;
  readonly #authorization: string | undefined;
  readonly #token: HeldToken | undefined;
  readonly #failureText: (response: HttpResponse) => Promise<string>;
  readonly #closing = new AbortController();

  /** @throws ERR_CONFIG when the URL is not http or https; ERR_PERMISSION when its address is not allowed */
  constructor(url: string, options: HttpOptions = {}) {
    const parsed = parseHttpUrl(url);
    const { mayConnect } = options;
    if (mayConnect !== undefined) assertAddress(parsed.hostname, mayConnect);
    const idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.#basePath = parsed.pathname.replace(/\/+$/, '');
    this.#query = parsed.search;
    this.name = `${parsed.origin}${this.#basePath}`;
    this.#authorization = authorizationOf(parsed, options.token);
    if (this.#authorization === undefined && options.login !== undefined) {
      this.#token = new HeldToken(options.login);
    }
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#failureText = options.failureText ?? problemText;
    this.#pool = new Pool(parsed.origin, {
      connections: options.connectionsMax ?? CONNECTIONS_MAX,
      pipelining: 1,
      connect: {
        timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        lookup: mayConnect === undefined ? lookUpName : guardedLookup(mayConnect),
      },
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
  }

  /**
   * Sends a request and hands the response to `read`, all within one deadline.
   *
   * @throws ERR_PERMISSION on 401 and 403, ERR_STORE_UNAVAILABLE on 408, 425, 429 and 5xx (with
   *   `retryAfterMs` in its details when the server says when), what `absent` gives on 404 and 410,
   *   ERR_PROTOCOL on any other status, ERR_TIMEOUT, ERR_HOST_UNKNOWN, ERR_ABORTED
   */
  async request<T>(
    request: HttpRequest,
    read: (response: HttpResponse) => Promise<T> | T,
  ): Promise<T> {
    const what = this.#describe(request);
    const deadline = this.#startDeadline(request, what);
    try {
      const response = await this.#send(request, deadline, what);
      const result = await read(response);
      await response.discard();
      return result;
    } catch (error) {
      throw transportError(error, deadline.signal, what);
    } finally {
      deadline.clear();
    }
  }

  /** As {@link request} for a body that is consumed while it arrives. */
  async *stream<T>(
    request: HttpRequest,
    read: (response: HttpResponse) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, void> {
    const what = this.#describe(request);
    const deadline = this.#startDeadline(request, what);
    let response: Response | undefined;
    try {
      response = await this.#send(request, deadline, what);
      yield* read(response);
    } catch (error) {
      throw transportError(error, deadline.signal, what);
    } finally {
      await response?.discard();
      deadline.clear();
    }
  }

  /** Ends all requests and connections. Idempotent; later requests reject with `ERR_ABORTED`. */
  async close(): Promise<void> {
    const error = new G8Error('ERR_ABORTED', `Connection to ${this.name} was closed`);
    if (!this.#closing.signal.aborted) this.#closing.abort(error);
    await this.#pool.destroy(error);
  }

  #describe(request: HttpRequest): string {
    // A query may be a signature, and so a secret.
    return `${request.method} ${this.name}${request.path.replace(/\?.*$/s, '')}`;
  }

  #pathOf(request: HttpRequest): string {
    const separator = request.path.includes('?') ? '&' : '?';
    const query = this.#query === '' ? '' : `${separator}${this.#query.slice(1)}`;
    return `${this.#basePath}${request.path}${query}`;
  }

  #startDeadline(request: HttpRequest, what: string): Deadline {
    const timeoutMs = request.timeoutMs ?? this.requestTimeoutMs;
    return startDeadline({ timeoutMs, signal: request.signal, what });
  }

  async #send(request: HttpRequest, deadline: Deadline, what: string): Promise<Response> {
    const { signal } = deadline;
    // What keeps tokens may be a program that hangs.
    const token = await this.#tokenWithin(signal, (held) => held.get());
    let response = await this.#sendOnce(request, deadline, token);
    if (this.#token !== undefined && token !== undefined && isRefusal(response.status)) {
      const isWrong = response.status === 401;
      const other = await this.#tokenWithin(signal, (held) => held.renew(token, isWrong));
      if (other !== undefined) {
        await response.discard();
        response = await this.#sendOnce(request, deadline, other);
      }
    }
    const { status } = response;
    // Without its token a request is not told what is private, but that it is not there.
    if (token === undefined && this.#token?.isWrong && /^4(?:0[134]|10)$/.test(String(status))) {
      await response.discard();
      const message = `${what} needs a login, and the one for it was refused; ${LOGIN_HINT}`;
      throw new G8Error('ERR_PERMISSION', message, { details: { status: 401 } });
    }
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return response;
    const error = await errorOfStatus(response, request, what, {
      failureText: this.#failureText,
      hint: status === 401 && this.#token !== undefined ? `; ${LOGIN_HINT}` : '',
    });
    await response.discard();
    throw error;
  }

  async #tokenWithin(
    signal: AbortSignal,
    find: (held: HeldToken) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    return this.#token === undefined ? undefined : await raceAbort(find(this.#token), signal);
  }

  async #sendOnce(
    request: HttpRequest,
    deadline: Deadline,
    token: string | undefined,
  ): Promise<Response> {
    const { signal } = deadline;
    throwIfAborted(this.#closing.signal);
    throwIfAborted(signal);
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...request.headers };
    const authorization = token === undefined ? this.#authorization : `Bearer ${token}`;
    if (authorization !== undefined) headers['authorization'] = authorization;
    const { body = null, answerTimeoutMs } = request;
    let interim = 0;
    const data = await this.#pool.request({
      method: request.method,
      path: this.#pathOf(request),
      headers,
      body: typeof body === 'function' ? body() : body,
      signal,
      onInfo: () => {
        if (++interim === INTERIM_COUNT_MAX) deadline.fail(noAnswer(this.name));
      },
      ...(answerTimeoutMs !== undefined && { headersTimeout: answerTimeoutMs }),
    });
    return new Response(data);
  }
}

function noAnswer(name: string): G8Error {
  return new G8Error('ERR_PROTOCOL', `${name} sends interim answers without end`);
}

class Response implements HttpResponse {
  readonly status: number;
  readonly body: Dispatcher.ResponseData['body'];
  readonly #headers: Dispatcher.ResponseData['headers'];

  constructor(data: Dispatcher.ResponseData) {
    this.status = data.statusCode;
    this.#headers = data.headers;
    this.body = data.body;
    // A body nobody reads any more may still fail, when its deadline passes for example.
    this.body.on('error', () => {});
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Lets the connection be used again if little is left, else closes it. */
  async discard(): Promise<void> {
    if (this.body.destroyed || this.body.readableEnded) return;
    const timer = setTimeout(() => this.body.destroy(), DISCARD_MS);
    await this.body.dump({ limit: DISCARD_SIZE_MAX }).catch(() => {});
    clearTimeout(timer);
  }
}
