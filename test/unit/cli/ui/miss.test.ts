import assert from 'node:assert/strict';
import test from 'node:test';
import {
  formatMs,
  formatPath,
  formatRange,
  formatShare,
  formatStages,
} from '../../../../src/cli/ui/miss.ts';

test('formatMs() has as many digits as help', () => {
  assert.deepEqual([0, 0.44, 12.4, 999, 1234, 599_949, 900_000].map(formatMs), [
    '0.0 ms',
    '0.4 ms',
    '12 ms',
    '999 ms',
    '1.2 s',
    '599.9 s',
    '15 min',
  ]);
});

test('formatShare() says all and nothing only when it is so', () => {
  assert.equal(formatShare(0, 10), '0 %');
  assert.equal(formatShare(1, 1e9), '0.1 %');
  assert.equal(formatShare(1e9 - 1, 1e9), '99.9 %');
  assert.equal(formatShare(10, 10), '100 %');
  assert.equal(formatShare(0, 0), '100 %', 'an image of empty files');
});

test('formatRange() tells a read from an open', () => {
  const range = { offset: 1 << 20, size: 4096 };
  assert.equal(formatRange({ kind: 'read', ...range }), '1.0 MiB + 4.0 KiB');
  assert.equal(formatRange({ kind: 'open', ...range, offset: 0 }), 'whole, 4.0 KiB');
});

test('formatStages() names what took time, the longest first', () => {
  const times = { queue: 3, network: 1200, decode: 0.01, disk: 40 };
  assert.equal(formatStages(times), 'network 1.2 s, disk 40 ms, queue 3.0 ms');
});

test('formatPath() is one line of printable text', () => {
  assert.equal(formatPath({ path: '/a\n\x1b[2J' }), '/a\\x0a\\x1b[2J');
  assert.equal(formatPath({ path: '/\ufffd', pathHex: '2fff' }), '/\\xff');
});
