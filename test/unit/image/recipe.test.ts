import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { isG8Error } from '../../../src/base/errors.ts';
import {
  parseRecipe,
  readRecipe,
  recipeMetadata,
  withStagedRecipe,
} from '../../../src/image/recipe.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const SAMPLE = new URL('../../../../../flists/sample.yaml', import.meta.url).pathname;

async function stage<T>(context: TestContext, text: string, use: (root: string) => T): Promise<T> {
  const recipe = parseRecipe(text, 'test');
  const env = { TMPDIR: temporaryDirectory(context) };
  return withStagedRecipe(recipe, { env }, async (root) => use(root));
}

test('parseRecipe() keeps modes as text', () => {
  const { directories } = parseRecipe('directories:\n  /tmp: 1777\n  /root: 0700\n', 'test');
  assert.deepEqual(directories, { '/tmp': '1777', '/root': '0700' });
});

for (const [what, text] of [
  ['an unknown key', 'programms: [sh]'],
  ['a relative path', 'files:\n  etc/passwd: x'],
  ['a wrong mode', 'directories:\n  /tmp: rwx'],
  ['a list', '- sh'],
  ['broken YAML', 'programs: [sh'],
  ['aliases', 'programs: &a [sh]\noptionalPrograms: *a'],
] as const) {
  test(`parseRecipe() refuses ${what}`, () => {
    assert.throws(
      () => parseRecipe(text, 'test'),
      (error) => isG8Error(error, 'ERR_CONFIG'),
    );
  });
}

test('readRecipe() accepts the sample recipe', async () => {
  const { programs } = await readRecipe(SAMPLE);
  assert.ok(programs.includes('/bin/sh'));
});

test('withStagedRecipe() brings a program with its interpreter and libraries', async (t) => {
  await stage(t, 'programs: [/bin/sh]', (root) => {
    const loader = readFileSync('/proc/self/maps', 'utf8').match(
      /\S*\/(?:ld-|libc)[^\s]*so[^\s]*/,
    )?.[0];
    assert.ok(existsSync(join(root, 'bin')));
    assert.ok(loader !== undefined && existsSync(join(root, loader)), loader);
  });
});

test('withStagedRecipe() fails for a program that is not there', async (t) => {
  await assert.rejects(
    stage(t, 'programs: [no-such-program]', () => {}),
    (error) => isG8Error(error, 'ERR_NO_INPUT'),
  );
});

test('withStagedRecipe() leaves out optional programs that are not there', async (t) => {
  await stage(t, 'optionalPrograms: [no-such-program]\ndirectories:\n  /a: 755', (root) => {
    assert.ok(existsSync(join(root, 'a')));
  });
});

test('withStagedRecipe() copies links on the way as links', async (t) => {
  const host = temporaryDirectory(t);
  mkdirSync(join(host, 'real'));
  writeFileSync(join(host, 'real/file'), 'text');
  symlinkSync('real', join(host, 'alias'));
  await stage(t, `copies: [${host}/alias/file]`, (root) => {
    assert.equal(readlinkSync(join(root, host, 'alias')), 'real');
    assert.equal(readFileSync(join(root, host, 'real/file'), 'utf8'), 'text');
  });
});

test('withStagedRecipe() makes folders, files and links with fixed modes', async (t) => {
  const text = [
    'directories:',
    '  /tmp: 1777',
    'files:',
    '  /etc/passwd: root',
    'links:',
    '  /etc/mtab: ../proc/mounts',
  ].join('\n');
  await stage(t, text, (root) => {
    assert.equal(lstatSync(join(root, 'tmp')).mode & 0o7777, 0o1777);
    assert.equal(lstatSync(join(root, 'etc/passwd')).mode & 0o7777, 0o644);
    assert.equal(readlinkSync(join(root, 'etc/mtab')), '../proc/mounts');
  });
});

test('withStagedRecipe() takes the first choice whose programs are all there', async (t) => {
  const host = temporaryDirectory(t);
  mkdirSync(join(host, 'lib/skipped'), { recursive: true });
  writeFileSync(join(host, 'lib/a'), 'a');
  writeFileSync(join(host, 'lib/skipped/b'), 'b');
  const text = [
    'firstOf:',
    '  - programs: [no-such-program]',
    '  - programs: [/bin/sh]',
    `    foldersFrom: [/bin/sh, -c, 'echo ${host}/lib; echo not-a-path']`,
    '    exclude: [skipped/]',
    '  - programs: [another]',
  ].join('\n');
  await stage(t, text, (root) => {
    assert.ok(existsSync(join(root, host, 'lib/a')));
    assert.ok(!existsSync(join(root, host, 'lib/skipped')));
  });
});

test('withStagedRecipe() never writes through a link', async (t) => {
  const host = temporaryDirectory(t);
  mkdirSync(join(host, 'target'));
  symlinkSync(join(host, 'target'), join(host, 'door'));
  const text = `copies: [${host}/door]\nfiles:\n  ${host}/door/file: text`;
  await assert.rejects(
    stage(t, text, () => {}),
    (error) => isG8Error(error, 'ERR_CONFIG'),
  );
  assert.ok(!existsSync(join(host, 'target/file')));
});

test('withStagedRecipe() removes its folder, also after a failure', async (t) => {
  const kept: string[] = [];
  await stage(t, 'directories:\n  /a: 755', (root) => kept.push(root));
  const failing = stage(t, 'directories:\n  /a: 755', (root) => {
    kept.push(root);
    throw new Error('used');
  });
  await assert.rejects(failing, /used/);
  assert.deepEqual(
    kept.map((root) => existsSync(root)),
    [false, false],
  );
});

const DEBIAN = 'debian: {suite: bookworm, packages: [busybox-static]}\n';

for (const [what, text] of [
  ['programs beside debian', `${DEBIAN}programs: [sh]`],
  ['cleaning without debian', 'clean: [docs]'],
  ['a set of files to clean that does not exist', `${DEBIAN}clean: [everything]`],
  ['a package that is an option', 'debian: {suite: bookworm, packages: [--help]}'],
  ['a suite that is a path', 'debian: {suite: ../bookworm}'],
  ['a time that is none', `${DEBIAN}time: yesterday`],
] as const) {
  test(`parseRecipe() refuses ${what}`, () => {
    assert.throws(
      () => parseRecipe(text, 'test'),
      (error) => isG8Error(error, 'ERR_CONFIG'),
    );
  });
}

test('parseRecipe() accepts every recipe of the package', async () => {
  const folder = dirname(SAMPLE);
  const recipes = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  assert.ok(recipes.length > 1);
  for (const name of recipes) await readRecipe(join(folder, name));
});

test('recipeMetadata() keeps texts and makes compact JSON of lists and maps', () => {
  const text = 'metadata:\n  entrypoint: [/bin/sh, -c]\n  environ: {A: b}\n  readme: hello\n';
  assert.deepEqual(
    [...recipeMetadata(parseRecipe(text, 'test'))],
    [
      ['entrypoint', '["/bin/sh","-c"]'],
      ['environ', '{"A":"b"}'],
      ['readme', 'hello'],
    ],
  );
});
