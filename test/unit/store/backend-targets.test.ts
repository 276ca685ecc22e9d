/** What URLs of chunk backends mean, and how requests to S3 are signed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { openBackend, openForeignBackend } from '../../../src/store/backend.ts';
import { parseRespTarget } from '../../../src/store/resp-target.ts';
import { parseErrorCode, parseListing, s3Headers, s3Path } from '../../../src/store/s3-request.ts';
import { parseS3Target } from '../../../src/store/s3-target.ts';

test('parseRespTarget() reads each form', () => {
  const plain = { tls: undefined, username: undefined, database: 0, namespace: undefined };
  const cases: Readonly<Record<string, object>> = {
    'redis://host': { ...plain, kind: 'redis', hosts: [{ host: 'host', port: 6379 }] },
    'redis://:p%40ss@[::1]:7/3': {
      hosts: [{ host: '::1', port: 7 }],
      password: 'p@ss',
      database: 3,
    },
    'redis://user:pass@h': { username: 'user', password: 'pass' },
    'redis://pass@h?prefix=a:': { username: undefined, password: 'pass', prefix: 'a:' },
    'rediss://h?ca=/c.pem': { tls: { caFile: '/c.pem' }, kind: 'redis' },
    'redis-cluster://a:1,b:2,c/': {
      kind: 'cluster',
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 6379 },
      ],
    },
    'rediss://a?cluster': { kind: 'cluster', tls: { caFile: undefined } },
    'ardb://hub.example': {
      kind: 'redis',
      hosts: [{ host: 'hub.example', port: 16_379 }],
      prefix: '',
    },
    'zdb://h': { ...plain, kind: 'zdb', hosts: [{ host: 'h', port: 9900 }], password: undefined },
    'zdb://token@h:1': { password: 'token', namespace: undefined },
    'zdb://token:pw@h/some/ns': { password: 'token', namespace: { name: 'ns', password: 'pw' } },
    'zdb://:pw@h': { password: undefined, namespace: { name: 'default', password: 'pw' } },
  };
  for (const [url, wanted] of Object.entries(cases)) {
    const target = parseRespTarget(url) as unknown as Record<string, unknown>;
    const found = Object.fromEntries(Object.keys(wanted).map((key) => [key, target[key]]));
    assert.deepEqual(found, wanted, url);
    assert.doesNotMatch(String(target['name']), /p%40ss|p@ss|pass|pw|token|prefix/);
  }
});

test('parseS3Target() reads each form', () => {
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-west-3' };
  const keys = { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: undefined };
  assert.deepEqual(parseS3Target('s3://bucket/a/b?endpoint=http://h:1', env), {
    name: 's3://bucket/a/b',
    endpoint: 'http://h:1',
    region: 'eu-west-3',
    bucket: 'bucket',
    prefix: 'a/b/',
    credentials: keys,
  });
  const aws = parseS3Target('s3://bucket', {});
  assert.equal(aws.endpoint, 'https://s3.us-east-1.amazonaws.com');
  assert.equal(aws.credentials, undefined);
  const old = parseS3Target('s3s://k%3A1:s%2F1@host:9000/bucket?region=r', env);
  assert.equal(old.endpoint, 'https://host:9000');
  assert.deepEqual([old.bucket, old.prefix, old.region], ['bucket', '', 'r']);
  assert.deepEqual(old.credentials, { ...keys, accessKeyId: 'k:1', secretAccessKey: 's/1' });
  assert.equal(old.name, 's3s://host:9000/bucket');
});

const REFUSED: readonly [url: string, reason: RegExp][] = [
  ['redis://', /bad host/],
  ['redis://h:99999', /bad host/],
  ['redis://a,b', /more than one host/],
  ['redis://h/db', /database/],
  ['redis://h?what=1', /unknown parameter what/],
  ['redis://h?ca=/x', /no TLS/],
  ['redis-cluster://h/2', /clusters have one/],
  ['redis://:a%0d%0ab@h', /control character/],
  ['redis://h?prefix=%zz', /percent/],
  ['zdb://h/n?prefix=a', /0-db has none/],
  ['s3://b?endpoint=file:///etc', /endpoint/],
  ['s3://h:1', /bucket/],
  ['s3://key@h:1/bucket', /half/],
  ['s3://bucket/../x', /bad prefix/],
  ['s3://h:1/bucket?endpoint=http://x', /port and an endpoint/],
];
for (const [url, reason] of REFUSED) {
  test(`openBackend() refuses ${url}`, () => {
    assert.throws(
      () => openBackend(url),
      (error) => isG8Error(error, 'ERR_CONFIG') && reason.test(error.message),
    );
  });
}

test('openForeignBackend() uses nothing of this machine', () => {
  for (const url of ['dir:///etc', '/etc', 'rediss://h?ca=/etc/passwd', 'file:///x']) {
    assert.throws(
      () => openForeignBackend(url),
      (error) => isG8Error(error, 'ERR_PERMISSION'),
      url,
    );
  }
});

// The examples of "Authenticating Requests" in the manual of the S3 API.
const EXAMPLE = {
  endpoint: 'https://examplebucket.s3.amazonaws.com',
  region: 'us-east-1',
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    sessionToken: undefined,
  },
};
const VECTORS: readonly [request: Parameters<typeof s3Headers>[1], signature: string][] = [
  [
    {
      method: 'PUT',
      path: '/test%24file.text',
      body: Buffer.from('Welcome to Amazon S3.'),
      headers: {
        date: 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      },
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    { method: 'GET', path: '/?lifecycle' },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    { method: 'GET', path: '/?max-keys=2&prefix=J' },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
];
for (const [request, signature] of VECTORS) {
  test(`s3Headers() signs ${request.method} ${request.path} as published`, async () => {
    const headers = await s3Headers(EXAMPLE, { ...request, date: '20130524T000000Z' });
    assert.equal(/Signature=([0-9a-f]+)$/.exec(headers['authorization'] as string)?.[1], signature);
  });
}

test('s3Headers() signs nothing without keys, and sends a session token', async () => {
  const request = { method: 'GET', path: '/x' } as const;
  const plain = await s3Headers({ ...EXAMPLE, credentials: undefined }, request);
  assert.equal(plain['authorization'], undefined);
  const credentials = { ...EXAMPLE.credentials, sessionToken: 'some token' };
  const headers = await s3Headers({ ...EXAMPLE, credentials }, request);
  assert.equal(headers['x-amz-security-token'], 'some token');
  assert.match(headers['authorization'] as string, /x-amz-security-token/);
});

test('s3Path() encodes what a signature wants encoded', () => {
  const target = parseS3Target('s3://bucket', {});
  assert.equal(s3Path(target, "a b/(c)'*!~"), '/bucket/a%20b/%28c%29%27%2A%21~');
  assert.equal(
    s3Path(target, '', { prefix: 'a/b', 'list-type': '2' }),
    '/bucket?list-type=2&prefix=a%2Fb',
  );
});

test('parseListing() takes one entry, many and none, and refuses the rest', async () => {
  const page = (text: string) =>
    parseListing(
      Buffer.from(`<?xml version="1.0"?><ListBucketResult>${text}</ListBucketResult>`),
      's',
    );
  assert.deepEqual(await page('<IsTruncated>false</IsTruncated>'), { keys: [], next: undefined });
  const one = await page('<Contents><Key>0012</Key><Size>1</Size></Contents>');
  assert.deepEqual(one.keys, ['0012']);
  const many = await page(
    '<IsTruncated>true</IsTruncated><NextContinuationToken>7&amp;</NextContinuationToken>' +
      '<Contents><Key>a</Key></Contents><Contents><Key>1e3</Key></Contents>',
  );
  assert.deepEqual(many, { keys: ['a', '1e3'], next: '7&' });
  const isProtocol = (error: unknown) => isG8Error(error, 'ERR_PROTOCOL');
  await assert.rejects(page('<IsTruncated>true</IsTruncated>'), isProtocol);
  await assert.rejects(page('<Contents><Size>1</Size></Contents>'), isProtocol);
  for (const text of ['', 'no XML', '<html></html>', '<ListBucketResult']) {
    await assert.rejects(parseListing(Buffer.from(text), 's'), isProtocol, text);
  }
});

test('parseErrorCode() finds the code, or nothing', async () => {
  const text = '<Error><Code>NoSuchBucket</Code><Message>x</Message></Error>';
  assert.equal(await parseErrorCode(Buffer.from(text)), 'NoSuchBucket');
  for (const other of ['', '<a/>', '<Error/>', '\0\0']) {
    assert.equal(await parseErrorCode(Buffer.from(other)), '');
  }
});
