import assert from 'node:assert/strict';
import test from 'node:test';
import { ownerOf } from '../../../src/cache/quota.ts';
import type { MountRequest, ServedMount } from '../../../src/fs/mount-record.ts';
import { quotasOf } from '../../../src/fs/quotas.ts';

const BIG = 'https://user:secret@hub.example/demo/big.flist';
const SHOWN = 'https://hub.example/demo/big.flist';

function mountOf(source: string, cacheQuota?: number): ServedMount {
  const request = { source, ...(cacheQuota === undefined ? {} : { cacheQuota }) } as MountRequest;
  return { request } as ServedMount;
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
