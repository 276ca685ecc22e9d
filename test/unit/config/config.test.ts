import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { parseQuotaRules } from '../../../src/config/cache-quotas.ts';
import { configPaths, loadConfig } from '../../../src/config/config.ts';
import { parseDuration, parseListen, SETTINGS } from '../../../src/config/schema.ts';
import { BLOCK_SIZE_DEFAULT } from '../../../src/format/content.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** An environment whose configuration file has this text. */
function withFile(context: TestContext, text: string): Record<string, string> {
  const path = join(temporaryDirectory(context), 'config.yaml');
  writeFileSync(path, text);
  return { G8UFS_CONFIG: path };
}

test('loadConfig() prefers flags to variables, those to the file, that to defaults', async (t) => {
  const env = withFile(t, 'cacheSize: 1GiB\ncacheFree: 2GiB\ndeadline: 5s\n');
  const variables = { ...env, G8UFS_CACHE_FREE: '3GiB', G8UFS_DEADLINE: '6s' };
  const config = await loadConfig(variables, { deadline: '7s' });
  assert.deepEqual(config.effective('deadline'), { value: 7000, origin: 'flag' });
  assert.deepEqual(config.effective('cacheFree'), {
    value: 3 * 1024 ** 3,
    origin: 'environment',
    source: 'G8UFS_CACHE_FREE',
  });
  assert.deepEqual(config.effective('cacheSize'), {
    value: 1024 ** 3,
    origin: 'file',
    source: env['G8UFS_CONFIG'],
  });
  assert.equal(config.effective('level').origin, 'default');
});

test('loadConfig() takes stores as a list from each source', async (t) => {
  const urls = ['http://a', 'dir:///b'];
  const env = withFile(t, `stores:\n  - ${urls.join('\n  - ')}\n`);
  assert.deepEqual((await loadConfig(env)).get('stores'), urls);
  assert.deepEqual((await loadConfig({ G8UFS_STORE: urls.join(' ') })).get('stores'), urls);
  assert.deepEqual((await loadConfig({}, { stores: urls })).get('stores'), urls);
});

test('loadConfig() reads bounds of images in their order', async (t) => {
  const env = withFile(t, "cacheQuotas:\n  - https://hub/a=b/*=1GiB:together\n  - '*=16MiB'\n");
  assert.deepEqual(parseQuotaRules((await loadConfig(env)).get('cacheQuotas')), [
    { pattern: 'https://hub/a=b/*', bytesMax: 2 ** 30, isTogether: true },
    { pattern: '*', bytesMax: 2 ** 24, isTogether: false },
  ]);
});

for (const rule of ['demo=1GiB', '/a*b=1GiB', '*=15MiB', '*=much', '*', '=1GiB', '*=1GiB:each']) {
  test(`loadConfig() refuses the bound ${rule}`, async () => {
    const loaded = loadConfig({ G8UFS_CACHE_QUOTAS: `/a=1GiB ${rule}` });
    await assert.rejects(loaded, { code: 'ERR_CONFIG', message: /^G8UFS_CACHE_QUOTAS is/ });
  });
}

test('loadConfig() takes a number of daemons that stand by, or whether any does', async (t) => {
  for (const [text, count] of Object.entries({ off: 0, on: 2, 1: 1, 8: 8 })) {
    assert.equal((await loadConfig({ G8UFS_STANDBY: text })).get('standby'), count);
    assert.equal((await loadConfig(withFile(t, `standby: ${text}\n`))).get('standby'), count);
  }
  assert.equal((await loadConfig({})).get('standby'), 2);
  for (const text of ['0', '9', '-1', '1.5', 'many']) {
    const expected = { code: 'ERR_CONFIG', message: /^G8UFS_STANDBY is/ };
    await assert.rejects(loadConfig({ G8UFS_STANDBY: text }), expected, text);
  }
});

test('loadConfig() resolves paths and the home folder', async () => {
  const config = await loadConfig({ HOME: '/home/me', G8UFS_CACHE_DIR: '~/cache' });
  assert.equal(config.get('cacheDir'), '/home/me/cache');
  const relative = await loadConfig({ G8UFS_HUB_DATA: 'data' });
  assert.equal(relative.get('hubData'), join(process.cwd(), 'data'));
});

test('loadConfig() gives root and users different folders', async () => {
  const env = { HOME: '/home/me', XDG_CACHE_HOME: '/home/me/.cache' };
  assert.equal((await loadConfig(env, {}, 0)).get('cacheDir'), '/var/cache/g8ufs');
  assert.equal((await loadConfig(env, {}, 1000)).get('cacheDir'), '/home/me/.cache/g8ufs');
  assert.equal((await loadConfig(env, {}, 1000)).get('hubData'), '/home/me/.local/share/g8ufs/hub');
});

test('loadConfig() refuses an unknown setting and suggests the one that was meant', async (t) => {
  await assert.rejects(loadConfig(withFile(t, 'cachesize: 1G\n')), (error) => {
    return isG8Error(error, 'ERR_CONFIG') && /did you mean cacheSize\?/.test(error.message);
  });
});

test('loadConfig() names the variable that makes no sense', async () => {
  await assert.rejects(loadConfig({ G8UFS_CACHE_SIZE: 'much' }), (error) => {
    return isG8Error(error, 'ERR_CONFIG') && error.message.startsWith("G8UFS_CACHE_SIZE is 'much'");
  });
});

test('loadConfig() calls a wrong flag a usage error', async () => {
  await assert.rejects(loadConfig({}, { level: '99' }), (error) => isG8Error(error, 'ERR_USAGE'));
});

test('loadConfig() refuses a named file that is not there', async () => {
  await assert.rejects(loadConfig({ G8UFS_CONFIG: '/no/such/file' }));
});

test('loadConfig() refuses a file that is no mapping', async (t) => {
  await assert.rejects(loadConfig(withFile(t, '- a\n')), (error) => isG8Error(error, 'ERR_CONFIG'));
});

test('configPaths() lets users have a file of their own', () => {
  assert.deepEqual(configPaths({ XDG_CONFIG_HOME: '/c' }, 1000), [
    '/c/g8ufs/config.yaml',
    '/etc/g8ufs/config.yaml',
  ]);
  assert.deepEqual(configPaths({ XDG_CONFIG_HOME: '/c' }, 0), ['/etc/g8ufs/config.yaml']);
});

test('SETTINGS has the block size of the formats as its default', async () => {
  assert.equal((await loadConfig({})).get('blockSize'), BLOCK_SIZE_DEFAULT);
});

test('SETTINGS has variables that begin with the program and differ', () => {
  const names = Object.values(SETTINGS).map(({ env }) => env);
  assert.ok(names.every((name) => /^G8UFS_[A-Z_]+$/.test(name)));
  assert.equal(new Set(names).size, names.length);
});

for (const [text, expected] of [
  ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['localhost:65536', undefined],
  ['8080', undefined],
  ['::1:80', undefined],
] as const) {
  test(`parseListen() reads ${text}`, () => assert.deepEqual(parseListen(text), expected));
}

for (const [text, expected] of [
  ['500ms', 500],
  ['30s', 30_000],
  ['2min', 120_000],
  ['1h', 3_600_000],
  ['0s', undefined],
  ['30', undefined],
] as const) {
  test(`parseDuration() reads ${text}`, () => assert.equal(parseDuration(text), expected));
}
