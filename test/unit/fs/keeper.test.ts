import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MountKeeper } from '../../../src/fs/takeover/keeper.ts';
import { addon } from '../../../src/native/load.ts';

test('warmUp() of a keeper that is closed starts nothing and throws nothing', async (context) => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'g8ufs-test-'));
  context.after(() => rmSync(cacheDir, { recursive: true }));
  const started: number[] = [];
  const keeper = new MountKeeper({
    cacheDir,
    addon: addon(),
    successor: { argv: ['/bin/false'], env: {} },
    standbys: 0,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    onStarted: async (pid) => {
      started.push(pid);
    },
  });
  await keeper.close();
  keeper.warmUp();
  await delay(50);
  assert.deepEqual(started, []);
  assert.equal(existsSync(join(cacheDir, 'run')), false);
});
