/**
 * Flists over HTTP as files: download with progress and validators, upload from disk.
 *
 * Each function is one attempt. A download appears under its name by rename, complete or not at all.
 */
import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { G8Error, toG8Error } from '../base/errors.ts';
import { type HttpResponse, readJson } from './http-answer.ts';
import type { HttpClient } from './http-client.ts';
import { parseAnswer } from './hub-chunks.ts';
import { type FlistReceipt, flistReceipt, JSON_SIZE_MAX } from './hub-protocol.ts';

/** Told how far a transfer is; `totalBytes` is absent when the server does not say. */
export type ProgressFunction = (doneBytes: number, totalBytes: number | undefined) => void;

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressFunction | undefined;
}

export interface DownloadOptions extends TransferOptions {
  /** File to write; replaced by rename. */
  readonly destination: string;
  /** `ETag` of the copy at hand: an unchanged flist is then not sent again. */
  readonly etag?: string | undefined;
  /** Bytes at most, default {@link FLIST_SIZE_MAX}. */
  readonly sizeMax?: number | undefined;
}

export type DownloadResult =
  | { readonly unchanged: true }
  | {
      readonly unchanged: false;
      readonly size: number;
      /** To be given with the next download. */
      readonly etag: string | undefined;
    };

/** A million files make a flist of about 100 MiB. */
export const FLIST_SIZE_MAX = 1024 * 1024 * 1024;

// Idle deadlines watch over progress; this is for a peer that sends a byte now and then.
export const TRANSFER_TIMEOUT_MS = 3_600_000;
const PIECE_SIZE = 256 * 1024;

/**
 * Downloads the flist at `path` below the client's base URL.
 *
 * @throws ERR_NO_INPUT when it does not exist, ERR_PROTOCOL when it is larger than `sizeMax` or
 *   differs from the digest the server states, ERR_CREATE when the destination cannot be written
 */
export async function downloadFlist(
  client: HttpClient,
  path: string,
  options: DownloadOptions,
): Promise<DownloadResult> {
  const headers: Record<string, string> = {};
  if (options.etag !== undefined) headers['if-none-match'] = options.etag;
  const what = `Flist ${client.name}${path}`;
  return await client.request(
    {
      method: 'GET',
      path,
      headers,
      signal: options.signal,
      timeoutMs: TRANSFER_TIMEOUT_MS,
      accept: [304],
      absent: () => new G8Error('ERR_NO_INPUT', `${what} does not exist`),
    },
    async (response) =>
      response.status === 304 ? { unchanged: true } : await writeResponse(response, what, options),
  );
}

async function writeResponse(
  response: HttpResponse,
  what: string,
  options: DownloadOptions,
): Promise<DownloadResult> {
  const sizeMax = options.sizeMax ?? FLIST_SIZE_MAX;
  const tooLarge = () => new G8Error('ERR_PROTOCOL', `${what} is larger than ${sizeMax} bytes`);
  const stated = response.header('content-length');
  const total = stated === undefined ? undefined : Number(stated);
  if (total !== undefined && total > sizeMax) throw tooLarge();

  const temporary = `${options.destination}.${randomBytes(6).toString('hex')}.part`;
  const created = <T>(promise: Promise<T>) =>
    promise.catch((error) => {
      throw toG8Error(error, 'ERR_CREATE', `Cannot write ${options.destination}`);
    });
  const md5 = createHash('md5');
  let size = 0;
  const handle = await created(open(temporary, 'wx', 0o644));
  try {
    for await (const piece of response.body) {
      size += piece.length;
      if (size > sizeMax) throw tooLarge();
      md5.update(piece);
      await created(handle.writeFile(piece));
      options.onProgress?.(size, total);
    }
    await handle.close();
    checkDigest(response.header('repr-digest'), md5.digest('base64'), what);
    await created(rename(temporary, options.destination));
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
  return { unchanged: false, size, etag: response.header('etag') };
}

/** Compares with `Repr-Digest: md5=:…:` (RFC 9530), which our hub sends. */
function checkDigest(header: string | undefined, md5: string, what: string): void {
  const stated = /(?:^|[,\s])md5=:([A-Za-z0-9+/=]+):/.exec(header ?? '')?.[1];
  if (stated !== undefined && stated !== md5) {
    throw new G8Error('ERR_PROTOCOL', `${what} does not match the digest its server states`);
  }
}

/**
 * Uploads the file `source` with `PUT` to `path` below the client's base URL.
 *
 * @throws ERR_NO_INPUT, ERR_FLIST_FORMAT when the hub finds that it is no flist, ERR_PERMISSION
 */
export async function uploadFlist(
  client: HttpClient,
  path: string,
  source: string,
  options: TransferOptions,
): Promise<FlistReceipt> {
  const handle = await open(source).catch((error) => {
    throw toG8Error(error, 'ERR_IO', `Cannot read ${source}`);
  });
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw notPublishable(source, info.isDirectory());
    const { size } = info;
    const body = (): Readable => {
      const stream = handle.createReadStream({
        start: 0,
        highWaterMark: PIECE_SIZE,
        autoClose: false,
      });
      let done = 0;
      stream.on('data', (piece) => {
        done += piece.length;
        options.onProgress?.(done, size);
      });
      return stream.pause();
    };
    return await client.request(
      {
        method: 'PUT',
        refused: 'ERR_USAGE',
        path,
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(size),
          accept: 'application/json',
        },
        body,
        signal: options.signal,
        timeoutMs: TRANSFER_TIMEOUT_MS,
        accept: [422],
      },
      async (response) => {
        if (response.status === 422) {
          throw new G8Error('ERR_FLIST_FORMAT', `Hub ${client.name} finds no flist in ${source}`);
        }
        const answer = await readJson(response, JSON_SIZE_MAX, `Answer of ${client.name}`);
        return parseAnswer(client, flistReceipt, answer);
      },
    );
  } finally {
    await handle.close().catch(() => {});
  }
}

function notPublishable(source: string, isFolder: boolean): G8Error {
  const why = isFolder ? 'a folder; make a flist of it first (flist create)' : 'no regular file';
  return new G8Error('ERR_NO_INPUT', `${source} is ${why}`);
}
