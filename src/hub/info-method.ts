/**
 * The method INFO, which the historical hub knows and Node's parser does not: a request of it is read here by
 * hand and answered as GET of `…/light`. The connection is closed behind it.
 */

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { HEADER_SIZE_MAX } from './limits.ts';

/** What the parser has refused. */
export interface ParserError {
  readonly code?: string;
  /** Bytes that have come; what comes later is an error of its own. */
  readonly rawPacket?: unknown;
  /** Where in `rawPacket` the parser gave up. */
  readonly bytesParsed?: number;
}

const BEGIN = Buffer.from('INFO ');
const END = Buffer.from('\r\n\r\n');
const DEADLINE_MS = 10_000;
const FLIST_PATH = /^\/api\/flist\/[^/?]+\/[^/?]+\/?$/;

interface Pending {
  head: Buffer;
  readonly timer: NodeJS.Timeout;
}

export class InfoRequests {
  readonly #pending = new WeakMap<Socket, Pending>();

  /** Takes what the parser has refused, if it is such a request. @returns whether it was taken */
  take(app: FastifyInstance, error: ParserError, socket: Socket): boolean {
    const { code, rawPacket, bytesParsed = 0 } = error;
    if (code !== 'HPE_INVALID_METHOD' || !Buffer.isBuffer(rawPacket)) return false;
    let pending = this.#pending.get(socket);
    if (pending === undefined) {
      const head = rawPacket.subarray(bytesParsed);
      // Behind a request that is not answered yet the order of the answers would be wrong.
      if (bytesParsed > 0 || !head.subarray(0, BEGIN.length).equals(BEGIN)) return false;
      const timer = setTimeout(() => socket.destroy(), DEADLINE_MS);
      socket.once('close', () => clearTimeout(timer));
      pending = { head, timer };
      this.#pending.set(socket, pending);
    } else {
      pending.head = Buffer.concat([pending.head, rawPacket]);
    }
    const { head, timer } = pending;
    if (head.includes(END)) {
      clearTimeout(timer);
      answer(app, head.toString('latin1'), socket).catch(() => socket.destroy());
    } else if (head.length > HEADER_SIZE_MAX) {
      socket.destroy();
    }
    return true;
  }
}

async function answer(app: FastifyInstance, head: string, socket: Socket): Promise<void> {
  const [line = '', ...lines] = (head.split('\r\n\r\n')[0] as string).split('\r\n');
  const url = /^INFO (\/\S*) HTTP\/1\.[01]$/.exec(line)?.[1];
  const headers: Record<string, string> = {};
  for (const text of lines) {
    const match = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/.exec(text);
    if (match === null) return send(socket, 400, {}, Buffer.alloc(0));
    headers[(match[1] as string).toLowerCase()] = match[2] as string;
  }
  const path = url?.split('?')[0] ?? '';
  if (url === undefined || !FLIST_PATH.test(path)) {
    return send(socket, 405, { allow: 'GET, HEAD' }, Buffer.alloc(0));
  }
  const response: LightMyRequestResponse = await app.inject({
    method: 'GET',
    url: `${path.replace(/\/$/, '')}/light`,
    headers,
    remoteAddress: socket.remoteAddress ?? '',
  });
  send(socket, response.statusCode, response.headers, response.rawPayload);
}

function send(
  socket: Socket,
  status: number,
  headers: LightMyRequestResponse['headers'],
  body: Buffer,
): void {
  const skipped = ['connection', 'keep-alive', 'transfer-encoding', 'content-length'];
  const lines = Object.entries(headers)
    .filter(([name, value]) => value !== undefined && !skipped.includes(name))
    .map(([name, value]) => `${name}: ${String(value)}`);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...lines,
    `content-length: ${body.length}`,
    'connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.end(body);
}
