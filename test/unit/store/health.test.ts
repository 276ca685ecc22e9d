import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, G8Error, isG8Error } from '../../../src/base/errors.ts';
import { HealthTable, StoreHealth } from '../../../src/store/health.ts';

const ERROR = new G8Error('ERR_STORE_UNAVAILABLE', 'Down', { details: { status: 503 } });

function health() {
  const clock = { now: 0 };
  const store = new StoreHealth('store', () => clock.now);
  const fail = (times: number, error: unknown = ERROR): void => {
    for (let i = 0; i < times; i++) store.begin().failed(error);
  };
  return { clock, store, fail };
}

const refuses = (store: StoreHealth, code: ErrorCode, retryAfterMs: number): void =>
  assert.throws(
    () => store.begin(),
    (error) =>
      isG8Error(error, code) &&
      error.details['notAsked'] === true &&
      error.details['retryAfterMs'] === retryAfterMs,
  );

test('begin() refuses after three failures in a row, with the last of them', () => {
  const { store, fail } = health();
  fail(2);
  store.begin().answered(1);
  fail(2);
  assert.equal(store.circuit, 'closed');
  fail(1);
  assert.equal(store.circuit, 'open');
  refuses(store, 'ERR_STORE_UNAVAILABLE', 500);
  assert.deepEqual([store.report().opened, store.report().refused], [1, 1]);
});

test('one call at a time tries a store whose circuit is open, after a pause that doubles', () => {
  const { clock, store, fail } = health();
  fail(3);
  for (const pause of [500, 1000, 2000, 4000, 5000, 5000]) {
    refuses(store, 'ERR_STORE_UNAVAILABLE', pause);
    clock.now += pause;
    assert.equal(store.circuit, 'half-open');
    const probe = store.begin();
    refuses(store, 'ERR_STORE_UNAVAILABLE', 250);
    probe.failed(ERROR);
  }
  clock.now += 5000;
  store.begin().answered(1);
  assert.equal(store.circuit, 'closed');
  fail(3);
  refuses(store, 'ERR_STORE_UNAVAILABLE', 500);
});

test('a probe that its caller gives up leaves the next one to others', () => {
  const { clock, store, fail } = health();
  fail(3);
  clock.now += 500;
  store.begin().dropped();
  store.begin().answered();
  assert.equal(store.circuit, 'closed');
});

test('calls that were under way when the circuit opened do not lengthen the pause', () => {
  const { store } = health();
  const calls = Array.from({ length: 10 }, () => store.begin());
  for (const call of calls) call.failed(ERROR);
  refuses(store, 'ERR_STORE_UNAVAILABLE', 500);
  assert.equal(store.report().opened, 1);
});

test('a server that says when to come again is left alone until then, within a bound', () => {
  for (const [asked, expected] of [
    [7000, 7000],
    [300_000, 30_000],
  ] as const) {
    const { store, fail } = health();
    const details = { retryAfterMs: asked };
    fail(1, new G8Error('ERR_STORE_UNAVAILABLE', 'Busy', { details }));
    refuses(store, 'ERR_STORE_UNAVAILABLE', expected);
  }
});

test('what is said of one chunk is no failure of the store', () => {
  for (const code of ['ERR_CHUNK_MISSING', 'ERR_PERMISSION', 'ERR_CONFIG'] as const) {
    const { store, fail } = health();
    fail(10, new G8Error(code, 'No'));
    assert.equal(store.circuit, 'closed');
    assert.equal(store.isSuspect, false);
  }
});

test('calls that were given up count when the store was silent, else not', () => {
  const { store } = health();
  for (let i = 0; i < 5; i++) store.begin().dropped();
  assert.equal(store.circuit, 'closed');
  for (let i = 0; i < 3; i++) store.begin().overdue();
  refuses(store, 'ERR_TIMEOUT', 500);
});

test('a call ends once', () => {
  const { store } = health();
  const call = store.begin();
  call.answered(1);
  for (let i = 0; i < 5; i++) call.failed(ERROR);
  assert.equal(store.report().failures, 0);
});

test('corrupt chunks open the circuit although others are good', () => {
  const { store } = health();
  const corrupt = (id: string) => new G8Error('ERR_CHUNK_CORRUPT', 'Wrong', { details: { id } });
  for (const id of ['one', 'one', 'one', 'two', 'three']) {
    assert.equal(store.circuit, 'closed');
    store.begin().answered(1);
    store.corrupt(corrupt(id));
  }
  // Not corrupt: whoever asks for another chunk waits.
  refuses(store, 'ERR_STORE_UNAVAILABLE', 500);
  assert.equal(store.report().corrupt, 5);
});

test('one corrupt chunk that is asked for again and again does not close a store for the others', () => {
  const { store } = health();
  const error = new G8Error('ERR_CHUNK_CORRUPT', 'Wrong', { details: { id: 'one' } });
  for (let i = 0; i < 10; i++) store.corrupt(error);
  assert.equal(store.circuit, 'closed');
});

test('isSuspect passes with an answer or with time', () => {
  const { clock, store, fail } = health();
  fail(1);
  assert.equal(store.isSuspect, true);
  store.begin().answered(1);
  assert.equal(store.isSuspect, false);
  fail(1);
  clock.now += 10_001;
  assert.equal(store.isSuspect, false);
});

test('p95Ms is the silence that 19 of 20 calls keep to, of the last ones', () => {
  const { store } = health();
  for (let i = 1; i < 20; i++) store.begin().answered(i);
  assert.equal(store.p95Ms, undefined);
  store.begin().answered(20);
  assert.equal(store.p95Ms, 19);
  for (let i = 0; i < 64; i++) store.begin().answered(5);
  assert.equal(store.p95Ms, 5);
});

test('onOpen() tells of each opening until it is taken away', () => {
  const { store, fail } = health();
  let opened = 0;
  const unlisten = store.onOpen(() => opened++);
  fail(3);
  assert.equal(opened, 1);
  unlisten();
  store.begin.bind(store);
  fail(0);
  assert.equal(opened, 1);
});

test('HealthTable remembers stores by name, and not without end', () => {
  const table = new HealthTable();
  const first = table.of('first');
  assert.equal(table.of('first'), first);
  for (let i = 0; i < 1024; i++) table.of(`store ${i}`);
  assert.notEqual(table.of('first'), first);
});

test('calls that began before the store worked again do not open its circuit', () => {
  const { clock, store } = health();
  const old = [store.begin(), store.begin(), store.begin()];
  clock.now += 1;
  store.begin().answered(1);
  for (const call of old) call.failed(ERROR);
  assert.equal(store.circuit, 'closed');
  assert.equal(store.report().failures, 3);
});
