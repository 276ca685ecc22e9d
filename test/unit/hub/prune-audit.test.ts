import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAudit, writeAudit } from '../../../src/hub/access/audit.ts';
import { ANONYMOUS } from '../../../src/hub/access/identity.ts';
import { pruneAudit } from '../../../src/hub/access/prune-audit.ts';
import { testCatalogue } from '../../support/test-catalogue.ts';

const LINE_COUNT = 600;
const { signal } = new AbortController();

test('the audit log keeps its newest lines, within age and number', async (t) => {
  const catalogue = await testCatalogue(t);
  const actor = { identity: ANONYMOUS, address: '127.0.0.1' };
  for (let i = 0; i < LINE_COUNT; i++) {
    await catalogue.transaction(async (transaction) => {
      writeAudit(transaction, actor, 'flist.publish', `demo/${i}`);
    });
  }
  const all = { countMax: LINE_COUNT, ageMsMax: 60_000 };
  assert.equal(await pruneAudit(catalogue, all, signal), 0);
  assert.equal(await pruneAudit(catalogue, { ...all, countMax: 10 }, signal), LINE_COUNT - 10);
  const { lines } = await listAudit(catalogue, undefined, 100);
  assert.equal(lines.length, 10);
  assert(lines.every(({ target }) => Number(target.slice('demo/'.length)) >= LINE_COUNT - 60));
  const later = Date.now() + 60_001;
  assert.equal(await pruneAudit(catalogue, all, signal, later), 10);
  assert.equal((await listAudit(catalogue, undefined, 100)).lines.length, 0);
});
