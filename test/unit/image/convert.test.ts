import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { convertFlist } from '../../../src/image/convert.ts';
import { loadFlist } from '../../../src/image/load.ts';
import { fakeAddon } from '../../support/fake-addon.ts';
import { historicalEntry, writeHistoricalFlist } from '../../support/historical-flist.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const KEYS = { user: '1'.repeat(32), group: '2'.repeat(32), number: '3'.repeat(32) };

async function prepare(t: TestContext) {
  const folder = temporaryDirectory(t);
  const source = join(folder, 'old.flist');
  const entries = [
    historicalEntry('changed', undefined, { creationTime: 1_600_000_000 }),
    historicalEntry('group', undefined, { aciKey: KEYS.group }),
    historicalEntry('number', undefined, { aciKey: KEYS.number }),
    historicalEntry('plain'),
    historicalEntry('timeless', undefined, { creationTime: 0 }),
    historicalEntry('user', undefined, { aciKey: KEYS.user, creationTime: 1 }),
  ];
  await writeHistoricalFlist(source, entries, {
    [KEYS.user]: { uname: 'somebody' },
    [KEYS.group]: { gname: 'somegroup' },
    [KEYS.number]: { uname: '1234', uid: -1n, gname: 'named', gid: 7n },
  });
  const addon = fakeAddon();
  const flist = await loadFlist(source, { codec: addon });
  return { folder, flist, addon, output: join(folder, 'new.flist') };
}

test('convertFlist() tells what records say and a tree does not', async (t) => {
  const { flist, output, addon } = await prepare(t);
  const { lost } = await convertFlist({ flist, output, compat: 'none', addon });
  assert.deepEqual(Object.fromEntries(lost.map(({ what, count }) => [what, count])), {
    'creation times': 2,
    'owner names': 2,
  });
  const again = await loadFlist(output, { codec: addon });
  assert.deepEqual(again.unread, []);
});

test('convertFlist() refuses them when it is to lose nothing, and writes nothing', async (t) => {
  const { flist, output, addon } = await prepare(t);
  await assert.rejects(
    convertFlist({ flist, output, compat: 'none', strict: true, addon }),
    (error) =>
      isG8Error(error, 'ERR_CREATE') &&
      /creation times \(2\)/.test(error.message) &&
      /owner names \(2\)/.test(error.message),
  );
  assert.equal(existsSync(output), false);
});

test('convertFlist() loses nothing of records that say no more than a tree', async (t) => {
  const folder = temporaryDirectory(t);
  const [source, output] = [join(folder, 'old.flist'), join(folder, 'new.flist')];
  await writeHistoricalFlist(source, [historicalEntry('plain')]);
  const addon = fakeAddon();
  const flist = await loadFlist(source, { codec: addon });
  const { lost } = await convertFlist({ flist, output, compat: 'none', strict: true, addon });
  assert.deepEqual(lost, []);
});
