/** Failures of HTTP requests as errors of this project: statuses, problem documents, broken transport. */
import { type ErrorCode, G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { type HttpResponse, readJson } from './http-answer.ts';
import { safeText } from './http-url.ts';

const PROBLEM_SIZE_MAX = 4096;
const RETRY_AFTER_MS_MAX = 300_000;

/** The error that a status means. */
export async function errorOfStatus(
  response: HttpResponse,
  request: { readonly absent?: () => G8Error; readonly refused?: ErrorCode },
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
  const isRefused = status === 400 && text !== '' && request.refused !== undefined;
  return new G8Error(
    isRefused ? request.refused : codeOfStatus(status),
    `${what} was answered with ${status}${detail}${told.hint}`,
    {
      details: { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    },
  );
}

/** Whether other credentials might change the answer. */
export function isRefusal(status: number): boolean {
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
export async function problemText(response: HttpResponse): Promise<string> {
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

/** What became of a request that got no answer, or lost it on the way. */
export function transportError(error: unknown, signal: AbortSignal, what: string): G8Error {
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
