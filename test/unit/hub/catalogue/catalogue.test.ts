/** Records and transactions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LevelEngine } from '../../../../src/hub/catalogue/level-engine.ts';
import { openCatalogue } from '../../../../src/hub/catalogue/open.ts';
import { keyOf, REPOSITORY, TAG } from '../../../../src/hub/catalogue/records.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { collect, testCatalogue } from '../../../support/test-catalogue.ts';

const REPO = { members: [], visibility: 'public', official: false, created: 1 } as const;
const repository = (created: number) => ({ ...REPO, members: [], created });

test('records come back as they were put, in the order of their key parts', async (t) => {
  const catalogue = await testCatalogue(t);
  const target = { repository: 'bob', file: 'app.flist' };
  const keys = [
    ['a', 'v1', 'x'],
    ['a', 'v1', 'y'],
    ['a', 'v1.0', 'x'],
    ['a-b', 'v1', 'x'],
  ] as const;
  await catalogue.transaction(async (transaction) => {
    for (const parts of keys) transaction.put(TAG, parts, { target, linked: 5 });
  });
  const all = await collect(catalogue.list(TAG));
  assert.deepEqual(
    all.map(({ parts }) => parts),
    keys,
  );
  assert.deepEqual(all[0]?.value, { target, linked: 5 });
  assert.equal((await collect(catalogue.list(TAG, ['a', 'v1']))).length, 2);
  const after = await collect(catalogue.list(TAG, ['a'], { after: ['a', 'v1', 'x'], limit: 1 }));
  assert.deepEqual(after[0]?.parts, ['a', 'v1', 'y']);
  const many = await catalogue.getMany(TAG, [keys[3], ['no', 'v1', 'x']]);
  assert.deepEqual(many, [{ target, linked: 5 }, undefined]);
});

test('keys take no NUL and no other number of parts', () => {
  assert.throws(() => keyOf(REPOSITORY, ['a\0b']), RangeError);
  assert.throws(() => keyOf(REPOSITORY, ['a', 'b']), RangeError);
  assert.throws(() => keyOf(TAG, ['a']), RangeError);
});

for (const [name, bytes, message] of [
  ['no JSON', '{', /is no JSON/],
  ['another version', '{"v":2}', /has version 2, not 1/],
  ['a list', '[]', /has version undefined/],
  ['another shape', '{"v":1,"members":[7]}', /has an invalid members.0/],
] as const) {
  test(`a record that is ${name} is refused with its key`, async (t) => {
    const catalogue = await testCatalogue(t);
    const write = { key: keyOf(REPOSITORY, ['bob']), value: Buffer.from(bytes) };
    await catalogue.engine.commit({ checks: [], writes: [write] });
    const refused = { code: 'ERR_IO', message };
    await assert.rejects(catalogue.get(REPOSITORY, 'bob'), refused);
    await assert.rejects(catalogue.get(REPOSITORY, 'bob'), /r\/bob/);
  });
}

test('a value of the wrong shape is not written', async (t) => {
  const catalogue = await testCatalogue(t);
  const work = catalogue.transaction(async (transaction) => {
    transaction.put(REPOSITORY, ['bob'], { ...REPO, visibility: 'secret' } as never);
  });
  await assert.rejects(work);
  assert.equal(await catalogue.get(REPOSITORY, 'bob'), undefined);
});

test('a transaction sees its own writes and writes nothing when it throws', async (t) => {
  const catalogue = await testCatalogue(t);
  const work = catalogue.transaction(async (transaction) => {
    transaction.put(REPOSITORY, ['bob'], repository(1));
    assert.equal((await transaction.get(REPOSITORY, 'bob'))?.created, 1);
    transaction.delete(REPOSITORY, ['bob']);
    assert.equal(await transaction.get(REPOSITORY, 'bob'), undefined);
    transaction.put(REPOSITORY, ['bob'], repository(2));
    throw new Error('on purpose');
  });
  await assert.rejects(work, /on purpose/);
  assert.equal(await catalogue.get(REPOSITORY, 'bob'), undefined);
});

test('transactions on one record at the same time all happen, one after the other', async (t) => {
  const catalogue = await testCatalogue(t);
  let attempts = 0;
  const add = () =>
    catalogue.transaction(async (transaction) => {
      attempts++;
      const present = await transaction.get(REPOSITORY, 'bob');
      transaction.put(REPOSITORY, ['bob'], repository((present?.created ?? 0) + 1));
    });
  await Promise.all(Array.from({ length: 10 }, add));
  assert.equal((await catalogue.get(REPOSITORY, 'bob'))?.created, 10);
  assert(attempts > 10, 'somebody was faster at least once');
});

test('a transaction that never wins ends', async (t) => {
  const catalogue = await testCatalogue(t);
  let count = 0;
  const work = catalogue.transaction(async (transaction) => {
    const present = await transaction.get(REPOSITORY, 'bob');
    transaction.put(REPOSITORY, ['bob'], repository(count));
    count++;
    const value = Buffer.from(
      `{"v":1,"n":${count},"members":[],"visibility":"public","official":false,"created":1}`,
    );
    const write = { key: keyOf(REPOSITORY, ['bob']), value };
    assert.equal(await catalogue.engine.commit({ checks: [], writes: [write] }), true);
    return present;
  });
  await assert.rejects(work, { code: 'ERR_STORE_UNAVAILABLE' });
});

test('a catalogue in a folder is open once, and keeps what was written', async (t) => {
  const folder = temporaryDirectory(t);
  const first = await openCatalogue(`level:${folder}/deep/catalogue`);
  t.after(() => first.close());
  const second = openCatalogue(`level:${folder}/deep/catalogue`);
  await assert.rejects(second, { code: 'ERR_CACHE_LOCKED' });
  await first.transaction(async (transaction) => {
    transaction.put(REPOSITORY, ['bob'], repository(7));
  });
  await first.close();
  const again = await LevelEngine.open(`${folder}/deep/catalogue`);
  assert.notEqual(await again.get(keyOf(REPOSITORY, ['bob'])), undefined);
  await again.close();
});

for (const url of ['level:', 'sqlite:x', '/srv/catalogue', 'mysql://host/x']) {
  test(`${url} is no catalogue`, async () => {
    await assert.rejects(openCatalogue(url), { code: 'ERR_CONFIG' });
  });
}
