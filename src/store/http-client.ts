/**
 * HTTP requests to one base URL: pooled connections, deadlines, statuses as errors, no secrets shown.
 *
 * It knows nothing of chunks or flists and never repeats a request; that is for its callers. Calls
 * may run at the same time; those above the connection bound wait for a free one, within their deadline.
 */
import type { Readable } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import { throwIfAborted } from '../base/abort.ts';
import { type Deadline, startDeadline } from '../base/deadline.ts';
import { G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { HeldToken } from './held-token.ts';
import type { FindToken } from './logins.ts';

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
}

export interface HttpResponse {
  readonly status: number;
  /** First value of a header, by its lower-case name. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

// Twice what a browser opens: on-demand reads find a free one beside the prefetch.
const CONNECTIONS_MAX = 16;
const CONNECT_TIMEOUT_MS = 5_000;
// Both leave room, within the 30 s that a read may take, for asking another store.
const IDLE_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS = 20_000;
// Longer than the pauses of an interactive reader, shorter than servers' own habits (nginx: 75 s).
const KEEP_ALIVE_MS = 30_000;
// A response is given up rather than waited out when its rest is larger than this.
const DISCARD_SIZE_MAX = 64 * 1024;
const PROBLEM_SIZE_MAX = 4096;
const RETRY_AFTER_MS_MAX = 300_000;
const LOGIN_HINT = 'log in with g8ufs login';

export class HttpClient {
  /** Base URL without credentials and query. */
  readonly name: string;
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #query: string;
  readonly #authorization: string | undefined;
  readonly #token: HeldToken | undefined;
  readonly #requestTimeoutMs: number;
  readonly #failureText: (response: HttpResponse) => Promise<string>;
  readonly #closing = new AbortController();

  /** @throws ERR_CONFIG when the URL is not http or https */
  constructor(url: string, options: HttpOptions = {}) {
    const parsed = parseHttpUrl(url);
    const idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.#basePath = parsed.pathname.replace(/\/+$/, '');
    this.#query = parsed.search;
    this.name = `${parsed.origin}${this.#basePath}`;
    this.#authorization = authorizationOf(parsed, options.token);
    if (this.#authorization === undefined && options.login !== undefined) {
      this.#token = new HeldToken(options.login);
    }
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#failureText = options.failureText ?? problemText;
    this.#pool = new Pool(parsed.origin, {
      connections: options.connectionsMax ?? CONNECTIONS_MAX,
      pipelining: 1,
      connect: { timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS },
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
      const response = await this.#send(request, deadline.signal, what);
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
      response = await this.#send(request, deadline.signal, what);
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
    const timeoutMs = request.timeoutMs ?? this.#requestTimeoutMs;
    return startDeadline({ timeoutMs, signal: request.signal, what });
  }

  async #send(request: HttpRequest, signal: AbortSignal, what: string): Promise<Response> {
    const token = await this.#token?.get();
    let response = await this.#sendOnce(request, signal, token);
    if (this.#token !== undefined && token !== undefined && isRefusal(response.status)) {
      const other = await this.#token.renew(token, response.status === 401);
      if (other !== undefined) {
        await response.discard();
        response = await this.#sendOnce(request, signal, other);
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

  async #sendOnce(
    request: HttpRequest,
    signal: AbortSignal,
    token: string | undefined,
  ): Promise<Response> {
    throwIfAborted(this.#closing.signal);
    throwIfAborted(signal);
    const headers: Record<string, string> = { 'accept-encoding': 'identity', ...request.headers };
    const authorization = token === undefined ? this.#authorization : `Bearer ${token}`;
    if (authorization !== undefined) headers['authorization'] = authorization;
    const { body = null, answerTimeoutMs } = request;
    const data = await this.#pool.request({
      method: request.method,
      path: this.#pathOf(request),
      headers,
      body: typeof body === 'function' ? body() : body,
      signal,
      ...(answerTimeoutMs !== undefined && { headersTimeout: answerTimeoutMs }),
    });
    return new Response(data);
  }
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
    await this.body.dump({ limit: DISCARD_SIZE_MAX }).catch(() => {});
  }
}

/**
 * Reads a body of at most `sizeMax` bytes.
 *
 * @throws ERR_PROTOCOL when it is larger or encoded in a way nobody asked for
 */
export async function readBody(
  response: HttpResponse,
  sizeMax: number,
  what: string,
): Promise<Uint8Array> {
  const encoding = response.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw new G8Error('ERR_PROTOCOL', `${what} came with content encoding ${safeText(encoding)}`);
  }
  const tooLarge = () =>
    new G8Error('ERR_PROTOCOL', `${what} is larger than ${sizeMax} bytes`, {
      details: { sizeMax },
    });
  if (Number(response.header('content-length') ?? 0) > sizeMax) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body) {
    size += piece.length;
    if (size > sizeMax) throw tooLarge();
    pieces.push(piece);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

/** Reads a JSON body. @throws ERR_PROTOCOL */
export async function readJson(
  response: HttpResponse,
  sizeMax: number,
  what: string,
): Promise<unknown> {
  const bytes = await readBody(response, sizeMax, what);
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new G8Error('ERR_PROTOCOL', `${what} is no JSON`, { cause: error });
  }
}

/** @throws ERR_CONFIG */
function parseHttpUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new G8Error('ERR_CONFIG', `Not an http or https URL: ${withoutCredentials(url)}`);
  }
  return parsed;
}

/** The text with whatever stands between `//` and `@` removed, and without its query. */
export function withoutCredentials(url: string): string {
  return safeText(url.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/s, ''));
}

function authorizationOf(url: URL, token: string | undefined): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (url.username === '' && url.password === '') return undefined;
  const user = decodeCredential(url.username);
  if (url.password === '') return `Bearer ${user}`;
  const pair = Buffer.from(`${user}:${decodeCredential(url.password)}`, 'utf8');
  return `Basic ${pair.toString('base64')}`;
}

function decodeCredential(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A bare percent sign is what it is.
  }
}

async function errorOfStatus(
  response: HttpResponse,
  request: HttpRequest,
  what: string,
  told: {
    readonly failureText: (response: HttpResponse) => Promise<string>;
    /** What the user can do about it. */
    readonly hint: string;
  },
): Promise<G8Error> {
  const { status } = response;
  if ((status === 404 || status === 410) && request.absent !== undefined) return request.absent();
  const text = await told.failureText(response);
  const detail = text === '' ? '' : `: ${safeText(text)}`;
  const retryAfterMs = parseRetryAfter(response.header('retry-after'));
  return new G8Error(
    codeOfStatus(status),
    `${what} was answered with ${status}${detail}${told.hint}`,
    {
      details: { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    },
  );
}

/** Whether other credentials might change the answer. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

function codeOfStatus(status: number) {
  if (isRefusal(status)) return 'ERR_PERMISSION';
  if (status === 404 || status === 410) return 'ERR_NO_INPUT';
  // Request timeout, too early, too many requests, and all failures of the server.
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return 'ERR_STORE_UNAVAILABLE';
  }
  return 'ERR_PROTOCOL';
}

/** The sentence of a problem document (RFC 9457), if the response has one. */
async function problemText(response: HttpResponse): Promise<string> {
  if (!response.header('content-type')?.startsWith('application/problem+json')) return '';
  try {
    const problem = await readJson(response, PROBLEM_SIZE_MAX, 'Problem');
    const detail = (problem as { detail?: unknown }).detail;
    return typeof detail === 'string' ? detail : '';
  } catch {
    return ''; // The status alone says enough.
  }
}

/** Milliseconds meant by `Retry-After`: seconds or an HTTP date, at most five minutes. */
export function parseRetryAfter(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX);
}

/** A peer's text made fit for a message: one short line, nothing a terminal would act on. */
function safeText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function transportError(error: unknown, signal: AbortSignal, what: string): G8Error {
  if (isG8Error(error)) return error;
  if (signal.aborted && isG8Error(signal.reason)) return signal.reason;
  const { code = '', name = '' } = error as { code?: string; name?: string };
  // What a wrong certificate or a peer that speaks no HTTP does once, it does again.
  const permanent = name === 'HTTPParserError' || /CERT|TLS|SSL|HEADERS_OVERFLOW/.test(code);
  if (permanent) return new G8Error('ERR_PROTOCOL', `${what} failed: ${code}`, { cause: error });
  if (error instanceof Error && error.message === '') {
    // Several addresses were tried and each failed; only the code says how.
    const { code: mapped } = toG8Error(error, 'ERR_STORE_UNAVAILABLE', what);
    return new G8Error(mapped, `${what} failed: ${code || name}`, { cause: error });
  }
  return toG8Error(error, 'ERR_STORE_UNAVAILABLE', `${what} failed`);
}
