/** Private images are mounted by their plain URLs, with the login of whoever mounts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { HubAdmin } from '../../src/store/hub-admin.ts';
import { saveLogin } from '../../src/store/logins.ts';
import { MountWorld, run } from '../support/mount-world.ts';

test('a mount reads a private image with the login, and goes on with the next one', async (context) => {
  const world = new MountWorld(context);
  await world.startHub();
  const token = readFileSync(join(world.hubData, 'admin-token'), 'utf8').trim();
  const admin = new HubAdmin(world.hubUrl, { token });
  context.after(() => admin.close());
  await admin.createUser({ name: 'alice' });
  const newToken = () => admin.createToken({ user: 'alice', scope: 'publish' });
  const env = { G8UFS_CREDENTIALS: world.credentials };
  const login = async (text: string) =>
    saveLogin(world.hubUrl, { user: 'alice', token: text, isMade: false }, { env });

  const first = await newToken();
  await login(first.token);
  const owner = new HubAdmin(world.hubUrl, { token: first.token });
  context.after(() => owner.close());
  await owner.createRepository({ name: 'closed', visibility: 'private' });
  const source = world.folder('source');
  for (const name of ['one', 'two', 'three']) writeFileSync(join(source, name), `${name}\n`);
  const flist = world.path('image.flist');
  await world.json('flist', 'create', source, flist, '--store', world.path('chunks'), '--quiet');
  const { url } = await world.json<{ url: string }>(
    ...['push', flist, `${world.hubUrl}/closed/app`, '--store', world.path('chunks')],
  );

  const mnt = await world.mount(url, '--store', world.hubUrl, '--prefetch', 'none');
  assert.equal((await run('cat', join(mnt, 'one'))).stdout, 'one\n');
  await admin.revokeToken(first.id);
  const refused = await run('cat', join(mnt, 'two'));
  assert.notEqual(refused.code, 0);
  const second = await newToken();
  await login(second.token);
  // The mount does not look for another login all the time.
  const deadline = performance.now() + 30_000;
  let read = await run('cat', join(mnt, 'three'));
  while (read.code !== 0 && performance.now() < deadline) {
    await once(AbortSignal.timeout(200), 'abort');
    read = await run('cat', join(mnt, 'three'));
  }
  assert.equal(read.stdout, 'three\n');
  await world.unmount(mnt);
});

test('a private image is not mounted without a login, and no token is shown', async (context) => {
  const world = new MountWorld(context);
  await world.startHub();
  const token = readFileSync(join(world.hubData, 'admin-token'), 'utf8').trim();
  const admin = new HubAdmin(world.hubUrl, { token });
  context.after(() => admin.close());
  await admin.createUser({ name: 'alice' });
  const env = { G8UFS_CREDENTIALS: world.credentials };
  const wrong = { user: 'alice', token: `g8_${'0'.repeat(16)}_${'0'.repeat(64)}`, isMade: false };
  await saveLogin(world.hubUrl, wrong, { env });
  const mnt = world.folder('mnt');
  const { code, stdout, stderr } = await world.cli(
    ...['mount', `${world.hubUrl}/closed/app.flist`, mnt, '--cache', world.cache],
  );
  assert.notEqual(code, 0);
  assert.doesNotMatch(`${stdout}${stderr}`, /g8_0/);
});
