/**
 * A flist over HTTP as a stream, for readers that stop early: what they do not take is not sent. A broken
 * connection is taken up where it broke when the server can tell that the flist is still the same.
 */
import { throwIfAborted } from '../base/abort.ts';
import { sleep } from '../base/deadline.ts';
import { G8Error, isG8Error } from '../base/errors.ts';
import { retryDelayMs, SYSTEM_CLOCK } from '../base/retry.ts';
import { FLIST_SIZE_MAX, TRANSFER_TIMEOUT_MS } from './flist-transfer.ts';
import type { HttpResponse } from './http-answer.ts';
import type { HttpClient } from './http-client.ts';
import { TRANSFER_RETRY } from './retry.ts';

export interface StreamFlistOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once, before the first byte: bytes of the whole flist when the server says so. */
  readonly onSize?: ((size: number | undefined) => void) | undefined;
}

/** How far a stream is, over all its connections. */
interface Position {
  offset: number;
  /** Strong validator of what is being read. */
  etag: string | undefined;
  isStarted: boolean;
}

/**
 * Streams the flist at `path` below the client's base URL.
 *
 * @throws ERR_NO_INPUT when it does not exist; ERR_PROTOCOL when it is too large or another one after a
 *   break; ERR_STORE_UNAVAILABLE and its kin when the connection cannot be taken up again
 */
export async function* streamFlist(
  client: HttpClient,
  path: string,
  options: StreamFlistOptions = {},
): AsyncGenerator<Uint8Array> {
  const position: Position = { offset: 0, etag: undefined, isStarted: false };
  const { attemptCount } = TRANSFER_RETRY;
  for (let attempt = 1; ; attempt++) {
    try {
      yield* readOn(client, path, position, options);
      return;
    } catch (error) {
      throwIfAborted(options.signal);
      const mayResume = position.offset === 0 || position.etag !== undefined;
      if (!isG8Error(error) || !error.retryable || !mayResume) throw error;
      if (attempt === attemptCount) throw error;
      await sleep(retryDelayMs(TRANSFER_RETRY, attempt, error, SYSTEM_CLOCK), options.signal);
    }
  }
}

/** One connection: from where the last one broke to the end. */
async function* readOn(
  client: HttpClient,
  path: string,
  position: Position,
  { signal, onSize }: StreamFlistOptions,
): AsyncGenerator<Uint8Array> {
  const what = `Flist ${client.name}${path}`;
  const { offset, etag } = position;
  const headers = offset === 0 ? {} : { range: `bytes=${offset}-`, 'if-range': etag ?? '' };
  const absent = () => new G8Error('ERR_NO_INPUT', `${what} does not exist`);
  const request = { method: 'GET', path, headers, signal, timeoutMs: TRANSFER_TIMEOUT_MS } as const;
  yield* client.stream({ ...request, absent }, async function* (response) {
    if (!position.isStarted) {
      position.isStarted = true;
      onSize?.(contentLength(response));
    }
    if (offset === 0) position.etag = strongTag(response);
    else checkSame(response, position, what);
    let skipped = response.status === 206 ? 0 : offset;
    for await (const piece of response.body) {
      const rest = piece.subarray(Math.min(skipped, piece.length));
      skipped -= piece.length - rest.length;
      position.offset += rest.length;
      if (position.offset > FLIST_SIZE_MAX) {
        throw new G8Error('ERR_PROTOCOL', `${what} is larger than ${FLIST_SIZE_MAX} bytes`);
      }
      if (rest.length > 0) yield rest;
    }
  });
}

function checkSame(response: HttpResponse, { offset, etag }: Position, what: string): void {
  const range = /^bytes (\d+)-/.exec(response.header('content-range') ?? '')?.[1];
  const isPlaced = response.status !== 206 || Number(range) === offset;
  if (isPlaced && strongTag(response) === etag) return;
  throw new G8Error('ERR_PROTOCOL', `${what} was changed while it was read`);
}

function strongTag(response: HttpResponse): string | undefined {
  const tag = response.header('etag');
  return tag?.startsWith('"') ? tag : undefined;
}

function contentLength(response: HttpResponse): number | undefined {
  const size = Number(response.header('content-length') ?? Number.NaN);
  return Number.isSafeInteger(size) ? size : undefined;
}
