/** What every engine of the catalogue promises (`src/hub/catalogue/engine.ts`). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CatalogueEngine } from '../../src/hub/catalogue/engine.ts';

/** Makes an engine without entries, which is closed when the test ends. */
export type EngineFactory = (context: TestContext) => Promise<CatalogueEngine>;

const key = (text: string) => Buffer.from(text, 'latin1');
const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');

async function put(engine: CatalogueEngine, entries: Record<string, string | undefined>) {
  const writes = Object.entries(entries).map(([name, value]) => ({
    key: key(name),
    value: value === undefined ? undefined : key(value),
  }));
  assert.equal(await engine.commit({ checks: [], writes }), true);
}

async function keysOf(
  engine: CatalogueEngine,
  prefix: string,
  options: { after?: string; limit?: number } = {},
): Promise<string[]> {
  const keys: string[] = [];
  const after = options.after === undefined ? undefined : key(options.after);
  const scan = engine.scan({ prefix: key(prefix), after, limit: options.limit });
  for await (const entry of scan) keys.push(textOf(entry.key) as string);
  return keys;
}

export function catalogueContract(name: string, open: EngineFactory): void {
  test(`${name}: get and getMany give what was written, in the order asked`, async (t) => {
    const engine = await open(t);
    await put(engine, { a: '1', b: '2', 'b\0\xff': '' });
    assert.equal(textOf(await engine.get(key('b\0\xff'))), '');
    assert.equal(await engine.get(key('c')), undefined);
    const many = await engine.getMany([key('b'), key('c'), key('a'), key('b')]);
    assert.deepEqual(many.map(textOf), ['2', undefined, '1', '2']);
    assert.deepEqual(await engine.getMany([]), []);
    await put(engine, { a: undefined, b: '3', never: undefined });
    assert.deepEqual((await engine.getMany([key('a'), key('b')])).map(textOf), [undefined, '3']);
  });

  test(`${name}: scan() goes in byte order, from a place, up to a count`, async (t) => {
    const engine = await open(t);
    const names = ['p', 'p\0', 'p\0a', 'p\0a\0b', 'p\0a+', 'p\0\x7f', 'p\0\xff', 'p\x01', 'q'];
    await put(engine, Object.fromEntries([...names].reverse().map((n) => [n, n])));
    const inside = names.slice(1, 7);
    assert.deepEqual(await keysOf(engine, 'p\0'), inside);
    assert.deepEqual(await keysOf(engine, ''), names);
    assert.deepEqual(await keysOf(engine, 'x'), []);
    assert.deepEqual(await keysOf(engine, 'p\0', { after: 'p\0a' }), inside.slice(2));
    assert.deepEqual(await keysOf(engine, 'p\0', { after: 'p\0a\0' }), inside.slice(2));
    assert.deepEqual(await keysOf(engine, 'p\0', { after: 'a' }), inside);
    assert.deepEqual(await keysOf(engine, 'p\0', { after: 'q' }), []);
    assert.deepEqual(await keysOf(engine, 'p\0', { limit: 2 }), inside.slice(0, 2));
    assert.deepEqual(await keysOf(engine, 'p\0', { limit: 0 }), []);
    assert.deepEqual(await keysOf(engine, 'p\0\xff'), ['p\0\xff']);
  });

  test(`${name}: scan() gives all of many pages, also when it is left early`, async (t) => {
    const engine = await open(t);
    const names = Array.from({ length: 1300 }, (_, i) => `n${String(i).padStart(5, '0')}`);
    await put(engine, Object.fromEntries(names.map((n) => [n, 'x'])));
    assert.deepEqual(await keysOf(engine, 'n'), names);
    assert.equal((await keysOf(engine, 'n', { limit: 700 })).length, 700);
    for await (const _ of engine.scan({ prefix: key('n') })) break;
    assert.equal(
      (await engine.getMany(names.map(key))).filter((v) => v !== undefined).length,
      1300,
    );
  });

  test(`${name}: commit() writes nothing when a check fails`, async (t) => {
    const engine = await open(t);
    await put(engine, { a: '1' });
    const refused = [
      [{ key: key('a'), expected: undefined }],
      [{ key: key('a'), expected: key('2') }],
      [{ key: key('b'), expected: key('') }],
      [
        { key: key('a'), expected: key('1') },
        { key: key('b'), expected: key('1') },
      ],
    ];
    for (const checks of refused) {
      const writes = [{ key: key('c'), value: key('x') }];
      assert.equal(await engine.commit({ checks, writes }), false);
    }
    assert.deepEqual(await keysOf(engine, ''), ['a']);
    const checks = [
      { key: key('a'), expected: key('1') },
      { key: key('b'), expected: undefined },
    ];
    const writes = [{ key: key('a'), value: undefined }];
    assert.equal(await engine.commit({ checks, writes }), true);
    assert.deepEqual(await keysOf(engine, ''), []);
  });

  test(`${name}: of commits with the same check at the same time one wins`, async (t) => {
    const engine = await open(t);
    const attempts = Array.from({ length: 20 }, (_, i) =>
      engine.commit({
        checks: [{ key: key('one'), expected: undefined }],
        writes: [
          { key: key('one'), value: key(String(i)) },
          { key: key(`by${i}`), value: key('x') },
        ],
      }),
    );
    const won = (await Promise.all(attempts)).flatMap((written, i) => (written ? [i] : []));
    assert.equal(won.length, 1);
    assert.equal(textOf(await engine.get(key('one'))), String(won[0]));
    assert.deepEqual(await keysOf(engine, 'by'), [`by${won[0]}`]);
  });

  test(`${name}: what is counted by read, check and write is not miscounted`, async (t) => {
    const engine = await open(t);
    const add = async () => {
      for (;;) {
        const old = await engine.get(key('count'));
        const value = key(String(Number(textOf(old) ?? 0) + 1));
        const checks = [{ key: key('count'), expected: old }];
        if (await engine.commit({ checks, writes: [{ key: key('count'), value }] })) return;
      }
    };
    await Promise.all(Array.from({ length: 12 }, add));
    assert.equal(textOf(await engine.get(key('count'))), '12');
  });

  test(`${name}: close() ends what runs, and calls behind it fail`, async (t) => {
    const engine = await open(t);
    const running = put(engine, { a: '1' });
    await Promise.all([running, engine.close(), engine.close()]);
    const code = { code: 'ERR_STORE_UNAVAILABLE' };
    await assert.rejects(engine.get(key('a')), code);
    await assert.rejects(engine.commit({ checks: [], writes: [] }), code);
    await assert.rejects(keysOf(engine, ''), code);
  });
}
