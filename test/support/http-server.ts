/** Local HTTP and TCP servers that do what a test says, gone when the test is over. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface TestServer {
  readonly url: string;
  /** `METHOD /path` of every request so far. */
  readonly requests: string[];
  readonly server: Server;
}

/** Answers one request; when it fails, the connection is cut. */
export type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

export async function startServer(t: TestContext, listener: Listener): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    // What a client that went away makes of the response is no concern of these tests.
    response.on('error', () => {});
    Promise.resolve(listener(request, response)).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: urlOf(server.address()), requests, server };
}

/** A server that speaks no HTTP unless the test does. */
export async function startTcpServer(
  t: TestContext,
  onConnection: (socket: Socket) => void,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return urlOf(server.address());
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function urlOf(address: unknown): string {
  return `http://127.0.0.1:${(address as AddressInfo).port}`;
}
