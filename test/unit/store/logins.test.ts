/** Where tokens of hubs are kept, and to which URLs they go. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import { credentialsPath } from '../../../src/base/paths.ts';
import {
  findLogin,
  flistLogin,
  hubLogin,
  listLogins,
  removeLogin,
  saveLogin,
} from '../../../src/store/logins.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const LOGIN = { user: 'alice', token: 'g8_secret', isMade: false };

function world(t: TestContext) {
  const folder = temporaryDirectory(t);
  const path = join(folder, 'config/credentials.json');
  const env = { G8UFS_CREDENTIALS: path, PATH: `${folder}:${process.env['PATH']}` };
  const helper = (name: string, script: string) => {
    const program = join(folder, `docker-credential-${name}`);
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
  };
  return { folder, path, env, helper };
}

const isError = (code: ErrorCode, reason: RegExp) => (error: unknown) =>
  isG8Error(error, code) && reason.test(error.message) && !/secret/.test(error.message);

test('credentialsPath() is below the configuration of the user unless it is named', () => {
  assert.equal(credentialsPath({ G8UFS_CREDENTIALS: '/x' }), '/x');
  assert.equal(credentialsPath({ XDG_CONFIG_HOME: '/c' }), '/c/g8ufs/credentials.json');
  assert.equal(credentialsPath({ HOME: '/h' }), '/h/.config/g8ufs/credentials.json');
});

test('a login is kept in a file that is its owner’s alone, and goes again', async (t) => {
  const { env, path } = world(t);
  assert.equal(await findLogin('http://hub', { env }), undefined);
  await saveLogin('http://hub/', LOGIN, { env });
  await saveLogin('https://hub/base/', { ...LOGIN, isMade: true }, { env });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(await findLogin('http://hub', { env }), LOGIN);
  assert.deepEqual(await listLogins(env), [
    { hub: 'http://hub', user: 'alice' },
    { hub: 'https://hub/base', user: 'alice' },
  ]);
  assert.equal(await removeLogin('http://hub', { env }), true);
  assert.equal(await removeLogin('http://hub', { env }), false);
  assert.equal(await findLogin('http://hub', { env }), undefined);
  assert.equal((await findLogin('https://hub/base', { env }))?.isMade, true);
});

test('logins at the same time are all kept', async (t) => {
  const { env } = world(t);
  const hubs = Array.from({ length: 8 }, (_, i) => `http://hub${i}`);
  await Promise.all(hubs.map((hub) => saveLogin(hub, LOGIN, { env })));
  assert.deepEqual(
    (await listLogins(env)).map(({ hub }) => hub),
    hubs,
  );
});

test('a file that others may read, or that is broken, is refused without its content', async (t) => {
  const { env, path } = world(t);
  await saveLogin('http://hub', LOGIN, { env });
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(path, mode);
    await assert.rejects(
      findLogin('http://hub', { env }),
      isError('ERR_PERMISSION', /open to others \(mode 06[024][024]\): chmod 600/),
    );
    await assert.rejects(saveLogin('http://a', LOGIN, { env }), isError('ERR_PERMISSION', /open/));
  }
  chmodSync(path, 0o600);
  writeFileSync(path, '{"logins": secret');
  await assert.rejects(findLogin('http://hub', { env }), isError('ERR_CONFIG', /no JSON/));
  writeFileSync(path, '{"logins":{"http://hub":{"token":"secret"}}}');
  await assert.rejects(findLogin('http://hub', { env }), isError('ERR_CONFIG', /unknown form/));
});

test('a file behind a link is judged by itself', async (t) => {
  const { env, folder, path } = world(t);
  const real = join(folder, 'real.json');
  await saveLogin('http://other', LOGIN, { env });
  writeFileSync(real, readFileSync(path), { mode: 0o644 });
  const linked = join(folder, 'linked.json');
  symlinkSync(real, linked);
  const there = { G8UFS_CREDENTIALS: linked };
  await assert.rejects(
    findLogin('http://other', { env: there }),
    isError('ERR_PERMISSION', /open/),
  );
});

test('a helper keeps the token, and the file says only that it does', async (t) => {
  const { env, path, helper, folder } = world(t);
  const kept = join(folder, 'kept');
  helper(
    'test',
    `case $1 in
store) cat > ${kept} ;;
erase) cat > ${kept}.erased; rm ${kept} ;;
get) grep -q http://hub && [ -e ${kept} ] && cat ${kept} || { echo credentials not found; exit 1; } ;;
esac`,
  );
  await saveLogin('http://hub', LOGIN, { env, helper: 'test' });
  assert.doesNotMatch(readFileSync(path, 'utf8'), /secret/);
  assert.deepEqual(JSON.parse(readFileSync(kept, 'utf8')), {
    ServerURL: 'http://hub',
    Username: 'alice',
    Secret: 'g8_secret',
  });
  assert.equal(await hubLogin('http://hub', env)(), 'g8_secret');
  await removeLogin('http://hub', { env });
  assert.equal(readFileSync(`${kept}.erased`, 'utf8'), 'http://hub\n');
  assert.equal(await hubLogin('http://hub', env)(), undefined);
});

test('a helper that fails keeps nothing and shows no secret', async (t) => {
  const { env, helper } = world(t);
  helper('bad', 'cat; exit 3');
  const failed = saveLogin('http://hub', LOGIN, { env, helper: 'bad' });
  await assert.rejects(failed, isError('ERR_CONFIG', /ended with status 3/));
  assert.deepEqual(await listLogins(env), []);
});

test('a store gets the token of its own hub, and no URL below it', async (t) => {
  const { env } = world(t);
  await saveLogin('http://hub/base', LOGIN, { env });
  assert.equal(await hubLogin('http://hub/base/', env)(), 'g8_secret');
  assert.equal(await hubLogin('http://user@hub/base', env)(), 'g8_secret');
  for (const url of [
    'http://hub',
    'https://hub/base',
    'http://hub:81/base',
    'http://hub.evil/base',
    'http://hub/base2',
    // A flist may name this: what is asked for below it would change things.
    'http://hub/base/api/flist/me/stable/app/tag',
    'http://hub/base?x=y',
  ]) {
    assert.equal(await hubLogin(url, env)(), undefined, url);
  }
});

test('a flist gets the token of the hub that it is on, and no other path does', async (t) => {
  const { env } = world(t);
  await saveLogin('http://hub', LOGIN, { env });
  for (const url of [
    'http://hub/demo/app.flist',
    'http://hub/demo/app.flist.sig',
    'http://hub/demo/tags/stable/app.flist',
  ]) {
    assert.equal(await flistLogin(url, env)(), 'g8_secret', url);
  }
  for (const url of [
    'http://hub.evil/demo/app.flist',
    'http://hub/api/flist/me/app/rename/x.flist',
    'http://hub/api/flist/me/promote/evil/app/app.flist',
    'http://hub/demo/../api/flist/me/app/rename/x.flist',
    'http://hub/app.flist',
  ]) {
    assert.equal(await flistLogin(url, env)(), undefined, url);
  }
});
