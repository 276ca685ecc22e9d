/**
 * Answers of a hub that are damaged anywhere, over real sockets: whoever asked gets what was meant, a `G8Error`, or
 * (of a chunk, which others verify) other bytes; in bounded time, and never anything else.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../src/base/errors.ts';
import {
  CHUNKS_MEDIA_TYPE,
  encodeFrameHeader,
  FrameDecoder,
} from '../../src/store/chunk-frames.ts';
import { HttpStore } from '../../src/store/http.ts';
import { HubClient } from '../../src/store/hub-client.ts';
import { chunkOf, collect } from '../support/faulty-store.ts';
import { amount } from '../support/thorough.ts';

const CHUNKS = Array.from({ length: 4 }, (_, i) => chunkOf(`chunk ${i}`));
const IDS = CHUNKS.map(({ id }) => id);
const HTTP = { connectTimeoutMs: 2_000, idleTimeoutMs: 300, requestTimeoutMs: 600 };
const ONCE = { attemptCount: 1, delayMsMin: 1, delayMsMax: 1, totalMs: 5_000 };
const RUNS = amount(150, 5_000);

function answerOf(type: string, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body);
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n`;
  return Buffer.concat([Buffer.from(`${head}connection: close\r\n\r\n`), bytes]);
}

const FRAMES = Buffer.concat(
  CHUNKS.flatMap(({ id, bytes }) => [encodeFrameHeader(id, 0, bytes.length), bytes]),
);
const INFO = JSON.stringify({ hub: 'g8ufs', version: 1, features: ['chunks'] });
const ENTRY = { repository: 'a', name: 'b.flist', size: 1, updated: '2026-01-01T00:00:00Z' };

/** What a good hub says, by what is asked. */
const ANSWERS: Readonly<Record<string, Buffer>> = {
  '/api/v1': answerOf('application/json', INFO),
  '/api/v1/chunks/batch': answerOf(CHUNKS_MEDIA_TYPE, FRAMES),
  '/api/v1/chunks/missing': answerOf('application/json', JSON.stringify({ missing: IDS.slice(1) })),
  '/api/v1/flists': answerOf('application/json', JSON.stringify({ flists: [ENTRY] })),
};
const CHUNK = answerOf('application/octet-stream', CHUNKS[0]?.bytes ?? '');

/** Where it is hit and how: bytes changed, a piece left out or said twice, an early end. */
const damage = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  length: fc.nat(12),
  how: fc.constantFrom('change', 'drop', 'repeat', 'end'),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(answer: Buffer, { at, length, how, bytes }: Damage): Buffer {
  const from = Math.floor(at * answer.length);
  const to = Math.min(answer.length, from + length);
  const [head, hit, tail] = [
    answer.subarray(0, from),
    answer.subarray(from, to),
    answer.subarray(to),
  ];
  if (how === 'end') return head;
  if (how === 'drop') return Buffer.concat([head, tail]);
  if (how === 'repeat') return Buffer.concat([head, hit, hit, tail]);
  return Buffer.concat([head, bytes, tail]);
}

async function hostileHub(t: TestContext) {
  const state: { damage: Damage | undefined; hit: string } = { damage: undefined, hit: '' };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.once('data', (data: Buffer) => {
      const path = / ([^ ?]*)/.exec(data.toString('latin1'))?.[1] ?? '';
      const answer = ANSWERS[path] ?? CHUNK;
      const isHit = path === state.hit || (state.hit === 'chunk' && answer === CHUNK);
      socket.end(isHit && state.damage !== undefined ? damaged(answer, state.damage) : answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, state };
}

const allowed = (error: unknown): undefined => {
  if (!isG8Error(error) || error.code === 'ERR_INTERNAL') throw error;
  return undefined;
};

for (const hit of ['chunk', ...Object.keys(ANSWERS)]) {
  test(`a damaged answer to ${hit} is an error or what was meant`, async (t) => {
    const { url, state } = await hostileHub(t);
    state.hit = hit;
    await fc.assert(
      fc.asyncProperty(damage, async (each) => {
        state.damage = each;
        const store = new HttpStore(url, HTTP);
        const hub = new HubClient(url, { http: HTTP, retry: ONCE });
        try {
          await store.get(IDS[0] as string).catch(allowed);
          const results = await collect(store.getMany(IDS));
          assert.deepEqual([...results.keys()].sort(), [...IDS].sort());
          for (const result of results.values()) {
            if (!(result instanceof Uint8Array)) allowed(result.error);
          }
          const missing = await store.missing(IDS).catch(allowed);
          assert.ok(missing === undefined || missing.every((id) => IDS.includes(id)));
          for await (const entry of hub.listFlists()) assert.equal(typeof entry.name, 'string');
        } catch (error) {
          allowed(error);
        } finally {
          await hub.close();
          await store.close();
        }
      }),
      { numRuns: Math.ceil(RUNS / 5) },
    );
  });
}

test('frames of any bytes are frames or ERR_PROTOCOL', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          damage.map((d) => damaged(FRAMES, d)),
        ),
      ),
      (pieces) => {
        const decoder = new FrameDecoder();
        try {
          for (const piece of pieces) {
            for (const { id } of decoder.push(piece)) assert.match(id, /^(?:.{32}|.{64})$/);
          }
          decoder.end();
        } catch (error) {
          assert.ok(isG8Error(error, 'ERR_PROTOCOL'));
        }
      },
    ),
    { numRuns: amount(2_000, 100_000) },
  );
});
