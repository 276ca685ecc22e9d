/**
 * Control socket of the mount daemon: JSON lines over a Unix socket, one object per request and one
 * per answer, matched by `id`. Node-internal: no stability is promised between versions.
 *
 * Every request has a deadline and every line a size bound. Requests of one connection may be
 * answered out of order.
 */
import { chmod, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { CODES, type ErrorCode, G8Error, isG8Error, toG8Error } from '../base/errors.ts';

/** The longest line: a mount request with a hundred store URLs is far below it. */
const LINE_SIZE_MAX = 1024 * 1024;
/** Requests of one connection in progress; a client that sends more is refused. */
const PENDING_MAX = 64;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { code: ErrorCode; message: string } };

/** What the daemon answers; `params` is unchecked input. */
export type ControlHandler = (method: string, params: unknown) => Promise<unknown>;

/**
 * Listens on a Unix socket that only its owner can open.
 *
 * @param admits whether who has connected may ask anything; default everybody who can
 * @throws ERR_CACHE_LOCKED when another process listens there
 */
export async function serveControl(
  path: string,
  handler: ControlHandler,
  admits: (socket: Socket) => boolean = () => true,
): Promise<Server> {
  // The caller owns the cache, so a socket file found here belongs to a daemon that died.
  await rm(path, { force: true });
  const server = createServer((socket) => {
    if (admits(socket)) serveConnection(socket, handler);
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    // Stays: a connection that cannot be accepted later on must not end the daemon and its mounts.
    server.on('error', (error) =>
      reject(toG8Error(error, 'ERR_CACHE_LOCKED', `Control socket ${path} cannot be opened`)),
    );
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

function serveConnection(socket: Socket, handler: ControlHandler): void {
  let pending = 0;
  const reply = (message: Reply): void => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  // A client that goes away in the middle is its own business.
  socket.on('error', () => socket.destroy());
  onLines(socket, (line) => {
    const request = parseRequest(line);
    if (request === undefined || pending >= PENDING_MAX) {
      socket.destroy();
      return;
    }
    pending++;
    handler(request.method, request.params)
      .then((result) => reply({ id: request.id, result: result ?? null }))
      .catch((error: unknown) => {
        const failure = toG8Error(error, 'ERR_INTERNAL', `Request ${request.method} failed`);
        reply({ id: request.id, error: { code: failure.code, message: failure.message } });
      })
      .finally(() => pending--);
  });
}

function parseRequest(line: string): Request | undefined {
  try {
    const value = JSON.parse(line) as Partial<Request>;
    if (typeof value.id !== 'number' || typeof value.method !== 'string') return undefined;
    return { id: value.id, method: value.method, params: value.params };
  } catch {
    return undefined;
  }
}

function parseReply(line: string): Reply | undefined {
  try {
    const value = JSON.parse(line) as { id?: unknown; result?: unknown; error?: unknown };
    const hasAnswer = 'result' in value || (typeof value.error === 'object' && value.error);
    return typeof value.id === 'number' && hasAnswer ? (value as Reply) : undefined;
  } catch {
    return undefined;
  }
}

function gone(): G8Error {
  return new G8Error('ERR_STORE_UNAVAILABLE', 'The mount daemon closed the connection');
}

function onLines(socket: Socket, onLine: (line: string) => void): void {
  let buffered = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    buffered += text;
    let end = buffered.indexOf('\n');
    // What follows a line that broke the protocol is not looked at.
    while (end >= 0 && !socket.destroyed) {
      onLine(buffered.slice(0, end));
      buffered = buffered.slice(end + 1);
      end = buffered.indexOf('\n');
    }
    if (buffered.length > LINE_SIZE_MAX) socket.destroy();
  });
}

/** A client's connection to a daemon. Close it: until then it keeps the process alive. */
export class ControlClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (reply: Reply | G8Error) => void>();
  #nextId = 1;
  /** Settles when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    onLines(socket, (line) => {
      const reply = parseReply(line);
      if (reply === undefined) socket.destroy();
      else this.#waiting.get(reply.id)?.(reply);
    });
    const end = (): void => {
      for (const settle of this.#waiting.values()) settle(gone());
    };
    socket.on('error', end);
    socket.on('close', end);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /**
   * Connects to the daemon of a cache.
   *
   * @returns `undefined` when no daemon listens there
   */
  static async connect(path: string): Promise<ControlClient | undefined> {
    const socket = createConnection(path);
    const connected = await new Promise<boolean>((resolve, reject) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(false);
        else reject(toG8Error(error, 'ERR_IO', `Control socket ${path} cannot be reached`));
      });
    });
    return connected ? new ControlClient(socket) : undefined;
  }

  /**
   * @param timeoutMs default 60 000: unpacking a large flist takes its time
   * @throws the daemon's own error; ERR_TIMEOUT; ERR_STORE_UNAVAILABLE when the daemon is gone
   */
  async request<T>(method: string, params: unknown, timeoutMs = 60_000): Promise<T> {
    const id = this.#nextId++;
    let timer: NodeJS.Timeout | undefined;
    try {
      const reply = await new Promise<Reply | G8Error>((resolve) => {
        // Nothing more would be heard of a connection that has ended.
        if (this.#socket.destroyed) return resolve(gone());
        this.#waiting.set(id, resolve);
        timer = setTimeout(
          () => resolve(new G8Error('ERR_TIMEOUT', `The mount daemon did not answer ${method}`)),
          timeoutMs,
        );
        this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
      });
      if (isG8Error(reply)) throw reply;
      if ('error' in reply) {
        const code = Object.hasOwn(CODES, reply.error.code) ? reply.error.code : 'ERR_INTERNAL';
        throw new G8Error(code, reply.error.message);
      }
      return reply.result as T;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }
}
