import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { combineRouters, withRoute } from '../../../src/image/combine-routers.ts';
import { formatRouter } from '../../../src/image/router.ts';
import { parseRouter } from '../../../src/store/router-config.ts';

const named = (...routers: (string | undefined)[]) =>
  routers.map((router, i) => ({ source: `${i}.flist`, router }));

function destinations(text: string | undefined): string[] {
  const { pools, lookup } = parseRouter(text ?? '', 'of the test');
  return lookup.flatMap((pool) =>
    (pools.get(pool) ?? []).map(({ range, url }) => `${range.first}:${range.last} ${url}`),
  );
}

test('combineRouters() looks where each one does, in their order, and nowhere twice', () => {
  const [a, b] = [formatRouter('http://a'), formatRouter('http://b')];
  const split =
    'pools:\n  store:\n    "0:7": http://low\n    "8:f": http://high\nlookup: [store]\n';
  const combined = combineRouters(named(a, undefined, b, split, a));
  assert.deepEqual(destinations(combined), [
    '00:ff http://a',
    '00:ff http://b',
    '0:7 http://low',
    '8:f http://high',
  ]);
});

test('combineRouters() keeps a text that all have', () => {
  const text = `# by hand\n${formatRouter('http://a')}`;
  assert.equal(combineRouters(named(text, text)), text);
  assert.equal(combineRouters(named(undefined, text)), text);
  assert.equal(combineRouters(named(undefined, undefined)), undefined);
});

test('combineRouters() keeps the order of lookup, and drops pools that nobody asks', () => {
  const text =
    'pools:\n  x: {"0:f": http://x}\n  y: {"0:f": http://y}\n  z: {"0:f": http://z}\nlookup: [y, x]\n';
  const combined = combineRouters(named(text, formatRouter('http://a')));
  assert.deepEqual(destinations(combined), ['0:f http://y', '0:f http://x', '00:ff http://a']);
});

test('combineRouters() names the flist whose router is broken, and refuses to grow out of bounds', () => {
  assert.throws(
    () => combineRouters(named(formatRouter('http://a'), 'pools: 1')),
    (error) => isG8Error(error, 'ERR_CONFIG') && error.message.includes('1.flist'),
  );
  const many = Array.from({ length: 65 }, (_, i) => formatRouter(`http://host-${i}`));
  assert.throws(
    () => combineRouters(named(...many)),
    (error) => isG8Error(error, 'ERR_CREATE'),
  );
});

test('withRoute() adds a store once', () => {
  const one = withRoute(undefined, 'http://a', 'x');
  assert.equal(withRoute(one, 'http://a', 'x'), one);
  assert.deepEqual(destinations(withRoute(one, 'http://b', 'x')), [
    '00:ff http://a',
    '00:ff http://b',
  ]);
});
