import assert from 'node:assert/strict';
import test from 'node:test';
import { devicesOf, diskErrorOf } from '../../../src/fs/kernel-log.ts';

const DEVICES = new Set(['loop0', 'sdb1', 'sdb']);

test('lines of the kernel that tell of a bad disk', () => {
  const lines = [
    ['I/O error, dev loop0, sector 554 op 0x1:(WRITE) flags 0x3000', 'write'],
    ['I/O error, dev sdb, sector 8 op 0x0:(READ) flags 0x80700', 'read'],
    ['Buffer I/O error on dev loop0, logical block 277, lost async page write', 'write'],
    ['Buffer I/O error on dev sdb1, logical block 1, async page read', 'read'],
    ['EXT4-fs (loop0): failed to convert unwritten extents to written extents', 'write'],
    ['XFS (loop0): metadata I/O error in "xfs_buf_ioend" at daddr 0x2', 'read'],
    ['Aborting journal on device loop0-8.', 'write'],
    ['I/O error, dev loop01, sector 554 op 0x1:(WRITE)', undefined],
    ['I/O error, dev sdbc, sector 8 op 0x0:(READ)', undefined],
    ['EXT4-fs (loop0): mounted filesystem r/w with ordered data mode', undefined],
    ['loop0: detected capacity change from 0 to 65536', undefined],
  ] as const;
  for (const [line, expected] of lines) assert.equal(diskErrorOf(line, DEVICES), expected, line);
});

test('a folder in memory has no disk', () => {
  assert.deepEqual([...devicesOf('/proc')], []);
  assert.deepEqual([...devicesOf('/no/such/folder')], []);
});
