import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { abortError, linkSignals, raceAbort, throwIfAborted } from '../../../src/base/abort.ts';
import { G8Error } from '../../../src/base/errors.ts';

test("abortError() is the signal's own G8Error when it has one", () => {
  const reason = new G8Error('ERR_TIMEOUT', 'Too late');
  assert.equal(abortError(AbortSignal.abort(reason)), reason);
  assert.equal(abortError(AbortSignal.abort()).code, 'ERR_ABORTED');
});

test('throwIfAborted() throws only for an aborted signal', () => {
  throwIfAborted(undefined);
  throwIfAborted(new AbortController().signal);
  assert.throws(() => throwIfAborted(AbortSignal.abort()), { code: 'ERR_ABORTED' });
});

test('raceAbort() ends when the signal does, whatever the promise does', async () => {
  const controller = new AbortController();
  const race = raceAbort(new Promise(() => {}), controller.signal);
  controller.abort();
  await assert.rejects(race, { code: 'ERR_ABORTED' });
});

test('raceAbort() takes the result and lets go of the signal', async () => {
  const { signal } = new AbortController();
  assert.equal(await raceAbort(Promise.resolve(3), signal), 3);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('linkSignals() follows each of its signals and can be unlinked', () => {
  const one = new AbortController();
  const two = new AbortController();
  const linked = linkSignals(one.signal, undefined, two.signal);
  const unlinked = linkSignals(one.signal, two.signal);
  unlinked.unlink();
  two.abort();
  assert.deepEqual([linked.signal.aborted, unlinked.signal.aborted], [true, false]);
  assert.equal(linkSignals(two.signal).signal.aborted, true);
});
