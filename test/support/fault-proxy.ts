/**
 * A proxy in front of a hub that does to its answers what networks, proxies and broken servers do. Without a fault
 * it passes everything on. The question what the server is (`GET /api/v1`) suffers no fault: batches need its answer.
 */
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { decodeFrames, encodeFrameHeader } from '../../src/store/chunk-frames.ts';
import { bodyOf } from './http-server.ts';

export type NetworkFault =
  /** The connection is reset within the body, or before the answer. */
  | { readonly kind: 'reset'; readonly at: 'head' | 'body' }
  /** It ends in good order, but too early. */
  | { readonly kind: 'end-early' }
  /** Nothing more comes, ever. */
  | { readonly kind: 'stall'; readonly at: 'head' | 'body' }
  /** A byte now and then. */
  | { readonly kind: 'trickle'; readonly everyMs: number; readonly at: 'head' | 'body' }
  /** Half of the body, as if it were all. */
  | { readonly kind: 'truncate' }
  /** One bit of each body is another one. */
  | { readonly kind: 'flip' }
  /** A part of the body that nobody has asked for. */
  | { readonly kind: 'wrong-range' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  /** The answer comes after this. */
  | { readonly kind: 'slow-start'; readonly ms: number }
  | { readonly kind: 'endless-head' }
  | { readonly kind: 'endless-interim' }
  | { readonly kind: 'endless-body' }
  | { readonly kind: 'encoding' }
  | { readonly kind: 'redirect-loop' }
  | { readonly kind: 'no-http' }
  /** A batch without its last chunk, with one that nobody asked for, with the bytes of two exchanged, cut in a frame. */
  | { readonly kind: 'frames'; readonly how: 'missing' | 'extra' | 'exchanged' | 'cut' };

export interface FaultProxy {
  readonly url: string;
  /** From now on; `undefined`: none. With a path, only requests for that. */
  suffer(fault: NetworkFault | undefined, options?: { readonly path?: string }): void;
  /** Requests for chunks since the last call. */
  takeRequests(): number;
  /** Nobody listens any more; all connections are cut. */
  close(): Promise<void>;
  /** Listens again, at the same address. */
  open(): Promise<void>;
}

/** A whole answer of the hub. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Reason phrases are nobody's business. */
const headOf = (status: number, headers: Readonly<Record<string, string>>): string =>
  [`HTTP/1.1 ${status} -`, ...Object.entries(headers).map((pair) => pair.join(': ')), '', ''].join(
    '\r\n',
  );

export async function startFaultProxy(t: TestContext, hubUrl: string): Promise<FaultProxy> {
  let fault: NetworkFault | undefined;
  let only: string | undefined;
  let requests = 0;
  let port = 0;
  let server: Server | undefined;
  const open = async (): Promise<void> => {
    const opened = createServer((request, response) => {
      const isProbe = request.url === '/api/v1';
      if (!isProbe) requests++;
      request.socket.on('error', () => {});
      response.on('error', () => {});
      const isHit = only === undefined ? !isProbe : request.url === only;
      const suffered = isHit ? fault : undefined;
      answer(hubUrl, request, suffered).catch(() => request.socket.destroy());
    });
    // Stalled connections are what this is about.
    opened.requestTimeout = 0;
    await new Promise<void>((resolve) => opened.listen(port, '127.0.0.1', resolve));
    port = (opened.address() as AddressInfo).port;
    server = opened;
  };
  const close = async (): Promise<void> => {
    server?.closeAllConnections();
    await new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.close(() => resolve());
    });
    server = undefined;
  };
  await open();
  t.after(close);
  return {
    url: `http://127.0.0.1:${port}`,
    suffer: (next, options = {}) => {
      fault = next;
      only = options.path;
    },
    takeRequests: () => {
      const taken = requests;
      requests = 0;
      return taken;
    },
    close,
    open,
  };
}

async function answer(
  hubUrl: string,
  request: IncomingMessage,
  fault: NetworkFault | undefined,
): Promise<void> {
  const { socket } = request;
  const given = await askHub(hubUrl, request);
  const { body } = given;
  const headers = { ...given.headers, 'content-length': String(body.length), connection: 'close' };
  const write = (status: number, more: Readonly<Record<string, string>>, bytes: Buffer): void => {
    socket.end(Buffer.concat([Buffer.from(headOf(status, { ...headers, ...more })), bytes]));
  };
  const half = body.subarray(0, body.length >> 1);
  const whole = Buffer.concat([Buffer.from(headOf(given.status, headers)), body]);
  const headAndHalf = whole.subarray(0, whole.length - (body.length - half.length));
  switch (fault?.kind) {
    case undefined:
      return write(given.status, {}, body);
    case 'reset':
      if (fault.at === 'head') socket.resetAndDestroy();
      else socket.write(headAndHalf, () => socket.resetAndDestroy());
      return;
    case 'end-early':
      socket.end(headAndHalf);
      return;
    case 'stall':
      if (fault.at === 'body') socket.write(headAndHalf);
      return;
    case 'trickle':
      return trickle(socket, fault.at === 'head' ? whole : body, fault.everyMs, () => {
        if (fault.at === 'body') socket.write(headOf(given.status, headers));
      });
    case 'truncate':
      return write(given.status, { 'content-length': String(half.length) }, half);
    case 'flip':
      return write(given.status, {}, flipped(body));
    case 'wrong-range': {
      const range = `bytes 0-${half.length - 1}/${body.length}`;
      return write(206, { 'content-range': range, 'content-length': String(half.length) }, half);
    }
    case 'status': {
      const text = Buffer.from('<html>no</html>');
      const after = fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter };
      const type = { 'content-type': 'text/html', 'content-length': String(text.length) };
      return write(fault.status, { ...type, ...after }, text);
    }
    case 'slow-start':
      await new Promise((resolve) => setTimeout(resolve, fault.ms));
      return write(given.status, {}, body);
    case 'endless-head':
      socket.write('HTTP/1.1 200 -\r\n');
      return pour(socket, Buffer.from(`x-filler: ${'y'.repeat(1000)}\r\n`));
    case 'endless-interim':
      return pour(socket, Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'));
    case 'endless-body':
      socket.write('HTTP/1.1 200 -\r\nconnection: close\r\n\r\n');
      return pour(socket, Buffer.alloc(65_536, 'z'));
    case 'encoding':
      return write(given.status, { 'content-encoding': 'gzip' }, body);
    case 'redirect-loop':
      return write(302, { location: request.url ?? '/', 'content-length': '0' }, Buffer.alloc(0));
    case 'no-http':
      socket.end('220 smtp.example ESMTP\r\n');
      return;
    case 'frames': {
      const frames = await changedFrames(body, fault.how);
      return write(given.status, { 'content-length': String(frames.length) }, frames);
    }
  }
}

async function askHub(hubUrl: string, request: IncomingMessage): Promise<Answer> {
  const { hostname, port } = new URL(hubUrl);
  const { method, url: path = '/' } = request;
  const body = await bodyOf(request);
  const headers = { ...request.headers, connection: 'close' };
  return await new Promise<Answer>((resolve, reject) => {
    const asked = httpRequest({ hostname, port, method, path, headers }, (response) => {
      const type = response.headers['content-type'];
      bodyOf(response).then(
        (bytes) =>
          resolve({
            status: response.statusCode ?? 502,
            headers: type === undefined ? {} : { 'content-type': type },
            body: bytes,
          }),
        reject,
      );
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

function flipped(body: Buffer): Buffer {
  const bytes = Buffer.from(body);
  const at = bytes.length - 1;
  if (at >= 0) bytes[at] = (bytes[at] as number) ^ 1;
  return bytes;
}

function trickle(socket: Socket, bytes: Buffer, everyMs: number, begin: () => void): void {
  begin();
  let at = 0;
  const timer = setInterval(() => {
    // Its end may have been before the hub's answer came.
    if (socket.destroyed) clearInterval(timer);
    else socket.write(bytes.subarray(at, ++at));
  }, everyMs);
}

/** Writes the same for ever, as fast as it is read. */
function pour(socket: Socket, bytes: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', more);
  more();
}

async function changedFrames(
  body: Buffer,
  how: 'missing' | 'extra' | 'exchanged' | 'cut',
): Promise<Buffer> {
  const frames: { id: string; bytes: Uint8Array }[] = [];
  async function* whole() {
    yield new Uint8Array(body);
  }
  for await (const { id, bytes } of decodeFrames(whole())) frames.push({ id, bytes });
  const [first, second] = frames;
  if (how === 'missing') frames.pop();
  if (how === 'extra') frames.unshift({ id: 'ab'.repeat(32), bytes: new Uint8Array(3) });
  if (how === 'exchanged' && first !== undefined && second !== undefined) {
    [first.bytes, second.bytes] = [second.bytes, first.bytes];
  }
  const encoded = Buffer.concat(
    frames.flatMap(({ id, bytes }) => [encodeFrameHeader(id, 0, bytes.length), bytes]),
  );
  return how === 'cut' ? encoded.subarray(0, -2) : encoded;
}
