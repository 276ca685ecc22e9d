/** `g8ufs doctor` on this machine, which can mount, and with things missing. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { createHub } from '../../src/hub/server.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Report {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

test('doctor makes a mount, asks the hub, and says that all that is needed is there', async (t) => {
  const dir = temporaryDirectory(t);
  const hub = await createHub({ dataDir: join(dir, 'hub'), logger: false, fsync: false });
  t.after(() => hub.close());
  const env = { G8UFS_CACHE_DIR: join(dir, 'cache'), G8UFS_HUB: hub.url, G8UFS_CACHE_FREE: '1MiB' };
  const { code, stdout } = await runCli(['doctor', '--json'], env);
  const { ok, findings } = JSON.parse(stdout) as Report;
  assert.deepEqual([code, ok], [0, true], stdout);
  const textOf = (topic: string) => findings.find((finding) => finding.topic === topic)?.text;
  assert.match(textOf('mount') ?? '', /^works/);
  assert.equal(textOf('hub'), `${hub.url} is ready`);
  // Redis was not named by anybody.
  assert.equal(textOf('redis'), undefined);
  assert.deepEqual(readdirSync(dir), ['hub']);
});

test('doctor ends with 1 when a mount could not work, and names what does not answer', async (t) => {
  const dir = temporaryDirectory(t);
  const env = {
    G8UFS_CACHE_DIR: join(dir, 'cache'),
    G8UFS_CACHE_FREE: '1000TiB',
    G8UFS_HUB: 'http://127.0.0.1:1',
    G8UFS_CORE_REDIS: 'redis://127.0.0.1:1',
  };
  const { code, stdout } = await runCli(['doctor', '--quiet'], env);
  assert.equal(code, 1, stdout);
  assert.match(stdout, /^fail {2}cache space .*cacheFree/m);
  assert.match(stdout, /^warn {2}hub .*G8UFS_HUB/m);
  assert.match(stdout, /^warn {2}redis .*G8UFS_CORE_REDIS/m);
  assert.doesNotMatch(stdout, /^ok/m);
});
