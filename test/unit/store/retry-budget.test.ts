import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryBudget } from '../../../src/store/retry-budget.ts';

test('take() lets some through at once and then ten a second', () => {
  const budget = new RetryBudget();
  const waits = Array.from({ length: 23 }, () => budget.take(0));
  assert.deepEqual(waits.slice(0, 20), new Array<number>(20).fill(0));
  assert.deepEqual(waits.slice(20).map(Math.round), [100, 200, 300]);
  assert.equal(budget.take(10_000), 0, 'who waits does not wait for ever');
});

test('take() lets through a fifth of what succeeds', () => {
  const budget = new RetryBudget();
  for (let i = 0; i < 20; i++) budget.take(0);
  for (let i = 0; i < 50; i++) budget.earn();
  const waits = Array.from({ length: 11 }, () => budget.take(0));
  assert.equal(waits.filter((ms) => ms < 1).length, 10);
});
