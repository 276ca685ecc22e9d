import assert from 'node:assert/strict';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type ErrorCode, isG8Error } from '../../../src/base/errors.ts';
import { keysByPolicy } from '../../../src/fs/policy.ts';
import { makeKeys, readPublicKey } from '../../../src/image/signature-files.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const fails =
  (code: ErrorCode, reason = /./) =>
  (error: unknown) =>
    isG8Error(error, code) && reason.test(error.message);

const MOUNT = { source: 'http://hub/prod/app.flist', mountPoint: '/srv/app' };

function policyOf(t: TestContext, policy: unknown, mode = 0o644): string {
  const path = join(temporaryDirectory(t), 'policy.json');
  writeFileSync(path, typeof policy === 'string' ? policy : JSON.stringify(policy));
  chmodSync(path, mode);
  return path;
}

test('keysByPolicy() demands nothing without a policy, unless one was named', async (t) => {
  const path = join(temporaryDirectory(t), 'none');
  assert.equal(await keysByPolicy(path, MOUNT, false), undefined);
  await assert.rejects(keysByPolicy(path, MOUNT, true), fails('ERR_NO_INPUT'));
});

test('keysByPolicy() takes the first rule that fits source and place', async (t) => {
  const name = join(temporaryDirectory(t), 'release');
  await makeKeys(name);
  const key = Buffer.from(await readPublicKey(`${name}.pub`)).toString('base64');
  const policy = policyOf(t, {
    version: 1,
    rules: [
      { sources: ['http://hub/prod/*'], mountPoints: ['/tmp/*'], demand: 'unsigned' },
      { sources: ['http://hub/prod/*'], demand: { signedBy: [`${name}.pub`] } },
      { mountPoints: ['/home/*'], demand: 'unsigned' },
    ],
    otherwise: 'refuse',
  });
  const keys = (source: string, mountPoint: string) =>
    keysByPolicy(policy, { source, mountPoint }, true);
  assert.deepEqual(await keys(MOUNT.source, MOUNT.mountPoint), [key]);
  assert.equal(await keys(MOUNT.source, '/tmp/app'), undefined);
  assert.equal(await keys('http://other/app.flist', '/home/app'), undefined);
  await assert.rejects(keys('http://other/app.flist', '/srv/app'), fails('ERR_PERMISSION'));
});

for (const source of [
  'http://hub/prod/app.flist?x=1',
  'http://user:secret@HUB:80/prod/app.flist#a',
  'HTTP://hub/other/../prod/app.flist',
  'http://hub/%70rod/%61pp.flist',
]) {
  test(`keysByPolicy() knows ${source} by its one spelling`, async (t) => {
    const rules = [{ sources: ['http://hub/prod/app.flist'], demand: 'refuse' }];
    const path = policyOf(t, { version: 1, rules, otherwise: 'unsigned' });
    await assert.rejects(
      keysByPolicy(path, { ...MOUNT, source }, true),
      (error) => fails('ERR_PERMISSION')(error) && !/secret/.test(String(error)),
    );
  });
}

test('keysByPolicy() sees a flist behind links', async (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'a.flist'), '');
  symlinkSync(join(folder, 'a.flist'), join(folder, 'link.flist'));
  const rules = [{ sources: [join(folder, 'a.flist')], demand: 'refuse' }];
  const path = policyOf(t, { version: 1, rules, otherwise: 'unsigned' });
  const mount = { source: join(folder, 'link.flist'), mountPoint: '/srv/app' };
  await assert.rejects(keysByPolicy(path, mount, true), fails('ERR_PERMISSION'));
});

for (const [name, policy, reason] of [
  ['is no JSON', '{', /is no JSON/],
  ['has another version', { version: 2, rules: [], otherwise: 'refuse' }, /version/],
  ['does not say what is otherwise', { version: 1, rules: [] }, /otherwise/],
  ['has a word too many', { version: 1, rules: [], otherwise: 'refuse', allow: 1 }, /allow/],
  ['has no keys', { version: 1, rules: [], otherwise: { signedBy: [] } }, /otherwise/],
] as const) {
  test(`keysByPolicy() refuses every mount when the policy ${name}`, async (t) => {
    const path = policyOf(t, policy);
    await assert.rejects(keysByPolicy(path, MOUNT, true), fails('ERR_CONFIG', reason));
  });
}

test('keysByPolicy() believes no policy that others may write', async (t) => {
  const path = policyOf(t, { version: 1, rules: [], otherwise: 'unsigned' }, 0o664);
  await assert.rejects(keysByPolicy(path, MOUNT, true), fails('ERR_CONFIG', /Others may write/));
});
