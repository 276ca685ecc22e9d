/** Garbage collection, check and stats over a catalogue and a chunk backend. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { deleteEntry, renameEntry } from '../../../src/hub/catalogue/entries.ts';
import { GARBAGE, PACKAGE, RUN } from '../../../src/hub/catalogue/records.ts';
import { checkChunks } from '../../../src/hub/collect/check.ts';
import { eachPackageChunk } from '../../../src/hub/collect/package-chunks.ts';
import { hubStats } from '../../../src/hub/collect/stats.ts';
import { DirectoryStore } from '../../../src/store/directory.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { ChunkId } from '../../../src/store/store.ts';
import { chunkOf } from '../../support/faulty-store.ts';
import { fixturesDir } from '../../support/fixtures.ts';
import { flistOf } from '../../support/flist-package.ts';
import { HOUR, StoredHub } from '../../support/stored-hub.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const A = { shared: 'in both images', a: 'only in the first' };
const B = { shared: 'in both images', b: 'only in the second' };

/** Two flists, the second of which is deleted. @returns chunks that only the second needs */
async function withGarbage(hub: StoredHub): Promise<Set<ChunkId>> {
  await hub.publish('a', A);
  const kept = await hub.ids();
  await hub.publish('b', B);
  await deleteEntry(hub.catalogue, 'repo', 'b.flist');
  return new Set([...(await hub.ids())].filter((id) => !kept.has(id)));
}

async function readable(hub: StoredHub, name: string): Promise<void> {
  const packages = hub.catalogue.list(PACKAGE);
  for await (const { value } of packages) {
    const ids: ChunkId[] = [];
    await eachPackageChunk(hub.packages.read(value), undefined, async ({ id }) => {
      ids.push(id);
    });
    assert.deepEqual(await hub.backend.missing([...value.pieces, ...ids]), [], name);
  }
}

async function notes(hub: StoredHub): Promise<string[]> {
  const ids: string[] = [];
  for await (const { parts } of hub.catalogue.list(GARBAGE)) ids.push(parts[0] as string);
  return ids.sort();
}

test('garbage is noted, waits for the grace period, and goes', async (t) => {
  const hub = await StoredHub.open(t);
  const garbage = await withGarbage(hub);
  assert.equal(garbage.size, 2); // A file and the package's piece.
  const all = await hub.ids();

  const young = await hub.collect(0);
  assert.deepEqual([young.deletedPackages, young.garbage, young.deleted], [0, 0, 0]);
  const noted = await hub.collect(2);
  assert.deepEqual([noted.deletedPackages, noted.garbage, noted.deleted], [1, 2, 0]);
  assert.deepEqual(await notes(hub), [...garbage].sort());
  const early = await hub.collect(2.5);
  assert.deepEqual([early.garbage, early.deleted], [2, 0]);
  const dry = await hub.collect(4, { dryRun: true });
  assert.deepEqual([dry.garbage, dry.deleted], [2, 2]);
  assert.deepEqual(await hub.ids(), all);
  const last = await hub.collect(4);
  assert.deepEqual([last.chunks, last.garbage, last.deleted], [all.size, 2, 2]);
  assert.deepEqual(await hub.ids(), new Set([...all].filter((id) => !garbage.has(id))));
  assert.deepEqual(await notes(hub), []);
  await readable(hub, 'a');
  assert.deepEqual((await hub.collect(6)).deleted, 0);
  assert.deepEqual(await readdir(hub.tmpDir), []);
});

test('a dry run changes nothing, notes and packages included', async (t) => {
  const hub = await StoredHub.open(t);
  await withGarbage(hub);
  const result = await hub.collect(9, { dryRun: true });
  assert.deepEqual([result.dryRun, result.deletedPackages, result.garbage], [true, 1, 2]);
  assert.deepEqual(await notes(hub), []);
  assert.equal((await hub.collect(9)).deletedPackages, 1);
});

test('whoever is told that a chunk is there has the grace period to refer to it', async (t) => {
  const hub = await StoredHub.open(t);
  const garbage = await withGarbage(hub);
  await hub.collect(2);
  // Notes are of a time to come: bring them back, as old as they would be.
  await makeOld(hub, garbage, 3 * HOUR);
  const [digest, ids] = await hub.upload(B);
  await hub.collect(0);
  assert.deepEqual(await hub.backend.missing(ids), []);
  await hub.put('again', digest);
  await hub.collect(5);
  await readable(hub, 'again');
  assert.deepEqual(await notes(hub), []);
});

test('the grace period of a note that is young is begun anew as well', async (t) => {
  const hub = await StoredHub.open(t);
  const garbage = await withGarbage(hub);
  await hub.collect(2);
  // Due in five seconds. Then somebody is told that the chunks are there, and has not named them in a flist yet.
  const graceMs = 20_000;
  await makeOld(hub, garbage, graceMs - 5_000);
  assert.deepEqual(await hub.chunks.missing([...garbage]), []);
  await hub.collect(10_000 / HOUR, { graceMs });
  assert.deepEqual(await hub.backend.missing([...garbage]), []);
  const [digest] = await hub.upload(B);
  await hub.put('again', digest);
  await hub.collect(5);
  await readable(hub, 'again');
});

/** Sets the notes of chunks to `age` milliseconds ago. */
async function makeOld(hub: StoredHub, ids: Iterable<ChunkId>, age: number): Promise<void> {
  await hub.catalogue.transaction(async (transaction) => {
    for (const id of ids) transaction.put(GARBAGE, [id], { since: Date.now() - age });
  });
}

test('a chunk that is being deleted is not there, and is put again behind that', async (t) => {
  const hub = await StoredHub.open(t);
  const { id, bytes } = chunkOf('leaving');
  await hub.chunks.put(id, bytes);
  const until = Date.now() + HOUR;
  const record = { since: 0, deleting: { by: 'collector', until } };
  await hub.catalogue.transaction(async (transaction) => {
    transaction.put(GARBAGE, [id], record);
  });
  assert.deepEqual(await hub.chunks.missing([id]), [id]);
  const put = hub.chunks.put(id, bytes);
  await hub.backend.delete(id);
  assert.deepEqual(await hub.backend.missing([id]), [id]);
  await hub.catalogue.transaction(async (transaction) => transaction.delete(GARBAGE, [id]));
  await put;
  assert.deepEqual(Buffer.from(await hub.backend.get(id)), Buffer.from(bytes));
});

test('what a dead collector was deleting is taken over', async (t) => {
  const hub = await StoredHub.open(t);
  const [one, two] = [chunkOf('one'), chunkOf('two')];
  const dead = { since: 0, deleting: { by: 'dead', until: Date.now() - 1 } };
  await hub.backend.put(one.id, one.bytes);
  await hub.backend.put(two.id, two.bytes);
  await hub.catalogue.transaction(async (transaction) => {
    transaction.put(GARBAGE, [one.id], dead);
    transaction.put(GARBAGE, [two.id], dead);
  });
  await hub.chunks.put(one.id, one.bytes);
  const result = await hub.collect(0);
  assert.deepEqual([result.garbage, result.deleted], [2, 1]);
  assert.deepEqual(await hub.ids(), new Set([one.id]));
});

test('an upload that asks between the mark and the sweep wins', async (t) => {
  const backend = new MemoryStore();
  const hub = await StoredHub.open(t, { backend });
  const garbage = await withGarbage(hub);
  await hub.collect(2);
  await makeOld(hub, garbage, 3 * HOUR);
  let asked: ChunkId[] | undefined;
  const result = await hub.collect(0, {
    onProgress: ({ phase, count }) => {
      if (phase === 'sweep' && count === 0)
        void hub.chunks.missing([...garbage]).then((ids) => (asked = ids));
    },
  });
  // Whoever was first; what was said to be there is there.
  const present = [...garbage].filter((id) => !asked?.includes(id));
  assert.deepEqual(await hub.backend.missing([...garbage]), asked);
  assert.equal(result.deleted, garbage.size - present.length);
});

test('a package to which an entry comes to refer during a run stays', async (t) => {
  const hub = await StoredHub.open(t);
  const digest = await hub.publish('a', A);
  await deleteEntry(hub.catalogue, 'repo', 'a.flist');
  const before = Date.now();
  await hub.put('b', digest);
  await renameEntry(hub.catalogue, 'repo', 'b.flist', 'c.flist');
  const record = await hub.catalogue.get(PACKAGE, digest);
  assert((record?.saved ?? 0) >= before);
  assert.equal((await hub.collect(9)).deletedPackages, 0);
  await readable(hub, 'c');
});

test('a run that dies at any write leaves a hub that is whole, and the next one ends its work', async (t) => {
  const hub = await StoredHub.open(t);
  const { engine } = hub.catalogue;
  const { delete: remove } = hub.backend;
  const commit = engine.commit.bind(engine);
  let left = Number.POSITIVE_INFINITY;
  const step = () => {
    if (left-- <= 0) throw new Error('killed');
  };
  engine.commit = async (writes) => {
    step();
    return await commit(writes);
  };
  hub.backend.delete = async (...args) => {
    step();
    await remove.apply(hub.backend, args);
  };
  await hub.publish('a', A);
  const kept = await hub.ids();
  let died = 0;
  for (let point = 0; ; point++) {
    left = Number.POSITIVE_INFINITY;
    const digest = await hub.publish('b', { b: `content ${point}` });
    await deleteEntry(hub.catalogue, 'repo', 'b.flist');
    await hub.collect(2);
    const garbage = [...(await hub.ids())].filter((id) => !kept.has(id));
    await makeOld(hub, garbage, 3 * HOUR);
    left = point;
    const outcome = await hub.collect(0).catch((error: Error) => error.message);
    left = Number.POSITIVE_INFINITY;
    assert.equal(await hub.packages.find(digest), undefined);
    await readable(hub, 'a');
    if (outcome !== 'killed') break;
    died++;
    await hub.catalogue.transaction(async (transaction) => {
      transaction.delete(RUN, ['collector']);
    });
    await hub.collect(9);
    assert.deepEqual(await hub.ids(), kept, `after ${point} writes`);
  }
  assert(died >= 6, `${died} points`);
});

test('one run at a time', async (t) => {
  const hub = await StoredHub.open(t);
  await hub.catalogue.transaction(async (transaction) => {
    transaction.put(RUN, ['collector'], { by: 'another', until: Date.now() + HOUR });
  });
  await assert.rejects(hub.collect(0), (error) => isG8Error(error, 'ERR_CACHE_LOCKED'));
  await hub.catalogue.transaction(async (transaction) => {
    transaction.put(RUN, ['collector'], { by: 'dead', until: Date.now() - 1 });
  });
  await hub.collect(0);
  assert.equal(await hub.catalogue.get(RUN, 'collector'), undefined);
});

test('nothing is deleted while it is unknown what a package refers to', async (t) => {
  const hub = await StoredHub.open(t);
  const garbage = await withGarbage(hub);
  await hub.collect(2);
  await makeOld(hub, garbage, 9 * HOUR);
  const digest = await hub.publish('c', { c: 'third' });
  const { pieces } = (await hub.packages.find(digest)) as { pieces: string[] };
  await hub.backend.delete(pieces[0] as string);
  await assert.rejects(hub.collect(0), (error) => {
    assert(isG8Error(error, 'ERR_CHUNK_MISSING'));
    assert.equal(error.details['package'], digest);
    return true;
  });
  assert.deepEqual(await hub.backend.missing([...garbage]), []);
  await deleteEntry(hub.catalogue, 'repo', 'c.flist');
  assert.equal((await hub.collect(3)).deletedPackages, 1);
});

test('what is no flist keeps its own pieces, and is told', async (t) => {
  const hub = await StoredHub.open(t);
  const { digest } = await hub.savePackage(flistOf('stands for a flist'));
  await hub.put('odd', digest);
  const result = await hub.collect(9);
  assert.deepEqual([result.unreadablePackages, result.garbage], [[digest], 0]);
});

test('chunks of historical flists are found', async (t) => {
  const fixtures = fixturesDir();
  if (fixtures === undefined) return t.skip('no shared/fixtures');
  for (const [folder, length] of [
    ['zflist', 32],
    ['rocksdb', 64],
  ] as const) {
    const files = await readdir(join(fixtures, folder), { recursive: true });
    const flist = files.find((file) => file.endsWith('.flist'));
    assert(flist !== undefined, folder);
    const ids = new Set<string>();
    const source = (async function* () {
      yield readFileSync(join(fixtures, folder, flist));
    })();
    await eachPackageChunk(source, undefined, async ({ id }) => {
      ids.add(id);
    });
    const chunks = await readdir(join(fixtures, folder, 'chunks'));
    assert([...ids].every((id) => id.length === length));
    assert(
      [...ids].some((id) => chunks.includes(id)),
      folder,
    );
  }
});

test('check finds and mends what is corrupt and what is missing', async (t) => {
  const path = temporaryDirectory(t);
  const hub = await StoredHub.open(t, { backend: new DirectoryStore({ path }) });
  const first = await hub.publish('a', A);
  const spare = new MemoryStore();
  const ids = [...(await hub.ids())];
  for (const id of ids) await spare.put(id, await hub.backend.get(id));
  const options = { tmpDir: hub.tmpDir, digest: undefined };
  const all = { ...hub, chunks: hub.backend };
  const whole = await checkChunks(all, options);
  const size = ids.reduce((sum, id) => sum + statSync(join(path, id.slice(0, 2), id)).size, 0);
  assert.deepEqual(whole, {
    chunks: 3,
    bytes: size,
    corrupt: 0,
    missing: 0,
    repaired: 0,
    damagedPackages: [],
    damaged: [],
  });
  const digest = await hub.publish('b', B);
  const { pieces } = (await hub.packages.find(digest)) as { pieces: string[] };
  for (const id of await hub.ids()) await spare.put(id, await hub.backend.get(id));
  const others = (await hub.packages.find(first)) as { pieces: string[] };
  const [broken, lost] = ids.filter((id) => !others.pieces.includes(id)) as [string, string];
  for (const id of [broken, pieces[0] as string]) {
    const bytes = await hub.backend.get(id);
    bytes[0] = (bytes[0] as number) ^ 1;
    await hub.backend.delete(id);
    await hub.backend.put(id, bytes);
  }
  await hub.backend.delete(lost);
  const found = await checkChunks(all, options);
  assert.deepEqual([found.corrupt, found.missing, found.repaired], [2, 1, 0]);
  assert.deepEqual(found.damagedPackages, [digest]);
  assert.deepEqual(
    found.damaged.map(({ id, what }) => `${what} ${id}`).sort(),
    [`corrupt ${broken}`, `corrupt ${pieces[0]}`, `missing ${lost}`].sort(),
  );
  const mended = await checkChunks(all, { ...options, repairFrom: spare });
  assert.deepEqual([mended.corrupt, mended.missing, mended.repaired], [2, 1, 3]);
  assert.deepEqual([mended.damaged, mended.damagedPackages], [[], []]);
  assert.deepEqual((await checkChunks(all, options)).damaged, []);
});

test('stats tell shared bytes from unique ones', async (t) => {
  const hub = await StoredHub.open(t);
  const empty = await hubStats(hub, { tmpDir: hub.tmpDir });
  assert.deepEqual([empty.flists, empty.ratio], [[], 1]);
  await hub.publish('a', A);
  await hub.put('same', await hub.publish('b', B));
  const { flists, ...all } = await hubStats(hub, { tmpDir: hub.tmpDir });
  const sizes = new Map<string, number>();
  for (const id of await hub.ids()) sizes.set(id, (await hub.backend.get(id)).length);
  const total = [...sizes.values()].reduce((a, b) => a + b);
  assert.deepEqual([all.packages, all.chunks, all.storedBytes], [2, sizes.size, total]);
  const [a, b, same] = flists;
  assert.deepEqual([a?.name, b?.name, same?.name], ['a.flist', 'b.flist', 'same.flist']);
  const shared = (a?.bytes ?? 0) - (a?.uniqueBytes ?? 0);
  assert.equal(shared, (b?.bytes ?? 0) - (b?.uniqueBytes ?? 0));
  assert(shared > 0);
  assert.equal(total, (a?.uniqueBytes ?? 0) + (b?.uniqueBytes ?? 0) + shared);
  assert.equal(all.referencedBytes, total + shared);
  assert.equal(all.ratio, (total + shared) / total);
  assert.deepEqual({ ...same, name: '' }, { ...b, name: '' });
});
