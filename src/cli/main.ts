/** The program `g8ufs`: finds the command, runs it, tells how it ended. */
import { type Command, CommanderError } from 'commander';
import { G8Error } from '../base/errors.ts';
import { separateCommand } from './command-words.ts';
import { type Context, createContext, type GlobalFlags, type Streams } from './context.ts';
import { type EndSignal, exitNow, formatFailure, reportOf, SIGNAL_EXIT_CODES } from './exit.ts';
import { helpSectionsOf } from './help.ts';
import { addCommands, createProgram, hasFlag } from './program.ts';

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
    await program.parseAsync(separateCommand(program, args), { from: 'user' });
    return ending.exitCode() ?? result;
  } catch (error) {
    if (ending.stdoutClosed()) return 0;
    if (error instanceof CommanderError && isAnswered(error)) return 0;
    // The parser stops at the first mistake, perhaps before it has seen these flags.
    const failure = error instanceof CommanderError ? usageError(error) : error;
    const { code, exitCode } = reportOf(failure);
    const general = code === 'ERR_ABORTED' ? (ending.exitCode() ?? exitCode) : exitCode;
    const own = code === 'ERR_ABORTED' ? undefined : failureExitCodeOf(program, args);
    const mode = {
      json: hasFlag(argv, '--json'),
      debug: hasFlag(argv, '--debug'),
      exitCode: own ?? general,
    };
    // Without a command the parser has printed the help page to stderr already.
    const isHelpPage = error instanceof CommanderError && error.code === 'commander.help';
    if (!isHelpPage) streams.stderr.write(formatFailure(failure, mode));
    return mode.exitCode;
  } finally {
    ending.dispose();
  }
}

/** Whether what was asked for was a help page, in one of its ways, or the version: it is printed. */
function isAnswered({ code, exitCode }: CommanderError): boolean {
  if (code === 'commander.help') return exitCode === 0;
  return code === 'commander.helpDisplayed' || code === 'commander.version';
}

/** Exit code that the command of these words gives every failure, if it does. */
function failureExitCodeOf(program: Command, args: readonly string[]): number | undefined {
  let command = program;
  for (const word of args.filter((arg) => !arg.startsWith('-'))) {
    const next = command.commands.find((child) => child.name() === word);
    if (next !== undefined) command = next;
    else if (command !== program) break;
  }
  return helpSectionsOf(command)?.failureExitCode;
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

function usageError(error: CommanderError): G8Error {
  const words = error.message.replace(/^error: |\.$/g, '').replace(/\s+/g, ' ');
  return new G8Error('ERR_USAGE', words.charAt(0).toUpperCase() + words.slice(1));
}
