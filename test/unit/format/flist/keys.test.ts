import assert from 'node:assert/strict';
import { test } from 'node:test';

import { aciKey, directoryKey, ROOT_KEYS } from '../../../../src/format/flist/keys.ts';

test('directoryKey() gives the keys of historical RocksDB flists', () => {
  const keys: Record<string, string> = {
    '': '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8',
    bin: '5ef5d51ca5c5eebee2f30b120bcd5274b01c02013eef8f927c31e5671506293d',
    etc: 'eb7efea27e442fea95ac6511f7b06ff832bc7f69abefa04c132f4f1cc973f83c',
  };
  for (const [path, key] of Object.entries(keys))
    assert.equal(directoryKey(Buffer.from(path)), key);
});

test('ROOT_KEYS has the root of both database engines', () => {
  assert.ok(ROOT_KEYS.includes('cae66941d9efbd404e4d88758ea67670'));
  assert.ok(ROOT_KEYS.includes('0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'));
});

test('aciKey() gives the keys of historical RocksDB flists', () => {
  assert.equal(aciKey('root', 'root', 0o100644), 'a1f5a69f1623b9f85cd4076333d2e2e6');
  assert.equal(aciKey('root', 'root', 0o40755), '405e2ceb2705e84a40e7cf509dd67a34');
});
