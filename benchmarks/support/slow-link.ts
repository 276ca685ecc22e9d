/**
 * A link with a round trip time and a rate, as a TCP proxy on loopback: for machines without `tc netem`. Both
 * directions are delayed by half the round trip, a connection takes one to open; all share the rate. TCP's slow start
 * is not there. Counts bytes and HTTP requests.
 *
 * Concurrency: lives in the process that measures, which has nothing else to do while its children run.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';

export interface LinkOptions {
  /** Milliseconds for there and back; 0 adds nothing. */
  readonly roundTripMs: number;
  /** Bits a second in each direction; `Infinity` for no limit. */
  readonly bitsPerSecond: number;
}

export interface LinkTotals {
  readonly requests: number;
  /** Bytes from the server to the client, headers included. */
  readonly bytes: number;
  readonly connections: number;
}

/** What one direction may hold back before its source is told to wait. */
const HELD_BYTES_MAX = 1024 * 1024;
/** Pieces are cut so that one connection cannot hold the line for long: 1 ms at 130 Mbit/s. */
const PIECE_BYTES = 16 * 1024;
const REQUEST_LINE_END = Buffer.from(' HTTP/1.1\r\n');

/** One direction of the line: bytes leave at its rate, whoever sends them. */
class Line {
  readonly #bytesPerMs: number;
  #freeAt = 0;

  constructor(bitsPerSecond: number) {
    this.#bytesPerMs = bitsPerSecond / 8000;
  }

  /** When the last of these bytes has left. */
  send(bytes: number): number {
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now) + bytes / this.#bytesPerMs;
    return this.#freeAt;
  }
}

export class SlowLink {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #totals: { requests: number; bytes: number; connections: number };

  private constructor(
    url: string,
    server: Server,
    sockets: Set<Socket>,
    totals: { requests: number; bytes: number; connections: number },
  ) {
    this.url = url;
    this.#server = server;
    this.#sockets = sockets;
    this.#totals = totals;
  }

  /** Listens on a free port in front of the server at `url`. */
  static async open(url: string, options: LinkOptions): Promise<SlowLink> {
    const { hostname, port } = new URL(url);
    const sockets = new Set<Socket>();
    const totals = { requests: 0, bytes: 0, connections: 0 };
    const up = new Line(options.bitsPerSecond);
    const down = new Line(options.bitsPerSecond);
    const delayMs = options.roundTripMs / 2;
    const server = createServer((client) => {
      const upstream = createConnection(Number(port), hostname);
      totals.connections++;
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('close', () => sockets.delete(socket));
        socket.on('error', () => {
          client.destroy();
          upstream.destroy();
        });
      }
      const opensAt = performance.now() + options.roundTripMs;
      pass(client, upstream, { line: up, delayMs, opensAt }, countRequests(totals));
      pass(upstream, client, { line: down, delayMs, opensAt: 0 }, (piece) => {
        totals.bytes += piece.length;
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const own = typeof address === 'object' && address !== null ? address.port : 0;
    return new SlowLink(`http://127.0.0.1:${own}`, server, sockets, totals);
  }

  /** What has passed since the last call. */
  take(): LinkTotals {
    const totals = { ...this.#totals };
    Object.assign(this.#totals, { requests: 0, bytes: 0, connections: 0 });
    return totals;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function pass(
  from: Socket,
  to: Socket,
  { line, delayMs, opensAt }: { line: Line; delayMs: number; opensAt: number },
  count: (piece: Buffer) => void,
): void {
  // In their order: a timer that is late must not be overtaken by a piece that needs none.
  const held: { readonly piece: Buffer; readonly at: number }[] = [];
  let heldBytes = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  const deliver = (): void => {
    timer = undefined;
    const now = performance.now();
    for (let next = held[0]; next !== undefined && next.at - now < 0.5; next = held[0]) {
      held.shift();
      heldBytes -= next.piece.length;
      to.write(next.piece);
    }
    if (heldBytes < HELD_BYTES_MAX / 2) from.resume();
    const next = held[0];
    if (next !== undefined) timer = setTimeout(deliver, next.at - now);
    else if (ended) to.end();
  };
  from.on('data', (data: Buffer) => {
    count(data);
    for (let at = 0; at < data.length; at += PIECE_BYTES) {
      const piece = data.subarray(at, at + PIECE_BYTES);
      heldBytes += piece.length;
      held.push({ piece, at: Math.max(line.send(piece.length), opensAt) + delayMs });
    }
    if (heldBytes > HELD_BYTES_MAX) from.pause();
    if (timer === undefined) deliver();
  });
  from.on('end', () => {
    ended = true;
    if (timer === undefined) deliver();
  });
}

/** A request line may be cut anywhere: the end of the last piece is looked at once more. */
function countRequests(totals: { requests: number }): (piece: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (piece) => {
    const bytes = Buffer.concat([rest, piece]);
    let at = bytes.indexOf(REQUEST_LINE_END);
    let end = 0;
    while (at >= 0) {
      totals.requests++;
      end = at + REQUEST_LINE_END.length;
      at = bytes.indexOf(REQUEST_LINE_END, end);
    }
    rest = bytes.subarray(Math.max(end, bytes.length - REQUEST_LINE_END.length + 1));
  };
}
