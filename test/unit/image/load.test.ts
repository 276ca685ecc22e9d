import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { dumpTree } from '../../../src/format/flist/dump.ts';
import { loadFlist } from '../../../src/image/load.ts';
import { openImage } from '../../../src/image/open.ts';
import { packTree } from '../../../src/image/pack.ts';
import { formatRouter } from '../../../src/image/router.ts';
import { directory, file } from '../../support/index-trees.ts';
import { PlainCodec } from '../../support/node-scan.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function prepare(context: TestContext) {
  const path = join(temporaryDirectory(context), 'a.flist');
  const root = directory({ sub: directory({ x: file('x', 9000) }), empty: file('', 0) });
  const router = formatRouter('http://hub');
  const metadata = new Map([['entrypoint', '["/x"]']]);
  await packTree(root, path, { router, metadata });
  return { path, root, router, metadata, codec: new PlainCodec() };
}

test('loadFlist() gives back what packTree() was given', async (context) => {
  const { path, root, router, metadata, codec } = await prepare(context);
  const loaded = await loadFlist(path, { codec });
  assert.deepEqual([...dumpTree(loaded.root)], [...dumpTree(root)]);
  assert.deepEqual(
    { ...loaded, root: 0 },
    { source: path, generation: 'ours', router, metadata, unread: [], root: 0 },
  );
});

test('openImage() reads router and metadata, and nothing behind them', async (context) => {
  const { path, router, metadata, codec } = await prepare(context);
  const plain = `${path}.tar`;
  const { root } = await loadFlist(path, { codec });
  await packTree(root, plain, { router, metadata, compression: 'none' });
  // Cut inside the first member of the records.
  truncateSync(plain, readFileSync(plain).indexOf('CURRENT') + 520);
  const image = await openImage(plain, { codec });
  try {
    assert.deepEqual([image.router, image.metadata], [router, metadata]);
  } finally {
    await image.close();
  }
  await assert.rejects(loadFlist(plain, { codec }), (error) =>
    isG8Error(error, 'ERR_FLIST_FORMAT'),
  );
});

test('loadFlist() says what is missing', async (context) => {
  const folder = temporaryDirectory(context);
  const codec = new PlainCodec();
  for (const name of [folder, join(folder, 'none.flist')]) {
    await assert.rejects(loadFlist(name, { codec }), (error) => isG8Error(error, 'ERR_NO_INPUT'));
  }
});
