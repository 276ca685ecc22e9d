/** The hub's chunk routes over real HTTP. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import type { HubOptions } from '../../../src/hub/options.ts';
import { createHub } from '../../../src/hub/server.ts';
import {
  CHUNKS_MEDIA_TYPE,
  encodeFrameHeader,
  FRAME_STATUS,
  FrameDecoder,
  type FrameStatus,
} from '../../../src/store/chunk-frames.ts';
import { chunkPath } from '../../../src/store/chunk-id.ts';
import { CHUNK_SIZE_MAX, type ChunkId } from '../../../src/store/store.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const CHUNK = chunkOf('0123456789');
const OTHER = chunkOf('other', 16);
const ABSENT = chunkOf('absent');

async function startHub(t: TestContext, options: Partial<HubOptions> = {}) {
  const dataDir = options.dataDir ?? temporaryDirectory(t);
  const hub = await createHub({ logger: false, fsync: false, ...options, dataDir });
  t.after(() => hub.close());
  const put = (id: ChunkId, body: Uint8Array) =>
    fetch(`${hub.url}/api/v1/chunks/${id}`, { method: 'PUT', body });
  const post = (path: string, body: unknown) =>
    fetch(`${hub.url}/api/v1/chunks/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const upload = (body: Uint8Array) =>
    fetch(`${hub.url}/api/v1/chunks/upload`, {
      method: 'POST',
      headers: { 'content-type': CHUNKS_MEDIA_TYPE },
      body,
    });
  return { url: hub.url, dataDir, put, post, upload };
}

async function problemOf(response: Response): Promise<string> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const problem = (await response.json()) as { status: number; detail: string };
  assert.equal(problem.status, response.status);
  return problem.detail;
}

function frame(id: ChunkId, bytes: Uint8Array, status: FrameStatus = FRAME_STATUS.ok): Buffer {
  return Buffer.concat([encodeFrameHeader(id, status, bytes.length), bytes]);
}

test('PUT stores a chunk in the static layout', async (t) => {
  const { put, dataDir } = await startHub(t);
  const response = await put(CHUNK.id, CHUNK.bytes);
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), { id: CHUNK.id, status: 'new' });
  const folder = join(dataDir, 'chunks', CHUNK.id.slice(0, 2));
  assert.deepEqual(await readdir(folder), [CHUNK.id]);
});

test('PUT of a known chunk answers 200', async (t) => {
  const { put } = await startHub(t);
  await put(CHUNK.id, CHUNK.bytes);
  const response = await put(CHUNK.id, CHUNK.bytes);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { id: CHUNK.id, status: 'known' });
});

test('PUT takes BLAKE2b-128 and G1 chunks', async (t) => {
  const { put } = await startHub(t);
  assert.equal((await put(OTHER.id, OTHER.bytes)).status, 201);
  const stored = Buffer.from('31303030303030303636636538383461c4edaafab6bccc3f', 'hex');
  const id = 'cbe5114556f675f983a5ea050b13969b879d95ca95b322415aa4b8ba6a1f25e8';
  assert.equal((await put(id, stored)).status, 201);
});

test('PUT refuses bytes that do not match and stores nothing', async (t) => {
  const { put, dataDir } = await startHub(t);
  const response = await put(CHUNK.id, OTHER.bytes);
  assert.equal(response.status, 422);
  assert.match(await problemOf(response), /do not match the id/);
  assert.deepEqual(await readdir(join(dataDir)), ['admin-token', 'catalogue', 'tmp']);
});

test('PUT asks the digest function it was given', async (t) => {
  let calls = 0;
  const digest = async (data: Uint8Array, length: number) => {
    calls++;
    return blake2b(data, length);
  };
  const { put } = await startHub(t, { digest });
  await put(CHUNK.id, CHUNK.bytes);
  assert.equal(calls, 1);
});

test('PUT refuses a body above the size bound, stated or not', async (t) => {
  const { put, url } = await startHub(t);
  const large = new Uint8Array(CHUNK_SIZE_MAX + 1);
  assert.equal((await put(CHUNK.id, large)).status, 413);
  async function* pieces() {
    yield large;
  }
  const response = await fetch(`${url}/api/v1/chunks/${CHUNK.id}`, {
    method: 'PUT',
    body: ReadableStream.from(pieces()),
    duplex: 'half',
  } as RequestInit);
  assert.equal(response.status, 413);
});

test('PUT refuses a JSON body', async (t) => {
  const { url } = await startHub(t);
  const response = await fetch(`${url}/api/v1/chunks/${CHUNK.id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  assert.equal(response.status, 415);
});

test('many uploads of one chunk at once leave one complete chunk', async (t) => {
  const { put, url, dataDir } = await startHub(t);
  const chunk = chunkOf('x'.repeat(300_000));
  const responses = await Promise.all(Array.from({ length: 12 }, () => put(chunk.id, chunk.bytes)));
  assert(responses.every(({ status }) => status === 200 || status === 201));
  const bytes = Buffer.from(
    await (await fetch(`${url}/chunks/${chunkPath(chunk.id)}`)).arrayBuffer(),
  );
  assert(bytes.equals(chunk.bytes));
  assert.deepEqual(await readdir(join(dataDir, 'chunks/tmp')), []);
});

test('uploads above the bound are answered 503 with Retry-After', async (t) => {
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
  const { put } = await startHub(t, { digest, limits: { uploadCountMax: 1 } });
  const first = put(CHUNK.id, CHUNK.bytes);
  await arrival;
  const second = await put(OTHER.id, OTHER.bytes);
  assert.equal(second.status, 503);
  assert.equal(second.headers.get('retry-after'), '1');
  release();
  assert.equal((await first).status, 201);
});

for (const layout of ['/api/v1/chunks/', '/chunks/aa/', '/aa/']) {
  test(`GET and HEAD ${layout} serve a chunk that caches may keep`, async (t) => {
    const { put, url } = await startHub(t);
    await put(CHUNK.id, CHUNK.bytes);
    const path = layout.replace('aa', CHUNK.id.slice(0, 2)) + CHUNK.id;
    for (const method of ['GET', 'HEAD']) {
      const response = await fetch(url + path, { method });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-length'), '10');
      assert.equal(response.headers.get('etag'), `"${CHUNK.id}"`);
      assert.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable');
      assert.equal(await response.text(), method === 'GET' ? '0123456789' : '');
    }
  });
}

test('GET answers 304 to the validator of the chunk', async (t) => {
  const { put, url } = await startHub(t);
  await put(CHUNK.id, CHUNK.bytes);
  for (const tag of [`"${CHUNK.id}"`, `W/"${CHUNK.id}"`, `"x", "${CHUNK.id}"`, '*']) {
    const response = await fetch(`${url}/api/v1/chunks/${CHUNK.id}`, {
      headers: { 'if-none-match': tag },
    });
    assert.equal(response.status, 304, tag);
  }
});

const RANGES: readonly [
  range: string,
  status: number,
  body: string,
  contentRange: string | null,
][] = [
  ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
  ['bytes=7-', 206, '789', 'bytes 7-9/10'],
  ['bytes=-3', 206, '789', 'bytes 7-9/10'],
  ['bytes=5-500', 206, '56789', 'bytes 5-9/10'],
  ['bytes=-500', 206, '0123456789', 'bytes 0-9/10'],
  ['bytes=4-2', 200, '0123456789', null],
  ['bytes=0-1,3-4', 200, '0123456789', null],
  ['lines=1-2', 200, '0123456789', null],
  ['bytes=-', 200, '0123456789', null],
];
for (const [range, status, body, contentRange] of RANGES) {
  test(`GET with Range: ${range} answers ${status}`, async (t) => {
    const { put, url } = await startHub(t);
    await put(CHUNK.id, CHUNK.bytes);
    const response = await fetch(`${url}/api/v1/chunks/${CHUNK.id}`, { headers: { range } });
    assert.equal(response.status, status);
    assert.equal(response.headers.get('content-range'), contentRange);
    assert.equal(await response.text(), body);
  });
}

for (const range of ['bytes=10-', 'bytes=-0']) {
  test(`GET with Range: ${range} answers 416`, async (t) => {
    const { put, url } = await startHub(t);
    await put(CHUNK.id, CHUNK.bytes);
    const response = await fetch(`${url}/api/v1/chunks/${CHUNK.id}`, { headers: { range } });
    assert.equal(response.status, 416);
    assert.equal(response.headers.get('content-range'), 'bytes */10');
    assert.match(await problemOf(response), /outside/);
  });
}

test('GET of an absent chunk answers 404, of no id 400', async (t) => {
  const { url } = await startHub(t);
  const absent = await fetch(`${url}/api/v1/chunks/${ABSENT.id}`);
  assert.equal(absent.status, 404);
  assert.equal(absent.headers.get('cache-control'), 'no-store');
  assert.match(await problemOf(absent), new RegExp(ABSENT.id));
  const broken = await fetch(`${url}/api/v1/chunks/${ABSENT.id.toUpperCase()}`);
  assert.equal(broken.status, 400);
});

test('GET below a prefix that is not the one of the chunk answers 404', async (t) => {
  const { put, url } = await startHub(t);
  await put(CHUNK.id, CHUNK.bytes);
  assert.equal((await fetch(`${url}/chunks/zz/${CHUNK.id}`)).status, 404);
});

test('POST missing gives the absent ids', async (t) => {
  const { put, post } = await startHub(t);
  await put(CHUNK.id, CHUNK.bytes);
  const response = await post('missing', { ids: [ABSENT.id, CHUNK.id, OTHER.id] });
  assert.deepEqual(await response.json(), { missing: [ABSENT.id, OTHER.id] });
});

const BAD_IDS: readonly [name: string, body: unknown][] = [
  ['no ids', {}],
  ['an id that is none', { ids: ['../../etc/passwd'] }],
  ['ids that are no list', { ids: CHUNK.id }],
  ['too many ids', { ids: Array(10_001).fill(CHUNK.id) }],
  ['a list', [CHUNK.id]],
];
for (const [name, body] of BAD_IDS) {
  test(`POST missing and batch refuse a body with ${name}`, async (t) => {
    const { post } = await startHub(t);
    for (const path of ['missing', 'batch']) {
      const response = await post(path, body);
      assert.equal(response.status, 400);
      await problemOf(response);
    }
  });
}

test('POST refuses broken JSON and other types', async (t) => {
  const { url } = await startHub(t);
  const send = (type: string, body: string) =>
    fetch(`${url}/api/v1/chunks/missing`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
  const broken = await send('application/json', '{');
  assert.equal(broken.status, 400);
  await problemOf(broken);
  assert.equal((await send('text/plain', '{"ids":[]}')).status, 400);
  assert.equal((await send('application/json', `"${'x'.repeat(1 << 20)}"`)).status, 413);
});

test('POST batch streams a frame for each id in the order asked', async (t) => {
  const { put, post, dataDir } = await startHub(t);
  await put(CHUNK.id, CHUNK.bytes);
  await put(OTHER.id, OTHER.bytes);
  const unreadable = chunkOf('a directory');
  await mkdir(join(dataDir, 'chunks', chunkPath(unreadable.id)), { recursive: true });
  const ids = [OTHER.id, ABSENT.id, unreadable.id, CHUNK.id];
  const response = await post('batch', { ids });
  assert.equal(response.headers.get('content-type'), CHUNKS_MEDIA_TYPE);
  const decoder = new FrameDecoder();
  const frames = decoder.push(new Uint8Array(await response.arrayBuffer()));
  decoder.end();
  assert.deepEqual(
    frames.map(({ id, status }) => [id, status]),
    [
      [OTHER.id, FRAME_STATUS.ok],
      [ABSENT.id, FRAME_STATUS.missing],
      [unreadable.id, FRAME_STATUS.error],
      [CHUNK.id, FRAME_STATUS.ok],
    ],
  );
  assert.deepEqual(Buffer.from(frames[3]?.bytes ?? []), Buffer.from(CHUNK.bytes));
});

test('POST batch leaves out what is above its size', async (t) => {
  const { put, post } = await startHub(t, { limits: { batchSizeMax: 5 } });
  await put(CHUNK.id, CHUNK.bytes);
  await put(OTHER.id, OTHER.bytes);
  const response = await post('batch', { ids: [CHUNK.id, OTHER.id] });
  const frames = new FrameDecoder().push(new Uint8Array(await response.arrayBuffer()));
  assert.deepEqual(
    frames.map(({ status }) => status),
    [FRAME_STATUS.ok, FRAME_STATUS.error],
  );
});

test('POST batch refuses more ids than a batch may have', async (t) => {
  const { post } = await startHub(t);
  assert.equal((await post('batch', { ids: Array(257).fill(CHUNK.id) })).status, 400);
});

test('POST upload tells the outcome of each chunk', async (t) => {
  const { put, upload, url } = await startHub(t);
  await put(OTHER.id, OTHER.bytes);
  const body = Buffer.concat([
    frame(CHUNK.id, CHUNK.bytes),
    frame(OTHER.id, OTHER.bytes),
    frame(ABSENT.id, CHUNK.bytes),
  ]);
  const response = await upload(body);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    results: [
      { id: CHUNK.id, status: 'new' },
      { id: OTHER.id, status: 'known' },
      { id: ABSENT.id, status: 'mismatch' },
    ],
  });
  assert.equal((await fetch(`${url}/api/v1/chunks/${ABSENT.id}`)).status, 404);
});

const BAD_UPLOADS: readonly [name: string, body: Buffer, status: number][] = [
  ['that ends within a frame', frame(CHUNK.id, CHUNK.bytes).subarray(0, -1), 400],
  ['with a chunk above the bound', Buffer.from(encodeFrameHeader(CHUNK.id, 0, 0xffffffff)), 400],
  ['with a frame without bytes', frame(CHUNK.id, new Uint8Array(0), FRAME_STATUS.missing), 400],
  ['of garbage', Buffer.from('garbage'), 400],
  [
    'with too many chunks',
    Buffer.concat(Array<Buffer>(257).fill(frame(CHUNK.id, CHUNK.bytes))),
    413,
  ],
];
for (const [name, body, status] of BAD_UPLOADS) {
  test(`POST upload refuses a body ${name}`, async (t) => {
    const { upload } = await startHub(t);
    const response = await upload(body);
    assert.equal(response.status, status);
    await problemOf(response);
  });
}

test('POST upload refuses a body of another type', async (t) => {
  const { url } = await startHub(t);
  const body = frame(CHUNK.id, CHUNK.bytes);
  const response = await fetch(`${url}/api/v1/chunks/upload`, { method: 'POST', body });
  assert.equal(response.status, 415);
});

test('a chunk file that was put there by hand is served', async (t) => {
  const { url, dataDir } = await startHub(t);
  await mkdir(join(dataDir, 'chunks'));
  await writeFile(join(dataDir, 'chunks', CHUNK.id), CHUNK.bytes);
  assert.equal((await fetch(`${url}/api/v1/chunks/${CHUNK.id}`)).status, 200);
});
