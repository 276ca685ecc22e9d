import assert from 'node:assert/strict';
import test from 'node:test';
import { parseChallenge } from '../../../../../src/image/oci/registry/challenge.ts';

test('parseChallenge() reads realm, service and scope of a bearer challenge', () => {
  const header =
    'Bearer realm="https://auth.example/token",service="reg,istry",scope="repository:a/b:pull,push"';
  assert.deepEqual(parseChallenge(header), {
    scheme: 'bearer',
    realm: 'https://auth.example/token',
    service: 'reg,istry',
    scope: 'repository:a/b:pull,push',
  });
});

test('parseChallenge() prefers a token to a password', () => {
  const header = 'Basic realm="x", bearer realm=https://a.example';
  assert.equal(parseChallenge(header)?.scheme, 'bearer');
  assert.deepEqual(parseChallenge('Basic realm="say \\"hello\\""'), { scheme: 'basic' });
  assert.deepEqual(parseChallenge('Negotiate, Basic realm="x"'), { scheme: 'basic' });
});

test('parseChallenge() finds none where there is none', () => {
  const headers = [undefined, '', 'Negotiate', 'Bearer', 'Bearer service="x"', ',,,', '"', '\0'];
  for (const header of [...headers, `Basic ${'x'.repeat(10_000)}`]) {
    assert.equal(parseChallenge(header), undefined, header);
  }
});
