import assert from 'node:assert/strict';
import test from 'node:test';
import { rootSource } from '../../../../src/core/container/root-source.ts';

test('rootSource() takes URLs, paths and names on a hub', () => {
  assert.equal(rootSource('http://h/a.flist'), 'http://h/a.flist');
  assert.equal(rootSource('/srv/a.flist'), '/srv/a.flist');
  assert.equal(rootSource('file:///srv/a%20b.flist'), '/srv/a b.flist');
  assert.equal(rootSource('demo/debian', 'http://h/'), 'http://h/demo/debian.flist');
  assert.equal(rootSource('demo/debian.flist', 'http://h'), 'http://h/demo/debian.flist');
});

test('rootSource() refuses everything else', () => {
  const refused = [
    'a.flist',
    'demo/x',
    'ftp://h/a',
    'file://other/a',
    'http://',
    'restic:x',
    '../a/b',
  ];
  for (const text of refused) assert.throws(() => rootSource(text), { code: 'ERR_USAGE' }, text);
  assert.throws(() => rootSource('../a', 'http://h'), { code: 'ERR_USAGE' });
});
