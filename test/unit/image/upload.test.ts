import assert from 'node:assert/strict';
import test from 'node:test';
import { blake2b } from '../../../src/base/blake2b.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { CODEC } from '../../../src/base/codec.ts';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { Uploader } from '../../../src/image/upload.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { ChunkId } from '../../../src/store/store.ts';

class CountingStore extends MemoryStore {
  readonly puts: ChunkId[] = [];
  questions = 0;
  mostAtOnce = 0;
  #running = 0;

  override async missing(ids: readonly ChunkId[]): Promise<ChunkId[]> {
    this.questions++;
    return super.missing(ids);
  }

  override async put(id: ChunkId, bytes: Uint8Array): Promise<void> {
    this.puts.push(id);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
    await super.put(id, bytes);
    this.#running--;
  }
}

function chunk(seed: number, size = 10): { id: Uint8Array; stored: Uint8Array } {
  const stored = new Uint8Array(size).fill(seed % 256);
  stored[0] = seed >> 8;
  return { id: blake2b(stored, 32), stored };
}

test('Uploader puts each different chunk once', async () => {
  const store = new CountingStore();
  const uploader = new Uploader(store);
  for (const seed of [1, 2, 1, 1, 2]) {
    const { id, stored } = chunk(seed);
    await uploader.add(id, stored);
  }
  await uploader.finish();
  assert.equal(store.puts.length, 2);
  assert.deepEqual(uploader.counts, {
    chunks: 2,
    newChunks: 2,
    uploadedBytes: 20,
    storedBytes: 20,
  });
});

test('Uploader does not send what the store has', async () => {
  const store = new CountingStore();
  const { id, stored } = chunk(1);
  await MemoryStore.prototype.put.call(store, toHex(id), stored);
  const uploader = new Uploader(store);
  await uploader.add(id, stored);
  await uploader.finish();
  assert.deepEqual(store.puts, []);
  assert.deepEqual([uploader.counts.chunks, uploader.counts.newChunks], [1, 0]);
});

test('Uploader asks in batches and puts a few at a time', async () => {
  const store = new CountingStore();
  const uploader = new Uploader(store);
  for (let seed = 0; seed < 1000; seed++) {
    const { id, stored } = chunk(seed);
    await uploader.add(id, stored);
  }
  await uploader.finish();
  assert.equal(store.puts.length, 1000);
  assert.equal(store.questions, 4);
  assert.ok(store.mostAtOnce <= 24, `${store.mostAtOnce}`);
});

test('Uploader makes the producer wait for a slow store', async () => {
  const store = new MemoryStore();
  let open = (): void => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  store.missing = async () => {
    await closed;
    return [];
  };
  const uploader = new Uploader(store);
  let taken = 0;
  const feeding = (async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { id, stored } = chunk(seed, 4 * 1024 * 1024);
      await uploader.add(id, stored);
      taken++;
    }
  })();
  await new Promise((resolve) => setImmediate(resolve));
  const held = taken;
  open();
  await feeding;
  await uploader.finish();
  assert.ok(held <= 8, `${held} chunks of 4 MiB were taken at once`);
  assert.equal(taken, 20);
});

test('Uploader ends with the first failure of the store', async () => {
  const store = new MemoryStore();
  store.put = () => Promise.reject(new G8Error('ERR_STORE_UNAVAILABLE', 'Store is down'));
  const uploader = new Uploader(store);
  const { id, stored } = chunk(1);
  await uploader.add(id, stored);
  await assert.rejects(uploader.finish(), (error) => isG8Error(error, 'ERR_STORE_UNAVAILABLE'));
  await assert.rejects(uploader.add(blake2b(stored, 16), stored), (error) =>
    isG8Error(error, 'ERR_STORE_UNAVAILABLE'),
  );
});

test('Uploader refuses a store that lacks what nobody asked for', async () => {
  const store = new MemoryStore();
  store.missing = async () => ['ab'.repeat(32)];
  const uploader = new Uploader(store);
  const { id, stored } = chunk(1);
  await uploader.add(id, stored);
  await assert.rejects(uploader.finish(), (error) => isG8Error(error, 'ERR_PROTOCOL'));
});

test('Uploader takes nothing after an abort', async () => {
  const signal = AbortSignal.abort(new G8Error('ERR_ABORTED', 'Stopped'));
  const { id, stored } = chunk(1);
  await assert.rejects(new Uploader(new MemoryStore(), signal).add(id, stored), (error) =>
    isG8Error(error, 'ERR_ABORTED'),
  );
});

test('Uploader claims what the store has and tells what is to be added', async () => {
  const store = new CountingStore();
  const [present, absent] = [chunk(1), chunk(2)];
  await store.put(toHex(present.id), present.stored);
  const uploader = new Uploader(store);
  const named = ({ id, stored }: typeof present) => ({
    codec: CODEC.zstd,
    id,
    plainDigest: id,
    storedSize: stored.length,
  });
  const hole = {
    codec: CODEC.hole,
    id: new Uint8Array(0),
    plainDigest: new Uint8Array(0),
    storedSize: 0,
  };
  const missing = await uploader.claim([named(present), named(absent), hole, named(present)]);
  assert.deepEqual([...missing], [toHex(absent.id)]);
  await uploader.add(present.id, present.stored);
  await uploader.add(absent.id, absent.stored);
  await uploader.finish();
  const { chunks, newChunks, storedBytes, uploadedBytes } = uploader.counts;
  assert.deepEqual([chunks, newChunks, storedBytes, uploadedBytes], [2, 1, 20, 10]);
  assert.equal((await uploader.claim([named(absent)])).size, 0);
});
