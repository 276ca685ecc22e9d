/**
 * The tree of commands. A command is one file, `commands/<name>.ts` or `commands/<group>/<name>.ts`, that
 * exports `command(context): Command`. Nothing else has to know it. Only the file of the command that was
 * asked for is loaded, and it loads what it needs inside its action, because the time a mount takes counts
 * from here. Help pages, completion scripts and man pages all come from this tree.
 */
import { Command, Option } from 'commander';
import { commandFiles, hasCommandFile, loadCommandFile } from './command-files.ts';
import type { Context, Streams } from './context.ts';
import { addHelpSections, HELP_STYLE, type HelpSections } from './help.ts';
import { packageVersion } from './version.ts';

const WORD = /^[a-z][a-z0-9-]{0,31}$/;

type Examples = HelpSections['examples'];
const GROUPS: Readonly<Record<string, { description: string; examples: Examples }>> = {
  cache: {
    description: 'look after the content cache',
    examples: [
      ['cache status', 'what the cache holds'],
      ['cache gc', 'make room'],
    ],
  },
  config: {
    description: 'show the effective configuration',
    examples: [['config show', 'all settings and where each comes from']],
  },
  core: {
    description: 'run containers on flists, and commands for clients of a Redis',
    examples: [
      ['core run debian.flist', 'one container, without a daemon'],
      ['core serve --redis redis://127.0.0.1:6379', 'the daemon of this machine'],
      ['core cmd corex.list', 'ask it for something'],
    ],
  },
  flist: {
    description: 'build, inspect and change flists',
    examples: [
      ['flist create ./rootfs debian.flist --store dir:///srv/chunks', 'make one of a folder'],
      ['flist ls -l debian.flist /etc', 'look into one'],
      ['flist cat debian.flist /etc/hostname', 'read a file of one'],
    ],
  },
  hub: {
    description: 'serve flists and chunks over HTTP, and look after a hub',
    examples: [
      ['hub serve --data /srv/hub', 'for this machine'],
      ['hub user add alice', 'on the hub of G8UFS_HUB, as its administrator'],
    ],
  },
  profile: {
    description: 'start profiles: what a start reads, fetched before it is asked for',
    examples: [
      ['profile show debian.flist.profile', 'look into one'],
      ['mount debian.flist /mnt --record debian.flist.profile', 'record one until umount'],
      ['profile publish debian.flist.profile http://hub:8080/demo/debian', 'for all mounts'],
    ],
  },
};

const PROGRAM_EXAMPLES: Examples = [
  ['flist create ./rootfs debian.flist --store dir:///srv/chunks', 'make a flist of a folder'],
  ['mount debian.flist /mnt --store dir:///srv/chunks', 'show it as a directory'],
  ['umount /mnt', 'take it away'],
  ['push debian.flist https://hub.example/demo/debian', 'publish it on a hub'],
];

/** The program without its commands. */
export function createProgram(streams: Streams): Command {
  const program = new Command('g8ufs')
    .description('Container filesystem: mounts images at once, fetches contents on first read')
    .usage('[options] <command>')
    .version(packageVersion(), '--version', 'print the version')
    .option('--json', 'print results, and a final error, as JSON')
    .option('-q, --quiet', 'print results and errors only')
    .option('-v, --verbose', 'tell more on stderr')
    .option('--debug', 'tell everything, with causes and stacks')
    .addOption(
      new Option('--color <when>', 'colour the output').choices(['auto', 'always', 'never']),
    )
    .option('--no-color', 'same as --color never')
    .addOption(
      new Option('--progress <how>', 'show progress on stderr: on a terminal, or in plain lines')
        .choices(['auto', 'plain', 'none'])
        .default('auto'),
    )
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp(HELP_STYLE)
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: (text) => streams.stderr.write(text),
      outputError: () => {},
    })
    .helpCommand(false)
    .helpOption('-h, --help', 'show this page');
  return addHelpSections(program, {
    examples: PROGRAM_EXAMPLES,
    notes: ['Each command has its own page: g8ufs help <command>, or man g8ufs-<command>'],
  });
}

/** Loads the one command that the words name; all of a level where they name none. */
export async function addCommands(
  program: Command,
  context: Context,
  argv: readonly string[],
): Promise<void> {
  const words = argv.filter((word, i) => !word.startsWith('-') && !isValue(argv[i - 1]));
  const [first = '', second = ''] = words;
  if (first in GROUPS) {
    const wanted = fileOf(`${first}/`, second);
    await addGroup(program, context, first, wanted === undefined ? undefined : [wanted]);
    return;
  }
  // Nothing but the version is asked for.
  if (first === '' && hasFlag(argv, '--version')) return;
  const wanted = fileOf('', first);
  for (const file of wanted === undefined ? commandFiles('') : [wanted]) {
    await addFile(program, program, context, file);
  }
  if (wanted !== undefined) return;
  for (const group of Object.keys(GROUPS)) await addGroup(program, context, group);
}

/** The whole tree, for what describes all of it. */
export async function loadProgram(context: Context): Promise<Command> {
  const program = createProgram(context);
  await addCommands(program, context, []);
  return program;
}

async function addGroup(
  program: Command,
  context: Context,
  name: string,
  files: readonly string[] = commandFiles(`${name}/`),
): Promise<void> {
  if (files.length === 0) return;
  const facts = GROUPS[name] as (typeof GROUPS)[string];
  const group = new Command(name)
    .description(facts.description)
    .copyInheritedSettings(program)
    .helpCommand('help [command]', 'show the page of a command');
  for (const file of files) await addFile(program, group, context, file);
  addHelpSections(group, { examples: facts.examples });
  program.addCommand(group);
}

async function addFile(
  program: Command,
  parent: Command,
  context: Context,
  file: string,
): Promise<void> {
  const module = await loadCommandFile(file);
  parent.addCommand(module.command(context).copyInheritedSettings(program));
}

function fileOf(folder: string, word: string): string | undefined {
  const file = `${folder}${word}`;
  return WORD.test(word) && hasCommandFile(file) ? file : undefined;
}

// `--progress plain mount …`: the first word is not the command.
function isValue(before: string | undefined): boolean {
  return before === '--progress' || before === '--color';
}

/** Whether a flag is among the words, before the parser has looked at them. */
export function hasFlag(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag);
}
