/**
 * The look of help pages, and what every one of them has: examples and exit codes. The man pages show the
 * same data, so it is kept beside the command as data.
 */
import type { Command, HelpConfiguration, Option } from 'commander';
import { CODES, type ErrorCode } from '../base/errors.ts';
import { SETTINGS, type SettingName } from '../config/schema.ts';

export interface HelpSections {
  /** Command lines without the leading `g8ufs`, each with what it does. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Codes that this command can end with, besides usage and signals. */
  readonly failures?: readonly ErrorCode[];
  /** Exit code of every failure, for a command whose other codes mean something. Signals keep theirs. */
  readonly failureExitCode?: number;
  /** Other exit codes than those of errors. */
  readonly results?: readonly (readonly [exitCode: number, meaning: string])[];
  /** Settings that the command reads. */
  readonly settings?: readonly SettingName[];
  /** Paragraphs for what the descriptions cannot say in a line. */
  readonly notes?: readonly string[];
}

const MEANINGS: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_USAGE: 'wrong flags or arguments',
  ERR_FLIST_FORMAT: 'malformed flist, archive or chunk',
  ERR_NO_INPUT: 'a named file does not exist',
  ERR_HOST_UNKNOWN: 'unknown host',
  ERR_STORE_UNAVAILABLE: 'no store, hub or device answers, or none has a chunk',
  ERR_INTERNAL: 'a fault of the program',
  ERR_MOUNT: 'the system refused to mount or unmount',
  ERR_NO_FUSE: 'no store, hub or device answers, or none has a chunk',
  ERR_CREATE: 'the output cannot be created',
  ERR_IO: 'reading or writing failed',
  ERR_CACHE_LOCKED: 'try again later: in use, or too slow',
  ERR_TIMEOUT: 'try again later: in use, or too slow',
  ERR_PROTOCOL: 'the other side broke the protocol',
  ERR_PERMISSION: 'not permitted',
  ERR_CONFIG: 'wrong configuration or installation',
};

const WIDTH = 100;

/** How help pages look: one line for each command, choices and defaults in few words. */
export const HELP_STYLE: HelpConfiguration = {
  showGlobalOptions: true,
  sortSubcommands: true,
  helpWidth: WIDTH,
  subcommandTerm: (command) => command.name(),
  optionDescription: describeOption,
};

/** An option's description with its choices and default. */
export function describeOption({ description, argChoices, defaultValue }: Option): string {
  const facts = [
    ...(argChoices === undefined ? [] : [argChoices.join(', ')]),
    ...(typeof defaultValue === 'string' ? [`default: ${defaultValue}`] : []),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}

const sectionsOf = new WeakMap<Command, HelpSections>();

/** Appends notes, environment, examples and exit codes to the command's help page. */
export function addHelpSections(command: Command, sections: HelpSections): Command {
  sectionsOf.set(command, sections);
  return command.addHelpText('after', () => {
    const { notes = [], settings = [], examples } = sections;
    const blocks = notes.map((note) => `\n${wrap(note)}`);
    if (settings.length > 0) {
      const rows = settings.map(
        (name) => [SETTINGS[name].env, SETTINGS[name].description] as const,
      );
      blocks.push(section('Environment', table(rows)));
    }
    const shown = examples.map(([line, purpose]) => `  # ${purpose}\n  g8ufs ${line}\n`);
    blocks.push(section('Examples', shown.join('\n')));
    const codes = exitCodesOf(command).map(([code, meaning]) => [String(code), meaning] as const);
    if (codes.length > 0) blocks.push(section('Exit codes', table(codes)));
    return blocks.join('').trimEnd();
  });
}

/** What was given to {@link addHelpSections}. */
export function helpSectionsOf(command: Command): HelpSections | undefined {
  return sectionsOf.get(command);
}

/** Exit codes of a command with their meanings, ascending; none for a group of commands. */
export function exitCodesOf(command: Command): [exitCode: number, meaning: string][] {
  if (command.commands.length > 0) return [];
  const { failures = [], results = [], failureExitCode } = sectionsOf.get(command) ?? {};
  const rows = new Map<number, string>([[0, 'success']]);
  for (const code of failureExitCode === undefined ? (['ERR_USAGE', ...failures] as const) : []) {
    rows.set(CODES[code].exitCode, MEANINGS[code] ?? code);
  }
  for (const [exitCode, meaning] of results) rows.set(exitCode, meaning);
  rows.set(130, 'interrupted (143: terminated)');
  return [...rows].sort(([a], [b]) => a - b);
}

function section(title: string, text: string): string {
  return `\n${title}:\n${text.trimEnd()}\n`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(4, ...rows.map(([term]) => term.length + 1));
  return rows.map(([term, text]) => `  ${term.padEnd(width)} ${text}`).join('\n');
}

/** Breaks a paragraph into lines; words longer than a line stay whole. */
function wrap(paragraph: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return `${[...lines, line].join('\n')}\n`;
}
