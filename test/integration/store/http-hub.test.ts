/** The HTTP store against hubs that are not ours to trust: scripted answers of the hub protocol. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import { CHUNKS_MEDIA_TYPE, encodeFrameHeader } from '../../../src/store/chunk-frames.ts';
import { HttpStore } from '../../../src/store/http.ts';
import { READ_RETRY, withRetry } from '../../../src/store/retry.ts';
import type { ChunkId } from '../../../src/store/store.ts';
import { chunkOf, collect, WAYS } from '../../support/faulty-store.ts';
import { bodyOf, type Listener, startServer } from '../../support/http-server.ts';

const CHUNK = chunkOf('unasked');
const FOUR = Array.from({ length: 4 }, (_, i) => chunkOf(`chunk ${i}`));
const FOUR_IDS = FOUR.map(({ id }) => id);
const FIRST = FOUR[0] as { id: ChunkId; bytes: Uint8Array };
const HUB_INFO = JSON.stringify({ hub: 'g8ufs', version: 1, features: ['chunks'] });

const isError = (code: ErrorCode) => (error: unknown) => isG8Error(error, code);

/** A hub with these routes, each named by method and path. */
function hub(...routes: readonly (readonly [name: string, listener: Listener])[]): Listener {
  const listeners = new Map(routes);
  return (request, response) => {
    const listener = listeners.get(`${request.method} ${request.url}`);
    if (listener !== undefined) return listener(request, response);
    if (request.url !== '/api/v1') return response.writeHead(404).end();
    return response.writeHead(200, { 'content-type': 'application/json' }).end(HUB_INFO);
  };
}

function frames(chunks: readonly { id: ChunkId; bytes: Uint8Array }[]): Buffer {
  return Buffer.concat(
    chunks.flatMap(({ id, bytes }) => [encodeFrameHeader(id, 0, bytes.length), bytes]),
  );
}

/** A hub whose batch answer is these bytes. */
function batchHub(body: Uint8Array, type = CHUNKS_MEDIA_TYPE): Listener {
  return hub([
    'POST /api/v1/chunks/batch',
    async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, { 'content-type': type }).end(body);
    },
  ]);
}

/** Size or error code of each of the four chunks. */
function outcomes(results: Awaited<ReturnType<typeof collect>>): (string | number)[] {
  return FOUR_IDS.map((id) => {
    const result = results.get(id);
    if (result instanceof Uint8Array) return result.length;
    return isG8Error(result?.error) ? result.error.code : 'nothing';
  });
}

test('get() asks a hub that does not show its chunks at the root', async (t) => {
  const { url } = await startServer(
    t,
    hub([`GET /api/v1/chunks/${CHUNK.id}`, (_, response) => response.end(CHUNK.bytes)]),
  );
  const store = new HttpStore(url);
  t.after(() => store.close());
  assert.deepEqual(Buffer.from(await store.get(CHUNK.id)), Buffer.from(CHUNK.bytes));
});

for (const [way, get] of WAYS) {
  test(`${way} takes a batch from a hub in one request`, async (t) => {
    const { url, requests } = await startServer(t, batchHub(frames(FOUR)));
    const store = new HttpStore(url);
    t.after(() => store.close());
    assert.deepEqual(outcomes(await get(store, FOUR_IDS)), [7, 7, 7, 7]);
    assert.deepEqual(requests, ['GET /api/v1', 'POST /api/v1/chunks/batch']);
  });
}

const LOST = 'ERR_STORE_UNAVAILABLE';
const BROKEN = 'ERR_PROTOCOL';
const BAD_BATCHES: readonly [name: string, body: Buffer, type: string, outcome: unknown[]][] = [
  ['that ends early', frames(FOUR).subarray(0, -3), CHUNKS_MEDIA_TYPE, [7, 7, 7, BROKEN]],
  ['that leaves chunks out', frames(FOUR.slice(0, 2)), CHUNKS_MEDIA_TYPE, [7, 7, LOST, LOST]],
  [
    'with a chunk that nobody asked for',
    frames([FIRST, CHUNK]),
    CHUNKS_MEDIA_TYPE,
    [7, BROKEN, BROKEN, BROKEN],
  ],
  ['with one chunk twice', frames([FIRST, FIRST]), CHUNKS_MEDIA_TYPE, [7, BROKEN, BROKEN, BROKEN]],
  ['of another type', frames(FOUR), 'text/html', [BROKEN, BROKEN, BROKEN, BROKEN]],
];
for (const [name, body, type, outcome] of BAD_BATCHES) {
  for (const [way, get] of WAYS) {
    test(`${way} survives a batch ${name}`, async (t) => {
      const { url } = await startServer(t, batchHub(body, type));
      const store = new HttpStore(url);
      t.after(() => store.close());
      assert.deepEqual(outcomes(await get(store, FOUR_IDS)), outcome);
    });
  }
}

test('getMany() keeps what came before the connection was reset', async (t) => {
  let reset = () => {};
  const { url } = await startServer(
    t,
    hub([
      'POST /api/v1/chunks/batch',
      async (request, response) => {
        await bodyOf(request);
        response.writeHead(200, { 'content-type': CHUNKS_MEDIA_TYPE });
        response.write(frames(FOUR.slice(0, 2)));
        reset = () => request.socket.resetAndDestroy();
      },
    ]),
  );
  const store = new HttpStore(url);
  t.after(() => store.close());
  async function* resetAfterTwo() {
    let count = 0;
    for await (const result of store.getMany(FOUR_IDS)) {
      if (++count === 2) reset();
      yield result;
    }
  }
  assert.deepEqual(outcomes(await collect(resetAfterTwo())), [7, 7, LOST, LOST]);
});

for (const [way, get] of WAYS) {
  test(`${way} with retries asks again for what a batch did not give, and only for that`, async (t) => {
    const asked: string[][] = [];
    const { url } = await startServer(
      t,
      hub([
        'POST /api/v1/chunks/batch',
        async (request, response) => {
          const { ids } = JSON.parse((await bodyOf(request)).toString()) as { ids: string[] };
          asked.push(ids);
          response.writeHead(200, { 'content-type': CHUNKS_MEDIA_TYPE });
          response.end(frames(FOUR.filter(({ id }) => ids.includes(id)).slice(0, 2)));
        },
      ]),
    );
    const clock = { now: () => 0, random: () => 0, sleep: async () => {} };
    const store = withRetry(new HttpStore(url), READ_RETRY, clock);
    t.after(() => store.close());
    assert.deepEqual(outcomes(await get(store, FOUR_IDS)), [7, 7, 7, 7]);
    assert.deepEqual(asked, [FOUR_IDS, FOUR_IDS.slice(2)]);
  });
}

test('missing() believes a hub only about what it was asked', async (t) => {
  const { url } = await startServer(
    t,
    hub([
      'POST /api/v1/chunks/missing',
      (_request, response) => {
        response.end(JSON.stringify({ missing: [CHUNK.id, FOUR_IDS[1]] }));
      },
    ]),
  );
  const store = new HttpStore(url);
  t.after(() => store.close());
  assert.deepEqual(await store.missing(FOUR_IDS), [FOUR_IDS[1]]);
});

test('missing() refuses an answer of another shape', async (t) => {
  const { url } = await startServer(
    t,
    hub([
      'POST /api/v1/chunks/missing',
      (_request, response) => {
        response.end(JSON.stringify({ missing: 'none' }));
      },
    ]),
  );
  const store = new HttpStore(url);
  t.after(() => store.close());
  await assert.rejects(store.missing(FOUR_IDS), isError('ERR_PROTOCOL'));
});

for (const answer of ['{"msg":"flist server is working"}', 'not json', '{"hub":"other"}']) {
  test(`a server that answers the probe with ${answer} is no hub`, async (t) => {
    const { url } = await startServer(t, (request, response) => {
      response.writeHead(request.url === '/api/v1' ? 200 : 404, {
        'content-type': 'application/json',
      });
      response.end(answer);
    });
    const store = new HttpStore(url);
    t.after(() => store.close());
    await assert.rejects(store.put(CHUNK.id, CHUNK.bytes), isError('ERR_PERMISSION'));
  });
}

test('a hub that refuses the bytes makes put() reject with ERR_CHUNK_CORRUPT', async (t) => {
  const { url } = await startServer(
    t,
    hub([
      `PUT /api/v1/chunks/${CHUNK.id}`,
      async (request, response) => {
        await bodyOf(request);
        response.writeHead(422).end();
      },
    ]),
  );
  const store = new HttpStore(url);
  t.after(() => store.close());
  await assert.rejects(store.put(CHUNK.id, CHUNK.bytes), isError('ERR_CHUNK_CORRUPT'));
});
