import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { test } from 'node:test';
import { cacheFindings, placeFinding } from '../../../../src/cli/doctor/cache.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

test('what a daemon refuses fails, what is slower or forgetful is warned of', () => {
  for (const [type, state] of [
    ['ext4', 'ok'],
    ['xfs', 'ok'],
    ['overlay', 'warn'],
    ['tmpfs', 'warn'],
    ['virtiofs', 'warn'],
    ['fuse.gocryptfs', 'warn'],
    ['nfs', 'fail'],
    ['cifs', 'fail'],
    ['9p', 'fail'],
    ['fuse.sshfs', 'fail'],
  ] as const) {
    const finding = placeFinding('/cache', type);
    assert.equal(finding.state, state, type);
    assert.equal(finding.hint === undefined, state === 'ok', type);
  }
});

test('the room that must be free is what a daemon leaves free', async (t) => {
  const dir = temporaryDirectory(t);
  const { bavail, blocks, bsize } = statfsSync(dir);
  const room = async (freeFloor: number | undefined) =>
    (await cacheFindings(dir, { sizeMax: 1, freeFloor })).find(
      ({ topic }) => topic === 'cache space',
    );
  assert.equal((await room(1))?.state, 'ok');
  const told = await room(blocks * bsize * 2);
  assert.equal(told?.state, 'fail');
  assert.match(told?.hint ?? '', /\(cacheFree\)/);
  // A twentieth, 1 GiB at most.
  const floor = Math.min(2 ** 30, (blocks * bsize) / 20);
  assert.equal((await room(undefined))?.state, bavail * bsize < floor ? 'fail' : 'ok');
});
