import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isG8Error } from '../../../../src/base/errors.ts';
import { parseModeChange } from '../../../../src/format/edit/mode-change.ts';
import { S_IFDIR, S_IFREG } from '../../../../src/format/tree.ts';
import { directory, file, symlink } from '../../../support/flist-trees.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const letters = fc.oneof(
  fc.constantFrom('u', 'g', 'o'),
  fc
    .array(fc.constantFrom('r', 'w', 'x', 'X', 's', 't'), { maxLength: 3 })
    .map((all) => all.join('')),
);
const action = fc.tuple(fc.constantFrom('+', '-', '='), letters).map((parts) => parts.join(''));
const who = fc
  .array(fc.constantFrom('u', 'g', 'o', 'a'), { maxLength: 2 })
  .map((all) => all.join(''));
const clause = fc
  .tuple(who, fc.array(action, { minLength: 1, maxLength: 2 }))
  .map(([whom, actions]) => whom + actions.join(''));
const octal = fc
  .tuple(fc.integer({ min: 0, max: 0o7777 }), fc.integer({ min: 3, max: 5 }))
  .map(([mode, digits]) => mode.toString(8).padStart(digits, '0'));
const change = fc.oneof(
  octal,
  fc.array(clause, { minLength: 1, maxLength: 3 }).map((clauses) => clauses.join(',')),
);

test('parseModeChange() does what chmod(1) does without a umask', (context) => {
  const folder = temporaryDirectory(context);
  const [plain, dir] = [join(folder, 'plain'), join(folder, 'dir')];
  writeFileSync(plain, '');
  mkdirSync(dir);
  const modes = fc.integer({ min: 0, max: 0o7777 });
  fc.assert(
    fc.property(modes, change, (mode, text) => {
      chmodSync(plain, mode);
      chmodSync(dir, mode);
      execFileSync('sh', ['-c', 'umask 0; exec chmod -- "$0" "$@"', text, plain, dir]);
      const { apply } = parseModeChange(text);
      assert.equal(apply(file('', { mode: S_IFREG | mode })).mode, statSync(plain).mode, 'file');
      assert.equal(apply(directory({}, { mode: S_IFDIR | mode })).mode, statSync(dir).mode, 'dir');
    }),
    { numRuns: 200 },
  );
});

test('parseModeChange() leaves alone what is so already, and symlinks', () => {
  const inode = file('');
  assert.equal(parseModeChange('644').apply(inode), inode);
  const link = symlink('x');
  assert.equal(parseModeChange('u-x').apply(link), link);
});

test('parseModeChange() refuses what is no mode', () => {
  for (const text of ['', '8', '77777', '+q', 'u', 'ug+rx,', 'u+rwg', 'z+r', '0x1', '123456']) {
    assert.throws(
      () => parseModeChange(text),
      (error) => isG8Error(error, 'ERR_USAGE'),
      text,
    );
  }
});
