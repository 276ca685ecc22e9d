import assert from 'node:assert/strict';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { G8Error, isG8Error } from '../../../src/base/errors.ts';
import { makeFolder, makeFolderSync } from '../../../src/base/make-folder.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Both forms, as one. */
const FORMS = [
  ['makeFolder()', makeFolder],
  [
    'makeFolderSync()',
    async (...args: Parameters<typeof makeFolderSync>) => makeFolderSync(...args),
  ],
] as const;

for (const [name, make] of FORMS) {
  test(`${name} makes a folder and what is missing above it, with one mode`, async (t) => {
    const folder = temporaryDirectory(t);
    await make(join(folder, 'a/b/../c'), { mode: 0o700 });
    for (const path of ['a', 'a/c']) {
      assert.equal(statSync(join(folder, path)).mode & 0o777, 0o700, path);
    }
    await make(join(folder, 'a/c'));
    await make('/');
  });

  test(`${name} takes a link to a folder, and refuses a file and a link to nowhere`, async (t) => {
    const folder = temporaryDirectory(t);
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'target'));
    symlinkSync('target', join(folder, 'link'));
    symlinkSync('nowhere', join(folder, 'dangling'));
    await make(join(folder, 'link'));
    await make(join(folder, 'link/below'));
    assert.ok(statSync(join(folder, 'target/below')).isDirectory());
    for (const path of ['file', 'file/below', 'dangling', 'dangling/below']) {
      await assert.rejects(
        async () => make(join(folder, path)),
        (error) => isG8Error(error, 'ERR_CREATE') && error.message.startsWith(`Folder ${folder}`),
        path,
      );
    }
  });

  test(`${name} fails where no folder can be made, however deep`, async () => {
    for (const path of ['/proc/g8ufs', '/proc/g8ufs/a/b']) {
      const expected = `Folder ${path} cannot be made: no such file or directory`;
      await assert.rejects(
        async () => make(path),
        (error) => error instanceof G8Error && error.message === expected && error.exitCode === 73,
      );
    }
  });
}

test('makeFolder() tells whether the folder is new, and two at once agree', async (t) => {
  const path = join(temporaryDirectory(t), 'a/b/c');
  const made = await Promise.all([makeFolder(path), makeFolder(path), makeFolder(path)]);
  assert.deepEqual(made.filter(Boolean), [true]);
  assert.equal(await makeFolder(path), false);
});
