import assert from 'node:assert/strict';
import test from 'node:test';
import { findMount, parseMountinfo, readMountinfo } from '../../../src/fs/mountinfo.ts';

function mountPointOf(line: string): string | undefined {
  return parseMountinfo(line)[0]?.mountPoint;
}

test('parseMountinfo() reads every field', () => {
  const line = '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n';
  assert.deepEqual(parseMountinfo(line), [
    {
      id: 36,
      parent: 35,
      device: '98:0',
      mountPoint: '/mnt2',
      type: 'ext3',
      source: '/dev/root',
      superOptions: 'rw,errors=continue',
    },
  ]);
});

for (const optional of ['', 'shared:1 ', 'shared:1 master:2 propagate_from:3 unbindable ']) {
  test(`parseMountinfo() skips the optional fields ${JSON.stringify(optional)}`, () => {
    const [entry] = parseMountinfo(`40 25 0:35 / /m ro,nosuid ${optional}- fuse.g8ufs a.flist ro`);
    assert.deepEqual([entry?.type, entry?.source], ['fuse.g8ufs', 'a.flist']);
  });
}

for (const [escaped, expected] of [
  ['/with\\040space', '/with space'],
  ['/tab\\011newline\\012', '/tab\tnewline\n'],
  ['/back\\134slash', '/back\\slash'],
  ['/back\\134040', '/back\\040'],
  ['/dash\\040-\\040dash', '/dash - dash'],
  ['/gr\u00fcn/\u65e5\u672c', '/gr\u00fcn/\u65e5\u672c'],
  ['/gr\u00fcn\\040\u65e5', '/gr\u00fcn \u65e5'],
] as const) {
  test(`parseMountinfo() reads the mount point ${escaped}`, () => {
    assert.equal(mountPointOf(`40 25 0:35 / ${escaped} rw - tmpfs tmpfs rw`), expected);
  });
}

test('parseMountinfo() unescapes source and options', () => {
  const [entry] = parseMountinfo('40 25 0:35 / /m rw - overlay a\\040b rw,lowerdir=/c\\040d');
  assert.deepEqual([entry?.source, entry?.superOptions], ['a b', 'rw,lowerdir=/c d']);
});

test('parseMountinfo() takes a mount without a source', () => {
  const [entry] = parseMountinfo('40 25 0:35 / /m rw - tmpfs  rw');
  assert.deepEqual([entry?.source, entry?.superOptions], ['', 'rw']);
});

test('parseMountinfo() leaves out lines that do not follow the format', () => {
  const dead = ['', 'garbage', '1 2 3:4 / - ext4 x rw', '40 25 0:35 / /m rw tmpfs tmpfs rw', ' - '];
  const good = '40 25 0:35 / /m rw - tmpfs tmpfs rw';
  assert.deepEqual(
    parseMountinfo([...dead, good, ...dead].join('\n')).map((entry) => entry.mountPoint),
    ['/m'],
  );
});

test('findMount() gives the mount on top, and only that of exactly this path', () => {
  const entries = parseMountinfo(
    ['/m', '/m', '/m/below', '/mother']
      .map((path, id) => `${id} 0 0:1 / ${path} rw - tmpfs tmpfs rw`)
      .join('\n'),
  );
  assert.equal(findMount('/m', entries)?.id, 1);
  assert.equal(findMount('/m/', entries), undefined);
  assert.equal(findMount('/no', entries), undefined);
});

test('readMountinfo() finds the mounts of this machine', () => {
  assert.equal(findMount('/proc', readMountinfo())?.type, 'proc');
});
