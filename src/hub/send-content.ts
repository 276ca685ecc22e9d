/** Bytes as an HTTP answer: conditional requests and one byte range (RFC 9110), streamed. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { plural } from '../base/plural.ts';
import { Problem } from './problem.ts';

export interface Content {
  readonly size: number;
  /** Absent when the backend knows no time: then only the ETag tells versions apart. */
  readonly modified?: Date | undefined;
  /** Strong validator without its quotes. */
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The bytes from `start` to `end`, which is not included. A stream closes what it reads from. */
  read(start: number, end: number): Promise<Readable | Uint8Array>;
  /** Called in place of `read` when no bytes are sent. */
  close(): Promise<void>;
}

/** A file that is open; its handle is closed when the answer is sent or has failed. */
export function fileContent(
  file: { handle: FileHandle; size: number; modified: Date },
  rest: { etag: string; headers: Readonly<Record<string, string>> },
): Content {
  const { handle, size, modified } = file;
  return {
    ...rest,
    size,
    modified,
    // The stream owns the handle: it closes it at its end and when the client goes away.
    read: async (start, end) =>
      handle.createReadStream({ start, end: end - 1, highWaterMark: PIECE_SIZE }),
    close: () => handle.close(),
  };
}

/** Bytes that are in memory. */
export function bytesContent(
  bytes: Uint8Array,
  rest: { etag: string; headers: Readonly<Record<string, string>> },
): Content {
  return {
    ...rest,
    size: bytes.length,
    read: async (start, end) => bytes.subarray(start, end),
    close: async () => {},
  };
}

interface ByteRange {
  readonly start: number;
  /** Not included. */
  readonly end: number;
}

const PIECE_SIZE = 256 * 1024;

/** Answers GET and HEAD with 200, 206, 304 or 416. */
export async function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  content: Content,
): Promise<FastifyReply> {
  const etag = `"${content.etag}"`;
  const { size, modified } = content;
  reply.headers(content.headers).header('etag', etag).header('accept-ranges', 'bytes');
  if (modified !== undefined) reply.header('last-modified', modified.toUTCString());
  try {
    if (isUnchanged(request, etag, modified)) {
      await content.close();
      return reply.code(304).send();
    }
    const range = request.method === 'GET' ? rangeOf(request, etag, size) : undefined;
    const { start, end } = range ?? { start: 0, end: size };
    reply.header('content-length', String(end - start));
    if (range !== undefined) {
      reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${size}`);
    }
    if (request.method === 'HEAD' || size === 0) {
      await content.close();
      return reply.send(request.method === 'HEAD' ? undefined : Buffer.alloc(0));
    }
    return reply.send(await content.read(start, end));
  } catch (error) {
    await content.close().catch(() => {});
    for (const name of Object.keys(content.headers)) reply.removeHeader(name);
    for (const name of ['etag', 'last-modified', 'content-length']) reply.removeHeader(name);
    throw error;
  }
}

function isUnchanged(request: FastifyRequest, etag: string, modified: Date | undefined): boolean {
  const tags = request.headers['if-none-match'];
  if (tags !== undefined) {
    return tags.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
  }
  if (modified === undefined) return false;
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  return Math.floor(modified.getTime() / 1000) * 1000 <= since;
}

/** The range asked for; `undefined` for none, several, or one in words that are not understood. */
function rangeOf(request: FastifyRequest, etag: string, size: number): ByteRange | undefined {
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== etag) return undefined;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(request.headers.range ?? '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(Number(last) + 1, size);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new Problem(416, `The range is outside the ${plural(size, 'byte')}`, {
      'content-range': `bytes */${size}`,
    });
  }
  return { start, end };
}
