import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dumpTree } from '../../src/format/flist/dump.ts';
import { loadFlist } from '../../src/image/load.ts';
import { openImage } from '../../src/image/open.ts';
import { packTree } from '../../src/image/pack.ts';
import { addon } from '../../src/native/load.ts';
import { directory, file } from '../support/index-trees.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a flist that is packed with zstd is read, also in several frames', async (context) => {
  const folder = temporaryDirectory(context);
  const names = Array.from({ length: 3000 }, (_, i) => [`file-${i}`, file(`${i}`, 100)] as const);
  const root = directory(Object.fromEntries(names));
  const [plain, packed, again] = ['plain', 'packed', 'again'].map((name) => join(folder, name));
  assert.ok(plain !== undefined && packed !== undefined && again !== undefined);
  await packTree(root, plain, { compression: 'none' });
  const streams = addon();
  for (const path of [packed, again]) await packTree(root, path, { compression: 'zstd', streams });
  assert.deepEqual(readFileSync(again), readFileSync(packed));
  const tar = readFileSync(plain);
  assert.deepEqual(execFileSync('zstd', ['-dcq', packed], { maxBuffer: 2 ** 28 }), tar);

  const half = tar.length >> 1;
  const frames = [tar.subarray(0, half), tar.subarray(half)].map((input) =>
    execFileSync('zstd', ['-cq'], { input }),
  );
  const skippable = Buffer.from('502a4d180400000000000000', 'hex');
  writeFileSync(again, Buffer.concat([skippable, ...frames]));
  const expected = [...dumpTree(root)];
  for (const path of [packed, again]) {
    const { root: loaded } = await loadFlist(path, { codec: addon() });
    assert.deepEqual([...dumpTree(loaded)], expected);
    const image = await openImage(path, { codec: addon() });
    assert.equal(image.generation, 'ours');
    await image.close();
  }
});
