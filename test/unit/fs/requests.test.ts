import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMountRequest, parseSource, parseUnmountRequest } from '../../../src/fs/requests.ts';

const REQUEST = {
  source: '/images/a.flist',
  mountPoint: '/mnt/a',
  stores: ['dir:///store', 'https://hub.example'],
  deadlineMs: 30_000,
  openMode: 'auto',
  driver: 'native',
  tier: 'auto',
  allowOther: true,
  upper: '/var/upper',
  work: '/var/work',
  prefetch: { mode: 'profile', profile: '/images/a.flist.profile', rateBytes: 1_000_000 },
  onto: { mountPoint: '/mnt/b', flist: '/var/ab.flist', source: 'http://hub.example/b' },
  record: '/images/b.flist.profile',
  cacheQuota: 2 ** 31,
  quotaGroup: 'https://hub.example/alice/*',
};

test('parseMountRequest() takes a whole request as it is', () => {
  assert.deepEqual(parseMountRequest(REQUEST), REQUEST);
});

test('parseMountRequest() takes a URL, no upper folder and no stores', () => {
  const { upper: _, work: _work, allowOther: __, prefetch: ___, record: ____, ...rest } = REQUEST;
  const request = { ...rest, source: 'http://hub.example/a/b.flist', stores: [] };
  assert.deepEqual(parseMountRequest(request), { ...request, allowOther: false });
});

test('parseMountRequest() takes a request that names no tier for FUSE', () => {
  const { tier: _, ...request } = REQUEST;
  assert.equal(parseMountRequest(request).tier, 'fuse');
});

test('parseSource() takes paths and URLs, and nothing else', () => {
  for (const source of ['/a.flist', 'https://hub/a.flist']) {
    assert.equal(parseSource({ source }), source);
  }
  for (const params of [{}, null, { source: 'a.flist' }, { source: 'ftp://a' }, { source: 5 }]) {
    assert.throws(() => parseSource(params), /source|params/);
  }
});

test('parseMountRequest() leaves fields out that it does not know', () => {
  assert.deepEqual(parseMountRequest({ ...REQUEST, newer: 1 }), REQUEST);
});

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  source: [undefined, 1, '', 'a.flist', './a', 'ftp://x/y', 'http://', '/a\0b'],
  mountPoint: [undefined, null, '', 'mnt', '/mnt\0', ['/mnt']],
  stores: [undefined, 'dir:///x', {}, [1], [['x']], Array.from({ length: 65 }, () => 'dir:///x')],
  deadlineMs: [undefined, '1000', Number.NaN, 1000.5, 99, 3_600_001, -1],
  openMode: [undefined, '', 'passThrough', 1],
  driver: [undefined, 'fuse', null],
  allowOther: ['yes', 1, {}],
  upper: ['', 'upper', 1, null],
  record: ['', 'a.profile', 1, null],
  quotaGroup: ['', 1, null, 'a\0b'],
  cacheQuota: [0, -1, 16 * 1024 * 1024 - 1, 2 ** 31 + 0.5, '2GiB', null, 2 ** 60],
};
const WRONG_PREFETCH: Readonly<Record<string, readonly unknown[]>> = {
  params: [null, 'all', 1],
  mode: [{}, { mode: 'none' }, { mode: 'ALL' }, { mode: 1 }],
  profile: [
    { mode: 'profile', profile: 'a.profile' },
    { mode: 'profile', profile: 'ftp://x/y' },
    { mode: 'profile', profile: 1 },
  ],
  rateBytes: [
    { mode: 'all', rateBytes: 4095 },
    { mode: 'all', rateBytes: 5000.5 },
    { mode: 'all', rateBytes: '5000' },
    { mode: 'all', rateBytes: -5000 },
  ],
};

for (const [field, values] of Object.entries(WRONG_PREFETCH)) {
  for (const prefetch of values) {
    test(`parseMountRequest() names ${field} when prefetch is ${JSON.stringify(prefetch)}`, () => {
      assert.throws(() => parseMountRequest({ ...REQUEST, prefetch }), {
        code: 'ERR_PROTOCOL',
        message: `Field ${field} of the request is not valid`,
      });
    });
  }
}

const WRONG_ONTO: Readonly<Record<string, readonly unknown[]>> = {
  params: [null, '/mnt/b'],
  mountPoint: [{}, { mountPoint: 'b', flist: '/b' }],
  flist: [{ mountPoint: '/b' }, { mountPoint: '/b', flist: 'b' }],
  source: [{ mountPoint: '/b', flist: '/b', source: 1 }],
};

test('parseMountRequest() names what is wrong with the mount that a source is put on', () => {
  for (const [field, values] of Object.entries(WRONG_ONTO)) {
    for (const onto of values) {
      assert.throws(() => parseMountRequest({ ...REQUEST, onto }), {
        code: 'ERR_PROTOCOL',
        message: `Field ${field} of the request is not valid`,
      });
    }
  }
});

for (const [field, values] of Object.entries(WRONG)) {
  for (const value of values) {
    const shown = JSON.stringify(value)?.slice(0, 30) ?? 'nothing';
    test(`parseMountRequest() names ${field} when it is ${shown}`, () => {
      assert.throws(() => parseMountRequest({ ...REQUEST, [field]: value }), {
        code: 'ERR_PROTOCOL',
        message: `Field ${field} of the request is not valid`,
      });
    });
  }
}

for (const params of [undefined, null, 'x', 1]) {
  test(`parseMountRequest() and parseUnmountRequest() refuse ${params} as parameters`, () => {
    const expected = { code: 'ERR_PROTOCOL', message: 'Field params of the request is not valid' };
    assert.throws(() => parseMountRequest(params), expected);
    assert.throws(() => parseUnmountRequest(params), expected);
  });
}

for (const value of [99, 100, 3_600_000]) {
  test(`parseMountRequest() ${value < 100 ? 'refuses' : 'accepts'} a deadline of ${value} ms`, () => {
    const parse = () => parseMountRequest({ ...REQUEST, deadlineMs: value }).deadlineMs;
    if (value < 100) assert.throws(parse, { code: 'ERR_PROTOCOL' });
    else assert.equal(parse(), value);
  });
}

test('parseUnmountRequest() is not lazy unless told', () => {
  assert.deepEqual(parseUnmountRequest({ mountPoint: '/a' }), { mountPoint: '/a', lazy: false });
  assert.equal(parseUnmountRequest({ mountPoint: '/a', lazy: true }).lazy, true);
});

for (const [field, params] of [
  ['mountPoint', { mountPoint: 'a' }],
  ['lazy', { mountPoint: '/a', lazy: 'yes' }],
] as const) {
  test(`parseUnmountRequest() names ${field} when it is wrong`, () => {
    assert.throws(() => parseUnmountRequest(params), {
      code: 'ERR_PROTOCOL',
      message: `Field ${field} of the request is not valid`,
    });
  });
}
