import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { takeId, withIdLock } from '../../../../src/core/container/ids.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

test('takeId() counts up, leaves out what is there and starts again after the last', async (context) => {
  const folder = temporaryDirectory(context);
  const folderOf = (id: number) => join(folder, `c${id}`);
  const take = () => withIdLock(folder, () => takeId(folder, folderOf));
  assert.deepEqual([await take(), await take()], [1, 2]);
  rmdirSync(folderOf(2));
  mkdirSync(folderOf(3));
  assert.equal(await take(), 4);
  writeFileSync(join(folder, 'next-id'), '65534\n');
  assert.deepEqual([await take(), await take()], [65_534, 2]);
  writeFileSync(join(folder, 'next-id'), 'garbage');
  assert.equal(await take(), 5);
});
