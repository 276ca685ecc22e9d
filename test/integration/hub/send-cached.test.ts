/** Chunks that go from their files to the socket by the kernel: the same answers as in the usual way. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { blake2b, blake2bReady } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { createHub } from '../../../src/hub/server.ts';
import { addon } from '../../../src/native/load.ts';
import { chunkPath } from '../../../src/store/chunk-id.ts';
import { HttpClient } from '../../../src/store/http-client.ts';
import { collectResult, runAtHub } from '../../../src/store/hub-runs.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { CHUNK_SIZE_MAX } from '../../../src/store/store.ts';
import { until } from '../../support/child-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A hub whose addon counts what it is asked for. */
async function start(t: TestContext, options: Partial<HubOptions> = {}) {
  await blake2bReady();
  const dataDir = temporaryDirectory(t);
  const native = addon();
  const sent: number[] = [];
  const counting = Object.create(native, {
    sendFile: {
      value: (socket: number, fd: number, offset: number, count: number) => {
        const size = native.sendFile(socket, fd, offset, count);
        sent.push(size);
        return size;
      },
    },
  }) as typeof native;
  const settings = { dataDir, logger: false, fsync: false, addon: counting, ...options } as const;
  const hub = await createHub(settings);
  t.after(() => hub.close());
  const put = async (size: number) => {
    const bytes = randomBytes(size);
    const id = toHex(blake2b(bytes, 32));
    const body = bytes;
    const { status } = await fetch(`${hub.url}/api/v1/chunks/${id}`, { method: 'PUT', body });
    assert.equal(status, 201);
    return { id, bytes };
  };
  return { hub, dataDir, sent, put };
}

/** Every response on one connection, byte for byte, until the last one has ended it. */
async function talk(url: string, text: string, readDelayMs = 0): Promise<Buffer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(text);
  if (readDelayMs > 0) await pause(readDelayMs);
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

test('a chunk in memory goes by the kernel, with the headers that it has otherwise', async (t) => {
  const { hub, sent, put } = await start(t);
  const { id, bytes } = await put(100_000);
  const url = `${hub.url}/chunks/${id.slice(0, 2)}/${id}`;
  const got = await fetch(url);
  assert(Buffer.from(await got.arrayBuffer()).equals(bytes));
  assert.equal(sent.length, 1);
  const usual = await fetch(url, { headers: { 'if-none-match': '"another"' } });
  assert(Buffer.from(await usual.arrayBuffer()).equals(bytes));
  assert.equal(sent.length, 1);
  const headersOf = ({ headers }: Response) => {
    const all = Object.fromEntries(headers);
    assert.match(all['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
    return { ...all, 'x-request-id': '', date: '' };
  };
  assert.deepEqual(headersOf(got), headersOf(usual));
  // HEAD and ranges are the usual way's.
  const head = await fetch(url, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), '100000');
  const range = await fetch(url, { headers: { range: 'bytes=5-9' } });
  assert.equal(range.status, 206);
  assert(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(5, 10)));
  assert.equal(sent.length, 1);
});

test('a chunk of another machine goes by the kernel from its second time on, until it is collected', async (t) => {
  const chunks = new MemoryStore();
  const metrics = { host: '127.0.0.1', port: 0 };
  const chunkCache = { sizeMax: 2 ** 26 };
  const { hub, dataDir, sent, put } = await start(t, { chunks, chunkCache, metrics });
  const { id, bytes } = await put(100_000);
  const url = `${hub.url}/api/v1/chunks/${id}`;
  const got = await fetch(url);
  assert(Buffer.from(await got.arrayBuffer()).equals(bytes));
  assert.equal(sent.length, 0);
  const line = (name: string, value: number) => `g8ufs_hub_chunk_cache_${name} ${value}`;
  const text = async () => await (await fetch(hub.metricsUrl as string)).text();
  await until('A chunk in the cache', async () => (await text()).includes(line('chunks', 1)));
  const again = await fetch(url);
  assert(Buffer.from(await again.arrayBuffer()).equals(bytes));
  assert.equal(sent.length, 1);
  const range = await fetch(url, { headers: { range: 'bytes=5-9' } });
  assert.equal(range.status, 206);
  assert(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(5, 10)));
  const body = JSON.stringify({ ids: [id] });
  const headers = { 'content-type': 'application/json' };
  const batch = await fetch(`${hub.url}/api/v1/chunks/batch`, { method: 'POST', headers, body });
  assert(
    Buffer.from(await batch.arrayBuffer())
      .subarray(-bytes.length)
      .equals(bytes),
  );
  const counted = await text();
  assert(counted.includes(line('hits_total', 3)) && counted.includes(line('misses_total', 1)));

  // Behind its collection by this hub it is nowhere; the file is gone as well.
  const token = (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim();
  const client = new HttpClient(hub.url, { token });
  t.after(() => client.close());
  const collect = async () => {
    const run = { body: { graceMs: 0 }, result: collectResult, path: '/api/v1/collect/gc' };
    return await runAtHub(client, run, {});
  };
  await collect();
  assert.equal((await collect()).deleted, 1);
  assert.equal((await fetch(url)).status, 404);
  assert(!existsSync(join(dataDir, 'chunk-cache', chunkPath(id))));
  assert((await text()).includes(line('chunks', 0)));
});

test('what the socket has no room for comes as it is taken', async (t) => {
  const { hub, sent, put } = await start(t);
  const { id, bytes } = await put(CHUNK_SIZE_MAX);
  const head = `GET /api/v1/chunks/${id} HTTP/1.1\r\nhost: x\r\n`;
  const answer = await talk(hub.url, `${head}connection: close\r\n\r\n`, 200);
  assert(answer.subarray(-bytes.length).equals(bytes));
  assert(sent[0] !== undefined && sent[0] < bytes.length, `all ${sent[0]} at once`);
  // Requests that come at once are answered one after the other.
  const both = await talk(hub.url, `${head}\r\n${head}connection: close\r\n\r\n`);
  const parts = both.toString('latin1').split('HTTP/1.1 200 OK');
  assert.equal(parts.length, 3);
  for (const part of parts.slice(1)) {
    assert(Buffer.from(part, 'latin1').subarray(-bytes.length).equals(bytes));
  }
});

test('a client that goes away leaves no file open, and a chunk that is gone is not there', async (t) => {
  const metrics = { host: '127.0.0.1', port: 0 };
  const { hub, dataDir, sent, put } = await start(t, { metrics });
  const { id } = await put(CHUNK_SIZE_MAX);
  const { hostname, port } = new URL(hub.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /api/v1/chunks/${id} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await until('The first piece', async () => sent.length > 0);
  socket.destroy();
  const running = async () => {
    const text = await (await fetch(hub.metricsUrl as string)).text();
    return /^g8ufs_hub_requests_running (\d+)$/m.exec(text)?.[1];
  };
  await until('The end of the request', async () => (await running()) === '0');
  await rm(join(dataDir, 'chunks', chunkPath(id)));
  assert.equal((await fetch(`${hub.url}/api/v1/chunks/${id}`)).status, 404);
  const { id: next, bytes } = await put(1000);
  const got = await fetch(`${hub.url}/api/v1/chunks/${next}`);
  assert(Buffer.from(await got.arrayBuffer()).equals(bytes));
  const text = await (await fetch(hub.metricsUrl as string)).text();
  // The one that was given up is not among those that were answered.
  assert.match(text, /method="GET",route="\/api\/v1\/chunks\/:id",status="2xx"\} 1$/m);
});
