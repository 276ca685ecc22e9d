import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { parseRouter } from '../../../src/store/router-config.ts';

const ROUTER = `
pools:
  private:
    00:7f: zdb://secret@10.0.0.1:9900
    80:ff: zdb://10.0.0.2:9900
  hub:
    0:f: https://hub.example/chunks
lookup: [private, hub]
cache:
  - private
`;

function configError(reason: RegExp) {
  return (error: unknown) => isG8Error(error, 'ERR_CONFIG') && reason.test(error.message);
}

test('parseRouter() reads pools, lookup order and cache', () => {
  const router = parseRouter(ROUTER, 'router.yaml');
  assert.deepEqual(router.lookup, ['private', 'hub']);
  assert.deepEqual(router.cache, ['private']);
  assert.deepEqual(router.pools.get('private'), [
    { range: { first: '00', last: '7f' }, url: 'zdb://secret@10.0.0.1:9900' },
    { range: { first: '80', last: 'ff' }, url: 'zdb://10.0.0.2:9900' },
  ]);
});

test('parseRouter() keeps digits that YAML would read as numbers', () => {
  const router = parseRouter(
    'pools: {p: {00: http://a, 0123: http://b, 1e5: http://c, 12:30: http://d}}\nlookup: [p]',
    'r',
  );
  assert.deepEqual(
    router.pools.get('p')?.map(({ range }) => `${range.first}:${range.last}`),
    ['00:00', '0123:0123', '1e5:1e5', '12:30'],
  );
});

test('parseRouter() lowers the case of ranges', () => {
  const router = parseRouter('pools: {p: {000:FFF: http://a}}\nlookup: [p]', 'r');
  assert.deepEqual(router.pools.get('p')?.[0]?.range, { first: '000', last: 'fff' });
});

test('parseRouter() takes an absent and an empty cache', () => {
  for (const cache of ['', 'cache:', 'cache: []']) {
    const router = parseRouter(`pools: {p: {0:f: http://a}}\nlookup: [p]\n${cache}\n`, 'r');
    assert.deepEqual(router.cache, []);
  }
});

test('parseRouter() ignores members it does not know', () => {
  const text = 'comment: {any: thing}\npools: {p: {0:f: http://a}}\nlookup: [p]';
  assert.deepEqual(parseRouter(text, 'r').lookup, ['p']);
});

const REFUSED: readonly [name: string, text: string, reason: RegExp][] = [
  ['text that is no YAML', 'pools: [', /no YAML/],
  ['a list at its root', '- a', /invalid/],
  ['nothing at all', '', /invalid/],
  ['no lookup', 'pools: {p: {0:f: http://a}}', /lookup/],
  ['an empty lookup', 'pools: {p: {0:f: http://a}}\nlookup: []', /lookup/],
  ['a lookup of an absent pool', 'pools: {}\nlookup: [p]', /pool "p"/],
  ['a cache of an absent pool', 'pools: {p: {0:f: http://a}}\nlookup: [p]\ncache: [q]', /"q"/],
  ['a pool named like a built-in', 'pools: {}\nlookup: [__proto__]', /pool "__proto__"/],
  ['ends of different length', 'pools: {p: {0:ff: http://a}}\nlookup: [p]', /different length/],
  ['a range that is no hex', 'pools: {p: {0:g: http://a}}\nlookup: [p]', /invalid range/],
  ['an empty range', 'pools: {p: {"": http://a}}\nlookup: [p]', /invalid range/],
  ['a range with three ends', 'pools: {p: {0:1:2: http://a}}\nlookup: [p]', /invalid range/],
  ['a range longer than any id', `pools: {p: {${'0'.repeat(65)}: http://a}}\nlookup: [p]`, /range/],
  ['an unknown scheme', 'pools: {p: {0:f: gopher://a}}\nlookup: [p]', /unknown scheme/],
  ['a destination without scheme', 'pools: {p: {0:f: /tmp}}\nlookup: [p]', /unknown scheme/],
  ['a duplicate pool', 'pools: {p: {0:f: http://a}, p: {0:f: http://b}}\nlookup: [p]', /no YAML/],
  ['an alias', 'pools: &x {p: {0:f: http://a}}\nlookup: [p]\nmore: *x', /no YAML/],
  ['too many characters', `#${'x'.repeat(70_000)}`, /larger than/],
  [
    'too many destinations',
    `lookup: [p]\npools:\n  p:\n${Array.from({ length: 1025 }, (_, i) => `    ${i.toString(16).padStart(3, '0')}: http://a\n`).join('')}`,
    /too many/,
  ],
];

for (const [name, text, reason] of REFUSED) {
  test(`parseRouter() refuses ${name}`, () => {
    assert.throws(() => parseRouter(text, 'r'), configError(reason));
  });
}

test('parseRouter() refuses nesting that would exhaust the stack', () => {
  assert.throws(() => parseRouter('['.repeat(60_000), 'r'), configError(/./));
});

test('parseRouter() does not show credentials in its message', () => {
  const text = 'pools: {p: {0:f: "gopher://user:secret@host/x?token=secret"}}\nlookup: [p]';
  assert.throws(
    () => parseRouter(text, 'r'),
    (error) => isG8Error(error, 'ERR_CONFIG') && !error.message.includes('secret'),
  );
});
