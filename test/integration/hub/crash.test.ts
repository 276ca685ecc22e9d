/** A hub that is killed while it works (the long form: `npm run bench -- hub-crash`). */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { crashHub } from '../../../benchmarks/support/hub-crash/crash.ts';
import { Catalogue } from '../../../src/hub/catalogue/catalogue.ts';
import { LevelEngine } from '../../../src/hub/catalogue/level-engine.ts';
import { GARBAGE } from '../../../src/hub/catalogue/records.ts';
import { createFlist } from '../../../src/image/create.ts';
import { addon } from '../../../src/native/load.ts';
import { HubClient } from '../../../src/store/hub-client.ts';
import { UsersHub } from '../../support/hub-users.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { amount } from '../../support/thorough.ts';

const PROGRAM = fileURLToPath(new URL('../../support/g8ufs.js', import.meta.url));
const ROUNDS = amount(3, 40);

test('a hub that is killed again and again has what it has answered for', async (t) => {
  const dir = temporaryDirectory(t);
  const result = await crashHub({ program: [PROGRAM], dir, rounds: ROUNDS });
  assert.deepEqual(result.violations, []);
  // It was at work each time.
  assert(result.published > 0 && result.merged > 0 && result.chunks > 0, JSON.stringify(result));
});

test('a merge begins the grace period of its chunks anew: a source may be removed meanwhile', async (t) => {
  const dir = temporaryDirectory(t);
  const data = join(dir, 'hub');
  const flist = join(dir, 'a.flist');
  mkdirSync(join(dir, 'source'));
  writeFileSync(join(dir, 'source/file'), 'content');
  const withNotes = async (work: (catalogue: Catalogue) => Promise<void>) => {
    const catalogue = new Catalogue(await LevelEngine.open(join(data, 'catalogue')));
    try {
      await work(catalogue);
    } finally {
      await catalogue.close();
    }
  };
  const serve = async (work: (hub: UsersHub) => Promise<void>) => {
    const hub = await UsersHub.start(data, { addon: addon() });
    try {
      await work(hub);
    } finally {
      await hub.hub.close();
    }
  };
  const ids: string[] = [];
  await serve(async (hub) => {
    const client = new HubClient(hub.url);
    await createFlist({
      source: join(dir, 'source'),
      output: flist,
      store: {
        name: 'noted',
        get: (id) => client.chunks.get(id),
        getMany: (all) => client.chunks.getMany(all),
        missing: (all) => client.chunks.missing(all),
        put: async (id, bytes) => {
          ids.push(id);
          await client.chunks.put(id, bytes);
        },
        close: async () => {},
      },
      addon: addon(),
    });
    await client.uploadFlist({ repository: 'Administrator', name: 'a', source: flist });
    await client.close();
  });
  const [id = ''] = ids;
  // Of a time when nothing referred to it, and never looked at since: its grace period is long over.
  await withNotes((catalogue) =>
    catalogue.transaction(async (transaction) => transaction.put(GARBAGE, [id], { since: 1 })),
  );
  await serve(async (hub) => {
    const body = ['Administrator/a', 'Administrator/a'];
    assert.equal(await hub.status('POST', '/api/flist/me/merge/b', { body }), 200);
  });
  await withNotes(async (catalogue) => {
    assert((await catalogue.get(GARBAGE, id))?.since !== 1);
  });
});
