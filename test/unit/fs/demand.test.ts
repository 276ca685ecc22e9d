import assert from 'node:assert/strict';
import test from 'node:test';
import { throwIfAborted } from '../../../src/base/abort.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { G8Error } from '../../../src/base/errors.ts';
import type { ContentCache } from '../../../src/cache/cache.ts';
import type { ContentRef } from '../../../src/cache/content.ts';
import type { FillOptions } from '../../../src/cache/fill-options.ts';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { contentRef } from '../../../src/fs/content-ref.ts';
import { Demand, type DemandSource } from '../../../src/fs/demand.ts';
import { MissLog } from '../../../src/fs/miss-log.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { directory, file } from '../../support/index-trees.ts';

const BLOCK = 512 * 1024;
/** 16 MiB. */
const READAHEAD_BLOCKS_MAX = 32;

/** A source with one content of that many blocks. */
function sourceOf(blocks: number, deadlineMs = 10_000): DemandSource {
  const index = buildMountIndex(directory({ big: file('big', blocks * BLOCK - 1) }));
  const contents = new ContentsReader(
    bufferSource(Buffer.concat([...index.contents()])),
    bufferSource(Buffer.concat([...index.chunks()])),
  );
  const misses = new MissLog({ mountPoint: '/mnt/a', names: { find: async () => undefined } });
  return { mountPoint: '/mnt/a', contents, store: new MemoryStore(), deadlineMs, misses };
}

/** A cache and a driver that write down what they are asked; `behave` decides how fills end. */
class World {
  attached: 'partial' | 'complete' = 'partial';
  readonly demanded: [block: number, count: number][] = [];
  readonly ahead: [block: number, count: number][] = [];
  readonly failures: unknown[][] = [];
  readonly lines: [level: string, fields: unknown, message: string][] = [];
  readonly passedBy: [block: number, count: number][] = [];
  readonly silences: string[] = [];
  isDiskAway = false;
  behave: (options: FillOptions) => Promise<void> = async () => {};
  readonly demand: Demand;

  constructor() {
    const cache = {
      load: async (_ref: ContentRef, block: number, count: number, options: FillOptions) => {
        if (this.attached === 'complete' || count === 0) return;
        const list = options.priority === 'demand' ? this.demanded : this.ahead;
        list.push([block, count]);
        await this.behave(options);
      },
      passBy: async (_ref: ContentRef, block: number, count: number) =>
        void this.passedBy.push([block, count]),
      noteSilence: (silence: string) => void this.silences.push(silence),
    };
    const contents = {
      isDiskAway: () => this.isDiskAway,
      contentFail: (digest: Uint8Array, ...rest: unknown[]) =>
        void this.failures.push([toHex(digest), ...rest]),
    };
    const line = (level: string) => (fields: unknown, message: string) =>
      void this.lines.push([level, fields, message]);
    this.demand = new Demand({
      cache: cache as unknown as ContentCache,
      contents,
      pacer: { startRead: () => () => {} },
      log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    });
  }

  async read(source: DemandSource, ...blocks: number[]): Promise<void> {
    const ref = contentRef(source.contents, 0);
    for (const block of blocks) await this.demand.fill(source, ref, block, 1);
  }
}

const need = (block = 0, count = 1, content = 0) => ({
  session: 1,
  content,
  block,
  count,
  nid: 36,
  offset: block * BLOCK,
  size: 4096,
  waitedMs: 0,
});

test('contentRef() is the row of the content table', () => {
  const ref = contentRef(sourceOf(3).contents, 0);
  assert.deepEqual([ref.size, ref.blockSize, ref.chunkCount], [3 * BLOCK - 1, BLOCK, 3]);
  assert.equal(ref.digest.length, 32);
  assert.equal(ref.chunk(2).id.length, 32);
});

test('Demand.answer() fills what a partial content lacks from the store of the mount', async () => {
  const w = new World();
  const source = sourceOf(10);
  const stores: unknown[] = [];
  w.behave = async (options) => void stores.push(options.store);
  await w.demand.answer(source, need(4, 2));
  assert.deepEqual([w.demanded, w.failures, w.lines], [[[4, 2]], [], []]);
  assert.deepEqual(stores, [source.store]);
});

test('Demand.answer() fills nothing of a complete content', async () => {
  const w = new World();
  w.attached = 'complete';
  await w.demand.answer(sourceOf(10), need());
  assert.deepEqual([w.demanded, w.ahead], [[], []]);
});

test('Demand.answer() goes past a disk that the driver waits for, and past one that it waited for', async () => {
  const w = new World();
  w.isDiskAway = true;
  await w.demand.answer(sourceOf(10), { ...need(2), broken: true, away: true });
  // Asked for before the disk was back: that does not make it hang anew.
  w.isDiskAway = false;
  await w.demand.answer(sourceOf(10), { ...need(3), broken: true, away: true });
  const passedBy = [
    [2, 1],
    [3, 1],
  ];
  assert.deepEqual([w.passedBy, w.silences, w.failures], [passedBy, ['hangs'], []]);
});

test('Demand.answer() only attaches when no blocks are asked for', async () => {
  const w = new World();
  await w.demand.answer(sourceOf(10), need(0, 0));
  assert.deepEqual([w.demanded, w.ahead], [[], []]);
});

for (const [error, code, errno] of [
  [new G8Error('ERR_CHUNK_MISSING', 'Gone'), 'ERR_CHUNK_MISSING', 'EIO'],
  [new G8Error('ERR_CACHE_FULL', 'Full'), 'ERR_CACHE_FULL', 'ENOSPC'],
  [new G8Error('ERR_PERMISSION', 'Not yours'), 'ERR_PERMISSION', 'EACCES'],
  [new RangeError('bug'), 'ERR_INTERNAL', 'EIO'],
] as const) {
  test(`Demand.answer() fails the readers with ${errno} for ${code}, in one log line`, async () => {
    const w = new World();
    w.behave = () => Promise.reject(error);
    const source = sourceOf(10);
    const digest = toHex(contentRef(source.contents, 0).digest);
    await w.demand.answer(source, need(4, 2));
    assert.deepEqual(w.failures, [[digest, 4, 2, errno]]);
    assert.equal(w.lines.length, 1);
    assert.equal(w.lines[0]?.[0], 'error');
    assert.deepEqual(w.lines[0]?.[1], { code, mountPoint: '/mnt/a', content: digest, block: 4 });
    assert.deepEqual(w.ahead, []);
  });
}

test('Demand.answer() fails the readers with EIO when the deadline of the mount has passed', async () => {
  const w = new World();
  w.behave = ({ signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        try {
          throwIfAborted(signal);
        } catch (error) {
          reject(error);
        }
      });
    });
  await w.demand.answer(sourceOf(10, 5), need(4));
  assert.deepEqual(w.failures[0]?.slice(1), [4, 1, 'EIO']);
  assert.match(JSON.stringify(w.lines), /"code":"ERR_TIMEOUT"/);
});

test('Demand.answer() logs a need for a content that the index does not have', async () => {
  const w = new World();
  await w.demand.answer(sourceOf(1), need(0, 1, 99));
  assert.equal(w.lines.length, 1);
  assert.deepEqual([w.demanded, w.failures], [[], []]);
});

test('Demand.fill() reads ahead of a sequential reader, twice as far each time up to the limit', async () => {
  const w = new World();
  const source = sourceOf(200);
  // The reader asks for the block behind what was read ahead: 0, then 0 + 1 + 2, and so on.
  let block = 0;
  for (const window of [2, 4, 8, 16, 32, 32]) {
    await w.read(source, block);
    assert.deepEqual(w.ahead.at(-1), [block + 1, window]);
    block += 1 + window;
  }
  assert.equal(Math.max(...w.ahead.map(([, count]) => count)), READAHEAD_BLOCKS_MAX);
});

test('Demand.fill() stays ahead of a reader that waits for what is on its way', async () => {
  const w = new World();
  await w.read(sourceOf(100), 0, 1, 2, 3, 4, 5, 6);
  // Each block is asked for once, and at last the distance is the limit.
  assert.deepEqual(w.ahead, [
    [1, 2],
    [3, 3],
    [6, 5],
    [11, 9],
    [20, 17],
    [37, 1],
    [38, 1],
  ]);
});

test('Demand.fill() does not read behind the end', async () => {
  const w = new World();
  await w.read(sourceOf(6), 0, 3, 5);
  assert.deepEqual(w.ahead, [
    [1, 2],
    [4, 2],
  ]);
});

test('Demand.fill() reads nothing ahead in a content of one block', async () => {
  const w = new World();
  await w.read(sourceOf(1), 0);
  assert.deepEqual(w.ahead, []);
});

test('Demand.fill() reads nothing ahead of random reads', async () => {
  const w = new World();
  await w.read(sourceOf(100), 50, 10, 90, 30, 31 + 20, 7);
  assert.deepEqual(w.ahead, []);
});

test('Demand.fill() starts small again after a jump', async () => {
  const w = new World();
  await w.read(sourceOf(100), 0, 3, 50, 51);
  assert.deepEqual(w.ahead, [
    [1, 2],
    [4, 4],
    [52, 2],
  ]);
});

test('Demand.fill() does not take two readers of one block for a sequential one', async () => {
  const w = new World();
  await w.read(sourceOf(100), 50, 50, 50);
  assert.deepEqual(w.ahead, []);
});

test('Demand.fill() succeeds when only the readahead fails', async () => {
  const w = new World();
  w.behave = ({ priority }) =>
    priority === 'demand' ? Promise.resolve() : Promise.reject(new G8Error('ERR_IO', 'No'));
  await w.demand.answer(sourceOf(100), need());
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(w.failures, []);
  assert.deepEqual(
    w.lines.map(([level]) => level),
    ['debug'],
  );
});

test('Demand.answer() lists twenty failures in ten seconds and fails every reader', async () => {
  const w = new World();
  const source = sourceOf(40);
  w.behave = async () => {
    throw new G8Error('ERR_STORE_UNAVAILABLE', 'Nobody is there');
  };
  for (let block = 0; block < 30; block++) await w.demand.answer(source, need(block));
  assert.equal(w.lines.filter(([level]) => level === 'error').length, 20);
  assert.equal(w.failures.length, 30);
});
