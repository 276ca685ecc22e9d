import assert from 'node:assert/strict';
import test from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import { MountIndexReader } from '../../../src/format/index/reader.ts';
import { bufferSource } from '../../../src/format/index/source.ts';
import { buildMountIndex } from '../../../src/format/index/writer.ts';
import { S_IFIFO, S_IFLNK } from '../../../src/format/tree.ts';
import { resolvePath } from '../../../src/image/resolve.ts';
import { directory, inode, latin1 } from '../../support/index-trees.ts';

const link = (target: string) => inode(S_IFLNK, { target: latin1(target) });

const TREE = directory({
  bin: link('usr/bin'),
  usr: directory({ bin: directory({ sh: link('/usr/bin/dash'), dash: inode(S_IFIFO) }) }),
  etc: directory({ release: link('../../../usr/bin/dash'), 'b\xff': inode(S_IFIFO) }),
  loop: link('pool'),
  pool: link('loop'),
  nowhere: link('/no/such'),
});

const index = new MountIndexReader(bufferSource(Buffer.concat([...buildMountIndex(TREE).erofs()])));

function resolved(path: string, followLast = true): string | undefined {
  const found = resolvePath(index, latin1(path), { followLast });
  return found && Buffer.from(found.path).toString('latin1');
}

const PATHS: readonly [path: string, expected: string | undefined][] = [
  ['/', '/'],
  ['', '/'],
  ['/bin/sh', '/usr/bin/dash'],
  ['bin', '/usr/bin'],
  ['/etc/release', '/usr/bin/dash'],
  ['//usr/./bin/../bin/', '/usr/bin'],
  ['/../../etc', '/etc'],
  ['/etc/b\xff', '/etc/b\xff'],
  ['/nowhere', undefined],
  ['/etc/nothing', undefined],
  ['/usr/bin/dash/x', undefined],
];

for (const [path, expected] of PATHS) {
  test(`resolvePath() leads ${JSON.stringify(path)} to ${expected}`, () => {
    assert.equal(resolved(path), expected);
  });
}

test('resolvePath() leaves a link at the end alone when told to', () => {
  assert.equal(resolved('/bin/sh', false), '/usr/bin/sh');
  assert.equal(resolved('/bin/', false), '/usr/bin');
});

test('resolvePath() ends where links go round in circles', () => {
  assert.throws(
    () => resolved('/loop/x'),
    (error) => isG8Error(error, 'ERR_NO_INPUT'),
  );
});

test('resolvePath() looks up no more names than its budget has', () => {
  const budget = { names: 5 };
  const path = latin1('/bin/sh');
  assert.ok(resolvePath(index, path, { followLast: true, budget: { names: 100 } }));
  assert.equal(resolvePath(index, path, { followLast: true, budget }), undefined);
  assert.ok(budget.names < 0);
});
