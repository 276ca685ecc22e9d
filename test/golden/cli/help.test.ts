/** Help pages as users see them. G8UFS_UPDATE_GOLDEN=1 writes them anew. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../support/run-cli.ts';

const PAGES = fileURLToPath(new URL('../../../../../test/golden/cli/', import.meta.url));
const COMMANDS = fileURLToPath(new URL('../../../src/cli/commands/', import.meta.url));
const isUpdate = process.env['G8UFS_UPDATE_GOLDEN'] === '1';

for (const command of ['', 'flist', 'flist create', 'flist ls', 'hub serve', 'config show']) {
  test(`g8ufs ${command} --help is as recorded`, async () => {
    const { code, stdout } = await runCli([...command.split(' ').filter(Boolean), '--help']);
    const path = join(PAGES, `${command === '' ? 'g8ufs' : command.replace(' ', '-')}.txt`);
    if (isUpdate) writeFileSync(path, stdout);
    assert.equal(stdout, readFileSync(path, 'utf8'));
    assert.equal(code, 0);
  });
}

for (const command of allCommands()) {
  test(`g8ufs help ${command} has examples and exit codes within 100 columns`, async () => {
    const { code, stdout } = await runCli(['help', ...command.split(' ')]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Usage: g8ufs ${command} `));
    assert.match(stdout, /\nExamples:\n {2}# .+\n {2}g8ufs /);
    // A group of commands does nothing itself.
    if (!stdout.includes('\nCommands:\n')) {
      assert.match(stdout, /\nExit codes:\n {2}0 {4}success\n/);
    }
    const tooLong = stdout
      .split('\n')
      .filter((line) => line.length > 100 && !/^ {2}g8ufs /.test(line));
    assert.deepEqual(tooLong, []);
  });
}

function allCommands(): string[] {
  return readdirSync(COMMANDS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.replace(/\.js$/, '').replace('/', ' '));
}
