import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { Stage } from '../../../src/image/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('adopt() lets files and links be replaced, once', async (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/hosts'), 'old');
  writeFileSync(join(root, 'etc/mtab'), 'old');
  const stage = new Stage(root);
  await stage.adopt();
  await stage.addFile('/etc/hosts', 'new');
  await stage.addLink('/etc/mtab', '../proc/mounts');
  assert.equal(readFileSync(join(root, 'etc/hosts'), 'utf8'), 'new');
  assert.equal(readlinkSync(join(root, 'etc/mtab')), '../proc/mounts');
  await assert.rejects(stage.addFile('/etc/hosts', 'newer'), (e) => isG8Error(e, 'ERR_CONFIG'));
});

test('adopt() lets nothing be written through a link of the root', async (t) => {
  const root = temporaryDirectory(t);
  const outside = temporaryDirectory(t);
  symlinkSync(outside, join(root, 'etc'));
  const stage = new Stage(root);
  await stage.adopt();
  await assert.rejects(stage.addFile('/etc/hosts', 'x'), (e) => isG8Error(e, 'ERR_CONFIG'));
  assert.ok(!existsSync(join(outside, 'hosts')));
});
