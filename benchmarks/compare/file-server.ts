/** A plain HTTP server over one folder: GET, HEAD, one range, folders as lists of links. Loopback only. */
import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join, normalize } from 'node:path';

/** Serves `folder` while `work` runs with the URL. */
export async function withFileServer<T>(
  folder: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const server = createServer((request, response) => {
    answer(folder, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    return await work(`http://127.0.0.1:${port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function answer(
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const name = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  const path = join(folder, normalize(`/${name}`));
  const attributes = await stat(path).catch(() => undefined);
  if (attributes === undefined) {
    response.writeHead(404).end();
  } else if (attributes.isDirectory()) {
    const names = await readdir(path);
    const links = names.map((entry) => `<a href="${entry}">${entry}</a>\n`);
    response.writeHead(200, { 'content-type': 'text/html' }).end(links.join(''));
  } else {
    sendFile(path, attributes, request, response);
  }
}

function sendFile(
  path: string,
  { size, mtime }: Stats,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(range?.[2] ? Number(range[2]) : size - 1, size - 1);
  if (start > end && size > 0) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  response.writeHead(range === null ? 200 : 206, {
    'accept-ranges': 'bytes',
    'content-length': end - start + 1,
    'last-modified': mtime.toUTCString(),
    ...(range === null ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  const file = createReadStream(path, { start, end, highWaterMark: 1 << 18 });
  response.on('close', () => file.destroy());
  file.on('error', () => response.destroy());
  file.pipe(response);
}
