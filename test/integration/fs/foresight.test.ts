import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { toHex } from '../../../src/base/bytes.ts';
import type { ContentCache } from '../../../src/cache/cache.ts';
import { ContentsReader } from '../../../src/format/index/contents-reader.ts';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { contentRef } from '../../../src/fs/content-ref.ts';
import { Foresight } from '../../../src/fs/foresight/foresight.ts';
import { OpenedContents } from '../../../src/fs/foresight/opened-contents.ts';
import { MissLog } from '../../../src/fs/miss-log.ts';
import { PathNames } from '../../../src/fs/path-names.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { temporaryDir } from '../../support/cache-fixture.ts';
import { directory, file } from '../../support/index-trees.ts';

/** What a small file counts at least. */
const COST = 8 * 1024;

/** A folder of 20 files of 7 stored bytes each, a store that answers after so long, and a mount's foresight. */
async function world(t: TestContext, { answerMs = 20, takesBatches = true } = {}) {
  const dir = await temporaryDir(t);
  const files = Array.from({ length: 20 }, (_, i) => [`f${i}`, file(`f${i}`, 100)]);
  const image = buildMountIndex(directory({ lib: directory(Object.fromEntries(files)) }));
  const read = (pieces: Iterable<Uint8Array>) => bufferSource(Buffer.concat([...pieces]));
  const contents = new ContentsReader(read(image.contents()), read(image.chunks()));
  writeFileSync(join(dir, 'mount.erofs'), Buffer.concat([...image.erofs()]));
  const index = new MountIndexReader(read(image.erofs()));
  const names = new PathNames(dir);
  t.after(() => names.close());
  const misses = new MissLog({ mountPoint: '/mnt', names });
  const opened = new OpenedContents();
  const foresight = new Foresight({
    ...{ mountPoint: '/mnt', contents, names, misses, opened, deadlineMs: 1000, quota: undefined },
    hasInodes: true,
    store: Object.assign(new MemoryStore(), { takesBatches }),
    cache: { answerMs: () => answerMs, layout: undefined } as unknown as ContentCache,
    log: { debug: assert.fail, info: assert.fail, warn: assert.fail, error: assert.fail },
  });
  t.after(() => foresight.close());
  const need = (name: string) => {
    const nid = index.resolvePath(Buffer.from(`/lib/${name}`)) as number;
    const content = contents.contentOf(index.inode(nid).ino) as number;
    return { session: 1, nid, content, block: 0, count: 1, offset: 0, size: 0, waitedMs: 0 };
  };
  const demand = (bytes: number): void => misses.watcher('demand').onChunk(bytes);
  const miss = (name: string) => foresight.riders(need(name));
  /** The index is read beside the first miss. */
  const settle = async (): Promise<void> => {
    await names.openTree();
    await delay(0);
  };
  return { foresight, misses, opened, need, demand, miss, settle, contents };
}

test('nothing is foretold before the start, and by none of a near store or one without batches', async (t) => {
  const waiting = await world(t);
  waiting.demand(1000);
  assert.equal(waiting.miss('f0'), undefined);
  for (const options of [{ answerMs: 1 }, { takesBatches: false }]) {
    const w = await world(t, options);
    w.foresight.start();
    w.demand(1000);
    w.miss('f0');
    await w.settle();
    for (const name of ['f1', 'f2', 'f3']) assert.equal(w.miss(name), undefined);
  }
});

test('what rides is within the share of what readers have fetched', async (t) => {
  const w = await world(t);
  w.foresight.start();
  assert.equal(w.miss('f0'), undefined, 'the index is not read yet');
  await w.settle();
  w.demand(COST * 8);
  assert.equal(w.miss('f9'), undefined, 'the first miss in its folder');
  assert.equal(w.miss('f1')?.refs.length, 4);
  assert.equal(w.miss('f2'), undefined, 'they are on their way and count');
  w.demand(COST * 4);
  assert.equal(w.miss('f3')?.refs.length, 2);
});

test('what did not come costs nothing, and what is opened was used', async (t) => {
  const w = await world(t);
  w.foresight.start();
  w.miss('f0');
  await w.settle();
  w.demand(COST * 8);
  w.miss('f9');
  const riders = w.miss('f1');
  assert.equal(riders?.refs.length, 4);
  const [first, second] = riders?.refs ?? [];
  for (let i = 0; i < 2; i++) riders?.watcher?.onChunk(COST);
  riders?.onEnd([true, true, false, false]);
  assert.deepEqual(w.misses.totals.foretold, { calls: 0, chunks: 2, bytes: 2 * COST });
  assert.equal(w.miss('f2')?.refs.length, 2);
  const digests = [first, second, first].map((ref) => ref?.digest as Uint8Array);
  w.opened.opened(Buffer.concat(digests.slice(0, 1)));
  assert.equal(w.misses.totals.foretoldUsed.bytes, 7);
  w.opened.opened(Buffer.concat(digests));
  assert.equal(w.misses.totals.foretoldUsed.bytes, 14);
  const rows = [...w.contents.all()].filter(({ index }) => w.foresight.has(index));
  const keys = rows.map(({ index }) => toHex(contentRef(w.contents, index).digest)).sort();
  assert.deepEqual(keys, [first, second].map((ref) => toHex(ref?.digest as Uint8Array)).sort());
});
