/** Manual pages: that of a sample tree as recorded, those of the program as committed; groff has no complaint. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { manPage } from '../../../src/cli/describe/man.ts';
import { manual } from '../../../src/cli/describe/manual.ts';
import { allCommands, describeCommand } from '../../../src/cli/describe/model.ts';
import { runCli } from '../../support/run-cli.ts';
import { sampleProgram } from '../../support/sample-program.ts';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const SAMPLE = join(ROOT, 'test/golden/cli/sample.1');
const PAGES = join(ROOT, 'docs/man');

test('manPage() of the sample tree is as recorded', () => {
  const program = describeCommand(sampleProgram());
  const create = allCommands(program).find(({ path }) => path.at(-1) === 'create');
  assert.ok(create !== undefined);
  const page = manPage(create, {
    program,
    version: '1.2.3',
    settings: [],
    files: [],
    variables: [],
  });
  if (process.env['G8UFS_UPDATE_GOLDEN'] === '1') writeFileSync(SAMPLE, page);
  assert.equal(page, readFileSync(SAMPLE, 'utf8'));
  assert.equal(complaints(page), '');
});

test('docs/man holds what the tree of commands says (npm run man)', async () => {
  const pages = await manual();
  assert.deepEqual(readdirSync(PAGES).sort(), [...pages.keys()].sort());
  for (const [name, page] of pages) {
    assert.equal(readFileSync(join(PAGES, name), 'utf8'), page, name);
  }
});

test('groff renders every manual page without a warning', async () => {
  for (const [name, page] of await manual()) assert.equal(complaints(page), '', name);
});

test('g8ufs man prints the page of a command, and refuses words that are none', async () => {
  const { stdout } = await runCli(['man', 'flist', 'create']);
  assert.equal(stdout, readFileSync(join(PAGES, 'g8ufs-flist-create.1'), 'utf8'));
  const { code, stderr } = await runCli(['man', 'flist', 'creat']);
  assert.equal(stderr, "g8ufs: There is no command 'flist creat' (ERR_USAGE)\n");
  assert.equal(code, 64);
});

/** What groff says about a page; it must render something. */
function complaints(page: string): string {
  const { status, stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tutf8'], {
    input: page,
    encoding: 'utf8',
  });
  assert.equal(status, 0);
  // Its headline.
  assert.match(stdout, /\(1\) +g8ufs manual /);
  return stderr;
}
