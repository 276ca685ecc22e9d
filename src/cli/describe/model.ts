/**
 * The command tree as plain data, for completion scripts and man pages: what there is to type, and what
 * each word means. Pure; made from the tree of the parser, so that nothing is said twice.
 */
import type { Argument, Command, Option } from 'commander';
import { SETTINGS, type SettingName } from '../../config/schema.ts';
import { describeOption, exitCodesOf, helpSectionsOf } from '../help.ts';

/** What a value is, as far as a shell can help with it. */
export type ValueKind = 'flist' | 'file' | 'directory' | 'command' | 'words' | 'other';

export interface ValueModel {
  /** As help pages spell it: `dir`, `url`. */
  readonly placeholder: string;
  readonly kind: ValueKind;
  /** For the kind `words`. */
  readonly choices: readonly string[];
}

export interface OptionModel {
  readonly short: string | undefined;
  readonly long: string | undefined;
  /** Absent for a switch. */
  readonly value: ValueModel | undefined;
  readonly description: string;
}

export interface ArgumentModel extends ValueModel {
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
}

export interface CommandModel {
  /** Words behind `g8ufs`; none for the program itself. */
  readonly path: readonly string[];
  readonly description: string;
  readonly arguments: readonly ArgumentModel[];
  readonly options: readonly OptionModel[];
  readonly commands: readonly CommandModel[];
  readonly notes: readonly string[];
  readonly settings: readonly SettingModel[];
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  readonly exitCodes: readonly (readonly [exitCode: number, meaning: string])[];
}

export interface SettingModel {
  readonly name: SettingName;
  readonly env: string;
  readonly description: string;
}

/** Kinds by placeholder. A test holds that every placeholder of the program is here. */
export const PLACEHOLDERS: Readonly<Record<string, ValueKind>> = {
  arguments: 'other',
  bundle: 'file',
  bytes: 'other',
  command: 'command',
  container: 'other',
  days: 'other',
  dir: 'directory',
  dump: 'file',
  duration: 'other',
  expression: 'other',
  fields: 'other',
  file: 'file',
  flist: 'flist',
  from: 'other',
  host: 'other',
  'host:port': 'other',
  hub: 'other',
  id: 'other',
  key: 'other',
  letter: 'other',
  member: 'other',
  minutes: 'other',
  mode: 'other',
  name: 'other',
  'name=value': 'other',
  network: 'other',
  number: 'other',
  octal: 'other',
  'os/arch': 'other',
  output: 'flist',
  profile: 'file',
  owner: 'other',
  path: 'other',
  pattern: 'other',
  policy: 'other',
  'port:port': 'other',
  program: 'other',
  recipe: 'file',
  'repo/name': 'other',
  repository: 'other',
  right: 'other',
  script: 'file',
  seconds: 'other',
  size: 'other',
  source: 'file',
  'source:dir': 'other',
  tag: 'other',
  target: 'file',
  text: 'other',
  time: 'other',
  to: 'other',
  token: 'other',
  'uid:gid': 'other',
  url: 'other',
  user: 'other',
  value: 'other',
  what: 'other',
  word: 'other',
};

/** Describes a command and all below it. */
export function describeCommand(command: Command, path: readonly string[] = []): CommandModel {
  const sections = helpSectionsOf(command);
  // With that for help, whose short form a command may want for something else.
  const options = command.createHelp().visibleOptions(command);
  const commands = [...command.commands]
    .sort((a, b) => (a.name() < b.name() ? -1 : 1))
    .map((child) => describeCommand(child, [...path, child.name()]));
  return {
    path,
    description: command.description(),
    arguments: command.registeredArguments.map(describeArgument),
    options: options.map(optionModel),
    commands,
    notes: sections?.notes ?? [],
    settings: (sections?.settings ?? []).map((name) => ({
      name,
      env: SETTINGS[name].env,
      description: SETTINGS[name].description,
    })),
    examples: sections?.examples ?? [],
    exitCodes: exitCodesOf(command),
  };
}

/** Options that hold for all commands; each has its own for help. */
export function globalOptions(program: CommandModel): readonly OptionModel[] {
  return program.options.filter(({ long }) => long !== '--help');
}

/** The command and all below it, each before those below. */
export function allCommands(model: CommandModel): CommandModel[] {
  return [model, ...model.commands.flatMap(allCommands)];
}

function describeArgument(argument: Argument): ArgumentModel {
  return {
    ...valueModel(argument.name(), argument.argChoices),
    description: argument.description,
    required: argument.required,
    variadic: argument.variadic,
  };
}

function optionModel(option: Option): OptionModel {
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1];
  return {
    short: option.short,
    long: option.long,
    value: placeholder === undefined ? undefined : valueModel(placeholder, option.argChoices),
    description: describeOption(option),
  };
}

function valueModel(text: string, choices: readonly string[] | undefined): ValueModel {
  const placeholder = text.replace(/\.\.\.$/, '');
  if (choices !== undefined) return { placeholder, kind: 'words', choices };
  return { placeholder, kind: PLACEHOLDERS[placeholder] ?? 'other', choices: [] };
}
