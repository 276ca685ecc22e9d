import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { mountOverlay, removeWorkDir, workDir } from '../../../src/fs/overlay.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

for (const character of [',', ':', '\\', '"']) {
  for (const layer of ['lower', 'upper'] as const) {
    test(`mountOverlay() refuses ${character} in the ${layer} folder and makes nothing`, async (t) => {
      const dir = temporaryDirectory(t);
      const folders = { lower: join(dir, 'lower'), upper: join(dir, 'upper') };
      const options = { ...folders, mountPoint: join(dir, 'm'), source: 'a' };
      const bad = { ...options, [layer]: join(dir, `x${character}y`) };
      await assert.rejects(mountOverlay(bad), { code: 'ERR_USAGE' });
      assert.deepEqual(readdirSync(dir), []);
    });
  }
}

test('removeWorkDir() removes the work folder and not the upper one', async (t) => {
  const upper = join(temporaryDirectory(t), 'upper');
  mkdirSync(join(workDir(upper), 'work'), { recursive: true });
  mkdirSync(upper);
  writeFileSync(join(upper, 'kept'), '');
  await removeWorkDir(upper);
  await removeWorkDir(upper);
  assert.deepEqual([existsSync(workDir(upper)), readdirSync(upper)], [false, ['kept']]);
});
