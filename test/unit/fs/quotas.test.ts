import assert from 'node:assert/strict';
import test from 'node:test';
import { ownerOf } from '../../../src/cache/quota.ts';
import type { MountRequest, ServedMount } from '../../../src/fs/mount-record.ts';
import { quotasOf, withQuota } from '../../../src/fs/quotas.ts';

const BIG = 'https://user:secret@hub.example/demo/big.flist';
const SHOWN = 'https://hub.example/demo/big.flist';

function mountOf(source: string, cacheQuota?: number, quotaGroup?: string): ServedMount {
  return { request: requestOf({ source, cacheQuota, quotaGroup }) } as ServedMount;
}

function requestOf(fields: Record<string, unknown>): MountRequest {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as unknown as MountRequest;
}

test('quotasOf() lists each source once, without credentials, with the bound of its youngest mount', () => {
  const asked: number[] = [];
  const cache = {
    ownedBytes: (owner: number): number => {
      asked.push(owner);
      return 7;
    },
  };
  const mounts = [mountOf(BIG, 100), mountOf('/images/a.flist'), mountOf(SHOWN, 200)];
  assert.deepEqual(quotasOf(mounts, cache), [{ source: SHOWN, bytes: 7, bytesMax: 200 }]);
  // Whoever mounts it with another login has the same bound.
  assert.deepEqual(asked, [ownerOf(SHOWN), ownerOf(SHOWN)]);
});

test('quotasOf() lists what shares a bound once, by its name', () => {
  const group = 'https://hub.example/demo/*';
  const mounts = [mountOf(BIG, 100, group), mountOf('https://hub.example/demo/b', 100, group)];
  const cache = { ownedBytes: (owner: number) => (owner === ownerOf(group) ? 9 : 0) };
  assert.deepEqual(quotasOf(mounts, cache), [{ source: group, bytes: 9, bytesMax: 100 }]);
});

const RULES = [
  { pattern: 'https://hub.example/demo/big.flist', bytesMax: 1, isTogether: false },
  { pattern: 'https://hub.example/demo/*', bytesMax: 2, isTogether: true },
  { pattern: '/*', bytesMax: 3, isTogether: false },
];

for (const [source, expected] of [
  [BIG, { cacheQuota: 1 }],
  // One spelling for all that are the same.
  ['HTTPS://hub.example/%64emo/other', { cacheQuota: 2, quotaGroup: RULES[1]?.pattern }],
  ['https://hub.example/alice/a', {}],
  ['/', { cacheQuota: 3 }],
  ['/no/such/file', { cacheQuota: 3 }],
] as const) {
  test(`withQuota() finds the first rule for ${source}`, () => {
    const request = requestOf({ source });
    assert.deepEqual(withQuota(request, RULES), { ...request, ...expected });
  });
}

test('withQuota() leaves the bound of the mount itself', () => {
  const request = requestOf({ source: BIG, cacheQuota: 5 });
  assert.equal(withQuota(request, RULES), request);
});
