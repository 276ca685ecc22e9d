import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileSystemOf, requireLocal } from '../../../src/cache/file-system.ts';

test('file systems have names, or at least a number', async () => {
  assert.match(await fileSystemOf('/'), /^[a-z0-9]+$/);
  assert.equal(await fileSystemOf('/proc'), '0x9fa0');
});

test('a cache on a file system that others write to is refused', () => {
  for (const name of ['ext4', 'xfs', 'btrfs', 'tmpfs', 'overlay', 'fuse', '0x123']) {
    requireLocal('/cache', name);
  }
  for (const name of ['nfs', 'cifs', 'smb', 'ceph']) {
    assert.throws(() => requireLocal('/cache', name), { code: 'ERR_CONFIG' });
  }
});
