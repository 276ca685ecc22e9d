/**
 * What a hub, and everything between it and us, can do to an answer (docs/faults.md). Of each fault is shown: the
 * error code without a second try; with another store behind it, the right bytes; in a mount's store, an end at the
 * deadline and no wrong byte, and the right bytes as soon as the fault is over.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { startDeadline } from '../../../src/base/deadline.ts';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import { openMountStore } from '../../../src/fs/mount-store.ts';
import { createHub } from '../../../src/hub/server.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { openRoutedStore } from '../../../src/store/open.ts';
import type { ChunkStore } from '../../../src/store/store.ts';
import { BLOCK, content, openCache, type TestContent } from '../../support/cache-fixture.ts';
import { type FaultProxy, type NetworkFault, startFaultProxy } from '../../support/fault-proxy.ts';
import { chunkOf, collect } from '../../support/faulty-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { amount } from '../../support/thorough.ts';

/** A fault of the connection, beside those of answers. */
type Fault = NetworkFault | { readonly kind: 'refused' };
type Outcome = ErrorCode | 'ok';

const DOWN = 'ERR_STORE_UNAVAILABLE';
const LATE = 'ERR_TIMEOUT';
const BROKEN = 'ERR_PROTOCOL';
const CORRUPT = 'ERR_CHUNK_CORRUPT';

/** Outcome for one chunk, and for those of a batch that it hits. */
const FAULTS: readonly (readonly [name: string, fault: Fault, one: Outcome, batch: Outcome])[] = [
  ['cut before the answer', { kind: 'reset', at: 'head' }, DOWN, DOWN],
  ['cut in the body', { kind: 'reset', at: 'body' }, DOWN, DOWN],
  ['an early end', { kind: 'end-early' }, DOWN, DOWN],
  ['a stall before the answer', { kind: 'stall', at: 'head' }, LATE, LATE],
  ['a stall in the body', { kind: 'stall', at: 'body' }, LATE, LATE],
  ['a head of a byte now and then', { kind: 'trickle', everyMs: 50, at: 'head' }, LATE, LATE],
  ['a body of a byte now and then', { kind: 'trickle', everyMs: 50, at: 'body' }, LATE, LATE],
  ['half of the body', { kind: 'truncate' }, CORRUPT, BROKEN],
  ['a flipped bit', { kind: 'flip' }, CORRUPT, CORRUPT],
  ['a range that nobody asked for', { kind: 'wrong-range' }, BROKEN, BROKEN],
  ['status 401', { kind: 'status', status: 401 }, 'ERR_PERMISSION', 'ERR_PERMISSION'],
  ['status 403', { kind: 'status', status: 403 }, 'ERR_PERMISSION', 'ERR_PERMISSION'],
  ['status 404', { kind: 'status', status: 404 }, 'ERR_CHUNK_MISSING', BROKEN],
  ['status 416', { kind: 'status', status: 416 }, BROKEN, BROKEN],
  ['status 429', { kind: 'status', status: 429, retryAfter: '1' }, DOWN, DOWN],
  ['status 500', { kind: 'status', status: 500 }, DOWN, DOWN],
  ['status 502', { kind: 'status', status: 502 }, DOWN, DOWN],
  ['status 503', { kind: 'status', status: 503 }, DOWN, DOWN],
  ['a slow start', { kind: 'slow-start', ms: 100 }, 'ok', 'ok'],
  ['a head without end', { kind: 'endless-head' }, BROKEN, BROKEN],
  ['interim answers without end', { kind: 'endless-interim' }, BROKEN, BROKEN],
  ['a body without end', { kind: 'endless-body' }, BROKEN, BROKEN],
  ['a content encoding', { kind: 'encoding' }, BROKEN, BROKEN],
  ['a redirect to itself', { kind: 'redirect-loop' }, BROKEN, BROKEN],
  ['another protocol', { kind: 'no-http' }, BROKEN, BROKEN],
  ['a batch without a chunk', { kind: 'frames', how: 'missing' }, 'ok', DOWN],
  ['a batch with another chunk', { kind: 'frames', how: 'extra' }, 'ok', BROKEN],
  ['a batch with bytes exchanged', { kind: 'frames', how: 'exchanged' }, 'ok', CORRUPT],
  ['a batch that is cut in a frame', { kind: 'frames', how: 'cut' }, 'ok', BROKEN],
  ['refused connections', { kind: 'refused' }, DOWN, DOWN],
];

/** Their like is tried to the end; of these, usually the code only. */
const ALIKE = ['status 403', 'status 416', 'status 500', 'status 502'];

const ONCE = { attemptCount: 1, delayMsMin: 1, delayMsMax: 1, totalMs: 30_000 };
/** For faults that end with the time that a request may take; a batch has six times the whole time. */
const QUICK = { connectTimeoutMs: 500, idleTimeoutMs: 500, requestTimeoutMs: 600 };
/** Of one part of a test: nothing may come near it. */
const TIMEOUT_MS = 60_000;
/** Half of them is in the middle of one. */
const LARGE = content(5, 1);
const SMALL = content(0, 2, 300);

/** A hub with the chunks of the contents. */
async function startHub(t: TestContext): Promise<string> {
  const chunks = new MemoryStore();
  for (const each of [LARGE, SMALL]) {
    for (const [id, bytes] of chunksOf(each)) await chunks.put(id, bytes);
  }
  const hub = await createHub({ dataDir: temporaryDirectory(t), logger: false, chunks });
  t.after(() => hub.close());
  return hub.url;
}

/** The hub behind the fault. */
async function faultyHub(t: TestContext, hub: string, fault: Fault): Promise<FaultProxy> {
  const proxy = await startFaultProxy(t, hub);
  if (fault.kind === 'refused') await proxy.close();
  else if (fault.kind === 'frames') proxy.suffer(fault, { path: '/api/v1/chunks/batch' });
  else proxy.suffer(fault);
  return proxy;
}

function chunksOf(each: TestContent): [id: string, bytes: Uint8Array][] {
  return Array.from({ length: each.chunkCount }, (_, block) => [
    Buffer.from(each.chunk(block).id).toString('hex'),
    each.bytes.subarray(block * BLOCK, (block + 1) * BLOCK),
  ]);
}

async function endFault(proxy: FaultProxy, fault: Fault): Promise<void> {
  proxy.suffer(undefined);
  if (fault.kind === 'refused') await proxy.open();
}

function codeOf(error: unknown): Outcome {
  if (isG8Error(error)) return error.code;
  throw error;
}

/** Each chunk is right or has failed in the expected way, and if it is to fail, one has. */
async function checkOutcomes(store: ChunkStore, one: Outcome, batch: Outcome): Promise<void> {
  const [[id, bytes]] = chunksOf(SMALL) as [[string, Uint8Array]];
  const got = await store.get(id).catch(codeOf);
  if (one === 'ok') assert.deepEqual(Buffer.from(got as Uint8Array), Buffer.from(bytes));
  else assert.equal(got, one);

  const chunks = new Map(chunksOf(LARGE));
  const outcomes: Outcome[] = [];
  for (const [key, result] of await collect(store.getMany([...chunks.keys()]))) {
    if (result instanceof Uint8Array) {
      assert.deepEqual(Buffer.from(result), Buffer.from(chunks.get(key) as Uint8Array));
      outcomes.push('ok');
    } else outcomes.push(codeOf(result.error));
  }
  assert.equal(outcomes.length, chunks.size);
  assert.deepEqual(
    outcomes.filter((outcome) => outcome !== 'ok' && outcome !== batch),
    [],
  );
  assert.ok(outcomes.includes(batch), outcomes.join());
}

/** Fills both contents from the store, each within the deadline. */
async function fill(t: TestContext, store: ChunkStore, deadlineMs: number) {
  const { cache, residency } = await openCache(t);
  const load = async (each: TestContent): Promise<Outcome> => {
    const deadline = startDeadline({ timeoutMs: deadlineMs, what: 'Read' });
    const options = { store, priority: 'demand', signal: deadline.signal } as const;
    try {
      await cache.load(each, 0, each.chunkCount, options);
      return 'ok';
    } catch (error) {
      return codeOf(error);
    } finally {
      deadline.clear();
    }
  };
  const check = async (each: TestContent): Promise<void> => {
    assert.ok(residency.completed.has(each.key));
    assert.deepEqual(await readFile(cache.layout.filePath(each.key)), Buffer.from(each.bytes));
  };
  /** No block that was given to readers is another one. */
  const checkBlocks = async (each: TestContent): Promise<void> => {
    if (residency.completed.has(each.key)) return await check(each);
    const blocks = residency.blocks.get(each.key) ?? new Set();
    const bytes = await readFile(cache.layout.partialPath(each.key)).catch(() => Buffer.alloc(0));
    for (const block of blocks) {
      const range = [block * BLOCK, (block + 1) * BLOCK] as const;
      assert.deepEqual(bytes.subarray(...range), Buffer.from(each.bytes.subarray(...range)));
    }
  };
  return { load, check, checkBlocks };
}

test('faults', { concurrency: 12 }, async (t) => {
  const hub = await startHub(t);
  const part = (name: string, run: (inner: TestContext) => Promise<void>): Promise<void> =>
    t.test(name, { timeout: TIMEOUT_MS }, run);
  const parts: Promise<void>[] = [];
  for (const [name, fault, one, batch] of FAULTS) {
    parts.push(
      part(`${name}: the error says what it is`, async (inner) => {
        const proxy = await faultyHub(inner, hub, fault);
        const http = one === LATE ? QUICK : {};
        const stores = { urls: [proxy.url], http, retry: ONCE, digest: blake2b };
        const store = openRoutedStore(stores);
        inner.after(() => store.close());
        // What it is, it can say: batches need that.
        if (fault.kind === 'refused') await proxy.open();
        await store.missing([chunkOf('none').id]).catch(() => {});
        if (fault.kind === 'refused') await proxy.close();
        await checkOutcomes(store, one, batch);
      }),
    );
    if (amount(1, 0) === 1 && ALIKE.includes(name)) continue;
    parts.push(
      part(`${name}: another store gives the bytes`, async (inner) => {
        const bad = await faultyHub(inner, hub, fault);
        const good = await startFaultProxy(inner, hub);
        const order = { source: '/a.flist', image: { router: undefined }, deadlineMs: 20_000 };
        const store = openMountStore({ ...order, stores: [bad.url, good.url] });
        inner.after(() => store.close());
        const { load, check } = await fill(inner, store, order.deadlineMs);
        assert.deepEqual(await Promise.all([load(SMALL), load(LARGE)]), ['ok', 'ok']);
        await check(SMALL);
        await check(LARGE);
      }),
      part(`${name}: an end in time, and recovery`, async (inner) => {
        const proxy = await faultyHub(inner, hub, fault);
        const order = { source: '/a.flist', image: { router: undefined }, deadlineMs: 1_000 };
        const store = openMountStore({ ...order, stores: [proxy.url] });
        inner.after(() => store.close());
        const { load, check, checkBlocks } = await fill(inner, store, order.deadlineMs);
        const ends = await Promise.all([load(SMALL), load(LARGE)]);
        for (const end of ends) assert.ok(['ok', one, batch, LATE].includes(end), end);
        await checkBlocks(SMALL);
        await checkBlocks(LARGE);

        await endFault(proxy, fault);
        for (const each of [SMALL, LARGE]) {
          // A store that failed for good is left alone for some seconds at most.
          while ((await load(each)) !== 'ok') inner.signal.throwIfAborted();
          await check(each);
        }
      }),
    );
  }
  await Promise.all(parts);
});

test('a name that nobody knows is ERR_HOST_UNKNOWN, and another store is asked', async (t) => {
  const good = await startFaultProxy(t, await startHub(t));
  const gone = openRoutedStore({ urls: ['http://gone.invalid'], retry: ONCE });
  const both = openRoutedStore({ urls: ['http://gone.invalid', good.url], retry: ONCE });
  t.after(() => Promise.all([gone.close(), both.close()]));
  const [[id, bytes]] = chunksOf(SMALL) as [[string, Uint8Array]];
  await assert.rejects(gone.get(id), (error) => isG8Error(error, 'ERR_HOST_UNKNOWN'));
  assert.deepEqual(Buffer.from(await both.get(id)), Buffer.from(bytes));
});

test('TLS that fails is ERR_PROTOCOL, and another store is asked', async (t) => {
  const good = await startFaultProxy(t, await startHub(t));
  const noTls = good.url.replace('http:', 'https:');
  const alone = openRoutedStore({ urls: [noTls], retry: ONCE });
  const both = openRoutedStore({ urls: [noTls, good.url], retry: ONCE });
  t.after(() => Promise.all([alone.close(), both.close()]));
  const [[id, bytes]] = chunksOf(SMALL) as [[string, Uint8Array]];
  await assert.rejects(alone.get(id), (error) => isG8Error(error, 'ERR_PROTOCOL'));
  assert.deepEqual(Buffer.from(await both.get(id)), Buffer.from(bytes));
});
