/** A process that fills, evicts and pins at random until it is killed: `cache-crasher.js <dir> <seed>`. */
import { ContentCache } from '../../src/cache/cache.ts';
import { crashContents, RecordingResidency, RecordingStore, randomOf } from './cache-fixture.ts';
import { FakeCodec } from './fake-codec.ts';

const [dir, seed] = process.argv.slice(2);
if (dir === undefined || seed === undefined) throw new Error('Which directory and seed?');

const contents = crashContents();
const store = new RecordingStore(contents);
const cache = await ContentCache.open({
  dir,
  addon: new FakeCodec(),
  residency: new RecordingResidency(),
  sizeMaxBytes: 2 * 1024 * 1024,
  freeFloorBytes: 0,
});
process.stdout.write('ready\n');

async function work(random: () => number): Promise<void> {
  for (;;) {
    const file = contents[Math.floor(random() * contents.length)]!;
    const first = Math.floor(random() * file.chunkCount);
    const count = 1 + Math.floor(random() * (file.chunkCount - first));
    const options = { store, priority: 'demand' } as const;
    if (random() < 0.5) {
      await cache.load(file, first, count, options);
    } else {
      await cache.attach(file);
      await cache.fill(file, first, count, options);
    }
    if (random() < 0.05) await cache.gc({ sizeMaxBytes: 512 * 1024 });
    if (random() < 0.05) await cache.checkpoint();
  }
}

await Promise.all([1, 2, 3, 4].map((worker) => work(randomOf(Number(seed) * 4 + worker))));
