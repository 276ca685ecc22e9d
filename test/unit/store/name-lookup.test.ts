import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameLookup } from '../../../src/store/name-lookup.ts';
import { gate } from '../../support/gate.ts';

const ADDRESS = { address: '192.0.2.1', family: 4 };

test('find() asks once for all who want a name at the same time, and again only later', async () => {
  let now = 0;
  let asked = 0;
  const names = new NameLookup(
    async () => {
      asked++;
      return [ADDRESS];
    },
    () => now,
  );
  const found = await Promise.all([names.find('a'), names.find('a'), names.find('a')]);
  assert.deepEqual(found, [[ADDRESS], [ADDRESS], [ADDRESS]]);
  await names.find('a');
  assert.equal(asked, 1);
  now += 5_000;
  await names.find('a');
  assert.equal(asked, 2);
});

test('find() gives the last addresses while names cannot be looked up, for an hour', async () => {
  let now = 0;
  let isGone = false;
  const gone = Object.assign(new Error('gone'), { code: 'EAI_AGAIN' });
  const names = new NameLookup(
    async () => {
      if (isGone) throw gone;
      return [ADDRESS];
    },
    () => now,
  );
  await names.find('a');
  isGone = true;
  now += 3_599_999;
  assert.deepEqual(await names.find('a'), [ADDRESS]);
  now += 1;
  await assert.rejects(names.find('a'), gone);
  await assert.rejects(names.find('b'), gone);
});

test('find() has two names looked up at a time', async () => {
  const door = gate();
  let running = 0;
  let runningMax = 0;
  const names = new NameLookup(async () => {
    runningMax = Math.max(runningMax, ++running);
    await door.opened;
    running--;
    return [ADDRESS];
  });
  const all = Promise.all(['a', 'b', 'c', 'd'].map((host) => names.find(host)));
  door.open();
  await all;
  assert.equal(runningMax, 2);
});

test('find() gives the last addresses when a name server is silent', async () => {
  let now = 0;
  let isSilent = false;
  const resolve = async () => (isSilent ? await new Promise<never>(() => {}) : [ADDRESS]);
  const names = new NameLookup(resolve, () => now, 10);
  await names.find('a');
  isSilent = true;
  now += 5_000;
  assert.deepEqual(await names.find('a'), [ADDRESS]);
});
