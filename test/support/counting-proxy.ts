/** A proxy in front of a hub that counts what goes through it. */
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface Traffic {
  /** Of any kind. */
  readonly requests: number;
  /** Bytes of answers with chunks, framing included. */
  readonly chunkBytes: number;
}

export interface CountingProxy {
  readonly url: string;
  /** What came through since the last call. */
  take(): Traffic;
}

export async function startCountingProxy(t: TestContext, hubUrl: string): Promise<CountingProxy> {
  let requests = 0;
  let chunkBytes = 0;
  const { hostname, port } = new URL(hubUrl);
  const server = createServer((incoming, outgoing) => {
    requests++;
    const { method, url: path = '/', headers } = incoming;
    const hasChunks = /\/[0-9a-f]{64}$|\/chunks\/batch$/.test(path);
    const forwarded = httpRequest({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('data', (piece: Buffer) => {
        if (hasChunks) chunkBytes += piece.length;
      });
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take: () => {
      const taken = { requests, chunkBytes };
      requests = 0;
      chunkBytes = 0;
      return taken;
    },
  };
}
