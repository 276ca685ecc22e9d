import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { parsePushUrl } from '../../../src/cli/publish.ts';

test('parsePushUrl() splits hub, repository and name', () => {
  assert.deepEqual(parsePushUrl('http://hub:8080/demo/debian.flist'), {
    hub: 'http://hub:8080/',
    repository: 'demo',
    name: 'debian',
  });
});

test('parsePushUrl() leaves a base path to the hub', () => {
  assert.deepEqual(parsePushUrl('https://hub/a/b/demo/de%20bian'), {
    hub: 'https://hub/a/b',
    repository: 'demo',
    name: 'de bian',
  });
});

for (const url of ['http://hub/demo', 'hub/demo/debian', 'ftp://hub/a/b', 'http://hub/a/%ff']) {
  test(`parsePushUrl() refuses ${url}`, () => {
    assert.throws(
      () => parsePushUrl(url),
      (error) => isG8Error(error, 'ERR_USAGE'),
    );
  });
}
