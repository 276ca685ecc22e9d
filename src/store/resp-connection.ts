/**
 * Commands to a server that speaks the Redis protocol: Redis, a Redis Cluster, 0-db.
 *
 * A connection is made at the first command and anew after it was lost; commands that were under way
 * then fail, and whoever sent them decides whether to repeat them. A reply nobody waits for any more
 * keeps its place until it has come, so what is in flight is bounded whatever the callers do.
 */
import { readFileSync } from 'node:fs';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { throwIfAborted } from '../base/abort.ts';
import { withDeadline } from '../base/deadline.ts';
import { type ErrorCode, G8Error, isG8Error, toG8Error } from '../base/errors.ts';
import { Limiter } from '../base/limit.ts';
import type { HostPort } from './backend-url.ts';
import type { RespTarget } from './resp-target.ts';
import { CHUNK_SIZE_MAX, type StoreCallOptions } from './store.ts';

/** `null` is the protocol's nil. */
export type RespReply = Uint8Array | number | null | readonly RespReply[];

/** One server that commands can be sent to. */
export interface RespNode {
  call(command: string, args: readonly (string | Uint8Array)[]): Promise<RespReply>;
}

export interface RespOptions {
  /** Default 5 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** A server that owes replies and sends nothing for this long is given up, default 8 000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Whole time of a command, waiting for its turn included; default 20 000. */
  readonly requestTimeoutMs?: number | undefined;
}

// As for HTTP: both leave room, within the 30 s that a read may take, for asking another store.
const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS = 20_000;
// With full chunks 32 MiB of replies, and more than enough small commands to fill a round trip.
const IN_FLIGHT_MAX = 64;
const QUEUE_COUNT_MAX = 10_000;
// What a server may send before a reply is complete: a chunk, and one read of what follows it.
const REPLY_SIZE_MAX = CHUNK_SIZE_MAX + 1024 * 1024;
// Sixteen would follow a broken cluster around for longer than a read may take.
const REDIRECTIONS_MAX = 5;

type Client = Redis | Cluster;

export class RespConnection {
  readonly name: string;
  readonly #target: RespTarget;
  readonly #connectTimeoutMs: number;
  readonly #idleTimeoutMs: number;
  readonly #requestTimeoutMs: number;
  readonly #limiter = new Limiter({ shares: [IN_FLIGHT_MAX], queueCountMax: QUEUE_COUNT_MAX });
  readonly #closing = new AbortController();
  #opening: Promise<Client> | undefined;
  /** What went wrong with the connection is an event; commands only hear that it was closed. */
  #reason: unknown;

  constructor(target: RespTarget, options: RespOptions = {}) {
    this.name = target.name;
    this.#target = target;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  /**
   * Sends a command; in a cluster to the node of its key.
   *
   * @throws ERR_STORE_UNAVAILABLE, ERR_HOST_UNKNOWN, ERR_TIMEOUT, ERR_PERMISSION, ERR_CACHE_FULL when
   *   the server has no room, ERR_PROTOCOL for any other error it answers with, ERR_ABORTED
   */
  async call(
    command: string,
    args: readonly (string | Uint8Array)[],
    options: StoreCallOptions = {},
  ): Promise<RespReply> {
    return await this.#send(command, args, options, async () => await this.#client());
  }

  /** The servers that hold keys: one, or the masters of a cluster. */
  async nodes(options: StoreCallOptions = {}): Promise<RespNode[]> {
    const what = `Connecting to ${this.name}`;
    const timed = { timeoutMs: this.#requestTimeoutMs, signal: options.signal, what };
    const client = await withDeadline(timed, async () => await this.#client());
    const servers = client.isCluster ? (client as Cluster).nodes('master') : [client];
    return servers.map((server) => ({
      call: async (command, args) => await this.#send(command, args, options, async () => server),
    }));
  }

  /** Ends all commands and connections. Idempotent; later commands reject with `ERR_ABORTED`. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new G8Error('ERR_ABORTED', `Store ${this.name} was closed`));
    const client = await this.#opening?.catch(() => undefined);
    client?.disconnect();
  }

  async #send(
    command: string,
    args: readonly (string | Uint8Array)[],
    { signal }: StoreCallOptions,
    clientOf: () => Promise<Client>,
  ): Promise<RespReply> {
    const what = `${command} at ${this.name}`;
    throwIfAborted(this.#closing.signal);
    throwIfAborted(signal);
    const buffers = args.map((arg) => (typeof arg === 'string' ? arg : asBuffer(arg)));
    try {
      return await withDeadline({ timeoutMs: this.#requestTimeoutMs, signal, what }, (inner) =>
        this.#limiter.run(
          async () => {
            const client = await clientOf();
            return (await client.callBuffer(command, ...buffers)) as RespReply;
          },
          { priority: 0, signal: inner },
        ),
      );
    } catch (error) {
      throwIfAborted(this.#closing.signal);
      throw respError(isClosed(error) ? (this.#reason ?? error) : error, what);
    }
  }

  async #client(): Promise<Client> {
    if (this.#opening !== undefined) return await this.#opening;
    // A client that failed tells its end later: by then another may be in its place.
    const forget = (): void => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    const opening = this.#open(forget);
    this.#opening = opening;
    return await opening;
  }

  /** @param forget called when the client is of no more use, never before this has returned its promise */
  async #open(forget: () => void): Promise<Client> {
    const what = `Connecting to ${this.name}`;
    let client: Client | undefined;
    this.#reason = undefined;
    try {
      client = await this.#create();
      const opened = client;
      opened.on('error', (error: unknown) => {
        this.#reason ??= error;
      });
      opened.once('end', forget);
      const timeoutMs = this.#connectTimeoutMs + this.#idleTimeoutMs;
      const signal = this.#closing.signal;
      await withDeadline({ timeoutMs, signal, what }, async () => {
        await opened.connect();
        await this.#select(opened);
      });
      return opened;
    } catch (error) {
      client?.disconnect();
      forget();
      throw respError(this.#reason ?? error, what);
    }
  }

  // Before anything else: in another namespace the same keys mean other things.
  async #select(client: Client): Promise<void> {
    const { namespace } = this.#target;
    if (namespace === undefined) return;
    const { name, password } = namespace;
    await client.call('SELECT', name, ...(password === undefined ? [] : [password]));
  }

  async #create(): Promise<Client> {
    const { Cluster, Redis } = await import('ioredis');
    const { hosts, kind, database, username, password, tls } = this.#target;
    const options = {
      lazyConnect: true,
      // RESP2 and nothing said about ourselves: 0-db and old servers know no more.
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: kind !== 'zdb',
      connectTimeout: this.#connectTimeoutMs,
      socketTimeout: this.#idleTimeoutMs,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls: tlsOptions(tls.caFile, this.name) }),
    } satisfies RedisOptions;
    if (kind === 'cluster') {
      const cluster = new Cluster([...hosts], {
        lazyConnect: true,
        clusterRetryStrategy: () => null,
        maxRedirections: REDIRECTIONS_MAX,
        slotsRefreshTimeout: this.#connectTimeoutMs,
        redisOptions: options,
      });
      cluster.on('+node', (node: Redis) => guardReplies(node));
      return cluster;
    }
    // A lost connection is the caller's to know; the next command makes a new one.
    const redis = new Redis({
      ...options,
      ...(hosts[0] as HostPort),
      db: database,
      retryStrategy: () => null,
    });
    guardReplies(redis);
    return redis;
  }
}

/** Cuts a connection whose server sends more than any reply can be. */
function guardReplies(redis: Redis): void {
  redis.on('connect', () => {
    const { stream } = redis;
    const { commandQueue } = redis as unknown as { commandQueue: { peekFront(): unknown } };
    let size = 0;
    let first: unknown;
    stream.prependListener('data', (piece: Uint8Array) => {
      // Replies come in order: while the first that is owed stays the same, its reply is coming in.
      const owed = commandQueue.peekFront();
      size = owed === first ? size + piece.length : piece.length;
      first = owed;
      if (size <= REPLY_SIZE_MAX) return;
      stream.destroy(new G8Error('ERR_PROTOCOL', `A reply is larger than ${CHUNK_SIZE_MAX} bytes`));
    });
  });
}

function tlsOptions(caFile: string | undefined, name: string): { ca?: Buffer } {
  if (caFile === undefined) return {};
  try {
    return { ca: readFileSync(caFile) };
  } catch (error) {
    throw toG8Error(error, 'ERR_CONFIG', `Cannot read the CA file of store ${name}`);
  }
}

/** First word of an error reply, and what it means to us. */
const REPLY_CODES: readonly [pattern: RegExp, code: ErrorCode][] = [
  [/^(NOAUTH|WRONGPASS|NOPERM)\b|access denied|invalid password|read-only mode/i, 'ERR_PERMISSION'],
  [/^OOM\b|no space left|namespace.*full/i, 'ERR_CACHE_FULL'],
  [
    /^(LOADING|BUSY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|READONLY|MISCONF|NOREPLICAS|MOVED|ASK)\b/,
    'ERR_STORE_UNAVAILABLE',
  ],
  [/namespace not found|^ERR (invalid|DB index)/i, 'ERR_CONFIG'],
];

function isClosed(error: unknown): boolean {
  return error instanceof Error && error.message === 'Connection is closed.';
}

function respError(error: unknown, what: string): G8Error {
  if (isG8Error(error)) return error;
  const { name = '', message = '', code = '' } = error as Partial<Error & { code: string }>;
  if (name === 'ReplyError') {
    const found = REPLY_CODES.find(([pattern]) => pattern.test(message));
    const text = message.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
    return new G8Error(found?.[1] ?? 'ERR_PROTOCOL', `${what} was refused: ${text}`);
  }
  if (name === 'ClusterAllFailedError') {
    const { lastNodeError } = error as { lastNodeError?: unknown };
    if (lastNodeError instanceof Error && lastNodeError.name === 'ReplyError') {
      return respError(lastNodeError, what);
    }
  }
  // What a wrong certificate does once, it does again.
  if (/CERT|TLS|SSL|SELF_SIGNED/.test(code)) {
    return new G8Error('ERR_PROTOCOL', `${what} failed: ${code}`, { cause: error });
  }
  if (/ParserError|protocol error|RESP type/i.test(name + message)) {
    return new G8Error('ERR_PROTOCOL', `${what} failed: the server speaks no RESP`, {
      cause: error,
    });
  }
  if (/timeout|timed out/i.test(message)) {
    return new G8Error('ERR_TIMEOUT', `${what} was not answered in time`, { cause: error });
  }
  if (code !== '') return toG8Error(error, 'ERR_STORE_UNAVAILABLE', `${what} failed`);
  return new G8Error('ERR_STORE_UNAVAILABLE', `${what} failed: the connection was lost`, {
    cause: error,
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
