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

test('a wrong token is held back, and looked for again now and then', async () => {
  const { state, held } = world();
  await held.get();
  assert.equal(await held.renew('first', true), undefined);
  assert.equal(state.looks, 2);
  assert.equal(held.isWrong, true);
  state.token = 'second';
  assert.equal(await held.get(), undefined, 'so soon after the last time');
  assert.equal(state.looks, 2);
  state.now = 5000;
  assert.deepEqual(await Promise.all([held.get(), held.get()]), ['second', 'second']);
  assert.equal(state.looks, 3);
  assert.equal(held.isWrong, false);
});

test('a wrong token is tried again after a while: the hub may have changed its mind', async () => {
  const { state, held } = world();
  await held.get();
  await held.renew('first', true);
  state.now = 5000;
  assert.equal(await held.get(), 'first');
  assert.equal(await held.renew('first', true), undefined);
  assert.equal(await held.get(), undefined);
});

test('a token that does not suffice somewhere is not held back', async () => {
  const { held } = world();
  await held.get();
  assert.equal(await held.renew('first', false), undefined);
  assert.equal(await held.get(), 'first');
});

test('who was refused with an older token gets the one that another has found', async () => {
  const { state, held } = world();
  await held.get();
  state.token = 'second';
  const renewed = await Promise.all([held.renew('first', true), held.renew('first', true)]);
  assert.deepEqual(renewed, ['second', 'second']);
  assert.equal(await held.renew('first', true), 'second');
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
