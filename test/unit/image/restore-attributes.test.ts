import assert from 'node:assert/strict';
import test from 'node:test';
import { allowedAttributes, isRestorable } from '../../../src/image/restore-attributes.ts';
import { blockDevice, bytes, fifo, file } from '../../support/flist-trees.ts';

const xattrs = ['security.capability', 'system.posix_acl_access', 'trusted.x', 'user.x'].map(
  (name) => ({ name: bytes(name), value: bytes('v') }),
);
const inode = file('text', { mode: 0o106755, uid: 7, gid: 8, xattrs });

test('allowedAttributes() lets root restore everything', () => {
  const { attributes, skippedOwner, skippedXattrs } = allowedAttributes(inode, { uid: 0 });

  assert.equal(attributes.mode, 0o106755);
  assert.deepEqual([attributes.uid, attributes.gid], [7, 8]);
  assert.deepEqual(attributes.xattrs, xattrs);
  assert.deepEqual([skippedOwner, skippedXattrs], [false, 0]);
});

test('allowedAttributes() gives others no setuid files and no attributes of the system', () => {
  const { attributes, skippedOwner, skippedXattrs } = allowedAttributes(inode, { uid: 1000 });

  assert.equal(attributes.mode & 0o7777, 0o755);
  assert.deepEqual([attributes.uid, attributes.gid], [undefined, undefined]);
  assert.deepEqual(attributes.xattrs, [xattrs[1], xattrs[3]]);
  assert.deepEqual([skippedOwner, skippedXattrs], [true, 2]);
});

test('isRestorable() says no to devices for all but root', () => {
  assert.equal(isRestorable(blockDevice(8, 0), { uid: 0 }), true);
  assert.equal(isRestorable(blockDevice(8, 0), { uid: 1000 }), false);
  assert.equal(isRestorable(fifo(), { uid: 1000 }), true);
});
