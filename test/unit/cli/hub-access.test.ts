import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { flistUrl, parseHubFlist } from '../../../src/cli/hub-access.ts';

test('parseHubFlist() splits hub, repository and name', () => {
  assert.deepEqual(parseHubFlist('http://hub:8080/demo/debian.flist', ''), {
    hub: 'http://hub:8080/',
    repository: 'demo',
    name: 'debian',
  });
});

test('parseHubFlist() leaves a base path to the hub', () => {
  assert.deepEqual(parseHubFlist('https://hub/a/b/demo/de%20bian', 'http://other'), {
    hub: 'https://hub/a/b',
    repository: 'demo',
    name: 'de bian',
  });
});

test('parseHubFlist() takes short names for the hub that is set', () => {
  assert.deepEqual(parseHubFlist('demo/debian.flist', 'https://hub/base/'), {
    hub: 'https://hub/base',
    repository: 'demo',
    name: 'debian',
  });
});

for (const [text, hub] of [
  ['http://hub/demo', 'http://hub'],
  ['hub/demo/debian', 'http://hub'],
  ['demo/debian', ''],
  ['debian.flist', 'http://hub'],
  ['ftp://hub/a/b', 'http://hub'],
  ['http://hub/a/%ff', ''],
] as const) {
  test(`parseHubFlist() refuses ${text} with the hub '${hub}'`, () => {
    assert.throws(
      () => parseHubFlist(text, hub),
      (error) => isG8Error(error, 'ERR_USAGE'),
    );
  });
}

test('flistUrl() escapes what a URL must not have', () => {
  const url = flistUrl('http://hub', { repository: 'demo', name: 'a b' });
  assert.equal(url, 'http://hub/demo/a%20b.flist');
});
