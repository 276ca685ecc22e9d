import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldToken } from '../../../src/store/held-token.ts';

/** A token that the test changes, and how often it was looked for. */
function world() {
  const state = { token: 'first' as string | undefined, looks: 0, now: 0 };
  const held = new HeldToken(
    async () => {
      state.looks++;
      return state.token;
    },
    () => state.now,
  );
  return { state, held };
}

test('a token is looked for once', async () => {
  const { state, held } = world();
  assert.deepEqual(await Promise.all([held.get(), held.get()]), ['first', 'first']);
  assert.equal(await held.get(), 'first');
  assert.equal(state.looks, 1);
});

test('a refused token is looked for again, by all at once and not all the time', async () => {
  const { state, held } = world();
  await held.get();
  assert.equal(await held.renew('first'), undefined);
  assert.equal(state.looks, 2);
  state.token = 'second';
  assert.equal(await held.renew('first'), undefined);
  assert.equal(state.looks, 2, 'so soon after the last time');
  state.now = 5000;
  const renewed = await Promise.all([held.renew('first'), held.renew('first')]);
  assert.deepEqual(renewed, ['second', 'second']);
  assert.equal(state.looks, 3);
  assert.equal(await held.get(), 'second');
});

test('who was refused with an older token gets the one that another has found', async () => {
  const { state, held } = world();
  await held.get();
  state.token = 'second';
  await held.renew('first');
  assert.equal(await held.renew('first'), 'second');
  assert.equal(state.looks, 2);
});

test('a look that failed is made again', async () => {
  let looks = 0;
  const held = new HeldToken(async () => {
    if (++looks === 1) throw new Error('helper');
    return 'token';
  });
  await assert.rejects(held.get(), /helper/);
  assert.equal(await held.get(), 'token');
});
