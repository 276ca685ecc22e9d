/** Who may do what by historical routes, and in which words they refuse. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SignedTokens } from '../../../../src/hub/access/signed-token.ts';
import { addon } from '../../../../src/native/load.ts';
import { flistOf } from '../../../support/flist-package.ts';
import { UsersHub } from '../../../support/hub-users.ts';
import { assertDone, assertFailure, OldClient, startOldHub } from '../../../support/old-client.ts';
import { TAR_END } from '../../../support/tar-blocks.ts';

const SEED = Buffer.from('0123456789abcdef0123456789abcdef');
/** Of the seed, with the payload `["alice.3bot", 1700000000]`: the specification's vector. */
const VECTOR =
  '2CyTRtPjzCiT4cfy9LICCRbi2JIxa_YTd0Z61Qb0mdkPXNLHq6GKO7PPeEu5F7UL6xuXct1QtU8s4pYmc2_eAlsiYWxpY2UuM2JvdCIsIDE3MDAwMDAwMDBd';
const ARCHIVE = gzipSync(TAR_END);
const TAGS = '/api/flist/me/v1/app/tag';

const folder = mkdtempSync(join(tmpdir(), 'g8ufs-historical-'));
let hub: UsersHub;
let nobody: OldClient;
let alice: OldClient;
let bob: OldClient;
let readOnlyBob: OldClient;

before(async () => {
  hub = await UsersHub.start(folder, { signedTokens: { seed: SEED }, addon: addon() });
  nobody = new OldClient(hub.url);
  const as = (token: string) => nobody.with({ authorization: `bearer ${token}` });
  await hub.user('alice.3bot');
  alice = as(VECTOR);
  bob = as(await hub.user('bob'));
  readOnlyBob = as(await hub.token('bob', 'read'));
  for (const [client, name] of [
    [alice, 'app'],
    [bob, 'tools'],
  ] as const) {
    const answer = await client.upload('/api/flist/me/upload', `${name}.tar.gz`, ARCHIVE);
    assert.equal(answer.status, 200, answer.text);
  }
});

after(async () => {
  await hub.hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const whoAmI = async (client: OldClient) =>
  (await client.get('/api/flist/me')).json<{ payload: { username: string } }>().payload.username;

test('a signed token names its user, in either case of the scheme', async () => {
  assert.equal(await whoAmI(alice), 'alice.3bot');
  assert.equal(await whoAmI(nobody.with({ authorization: `BEARER ${VECTOR}` })), 'alice.3bot');
  assert.equal(await whoAmI(bob), 'bob');
  assert.equal(await whoAmI(readOnlyBob), 'bob');
});

test('credentials are refused in the words of the historical hub', async () => {
  const withHeader = (authorization: string) => nobody.with({ authorization }).get('/api/flist/me');
  assertFailure(await nobody.get('/api/flist/me'), 401, 'no authorization provided');
  assertFailure(await withHeader('nonsense'), 400, 'invalid authorization header');
  assertFailure(await withHeader(`bearer ${VECTOR.replace('2', '3')}`), 401, 'invalid signature');
  assertFailure(await withHeader('bearer a.b.c'), 403, 'invalid token');
  const forged = new SignedTokens(Buffer.alloc(32, 1)).make('bob');
  assertFailure(await withHeader(`bearer ${forged}`), 401, 'invalid signature');
});

test('nothing changes without the right to publish', async () => {
  const before = (await nobody.get('/api/flist')).text;
  for (const client of [nobody, readOnlyBob]) {
    const status = client === nobody ? 401 : 403;
    for (const path of ['tools/link/x', 'tools/rename/x', 'promote/alice.3bot/app/x']) {
      assert.equal((await client.get(`/api/flist/me/${path}`)).status, status, path);
    }
    assert.equal((await client.delete('/api/flist/me/tools')).status, status);
    const upload = await client.upload('/api/flist/me/upload', 'x.tar.gz', ARCHIVE);
    assert.equal(upload.status, status);
    assert.equal((await client.upload('/upload', 'x.tar.gz', ARCHIVE)).status, status);
    const merged = await client.post('/api/flist/me/merge/x', '["bob/tools"]');
    assert.equal(merged.status, status);
  }
  assert.equal((await nobody.get('/api/flist')).text, before);
});

test('the cookie active-user counts for those who may publish there, and else not', async () => {
  const acting = (client: OldClient, name: string) =>
    whoAmI(client.with({ cookie: `other=1; active-user=${name}` }));
  assert.equal(await acting(bob, 'alice.3bot'), 'bob');
  assert.equal(await acting(bob, '..'), 'bob');
  const member = '/api/v1/repositories/alice.3bot/members/bob';
  const asked = { token: hub.admin, body: { right: 'publish' } };
  assert.equal(await hub.status('PUT', member, asked), 204);
  assert.equal(await acting(bob, 'alice.3bot'), 'alice.3bot');
  const client = bob.with({ cookie: 'active-user=alice.3bot' });
  assertDone(await client.get(`${TAGS}/bob/tools`));
  assert.equal((await nobody.get('/alice.3bot/tags/v1/app.flist')).status, 200);
  const { lines } = await hub.json<{ lines: { user: string; action: string; target: string }[] }>(
    'GET',
    '/api/v1/audit',
    { token: hub.admin },
  );
  const line = lines.find(({ action }) => action === 'historical.tag');
  assert.deepEqual([line?.user, line?.target], ['bob', 'alice.3bot/v1/app.flist']);
});

test('a private repository is not there for others, nor what leads into it', async () => {
  await hub.json('PUT', '/api/v1/flists/secret/plan', {
    token: hub.admin,
    body: flistOf('secret'),
  });
  assertDone(await bob.get('/api/flist/me/plan/crosslink/secret/plan'));
  await hub.json('PATCH', '/api/v1/repositories/secret', {
    token: hub.admin,
    body: { visibility: 'private' },
  });
  for (const client of [nobody, bob]) {
    assert(!(await client.get('/api/flist')).text.includes('secret'));
    assert(!(await client.get('/api/fileslist')).text.includes('"secret"'));
    assertFailure(await client.get('/api/flist/secret'), 404, 'user not found');
    assertFailure(await client.get('/api/flist/secret/plan/light'), 404, 'user not found');
    assertFailure(await client.get('/api/flist/bob/plan/light'), 404, 'source not found');
    for (const path of ['secret/plan', 'bob/plan']) {
      for (const view of ['', '.md5', '.txt', '.json', '.md']) {
        assert.equal((await client.get(`/${path}.flist${view}`)).status, 404);
      }
    }
  }
  for (const path of ['promote/secret/plan/x', 'x/crosslink/secret/plan', 'v/x/tag/secret/plan']) {
    assertFailure(await bob.get(`/api/flist/me/${path}`), 404, 'source repository not found');
  }
  assertFailure(
    await bob.post('/api/flist/me/merge/x', '["secret/plan"]'),
    404,
    'secret/plan.flist does not exists',
  );
  const admin = nobody.with({ authorization: `bearer ${hub.admin}` });
  assert((await admin.get('/api/flist')).text.includes('secret/plan.flist'));
});

test('a page elsewhere cannot make a browser change what needs no credentials', async (t) => {
  const { client } = await startOldHub(t);
  const site = (value: string) => client.with({ 'sec-fetch-site': value });
  const upload = await client.upload('/api/flist/me/upload', 'app.tar.gz', ARCHIVE);
  assert.equal(upload.status, 200);
  const refused = await site('cross-site').get('/api/flist/me/app/rename/gone');
  assertFailure(refused, 401, 'no authorization provided');
  assertDone(await site('none').get('/api/flist/me/app/rename/moved'));
});

test('a hub that is read only says so first', async (t) => {
  const { client } = await startOldHub(t, { readOnly: true });
  for (const authorization of ['nonsense', `bearer ${VECTOR}`]) {
    const asked = client.with({ authorization });
    assertFailure(await asked.get('/api/flist/me'), 400, 'readonly mode');
    assertFailure(await asked.delete('/api/flist/me/app'), 400, 'readonly mode');
  }
});
