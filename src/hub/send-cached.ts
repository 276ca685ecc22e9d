/**
 * Chunks that are in memory, sent from their files to the socket by the kernel: no copy, no turn of the pool and
 * no stream, which are most of what a chunk costs otherwise (docs/performance.md).
 */
import { closeSync, createReadStream } from 'node:fs';
import { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CachedChunk } from '../store/directory.ts';
import type { ChunkId } from '../store/store.ts';
import type { HubAddon, HubContext } from './route.ts';

/** Requests with one of these may be answered with something else than the whole chunk. */
const CONDITIONS = ['range', 'if-none-match', 'if-modified-since', 'if-range'] as const;
const PIECE_SIZE = 256 * 1024;

/**
 * Answers a plain GET, if the chunk is in memory and the connection can be written to.
 *
 * @returns whether it has: `false` leaves the answer to the usual way
 */
export function sendCached(
  { addon, chunks }: Pick<HubContext, 'addon' | 'chunks'>,
  request: FastifyRequest,
  reply: FastifyReply,
  chunk: { readonly id: ChunkId; readonly headers: Readonly<Record<string, string>> },
): boolean {
  if (addon === undefined || chunks.openCached === undefined) return false;
  if (request.method !== 'GET' || CONDITIONS.some((name) => name in request.headers)) return false;
  const { socket } = reply.raw;
  const descriptor = descriptorOf(socket);
  if (socket === null || descriptor === undefined) return false;
  const file = chunks.openCached(chunk.id);
  if (file === undefined) return false;
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    ...chunk.headers,
    etag: `"${chunk.id}"`,
    'accept-ranges': 'bytes',
    'last-modified': new Date(file.modifiedMs).toUTCString(),
    'content-length': String(file.size),
  });
  raw.flushHeaders();
  sendBody(addon, reply, { file, descriptor });
  return true;
}

/** Of a connection without TLS that has nothing to send; `undefined` for all others. */
function descriptorOf(socket: Socket | null): number | undefined {
  if (!(socket instanceof Socket) || 'encrypted' in socket) return undefined;
  if (socket.destroyed || socket.writableLength > 0) return undefined;
  const { fd } = (socket as { _handle?: { fd?: number } })._handle ?? {};
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

function sendBody(
  addon: HubAddon,
  { raw, request }: FastifyReply,
  { file, descriptor }: { file: CachedChunk; descriptor: number },
): void {
  const { fd, size } = file;
  let sent = 0;
  try {
    // Else the headers are not sent yet, and the body would come first.
    if (raw.socket?.writableLength === 0) sent = addon.sendFile(descriptor, fd, 0, size);
  } catch (error) {
    closeSync(fd);
    request.log.info({ err: error }, 'the client is gone');
    raw.destroy();
    return;
  }
  if (sent === size) {
    closeSync(fd);
    raw.end();
    return;
  }
  // What the socket has no room for goes as the client takes it.
  const rest = createReadStream('', { fd, start: sent, end: size - 1, highWaterMark: PIECE_SIZE });
  pipeline(rest, raw, (error) => {
    if (error) request.log.info({ err: error }, 'the client is gone');
  });
}
