import assert from 'node:assert/strict';
import test from 'node:test';
import { formatRouter, publicUrl } from '../../../src/image/router.ts';
import { parseRouter } from '../../../src/store/router-config.ts';

test('formatRouter() writes a router that sends every id to the store', () => {
  const router = parseRouter(formatRouter('http://hub:8080/a%20"b'), 'test');
  assert.deepEqual(router.lookup, ['store']);
  assert.deepEqual(router.pools.get('store'), [
    { range: { first: '00', last: 'ff' }, url: 'http://hub:8080/a%20"b' },
  ]);
});

test('publicUrl() takes credentials out', () => {
  assert.equal(publicUrl('https://user:secret@hub/base/#x'), 'https://hub/base');
});

test('publicUrl() knows no directory', () => {
  assert.equal(publicUrl('dir:///srv/chunks'), undefined);
  assert.equal(publicUrl('/srv/chunks'), undefined);
});
