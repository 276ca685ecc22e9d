import assert from 'node:assert/strict';
import test from 'node:test';
import type { Catalog } from '../../../src/cache/catalog.ts';
import { createCounters } from '../../../src/cache/parts.ts';
import { isOverQuota, Quotas } from '../../../src/cache/quota.ts';

const OWNER = 7;
const MIB = 1024 * 1024;

/** Quotas over contents of a MiB each, of which `busy` cannot be evicted. */
function world({ contents, busy = 0 }: { contents: number; busy?: number }) {
  let owned = contents * MIB;
  const rounds: number[] = [];
  const counters = createCounters();
  const quotas = new Quotas({
    catalog: { ownedBytes: () => owned } as unknown as Catalog,
    counters,
    evict: async (_owner, bytes) => {
      await new Promise(setImmediate);
      const freed = Math.min(Math.ceil(bytes / MIB) * MIB, Math.max(0, owned - busy * MIB));
      owned -= freed;
      rounds.push(freed);
      return freed;
    },
  });
  const admit = (size: number, max: number, owner = OWNER) =>
    quotas.admit(size * MIB, { owner, bytesMax: max * MIB });
  return { admit, counters, quotas, rounds };
}

test('fills that share a round which was begun for less than all of them get room by another one', async () => {
  const { admit, counters, rounds } = world({ contents: 20 });
  await Promise.all(Array.from({ length: 6 }, () => admit(3, 20)));
  assert.equal(counters.overQuota, 0);
  assert.ok(rounds.length > 1 && rounds.every((freed) => freed > 0));
});

test('a fill is kept out when all that there is is in use, and nothing is tried for it again at once', async () => {
  const { admit, counters, rounds } = world({ contents: 20, busy: 20 });
  for (let i = 0; i < 3; i++) await assert.rejects(admit(1, 20), isOverQuota);
  assert.equal(counters.overQuota, 3);
  assert.deepEqual(rounds, [0]);
});

test('what was given back can be had again', async () => {
  const { admit } = world({ contents: 0 });
  const giveBack = await admit(20, 20);
  await assert.rejects(admit(1, 20), isOverQuota);
  giveBack();
  await admit(20, 20);
});

test('of images for which nobody fills nothing is remembered', async () => {
  const { admit, quotas } = world({ contents: 0 });
  const held = await admit(1, 20, 1);
  for (let owner = 2; owner < 50; owner++) (await admit(1, 20, owner))();
  assert.equal(quotas.ledgers, 1);
  held();
  assert.equal(quotas.ledgers, 0);
});
