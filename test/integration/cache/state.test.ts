import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { Catalog } from '../../../src/cache/catalog.ts';
import type { ContentRecord } from '../../../src/cache/records.ts';
import { State } from '../../../src/cache/state.ts';
import { cleanUp, temporaryDir } from '../../support/cache-fixture.ts';

const RECORD: ContentRecord = {
  complete: false,
  durable: false,
  pinned: false,
  algorithm: 1,
  blockSize: 4096,
  size: 3 * 4096,
  bytes: 100,
  lastUseMs: 5,
};
const DIGEST = new Uint8Array(32).fill(9);
const key = (text: string): Uint8Array => Buffer.from(text);

async function openState(t: TestContext, dir?: string): Promise<{ state: State; dir: string }> {
  const path = dir ?? (await temporaryDir(t));
  const { state } = await State.open(path);
  cleanUp(t, () => state.close());
  return { state, dir: path };
}

test('reads see what is buffered, and what was deleted', async (t) => {
  const { state } = await openState(t);
  state.put(key('a'), key('1'));
  assert.deepEqual(await state.get(key('a')), key('1'));
  await state.flush();
  state.delete(key('a'));
  state.put(key('b'), key('2'));
  assert.deepEqual(await state.getMany([key('a'), key('b')]), [undefined, key('2')]);
});

test('an empty value is refused: its copy would never be freed', async (t) => {
  const { state } = await openState(t);
  assert.throws(
    () => state.put(key('a'), new Uint8Array(0)),
    (error) => isG8Error(error, 'ERR_INTERNAL'),
  );
});

test('what was flushed is there in the next life, what was not is not', async (t) => {
  const { state, dir } = await openState(t);
  state.put(key('a'), key('1'));
  await state.flush();
  state.put(key('b'), key('2'));
  await state.close();
  const next = await openState(t, dir);
  assert.deepEqual(await next.state.getMany([key('a'), key('b')]), [key('1'), undefined]);
});

test('flush() calls at the same time write everything that was put before each', async (t) => {
  const { state, dir } = await openState(t);
  const flushes: Promise<void>[] = [];
  for (let index = 0; index < 50; index++) {
    state.put(key(`k${index}`), key('x'));
    flushes.push(state.flush());
  }
  await Promise.all(flushes);
  await state.close();
  const next = await openState(t, dir);
  const keys = Array.from({ length: 50 }, (_, index) => key(`k${index}`));
  assert.ok((await next.state.getMany(keys)).every((value) => value !== undefined));
});

test('writes reach the database without a flush', async (t) => {
  const { state } = await openState(t);
  const written = new Promise<boolean>((resolve) => {
    state.onFlushed = resolve;
  });
  // The state's own timer does not keep a process alive.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  state.put(key('a'), key('1'));
  assert.equal(await written, true);
});

test('update() calls of one content do not lose each other', async (t) => {
  const { state } = await openState(t);
  const { catalog } = await Catalog.open(state);
  await catalog.update(DIGEST, () => RECORD);
  const add = (): Promise<unknown> =>
    catalog.update(DIGEST, (now) => now && { ...now, bytes: now.bytes + 1 });
  await Promise.all(Array.from({ length: 50 }, add));
  assert.equal((await catalog.find(DIGEST))?.bytes, 150);
  assert.equal(catalog.totals.bytes, 150);
});

test('totals agree with the records across lives', async (t) => {
  const { state, dir } = await openState(t);
  const { catalog } = await Catalog.open(state);
  await catalog.update(DIGEST, () => RECORD);
  await catalog.update(DIGEST, (now) => now && { ...now, complete: true, bytes: 700 });
  await catalog.update(new Uint8Array(32).fill(1), () => RECORD);
  await state.flush();
  await state.close();
  const next = await openState(t, dir);
  const again = await Catalog.open(next.state);
  assert.deepEqual(again.catalog.totals, { files: 1, partialFiles: 1, bytes: 800 });
});

test('byLastUse() is in order and leaves pinned contents out', async (t) => {
  const { state } = await openState(t);
  const { catalog } = await Catalog.open(state);
  for (const [byte, lastUseMs] of [
    [1, 300],
    [2, 100],
    [3, 200],
    [4, 50],
  ] as const) {
    const record = { ...RECORD, lastUseMs, pinned: byte === 4 };
    await catalog.update(new Uint8Array(32).fill(byte), () => record);
  }
  await state.flush();
  const order: (number | undefined)[] = [];
  for await (const digest of catalog.byLastUse()) order.push(digest[0]);
  assert.deepEqual(order, [2, 3, 1]);
});

test('remove() takes everything that points at a content along', async (t) => {
  const { state } = await openState(t);
  const { catalog } = await Catalog.open(state);
  const rows = new Uint8Array(3 * 32).map((_, index) => index + 1);
  await catalog.update(DIGEST, () => ({ ...RECORD, complete: true }));
  catalog.putRows(DIGEST, 0, rows);
  for (const block of [0, 1, 2]) {
    const row = rows.subarray(block * 32, (block + 1) * 32);
    catalog.putSource(1, row, { digest: DIGEST, block });
  }
  // The third block is also elsewhere, and that is what the entry says now.
  const other = { digest: new Uint8Array(32).fill(4), block: 0 };
  catalog.putSource(1, rows.subarray(64), other);
  await catalog.remove(DIGEST);
  await state.flush();
  const kinds: number[] = [];
  for await (const [name] of state.entries(Uint8Array.of(0), Uint8Array.of(255))) {
    kinds.push(name[0]!);
  }
  assert.deepEqual(
    kinds.map((kind) => String.fromCharCode(kind)),
    ['k', 'm'],
  );
  assert.deepEqual(await catalog.findSources(1, [rows.subarray(64)]), [other]);
});

test('settleRemoval() waits until a durable record is gone from the disk', async (t) => {
  const { state, dir } = await openState(t);
  const { catalog } = await Catalog.open(state);
  await catalog.update(DIGEST, () => ({ ...RECORD, complete: true, durable: true }));
  await state.flush();
  await catalog.remove(DIGEST);
  await catalog.settleRemoval(DIGEST);
  await state.close();
  const next = await openState(t, dir);
  const again = await Catalog.open(next.state);
  assert.equal(await again.catalog.find(DIGEST), undefined);
});
