/**
 * The program `g8ufs`: finds the command, runs it, tells how it ended.
 *
 * A command is one file, `commands/<name>.ts` or `commands/<group>/<name>.ts`, that exports
 * `command(context): Command`. Nothing else has to know it. Only the file of the command that was asked
 * for is loaded, and it loads what it needs inside its action, because the time a mount takes counts
 * from here.
 */
import { existsSync, readdirSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { G8Error } from '../base/errors.ts';
import { type Context, createContext, type GlobalFlags, type Streams } from './context.ts';
import { type EndSignal, exitNow, formatFailure, reportOf, SIGNAL_EXIT_CODES } from './exit.ts';
import { HELP_STYLE } from './help.ts';
import { packageVersion } from './version.ts';

const COMMANDS = new URL('./commands/', import.meta.url);
const WORD = /^[a-z][a-z0-9-]{0,31}$/;

const GROUPS: Readonly<Record<string, string>> = {
  cache: 'look after the content cache',
  config: 'show the effective configuration',
  flist: 'build, inspect and publish flists',
  hub: 'serve flists and chunks over HTTP',
};

interface CommandModule {
  command(context: Context): Command;
}

/**
 * Runs one command line.
 *
 * @param argv arguments behind the program's name
 * @returns the exit code; the caller sets it and lets the event loop drain
 */
export async function main(
  argv: readonly string[],
  streams: Streams = process,
  env: Context['env'] = process.env,
): Promise<number> {
  const program = createProgram(streams);
  const ending = watchEnd(streams);
  let result = 0;
  const context = createContext(
    streams,
    env,
    ending.signal,
    () => program.opts<GlobalFlags>(),
    (code) => {
      result = code;
    },
  );
  // `help flist create` is `flist create --help`.
  const args = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
  try {
    await addCommands(program, context, args);
    await program.parseAsync(args, { from: 'user' });
    return ending.exitCode() ?? result;
  } catch (error) {
    if (ending.stdoutClosed()) return 0;
    if (
      error instanceof CommanderError &&
      /^commander\.(helpDisplayed|version)$/.test(error.code)
    ) {
      return 0;
    }
    // The parser stops at the first mistake, perhaps before it has seen these flags.
    const mode = { json: hasFlag(argv, '--json'), debug: hasFlag(argv, '--debug') };
    const failure = error instanceof CommanderError ? usageError(error) : error;
    // Without a command the parser has printed the help page to stderr already.
    const isHelpPage = error instanceof CommanderError && error.code === 'commander.help';
    if (!isHelpPage) streams.stderr.write(formatFailure(failure, mode));
    const { code, exitCode } = reportOf(failure);
    return code === 'ERR_ABORTED' ? (ending.exitCode() ?? exitCode) : exitCode;
  } finally {
    ending.dispose();
  }
}

function createProgram(streams: Streams): Command {
  return new Command('g8ufs')
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
    .addHelpText('after', '\nEach command has its own page: g8ufs help <command>');
}

/** Loads the one command that the words name; all of a level where they name none. */
async function addCommands(
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
  for (const file of wanted === undefined ? filesIn('') : [wanted]) {
    await addFile(program, program, context, file);
  }
  if (wanted !== undefined) return;
  for (const group of Object.keys(GROUPS)) await addGroup(program, context, group);
}

async function addGroup(
  program: Command,
  context: Context,
  name: string,
  files: readonly string[] = filesIn(`${name}/`),
): Promise<void> {
  if (files.length === 0) return;
  const group = new Command(name)
    .description(GROUPS[name] as string)
    .copyInheritedSettings(program);
  for (const file of files) await addFile(program, group, context, file);
  program.addCommand(group);
}

async function addFile(
  program: Command,
  parent: Command,
  context: Context,
  file: string,
): Promise<void> {
  const module = (await import(new URL(file, COMMANDS).href)) as CommandModule;
  parent.addCommand(module.command(context).copyInheritedSettings(program));
}

function fileOf(folder: string, word: string): string | undefined {
  const file = `${folder}${word}.js`;
  return WORD.test(word) && existsSync(new URL(file, COMMANDS)) ? file : undefined;
}

function filesIn(folder: string): string[] {
  const path = new URL(folder === '' ? './' : folder, COMMANDS);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.js'))
    .map((name) => `${folder}${name}`);
}

interface Ending {
  readonly signal: AbortSignal;
  /** Exit code that a signal asked for, `undefined` when none came. */
  exitCode(): number | undefined;
  stdoutClosed(): boolean;
  dispose(): void;
}

/** Turns the first signal, and the loss of stdout's reader, into an abort. */
function watchEnd(streams: Streams): Ending {
  const controller = new AbortController();
  let received: EndSignal | undefined;
  let closed = false;
  const onSignal = (signal: EndSignal): void => {
    if (received !== undefined) exitNow(signal);
    received = signal;
    const word = signal === 'SIGINT' ? 'Interrupted' : 'Terminated';
    controller.abort(new G8Error('ERR_ABORTED', word, { details: { signal } }));
  };
  const onError = (error: NodeJS.ErrnoException): void => {
    closed ||= error.code === 'EPIPE';
    controller.abort(error);
  };
  const names = Object.keys(SIGNAL_EXIT_CODES) as EndSignal[];
  for (const name of names) process.on(name, onSignal);
  streams.stdout.on('error', onError);
  return {
    signal: controller.signal,
    exitCode: () => (received === undefined ? undefined : SIGNAL_EXIT_CODES[received]),
    stdoutClosed: () => closed,
    dispose: () => {
      // The listener on stdout stays: what is still buffered may fail after this.
      for (const name of names) process.off(name, onSignal);
    },
  };
}

// `--progress plain mount …`: the first word is not the command.
function isValue(before: string | undefined): boolean {
  return before === '--progress' || before === '--color';
}

function hasFlag(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag);
}

function usageError(error: CommanderError): G8Error {
  const words = error.message.replace(/^error: /, '').replace(/\s+/g, ' ');
  return new G8Error('ERR_USAGE', words.charAt(0).toUpperCase() + words.slice(1));
}
