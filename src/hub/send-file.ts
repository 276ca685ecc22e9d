/** An open file as an HTTP answer: conditional requests and one byte range (RFC 9110), streamed. */
import type { FileHandle } from 'node:fs/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { plural } from '../base/plural.ts';
import { Problem } from './problem.ts';

export interface SentFile {
  /** Closed when the answer is sent or has failed. */
  readonly handle: FileHandle;
  readonly size: number;
  readonly modified: Date;
  /** Strong validator without its quotes. */
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

const PIECE_SIZE = 256 * 1024;

/** Answers GET and HEAD with 200, 206, 304 or 416. */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: SentFile,
): Promise<FastifyReply> {
  const etag = `"${file.etag}"`;
  reply
    .headers(file.headers)
    .header('etag', etag)
    .header('last-modified', file.modified.toUTCString())
    .header('accept-ranges', 'bytes');
  try {
    if (isUnchanged(request, etag, file.modified)) {
      await file.handle.close();
      return reply.code(304).send();
    }
    const range = request.method === 'GET' ? rangeOf(request, etag, file.size) : undefined;
    const { start, end } = range ?? { start: 0, end: file.size - 1 };
    reply.header('content-length', String(end - start + 1));
    if (range !== undefined) {
      reply.code(206).header('content-range', `bytes ${start}-${end}/${file.size}`);
    }
    if (request.method === 'HEAD' || file.size === 0) {
      await file.handle.close();
      return reply.send(request.method === 'HEAD' ? undefined : Buffer.alloc(0));
    }
    // The stream owns the handle from here: it closes it at its end and when the client goes away.
    return reply.send(file.handle.createReadStream({ start, end, highWaterMark: PIECE_SIZE }));
  } catch (error) {
    await file.handle.close().catch(() => {});
    for (const name of Object.keys(file.headers)) reply.removeHeader(name);
    for (const name of ['etag', 'last-modified', 'content-length']) reply.removeHeader(name);
    throw error;
  }
}

function isUnchanged(request: FastifyRequest, etag: string, modified: Date): boolean {
  const tags = request.headers['if-none-match'];
  if (tags !== undefined) {
    return tags.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, '')));
  }
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
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new Problem(416, `The range is outside the ${plural(size, 'byte')}`, {
      'content-range': `bytes */${size}`,
    });
  }
  return { start, end };
}
