import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isG8Error } from '../../../../src/base/errors.ts';
import { readFlist } from '../../../../src/format/flist/open.ts';
import { collectFlist, packFlist } from '../../../../src/format/flist/package.ts';
import { writeRecords } from '../../../../src/format/flist/write-records.ts';
import { buildRocksdb } from '../../../../src/format/rocksdb/writer.ts';
import { bytes, directory, file, symlink } from '../../../support/flist-trees.ts';

test('readFlist() reads a package that we wrote', async () => {
  const tree = directory({ a: directory({ b: file('b') }), c: symlink('a/b') });
  const members = buildRocksdb(writeRecords(tree));
  members.set('mount.erofs', new Uint8Array(4096));
  members.set('router.yaml', bytes('lookup: []'));
  const packed = packFlist(
    [...members].map(([name, data]) => ({ name, size: data.length, data: [data] })),
  );
  const flist = await readFlist(await collectFlist(packed));
  assert.equal(flist.generation, 'ours');
  assert.deepEqual(flist.tree(), tree);
  assert.deepEqual(flist.router, bytes('lookup: []'));
  assert.equal(flist.metadata.size, 0);
});

test('readFlist() refuses members without a database', async () => {
  const members = new Map([['mount.erofs', new Uint8Array(4096)]]);
  await assert.rejects(readFlist(members), (error) => isG8Error(error, 'ERR_FLIST_FORMAT'));
});
