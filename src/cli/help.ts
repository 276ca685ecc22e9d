/** The look of help pages, and what every one of them has: examples and exit codes. */
import type { Command, HelpConfiguration, Option } from 'commander';
import { CODES, type ErrorCode } from '../base/errors.ts';

interface HelpSections {
  /** Command lines without the leading `g8ufs`, each with what it does. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Codes that this command can end with, besides usage and signals. */
  readonly failures?: readonly ErrorCode[];
  /** Other exit codes than those of errors. */
  readonly results?: readonly (readonly [exitCode: number, meaning: string])[];
}

const MEANINGS: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_USAGE: 'wrong flags or arguments',
  ERR_FLIST_FORMAT: 'malformed flist or chunk',
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

/** How help pages look: one line for each command, choices and defaults in few words. */
export const HELP_STYLE: HelpConfiguration = {
  showGlobalOptions: true,
  sortSubcommands: true,
  helpWidth: 100,
  subcommandTerm: (command) => command.name(),
  optionDescription: describeOption,
};

function describeOption({ description, argChoices, defaultValue }: Option): string {
  const facts = [
    ...(argChoices === undefined ? [] : [argChoices.join(', ')]),
    ...(typeof defaultValue === 'string' ? [`default: ${defaultValue}`] : []),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}

/** Appends examples and exit codes to the command's help page. */
export function addHelpSections(command: Command, sections: HelpSections): Command {
  return command.addHelpText('after', () => {
    const examples = sections.examples.map(
      ([line, purpose]) => `  # ${purpose}\n  g8ufs ${line}\n`,
    );
    return `\nExamples:\n${examples.join('\n')}\nExit codes:\n${exitCodes(sections)}`;
  });
}

function exitCodes(sections: HelpSections): string {
  const rows = new Map<number, string>([[0, 'success']]);
  for (const [exitCode, meaning] of sections.results ?? []) rows.set(exitCode, meaning);
  for (const code of ['ERR_USAGE', ...(sections.failures ?? [])] as const) {
    rows.set(CODES[code].exitCode, MEANINGS[code] ?? code);
  }
  rows.set(130, 'interrupted (143: terminated)');
  return [...rows]
    .sort(([a], [b]) => a - b)
    .map(([exitCode, meaning]) => `  ${String(exitCode).padEnd(5)}${meaning}`)
    .join('\n');
}
