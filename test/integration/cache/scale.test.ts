import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { ContentCache } from '../../../src/cache/cache.ts';
import { Catalog } from '../../../src/cache/catalog.ts';
import type { ContentRecord } from '../../../src/cache/records.ts';
import { State } from '../../../src/cache/state.ts';
import { contentHeader } from '../../../src/format/index/content-digest.ts';
import { content, openCache, temporaryDir } from '../../support/cache-fixture.ts';
import { FakeCodec } from '../../support/fake-codec.ts';

const RECORD_COUNT = 50_000;
/** The aim is 50 ms on an idle machine; a shared one gets ten times that. */
const OPEN_MS_MAX = 500;

test(`open() of ${RECORD_COUNT} records does no work per record`, async (t) => {
  const dir = await temporaryDir(t);
  const empty = await openCache(t, { dir });
  await empty.cache.close();
  await writeRecords(empty.cache.layout.state);

  const times: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    const start = performance.now();
    const cache = await ContentCache.open({ dir, addon: new FakeCodec() });
    times.push(performance.now() - start);
    assert.equal((await cache.status()).files, RECORD_COUNT);
    await cache.close();
  }
  times.sort((a, b) => a - b);
  t.diagnostic(`open: median ${times[2]!.toFixed(1)} ms, worst ${times[4]!.toFixed(1)} ms`);
  assert.ok(times[2]! < OPEN_MS_MAX);
});

test('attach() of a content of a million blocks reads each chunk once', async (t) => {
  const { cache } = await openCache(t);
  const count = 1024 * 1024;
  const one = content(1, 1);
  const rows = Buffer.alloc(count * 32);
  for (let index = 0; index < count; index++) rows.set(one.digest, index * 32);
  const shape = { size: count * one.blockSize, blockSize: one.blockSize, algorithm: one.algorithm };
  const digest = blake2b(Buffer.concat([contentHeader(shape), rows]), 32);
  let reads = 0;
  const chunk = (): ReturnType<typeof one.chunk> => {
    reads++;
    return one.chunk(0);
  };
  const file = { ...one, ...shape, digest, chunkCount: count, chunk };
  const start = performance.now();
  assert.equal(await cache.attach(file), 'partial');
  t.diagnostic(`attach: ${(performance.now() - start).toFixed(0)} ms`);
  assert.equal(reads, count);
});

async function writeRecords(stateDir: string): Promise<void> {
  const { state } = await State.open(stateDir);
  const { catalog, meta } = await Catalog.open(state);
  for (let first = 0; first < RECORD_COUNT; first += 1000) {
    const indexes = Array.from({ length: 1000 }, (_, index) => first + index);
    await Promise.all(
      indexes.map((index) => catalog.update(digestOf(index), () => recordOf(index))),
    );
    await state.flush();
  }
  await catalog.putMeta({ ...meta, clean: true });
  await state.close();
}

function digestOf(index: number): Uint8Array {
  const digest = Buffer.alloc(32);
  digest.writeUInt32BE(Math.imul(index, 2654435761) >>> 0);
  digest.writeUInt32BE(index, 4);
  return digest;
}

function recordOf(index: number): ContentRecord {
  return {
    complete: true,
    durable: true,
    pinned: false,
    algorithm: 1,
    blockSize: 524288,
    size: 1000,
    bytes: 4096,
    lastUseMs: index,
  };
}
