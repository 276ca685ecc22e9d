import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestBound } from '../../../src/hub/access/request-bound.ts';
import { Problem } from '../../../src/hub/problem.ts';

function world(countMax: number) {
  const state = { now: 0 };
  const bound = new RequestBound(countMax, () => state.now);
  /** Seconds to wait, or 0. */
  const take = (name: string, kind: 'address' | 'user' = 'address'): number => {
    try {
      bound.take(kind, name);
      return 0;
    } catch (error) {
      assert(error instanceof Problem && error.status === 429);
      return Number(error.headers['retry-after']);
    }
  };
  return { state, take };
}

test('a minute’s worth may come at once, and then what time gives back', () => {
  const { state, take } = world(60);
  for (let i = 0; i < 60; i++) assert.equal(take('a'), 0);
  assert.equal(take('a'), 1);
  state.now = 999;
  assert.equal(take('a'), 1);
  state.now = 1000;
  assert.equal(take('a'), 0);
  assert.equal(take('a'), 1);
  state.now = 600_000;
  for (let i = 0; i < 60; i++) assert.equal(take('a'), 0);
  assert.equal(take('a'), 1, 'no more is saved up');
});

test('addresses and users of any name are apart', () => {
  const { take } = world(1);
  assert.equal(take('a'), 0);
  assert.equal(take('a'), 60);
  assert.equal(take('b'), 0);
  assert.equal(take('a', 'user'), 0);
  assert.equal(take('a', 'user'), 60);
});

test('0 bounds nothing', () => {
  const { take } = world(0);
  for (let i = 0; i < 1000; i++) assert.equal(take('a'), 0);
});
