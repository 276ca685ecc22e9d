/** A small command tree with one of everything, for tests of what is made from such trees. */
import { Argument, Command, Option } from 'commander';
import { addHelpSections } from '../../src/cli/help.ts';

export function sampleProgram(): Command {
  const program = new Command('g8ufs')
    .description("Sample: a program's commands")
    .option('--json', 'print JSON')
    .addOption(new Option('--color <when>', 'colour [or not]').choices(['always', 'never']))
    .addOption(new Option('--secret', 'not shown').hideHelp());
  const group = new Command('flist').description('work with flists');
  const create = new Command('create')
    .description('make a flist: one file')
    .argument('<dir>', 'folder to take')
    .argument('[flist]', 'file to write')
    .option('-s, --store <url>', 'where chunks go: a URL')
    .option('--upper <dir>', 'folder of changes')
    .option('-h, --human', 'takes a letter from help')
    .helpOption('--help', 'show it')
    .addOption(
      new Option('--compress <how>', "how it's compressed")
        .choices(['gzip', 'none'])
        .default('gzip'),
    );
  addHelpSections(create, {
    examples: [["flist create --store 'dir:///a b' . a.flist", '.a folder with a \\ in its name']],
    failures: ['ERR_IO'],
    results: [[1, 'found a difference']],
    settings: ['stores'],
    notes: ['A note of its own – with a dash.', '.Not a request'],
  });
  group.addCommand(create);
  addHelpSections(group, { examples: [['flist create . a.flist', 'make one']] });
  const pages = new Command('man').description('print a page').argument('[command...]', 'words');
  const shells = new Command('completion')
    .description('print a script')
    .addArgument(new Argument('<shell>', 'which').choices(['bash', 'fish']));
  const umount = new Command('umount')
    .description('take away')
    .argument('<dir...>', 'mount points');
  for (const command of [pages, shells, umount]) {
    addHelpSections(command, { examples: [[command.name(), 'use it']], failures: [] });
    program.addCommand(command);
  }
  program.addCommand(group);
  return addHelpSections(program, { examples: [['man', 'read on']] });
}
