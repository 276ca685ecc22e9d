import assert from 'node:assert/strict';
import test from 'node:test';
import {
  formatMode,
  formatShortTime,
  formatTime,
} from '../../../../src/format/index/inode-text.ts';

for (const [type, mode, expected] of [
  ['file', 0o644, '-rw-r--r--'],
  ['directory', 0o1777, 'drwxrwxrwt'],
  ['directory', 0o1776, 'drwxrwxrwT'],
  ['file', 0o6711, '-rws--s--x'],
  ['file', 0o6600, '-rwS--S---'],
  ['symlink', 0o777, 'lrwxrwxrwx'],
  ['fifo', 0, 'p---------'],
] as const) {
  test(`formatMode() shows ${expected}`, () => assert.equal(formatMode({ type, mode }), expected));
}

for (const [mtimeSeconds, mtimeNanoseconds, long, short] of [
  [0, 0, '1970-01-01T00:00:00.000000000Z', '1970-01-01 00:00'],
  [-1, 500_000_000, '1969-12-31T23:59:59.500000000Z', '1969-12-31 23:59'],
  [7_258_118_400, 1, '2200-01-01T00:00:00.000000001Z', '2200-01-01 00:00'],
  [1e15, 5, '@1000000000000000.000000005', '@1000000000000000.000000005'],
] as const) {
  test(`formatTime() shows ${long}`, () => {
    assert.equal(formatTime({ mtimeSeconds, mtimeNanoseconds }), long);
    assert.equal(formatShortTime({ mtimeSeconds, mtimeNanoseconds }), short);
  });
}
