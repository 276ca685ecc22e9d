import assert from 'node:assert/strict';
import test from 'node:test';
import { parseHubInfo } from '../../../src/store/hub-limits.ts';
import { hubInfo } from '../../../src/store/hub-protocol.ts';

const GOOD = { hub: 'g8ufs', version: 1, features: ['batch'] };

const ANSWERS: unknown[] = [
  GOOD,
  { ...GOOD, features: [] },
  { ...GOOD, more: 1 },
  { ...GOOD, hub: 'other' },
  { ...GOOD, version: 0 },
  { ...GOOD, version: 1.5 },
  { ...GOOD, version: '1' },
  { ...GOOD, version: Number.NaN },
  { ...GOOD, features: 'batch' },
  { ...GOOD, features: [1] },
  { ...GOOD, features: ['x'.repeat(64)] },
  { ...GOOD, features: ['x'.repeat(65)] },
  { ...GOOD, features: Array(64).fill('x') },
  { ...GOOD, features: Array(65).fill('x') },
  { hub: 'g8ufs', version: 1 },
  [GOOD],
  null,
  'g8ufs',
];

test('a hub is told from other servers as its schema says', () => {
  for (const answer of ANSWERS) {
    assert.deepEqual(parseHubInfo(answer), hubInfo.safeParse(answer).data, JSON.stringify(answer));
  }
  assert.deepEqual(parseHubInfo(GOOD), GOOD);
});
