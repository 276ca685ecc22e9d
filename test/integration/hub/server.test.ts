/** The hub as a server: who may write, what is refused, how it ends. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { blake2b } from '../../../src/base/blake2b.ts';
import { isG8Error } from '../../../src/base/errors.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { createHub, type Hub } from '../../../src/hub/server.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { flistOf } from '../../support/flist-package.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const CHUNK = chunkOf('chunk');

async function startHub(t: TestContext, options: Partial<HubOptions> = {}): Promise<Hub> {
  let hub: Hub | undefined;
  // Before the folder is removed: what is still being written would bring it back.
  t.after(() => hub?.close());
  hub = await createHub({
    dataDir: temporaryDirectory(t),
    logger: false,
    fsync: false,
    ...options,
  });
  return hub;
}

/** What the server sends back on a fresh connection until it closes that. */
async function talk(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (piece) => {
      answer += piece.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

test('GET /api/v1 says what the hub is', async (t) => {
  const { url } = await startHub(t);
  const info = (await (await fetch(`${url}/api/v1`)).json()) as { hub: string; version: number };
  assert.equal(info.hub, 'g8ufs');
  assert.equal(info.version, 1);
});

test('health and readiness', async (t) => {
  const dataDir = temporaryDirectory(t);
  const { url } = await startHub(t, { dataDir });
  assert.deepEqual(await (await fetch(`${url}/health`)).json(), { status: 'ok' });
  assert.deepEqual(await (await fetch(`${url}/ready`)).json(), { status: 'ready' });
  await rm(dataDir, { recursive: true });
  const response = await fetch(`${url}/ready`);
  assert.equal(response.status, 503);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test('a trailing slash is accepted', async (t) => {
  const { url } = await startHub(t);
  assert.equal((await fetch(`${url}/api/v1/`)).status, 200);
});

test('another method answers 405 with Allow', async (t) => {
  const { url } = await startHub(t);
  const cases: [method: string, path: string, allow: string][] = [
    ['POST', '/health', 'GET, HEAD'],
    ['DELETE', `/api/v1/chunks/${CHUNK.id}`, 'GET, HEAD, PUT'],
    ['GET', '/api/v1/chunks/batch', 'POST'],
    ['PATCH', '/api/v1/flists/bob/app', 'POST, PUT, DELETE'],
    ['PUT', '/bob/app.flist', 'GET, HEAD'],
  ];
  for (const [method, path, allow] of cases) {
    const response = await fetch(url + path, { method });
    assert.equal(response.status, 405, path);
    assert.equal(response.headers.get('allow'), allow, path);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
  }
});

test('every answer has a request id', async (t) => {
  const { url } = await startHub(t);
  for (const path of ['/health', '/nothing/here/at/all']) {
    assert.match((await fetch(url + path)).headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  }
});

const WRITES: [method: string, path: string, type: string][] = [
  ['PUT', `/api/v1/chunks/${CHUNK.id}`, 'application/octet-stream'],
  ['POST', '/api/v1/chunks/upload', 'application/vnd.g8ufs.chunks'],
  ['PUT', '/api/v1/flists/bob/app', 'application/octet-stream'],
  ['DELETE', '/api/v1/flists/bob/app', 'application/octet-stream'],
];

test('a hub on all addresses takes no anonymous writes', async (t) => {
  const { url } = await startHub(t, { host: '0.0.0.0' });
  const local = url.replace('0.0.0.0', '127.0.0.1');
  for (const [method, path, type] of WRITES) {
    const response = await fetch(local + path, {
      method,
      headers: { 'content-type': type },
      body: 'x',
    });
    assert.equal(response.status, 401, path);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer /);
  }
  assert.equal((await fetch(`${local}/api/v1/flists`)).status, 200);
});

test('a hub on all addresses takes anonymous writes when asked to', async (t) => {
  const { url } = await startHub(t, { host: '0.0.0.0', anonymousWrites: 'all' });
  const target = `${url.replace('0.0.0.0', '127.0.0.1')}/api/v1/chunks/${CHUNK.id}`;
  assert.equal((await fetch(target, { method: 'PUT', body: CHUNK.bytes })).status, 201);
});

for (const header of ['origin', 'x-forwarded-for', 'forwarded', 'via']) {
  test(`a local hub refuses writes with the header ${header}`, async (t) => {
    const { url } = await startHub(t);
    for (const [method, path, type] of WRITES) {
      const { hostname, port } = new URL(url);
      const status = await new Promise((resolve, reject) => {
        const headers = {
          'content-type': type,
          'content-length': '1',
          [header]: 'http://elsewhere.example',
        };
        const request = httpRequest({ hostname, port, method, path, headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        request.on('error', reject);
        request.end('x');
      });
      assert.equal(status, 401, path);
    }
  });
}

test('headers that are too large are answered 431 as a problem', async (t) => {
  const { url } = await startHub(t);
  const answer = await talk(url, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  assert.match(answer, /application\/problem\+json/);
});

test('what is no HTTP is answered 400 as a problem', async (t) => {
  const { url } = await startHub(t);
  const answer = await talk(url, 'hello?\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /"detail":"The request is not valid HTTP"/);
});

test('a path with a broken escape is answered 400 as a problem', async (t) => {
  const { url } = await startHub(t);
  const answer = await talk(url, 'GET /%zz/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /application\/problem\+json/);
});

test('a body that does not come is answered 408', async (t) => {
  const { url } = await startHub(t, { limits: { bodyMs: 50 } });
  const head = `PUT /api/v1/chunks/${CHUNK.id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`;
  const answer = await talk(url, `${head}Content-Length: 100\r\n\r\nshort`);
  assert.match(answer, /^HTTP\/1\.1 408 /);
});

test('a connection without traffic is closed', async (t) => {
  const { url } = await startHub(t, { limits: { idleMs: 50 } });
  const head = `PUT /api/v1/flists/bob/app HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n`;
  await talk(url, head);
});

test('a failure of the hub says nothing about its inside, and is logged', async (t) => {
  const lines: string[] = [];
  const stream = new Writable({
    write(piece, _encoding, done) {
      lines.push(String(piece));
      done();
    },
  });
  const digest = async () => {
    throw new Error('internal /secret/path');
  };
  const { url } = await startHub(t, { digest, logger: pino(stream) });
  const response = await fetch(`${url}/api/v1/chunks/${CHUNK.id}`, { method: 'PUT', body: 'x' });
  assert.equal(response.status, 500);
  const problem = (await response.json()) as { detail: string; requestId: string };
  assert.equal(problem.detail, 'The hub failed to answer this request');
  assert(lines.some((line) => line.includes('secret') && line.includes(problem.requestId)));
});

test('createHub() rejects when the port is taken', async (t) => {
  const { url } = await startHub(t);
  const taken = createHub({
    dataDir: temporaryDirectory(t),
    logger: false,
    port: Number(new URL(url).port),
  });
  await assert.rejects(taken, (error) => isG8Error(error) && /cannot start/.test(error.message));
});

test('close() ends idle keep-alive connections and may be called twice', async (t) => {
  const hub = await startHub(t);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await new Promise<void>((resolve, reject) => {
    const request = httpRequest(`${hub.url}/health`, { agent }, (response) => {
      response.resume();
      response.on('end', () => resolve());
    });
    request.on('error', reject);
    request.end();
  });
  await hub.close();
  await hub.close();
  await assert.rejects(fetch(`${hub.url}/health`));
});

/** A hub in the middle of an upload, which ends when `release` is called. */
async function busyHub(t: TestContext, options: Partial<HubOptions> = {}) {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const digest = async (data: Uint8Array, length: number) => {
    arrived();
    await released;
    return blake2b(data, length);
  };
  const hub = await startHub(t, { digest, ...options });
  const upload = fetch(`${hub.url}/api/v1/chunks/${CHUNK.id}`, {
    method: 'PUT',
    body: CHUNK.bytes,
  });
  upload.catch(() => {});
  await arrival;
  return { hub, upload, release };
}

test('close() lets a running request finish', async (t) => {
  const { hub, upload, release } = await busyHub(t);
  const closed = hub.close();
  release();
  assert.equal((await upload).status, 201);
  await closed;
});

test('close() cuts what does not finish in time', async (t) => {
  // Never released: what it would write now would come after the folder is gone.
  const { hub, upload } = await busyHub(t, { limits: { shutdownMs: 50 } });
  await hub.close();
  await assert.rejects(upload);
});

test('a hub serves on IPv6 loopback where there is one', async (t) => {
  let hub: Hub;
  try {
    hub = await startHub(t, { host: '::1' });
  } catch (error) {
    assert(isG8Error(error));
    return; // No IPv6 on this machine.
  }
  const target = `${hub.url}/api/v1/flists/bob/app`;
  assert.equal((await fetch(target, { method: 'PUT', body: flistOf('x') })).status, 201);
});

test('a hub serves TLS when it has a certificate', async (t) => {
  const folder = temporaryDirectory(t);
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=hub';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certFile];
  const options = ['req', '-x509', ...made.split(' '), ...names];
  execFileSync('openssl', options, { stdio: 'ignore' });
  const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
  const { url } = await startHub(t, { tls: { cert, key } });
  assert.match(url, /^https:/);
  const status = await new Promise((resolve, reject) => {
    const request = httpsRequest(`${url}/health`, { ca: cert, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
  assert.equal(status, 200);
});

test('X-Forwarded-For is believed of proxies that are named, and of nobody else', async (t) => {
  for (const [trustProxy, status] of [
    [[], 429],
    [['127.0.0.1'], 401],
  ] as const) {
    const { url } = await startHub(t, { trustProxy, limits: { failureCountMax: 1 } });
    const ask = async (from: string) => {
      const headers = { authorization: 'Bearer wrong', 'x-forwarded-for': from };
      return (await fetch(`${url}/api/v1/user`, { headers })).status;
    };
    assert.equal(await ask('192.0.2.1'), 401);
    assert.equal(await ask('192.0.2.2'), status);
  }
});
