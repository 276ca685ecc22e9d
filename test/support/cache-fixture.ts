/** A cache in a temporary folder, contents to put into it, a store and a driver that keep records. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { blake2b } from '../../src/base/blake2b.ts';
import { toHex } from '../../src/base/bytes.ts';
import { CODEC, DIGEST } from '../../src/base/codec.ts';
import { G8Error } from '../../src/base/errors.ts';
import { ContentCache } from '../../src/cache/cache.ts';
import type { CacheOptions } from '../../src/cache/cache-options.ts';
import type { ContentRef } from '../../src/cache/content.ts';
import type { Residency } from '../../src/cache/residency.ts';
import type { Chunk } from '../../src/format/content.ts';
import { contentDigest } from '../../src/format/index/content-digest.ts';
import type { DiskTrust } from '../../src/native/addon.ts';
import type { ChunkId, ChunkResult, ChunkStore, StoreCallOptions } from '../../src/store/store.ts';
import { FakeCodec } from './fake-codec.ts';

export const BLOCK = 4096;

const cleanups = new WeakMap<TestContext, (() => unknown)[]>();

/** Runs after the test, the last registered first. */
export function cleanUp(t: TestContext, task: () => unknown): void {
  const tasks = cleanups.get(t) ?? [];
  tasks.push(task);
  if (cleanups.has(t)) return;
  cleanups.set(t, tasks);
  t.after(async () => {
    const errors: unknown[] = [];
    for (const each of tasks.reverse()) {
      try {
        await each();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors);
  });
}

/** A temporary folder that is gone after the test. */
export async function temporaryDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'g8ufs-cache-'));
  cleanUp(t, () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A content with the bytes it is made of. */
export interface TestContent extends ContentRef {
  readonly bytes: Uint8Array;
  readonly key: string;
}

/** Cuts bytes into blocks: zero blocks are holes, chunks are stored as they are. */
export function contentOf(data: Uint8Array, blockSize = BLOCK): TestContent {
  const bytes = new Uint8Array(data);
  const chunkCount = Math.ceil(bytes.length / blockSize);
  const chunks: Chunk[] = [];
  for (let index = 0; index < chunkCount; index++) {
    const plain = bytes.subarray(index * blockSize, (index + 1) * blockSize);
    if (plain.every((byte) => byte === 0)) {
      const none = new Uint8Array(0);
      chunks.push({ codec: CODEC.hole, id: none, plainDigest: none, storedSize: 0 });
      continue;
    }
    const digest = blake2b(plain, 32);
    chunks.push({ codec: CODEC.zstd, id: digest, plainDigest: digest, storedSize: plain.length });
  }
  const shape = { size: bytes.length, blockSize, algorithm: DIGEST.blake2b256 };
  const digest = contentDigest({ ...shape, chunks });
  return {
    bytes,
    key: toHex(digest),
    digest,
    ...shape,
    chunkCount,
    chunk: (index) => chunks[index]!,
  };
}

/** Bytes that differ by seed and by block, never a zero page. */
export function pattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let x = (seed * 2654435761 + 12345) >>> 0 || 1;
  for (let index = 0; index < size; index++) {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    bytes[index] = x;
  }
  return bytes;
}

export function content(blocks: number, seed: number, tail = 0): TestContent {
  return contentOf(pattern(blocks * BLOCK + tail, seed));
}

/** A store in memory that records what it is asked and can be told to fail or wait. */
export class RecordingStore implements ChunkStore {
  readonly name: string;
  readonly chunks = new Map<ChunkId, Uint8Array>();
  /** Ids in the order they were asked for. */
  readonly asked: ChunkId[] = [];
  readonly calls: number[] = [];
  aborted = 0;
  /** Runs for each chunk before it is returned; may throw, wait or return other bytes. */
  intercept: (id: ChunkId, bytes: Uint8Array, turn: number) => Uint8Array | Promise<Uint8Array> = (
    _id,
    bytes,
  ) => bytes;

  constructor(contents: readonly TestContent[] = [], name = 'memory:') {
    this.name = name;
    for (const each of contents) this.add(each);
  }

  add(each: TestContent): void {
    for (let index = 0; index < each.chunkCount; index++) {
      const { id } = each.chunk(index);
      if (id.length === 0) continue;
      const from = index * each.blockSize;
      this.chunks.set(toHex(id), each.bytes.subarray(from, from + each.blockSize));
    }
  }

  async get(id: ChunkId, options: StoreCallOptions = {}): Promise<Uint8Array> {
    this.calls.push(1);
    return await this.#one(id, options);
  }

  async *getMany(
    ids: readonly ChunkId[],
    options: StoreCallOptions = {},
  ): AsyncGenerator<ChunkResult> {
    this.calls.push(ids.length);
    for (const id of ids) {
      try {
        yield { id, bytes: await this.#one(id, options) };
      } catch (error) {
        yield { id, error };
      }
    }
  }

  async missing(ids: readonly ChunkId[]): Promise<ChunkId[]> {
    return ids.filter((id) => !this.chunks.has(id));
  }

  async close(): Promise<void> {}

  async #one(id: ChunkId, { signal }: StoreCallOptions): Promise<Uint8Array> {
    const turn = this.asked.filter((asked) => asked === id).length;
    this.asked.push(id);
    signal?.addEventListener('abort', () => this.aborted++, { once: true });
    const bytes = this.chunks.get(id);
    if (bytes === undefined) throw new G8Error('ERR_CHUNK_MISSING', `Chunk ${id} is missing`);
    return await this.intercept(id, bytes, turn);
  }
}

/** Remembers what the driver was told; `open` contents refuse to be dropped. */
export class RecordingResidency implements Residency {
  readonly attached = new Map<string, { fd: number; present: Uint8Array }>();
  readonly blocks = new Map<string, Set<number>>();
  readonly completed = new Set<string>();
  readonly dropped: string[] = [];
  /** Bytes lent, by `<key>:<block>`. */
  readonly lent = new Map<string, Uint8Array>();
  trusted: DiskTrust = 'all';
  readonly open = new Set<string>();
  opened: Uint8Array[] = [];

  attach(digest: Uint8Array, file: { fd: number; present: Uint8Array }): void {
    this.attached.set(toHex(digest), file);
  }
  present(digest: Uint8Array, block: number, count: number): void {
    const key = toHex(digest);
    const blocks = this.blocks.get(key) ?? new Set();
    for (let index = 0; index < count; index++) blocks.add(block + index);
    this.blocks.set(key, blocks);
  }
  complete(digest: Uint8Array): void {
    this.completed.add(toHex(digest));
  }
  lend(digest: Uint8Array, block: number, bytes: Uint8Array): void {
    this.lent.set(`${toHex(digest)}:${block}`, bytes);
  }
  trust(trust: DiskTrust): void {
    this.trusted = trust;
  }
  drop(digest: Uint8Array): boolean {
    const key = toHex(digest);
    if (this.open.has(key)) return false;
    this.dropped.push(key);
    return true;
  }
  touched(): Uint8Array {
    const all = Buffer.concat(this.opened);
    this.opened = [];
    return all;
  }
}

export interface CacheFixture {
  readonly dir: string;
  readonly cache: ContentCache;
  readonly codec: FakeCodec;
  readonly residency: RecordingResidency;
}

/** Opens a cache that is closed after the test, with no limits unless given. */
export async function openCache(
  t: TestContext,
  options: Partial<CacheOptions> = {},
): Promise<CacheFixture> {
  const dir = options.dir ?? (await temporaryDir(t));
  const codec = new FakeCodec();
  const residency = new RecordingResidency();
  const cache = await ContentCache.open({
    dir,
    addon: codec,
    residency,
    sizeMaxBytes: 2 ** 40,
    freeFloorBytes: 0,
    ...options,
  });
  cleanUp(t, () => cache.close());
  return { dir, cache, codec, residency };
}

/** Numbers from 0 to 1 (exclusive) that depend on the seed alone. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the crash test fills: 1 to 40 blocks each, some shared, some holes, 4 MiB together, and 30 small ones. */
export function crashContents(): TestContent[] {
  const small = Array.from({ length: 30 }, (_, seed) => content(0, 500 + seed, 100 + seed));
  const large = Array.from({ length: 50 }, (_, seed) => {
    const bytes = pattern((1 + ((seed * 7) % 40)) * BLOCK - (seed % 3) * 100, seed);
    if (seed % 4 === 0) bytes.set(pattern(BLOCK, 1000).subarray(0, bytes.length));
    if (seed % 5 === 0 && bytes.length > 3 * BLOCK) bytes.fill(0, BLOCK, 2 * BLOCK);
    if (seed % 6 === 0 && bytes.length > 6 * BLOCK) bytes.fill(0, 4 * BLOCK + 10, 5 * BLOCK);
    return contentOf(bytes, seed % 2 === 0 ? BLOCK : 2 * BLOCK);
  });
  return [...small, ...large];
}
