/**
 * Serves metrics over HTTP, for a collector on this machine: `GET /metrics` and nothing else.
 * Listens on loopback addresses only: what a node mounts or a hub is asked is nobody else's business.
 */
import { lookup } from 'node:dns/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { G8Error, toG8Error } from './errors.ts';
import { METRICS_MEDIA_TYPE } from './metrics-text.ts';

/** A collector asks every few seconds, one connection at a time. */
const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 10_000;

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * @param text makes the metrics
 * @throws ERR_CONFIG when the address is none of this machine's own; ERR_IO when it cannot be had
 */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  text: () => Promise<string>,
): Promise<MetricsServer> {
  const address = await loopbackAddress(host);
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (path !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Metrics are at /metrics\n');
    } else {
      text().then(
        (body) => response.writeHead(200, { 'content-type': METRICS_MEDIA_TYPE }).end(body),
        (error: unknown) => {
          const { message } = toG8Error(error, 'ERR_INTERNAL', 'Metrics cannot be made');
          response.writeHead(500, { 'content-type': 'text/plain' }).end(`${message}\n`);
        },
      );
    }
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.on('error', (error) =>
      reject(toG8Error(error, 'ERR_IO', `Metrics cannot be served at ${host}:${port}`)),
    );
    server.listen(port, address, resolve);
  });
  // It must not keep a process alive that has nothing else to do.
  server.unref();
  return { url: urlOf(server), close: () => close(server) };
}

async function loopbackAddress(host: string): Promise<string> {
  try {
    const { address } = await lookup(host);
    if (/^(127\.|::1$)/.test(address)) return address;
  } catch (error) {
    throw toG8Error(error, 'ERR_CONFIG', `Metrics address ${host} is unknown`);
  }
  throw new G8Error('ERR_CONFIG', `Metrics are served on loopback only, not on ${host}`);
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/metrics`;
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
