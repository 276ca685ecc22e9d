import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SingleFlight } from '../../../src/base/singleflight.ts';

test('every waiter gets the value', async () => {
  const flights = new SingleFlight<number>();
  const flight = flights.lead('a', undefined, () => {});
  assert.equal(flights.find('a'), flight);
  const waits = [flight.wait(), flight.wait(), flight.wait()];
  flight.resolve(7);
  assert.deepEqual(await Promise.all(waits), [7, 7, 7]);
  assert.equal(flights.count, 0);
});

test('every waiter gets the failure', async () => {
  const flights = new SingleFlight<number>();
  const flight = flights.lead('a', undefined, () => {});
  const waits = [flight.wait(), flight.wait()];
  flight.reject(new Error('broken'));
  for (const wait of waits) await assert.rejects(wait, /broken/);
  assert.equal(flights.find('a'), undefined);
});

test('a waiter that leaves does not end the flight for the others', async () => {
  const flights = new SingleFlight<number>();
  let abandoned = 0;
  const flight = flights.lead('a', undefined, () => abandoned++);
  const leaving = new AbortController();
  const first = flight.wait(leaving.signal);
  const second = flight.wait();
  leaving.abort();
  await assert.rejects(first, { code: 'ERR_ABORTED' });
  assert.deepEqual([abandoned, flight.ended], [0, false]);
  flight.resolve(1);
  assert.equal(await second, 1);
});

test('the last waiter that leaves abandons the flight, and the key is free', async () => {
  const flights = new SingleFlight<number>();
  let abandoned = 0;
  const flight = flights.lead('a', undefined, () => abandoned++);
  const leaving = new AbortController();
  const waits = [flight.wait(leaving.signal), flight.wait(leaving.signal)];
  leaving.abort();
  for (const wait of waits) await assert.rejects(wait, { code: 'ERR_ABORTED' });
  assert.deepEqual([abandoned, flight.ended, flights.find('a')], [1, true, undefined]);

  const next = flights.lead('a', undefined, () => {});
  flight.resolve(1);
  const wait = next.wait();
  next.resolve(2);
  assert.equal(await wait, 2);
});

test('a wait with an aborted signal alone abandons the flight', async () => {
  const flights = new SingleFlight<number>();
  const flight = flights.lead('a', undefined, () => {});
  await assert.rejects(flight.wait(AbortSignal.abort()), { code: 'ERR_ABORTED' });
  assert.equal(flight.ended, true);
});

test('lead() refuses a key that is being loaded', () => {
  const flights = new SingleFlight<number>();
  flights.lead('a', undefined, () => {});
  assert.throws(() => flights.lead('a', undefined, () => {}));
});
