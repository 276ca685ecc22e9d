import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { separateCommand, takesCommand } from '../../../src/cli/command-words.ts';

function program(): Command {
  const run = takesCommand(new Command('run'))
    .argument('<flist>')
    .argument('[command...]')
    .option('-e, --env <name=value>')
    .option('-t, --tty');
  const core = new Command('core').addCommand(run).addCommand(new Command('ps'));
  return new Command('g8ufs')
    .option('--json')
    .option('--progress <how>')
    .addCommand(core)
    .addCommand(new Command('run'));
}

function separated(line: string): string {
  return separateCommand(program(), line.split(' ')).join(' ');
}

test('separateCommand() leaves the flags of the inner command to it', () => {
  assert.equal(separated('core run a.flist ls -l --json'), 'core run a.flist -- ls -l --json');
  assert.equal(
    separated('--progress plain core run -t -e A=b --env C=d a.flist env -e'),
    '--progress plain core run -t -e A=b --env C=d a.flist -- env -e',
  );
  assert.equal(separated('core run --env=A=b a.flist sh'), 'core run --env=A=b a.flist -- sh');
  assert.equal(separated('core run a.flist'), 'core run a.flist --');
});

test('separateCommand() changes nothing where it is separated already, or nothing follows', () => {
  for (const line of [
    'core run a.flist -- ls -l',
    'core run -- a.flist ls',
    'core ps --json',
    'run a.flist -l',
    'core',
    'core run --help',
  ]) {
    assert.equal(separated(line), line);
  }
});
