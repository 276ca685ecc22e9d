import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  doubtOf,
  fileSystemOf,
  requireLocal,
  typeByDevice,
} from '../../../src/cache/file-system.ts';

test('file systems have names, or at least a number', async () => {
  assert.match(await fileSystemOf('/'), /^[a-z0-9.]+$/);
  assert.equal(await fileSystemOf('/proc'), '0x9fa0');
});

test('what lies behind FUSE is told by the line of its device', () => {
  const mountinfo = `\
29 1 259:0 / / rw,relatime shared:1 - ext4 /dev/root rw
41 29 0:52 / /mnt rw shared:9 - fuse.sshfs host:/srv rw,user_id=0
42 29 0:4660 / /host rw - virtiofs share rw
`;
  assert.equal(typeByDevice(mountinfo, 52n), 'fuse.sshfs');
  // Major 0, minor 0x1234, as stat(2) spreads them.
  assert.equal(typeByDevice(mountinfo, 0x1200034n), 'virtiofs');
  assert.equal(typeByDevice(mountinfo, 0x10300n), 'ext4');
  assert.equal(typeByDevice(mountinfo, 53n), undefined);
});

test('a cache on a file system that others write to is refused', () => {
  for (const name of ['ext4', 'xfs', 'btrfs', 'tmpfs', 'overlay', 'fuse', 'virtiofs', '0x123']) {
    requireLocal('/cache', name);
  }
  for (const name of ['nfs', 'cifs', 'smb', 'ceph', '9p', 'fuse.sshfs', 'fuse.glusterfs']) {
    assert.throws(() => requireLocal('/cache', name), { code: 'ERR_CONFIG' });
  }
});

test('what need not be of this machine alone is doubted', () => {
  for (const name of ['fuse', 'fuse.gocryptfs', 'virtiofs']) {
    assert.match(doubtOf(name) ?? '', /no other machine/);
  }
  for (const name of ['ext4', 'tmpfs', 'overlay', 'fuseblk', '0x123']) {
    assert.equal(doubtOf(name), undefined, name);
  }
});
