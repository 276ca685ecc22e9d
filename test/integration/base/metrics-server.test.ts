import assert from 'node:assert/strict';
import { request } from 'node:http';
import test from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { serveMetrics } from '../../../src/base/metrics-server.ts';

test('serveMetrics() answers GET /metrics, and says why when it cannot', async (t) => {
  let text: () => Promise<string> = async () => 'a 1\n';
  const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => text());
  t.after(() => server.close());
  const response = await fetch(server.url);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(await response.text(), 'a 1\n');
  text = () => Promise.reject(new G8Error('ERR_IO', 'The disk is gone'));
  const failed = await fetch(server.url);
  assert.deepEqual([failed.status, await failed.text()], [500, 'The disk is gone\n']);
  assert.equal((await fetch(new URL('/other', server.url))).status, 404);
  assert.equal((await fetch(server.url, { method: 'PUT' })).status, 405);
});

test('serveMetrics() listens on loopback only', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    await assert.rejects(
      serveMetrics({ host, port: 0 }, async () => ''),
      (error) => isG8Error(error, 'ERR_CONFIG'),
      host,
    );
  }
});

test('serveMetrics() fails for a port that is taken', async (t) => {
  const server = await serveMetrics({ host: 'localhost', port: 0 }, async () => '');
  t.after(() => server.close());
  const { hostname, port } = new URL(server.url);
  const host = hostname.replace(/[[\]]/g, '');
  await assert.rejects(
    serveMetrics({ host, port: Number(port) }, async () => ''),
    (error) => isG8Error(error, 'ERR_IO'),
  );
});

test('a metrics server that is closed lets its connections go', async () => {
  const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => new Promise(() => {}));
  const ended = new Promise<void>((resolve) => {
    request(server.url)
      .on('error', () => resolve())
      .end();
  });
  await server.close();
  await ended;
});
