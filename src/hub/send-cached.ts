/**
 * Chunks that are in memory, sent from their files to the socket by the kernel: no copy, no turn of the pool and
 * no stream, which are most of what a chunk costs otherwise (docs/performance.md).
 */
import { closeSync, read } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { G8Error } from '../base/errors.ts';
import type { CachedChunk } from '../store/directory-calls.ts';
import type { ChunkId } from '../store/store.ts';
import type { HubAddon, HubContext } from './route.ts';

/** Requests with one of these may be answered with something else than the whole chunk. */
const CONDITIONS = ['range', 'if-none-match', 'if-modified-since', 'if-range'] as const;
const PIECE_SIZE = 64 * 1024;

const readPiece = async (fd: number, size: number, at: number) =>
  await promisify(read)(fd, Buffer.allocUnsafe(size), 0, size, at);

/**
 * Answers a plain GET, if the chunk is in memory and the connection can be written to.
 *
 * @returns whether it has: `false` leaves the answer to the usual way
 */
export function sendCached(
  { addon, cache, chunks }: Pick<HubContext, 'addon' | 'cache' | 'chunks'>,
  request: FastifyRequest,
  reply: FastifyReply,
  chunk: {
    readonly id: ChunkId;
    readonly isPublic: boolean;
    readonly headers: Readonly<Record<string, string>>;
  },
): boolean {
  if (addon === undefined) return false;
  if (cache === undefined && chunks.openCached === undefined) return false;
  if (request.method !== 'GET' || CONDITIONS.some((name) => name in request.headers)) return false;
  if (descriptorOf(reply.raw.socket) === undefined) return false;
  const file = cache?.openCached(chunk.id, chunk.isPublic) ?? chunks.openCached?.(chunk.id);
  if (file === undefined) return false;
  reply.headers(chunk.headers);
  reply.hijack();
  const { raw } = reply;
  // Names and values in turn: an object with these would be looked through several times.
  const fields = Object.entries(reply.getHeaders()).flat() as string[];
  fields.push('etag', `"${chunk.id}"`, 'accept-ranges', 'bytes');
  fields.push('last-modified', new Date(file.modifiedMs).toUTCString());
  fields.push('content-length', String(file.size));
  raw.writeHead(200, fields);
  raw.flushHeaders();
  sendBody(addon, raw, file).catch((error: unknown) => {
    request.log.info({ err: error }, 'a chunk was not sent to its end');
    raw.destroy();
  });
  return true;
}

/** Of a connection without TLS that is open and has nothing to send; `undefined` for all others. Good until the next await. */
function descriptorOf(socket: Socket | null): number | undefined {
  if (!(socket instanceof Socket) || 'encrypted' in socket) return undefined;
  if (socket.destroyed || socket.writableLength > 0) return undefined;
  const { fd } = (socket as { _handle?: { fd?: number } })._handle ?? {};
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

async function sendBody(addon: HubAddon, raw: ServerResponse, file: CachedChunk): Promise<void> {
  const { fd, size } = file;
  const handOver = (at: number): number => {
    // Asked for anew each time: the number of a connection that was closed is soon another's.
    const descriptor = descriptorOf(raw.socket);
    return descriptor === undefined ? 0 : addon.sendFile(descriptor, fd, at, size - at);
  };
  try {
    let at = handOver(0);
    while (at < size) {
      // Written the usual way, it says when there is room again: for this, and more behind it.
      const { bytesRead, buffer } = await readPiece(fd, Math.min(PIECE_SIZE, size - at), at);
      if (bytesRead === 0) throw new G8Error('ERR_IO', 'A chunk is shorter than it was');
      await written(raw, buffer.subarray(0, bytesRead));
      at += bytesRead;
      at += handOver(at);
    }
  } finally {
    closeSync(fd);
  }
  raw.end();
}

async function written(raw: ServerResponse, piece: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onClose = () => reject(new G8Error('ERR_ABORTED', 'The client is gone'));
    raw.once('close', onClose);
    raw.write(piece, (error) => {
      raw.off('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}
