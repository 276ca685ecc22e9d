/**
 * What a command gets from the program: streams, environment, the signal that ends it, and the global
 * flags. Commands use this and never `process`, so that they can run inside a test.
 */
import { isColorWanted } from './ui/color.ts';

/** A stream that may be a terminal. */
export type Terminal = NodeJS.WritableStream & {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
};

/** What can be read from, once. */
export type Input = NodeJS.ReadableStream &
  AsyncIterable<Uint8Array> & { readonly isTTY?: boolean | undefined };

export interface Streams {
  readonly stdin?: Input | undefined;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
}

/** How progress is shown: redrawn on a terminal, a line every few seconds, or not at all. */
export type ProgressMode = 'bar' | 'plain' | 'none';

/** Values of the global flags, as the parser delivers them. */
export interface GlobalFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  /** `false` for `--no-color`. */
  readonly color?: 'always' | 'auto' | 'never' | false;
  readonly progress?: 'auto' | 'plain' | 'none';
}

/** Surroundings of one run of the program. The flags are valid once an action runs. */
export interface Context {
  /** Absent when it is a terminal: nobody types an archive. */
  readonly stdin: Input | undefined;
  /** Results, and nothing else. */
  readonly stdout: Terminal;
  /** Everything that is no result. */
  readonly stderr: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the process is the program's own; false in tests that run it within theirs. */
  readonly ownsProcess: boolean;
  /** Aborted by the first interrupt or terminate signal, and when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly debug: boolean;
  /** Whether stdout may be coloured. */
  readonly color: boolean;
  readonly progress: ProgressMode;
  /** Lets a command that succeeded end with another status than 0, as its help page says. */
  readonly setExitCode: (code: number) => void;
}

/** Builds the context over flags that are still being parsed: they are read when asked for. */
export function createContext(
  streams: Streams,
  env: Context['env'],
  signal: AbortSignal,
  flags: () => GlobalFlags,
  setExitCode: (code: number) => void = () => {},
): Context {
  return {
    // Not before it is asked for: to look at it is to open it.
    get stdin() {
      const { stdin } = streams;
      return stdin?.isTTY === true ? undefined : stdin;
    },
    setExitCode,
    stdout: streams.stdout,
    stderr: streams.stderr,
    env,
    ownsProcess: streams === process,
    signal,
    get json() {
      return flags().json === true;
    },
    get quiet() {
      return flags().quiet === true;
    },
    get verbose() {
      return flags().verbose === true || flags().debug === true;
    },
    get debug() {
      return flags().debug === true;
    },
    get color() {
      return isColorWanted(streams.stdout, flags().color, env);
    },
    get progress() {
      return progressMode(streams.stderr, flags());
    },
  };
}

function progressMode(stderr: Terminal, flags: GlobalFlags): ProgressMode {
  if (flags.quiet === true || flags.progress === 'none') return 'none';
  if (flags.progress === 'plain') return 'plain';
  return stderr.isTTY === true && flags.json !== true ? 'bar' : 'none';
}
