import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { findUser, readProcessDefaults } from '../../../../src/core/container/process-defaults.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

function root(context: TestContext): string {
  const folder = temporaryDirectory(context);
  mkdirSync(join(folder, 'etc'));
  const users = 'root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv/web:/bin/sh\n';
  writeFileSync(join(folder, 'etc/passwd'), users);
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nweb:x:34:\nlog:x:4:web,root\nother:x:9:\n');
  return folder;
}

test('a user is found by name and number, with its groups and home', async (context) => {
  const folder = root(context);
  const web = { uid: 33, gid: 34, additionalGids: [4], home: '/srv/web' };
  assert.deepEqual(await findUser(folder, 'web'), web);
  assert.deepEqual(await findUser(folder, '33'), web);
  const { additionalGids: _, ...alone } = web;
  assert.deepEqual(await findUser(folder, 'web:other'), { ...alone, gid: 9 });
  assert.deepEqual(await findUser(folder, '1000:2000'), { uid: 1000, gid: 2000 });
  assert.deepEqual(await findUser(folder, ''), { uid: 0, gid: 0 });
});

test('users that the image does not have are refused, and databases of the host are not read', async (context) => {
  const folder = root(context);
  for (const user of ['daemon', 'web:absent', '99999999999']) {
    await assert.rejects(findUser(folder, user), { code: 'ERR_USAGE' });
  }
  const hostile = temporaryDirectory(context);
  mkdirSync(join(hostile, 'etc'));
  symlinkSync('/../../../../etc/passwd', join(hostile, 'etc/passwd'));
  await assert.rejects(findUser(hostile, 'daemon'), { code: 'ERR_USAGE' });
});

test('settings of an image are what a command begins with', async (context) => {
  const folder = temporaryDirectory(context);
  const settings = {
    entrypoint: '["/bin/run","-x","now"]',
    cmd: '["now"]',
    environ: '{"A":"b"}',
    workdir: '/srv',
    user: 'web',
  };
  writeFileSync(join(folder, 'metadata.json'), JSON.stringify(settings));
  assert.deepEqual(await readProcessDefaults(folder), {
    entrypoint: ['/bin/run', '-x'],
    cmd: ['now'],
    env: { A: 'b' },
    workdir: '/srv',
    user: 'web',
  });
  const nothing = { entrypoint: [], cmd: [], env: {}, workdir: '', user: '' };
  assert.deepEqual(await readProcessDefaults(temporaryDirectory(context)), nothing);
  writeFileSync(join(folder, 'metadata.json'), '{"entrypoint":"no list"}');
  await assert.rejects(readProcessDefaults(folder), { code: 'ERR_FLIST_FORMAT' });
});
