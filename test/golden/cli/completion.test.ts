/**
 * Completion scripts: those of a sample tree as recorded (G8UFS_UPDATE_GOLDEN=1 writes them anew), and
 * those of the program in the real shells.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { bashCompletion } from '../../../src/cli/describe/bash.ts';
import { fishCompletion } from '../../../src/cli/describe/fish.ts';
import { describeCommand } from '../../../src/cli/describe/model.ts';
import { zshCompletion } from '../../../src/cli/describe/zsh.ts';
import { runCli } from '../../support/run-cli.ts';
import { sampleProgram } from '../../support/sample-program.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const SCRIPTS = fileURLToPath(new URL('../../../../../test/golden/cli/', import.meta.url));
const SUPPORT = fileURLToPath(new URL('../../../../../test/support/', import.meta.url));
const isUpdate = process.env['G8UFS_UPDATE_GOLDEN'] === '1';

const SHELLS = [
  { shell: 'bash', program: '/bin/bash', flags: ['--norc'], make: bashCompletion },
  { shell: 'zsh', program: '/usr/bin/zsh', flags: ['-f'], make: zshCompletion },
  { shell: 'fish', program: '/usr/bin/fish', flags: ['--no-config'], make: fishCompletion },
] as const;

/** Lines, each with what must be offered at its end; `…` stands for more. */
const LINES: readonly (readonly [line: string, offers: string])[] = [
  ['g8ufs fl', 'flist'],
  ['g8ufs flist cre', 'create'],
  ['g8ufs flist create --sto', '--store'],
  ['g8ufs flist create --compress ', 'gzip|none|zstd'],
  ['g8ufs flist create --compress=g', 'gzip'],
  ['g8ufs --color a', 'always|auto'],
  ['g8ufs --progress plain mou', 'mount'],
  ['g8ufs flist info ', 'a.flist|folder'],
  ['g8ufs flist info --json -- ', 'a.flist|folder'],
  ['g8ufs mount http://hub:80/demo/a.flist ', 'folder'],
  ['g8ufs mount --store http://hub:80 --cache f', 'folder'],
  ['g8ufs umount folder f', 'folder'],
  ['g8ufs umount folder a', ''],
  ['g8ufs help flist cre', 'create'],
  ['g8ufs man flist cre', 'create'],
  ['g8ufs completion ', 'bash|fish|zsh'],
  ['g8ufs hub serve --allow-a', '--allow-anonymous-writes'],
];

for (const { shell, program, flags, make } of SHELLS) {
  test(`g8ufs completion ${shell} is as recorded for the sample tree`, () => {
    const path = join(SCRIPTS, `completion.${shell}`);
    const script = make(describeCommand(sampleProgram()));
    if (isUpdate) writeFileSync(path, script);
    assert.equal(script, readFileSync(path, 'utf8'));
  });

  test(`${shell} completes commands, options, choices and files`, async (t) => {
    assert.ok(existsSync(program), `${program} is missing; run node scripts/setup.mjs --test`);
    const folder = temporaryDirectory(t);
    const { code, stdout } = await runCli(['completion', shell]);
    assert.equal(code, 0);
    writeFileSync(join(folder, 'script'), stdout);
    execFileSync(program, ['-n', join(folder, 'script')]);
    const files = join(folder, 'files');
    mkdirSync(join(files, 'folder'), { recursive: true });
    writeFileSync(join(files, 'a.flist'), '');
    const driver = join(SUPPORT, `complete.${shell}`);
    const lines = LINES.map(([line]) => line);
    const output = execFileSync(program, [...flags, driver, join(folder, 'script'), ...lines], {
      cwd: files,
      encoding: 'utf8',
      timeout: 60_000,
      env: { PATH: '/usr/bin:/bin', HOME: folder, TMPDIR: folder },
    });
    // fish marks folders with a slash and gives an option together with its value.
    const offers = output
      .split('\n')
      .slice(0, -1)
      .map((line) => line.replaceAll('/', '').replaceAll('--compress=', ''));
    assert.deepEqual(
      offers.map((offer, i) => [lines[i], offer]),
      LINES.map((entry) => [...entry]),
    );
  });
}

test('g8ufs completion refuses a shell that it does not know', async () => {
  const { code, stderr } = await runCli(['completion', 'tcsh']);
  assert.match(stderr, /^g8ufs: .*Allowed choices are bash, zsh, fish.*\(ERR_USAGE\)\n$/);
  assert.equal(code, 64);
});
