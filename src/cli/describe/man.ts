/**
 * Manual pages in roff (man(7) macros), from the command tree. The same tree gives the same bytes: no
 * date, nothing of the machine. Pure.
 */
import { allCommands, type CommandModel, type OptionModel, type SettingModel } from './model.ts';

export interface ManFacts {
  readonly program: CommandModel;
  readonly version: string;
  /** All settings, for the page of the program. */
  readonly settings: readonly SettingModel[];
  /** Files that the program reads or keeps, each with what it is. */
  readonly files: readonly (readonly [path: string, meaning: string])[];
  /** Environment variables that are no settings. */
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

/** File name of a command's page: `g8ufs-flist-create.1`. */
export function manPageName(path: readonly string[]): string {
  return `${pageOf(path)}.1`;
}

/** All pages by file name. */
export function manPages(facts: ManFacts): Map<string, string> {
  const pages = allCommands(facts.program).map(
    (command) => [manPageName(command.path), manPage(command, facts)] as const,
  );
  return new Map(pages);
}

/** The page of one command. */
export function manPage(command: CommandModel, facts: ManFacts): string {
  const { program, version } = facts;
  const isProgram = command.path.length === 0;
  const title = pageOf(command.path);
  const settings = isProgram ? facts.settings : command.settings;
  const variables = [
    ...settings.map(({ env, description }) => [env, description] as const),
    ...(isProgram ? facts.variables : []),
  ];
  const parts = [
    `.\\" Made by scripts/man.mjs from the command tree; not to be edited.`,
    `.TH ${title.toUpperCase().replaceAll('-', '\\-')} 1 "" "g8ufs ${version}" "g8ufs manual"`,
    // Commands and file names are not to be broken.
    '.nh',
    '.ad l',
    section('NAME', [`${text(title)} \\- ${text(lowerFirst(command.description))}`]),
    section('SYNOPSIS', [`.B ${text(['g8ufs', ...command.path].join(' '))}`, synopsis(command)]),
    section('DESCRIPTION', paragraphs([sentence(command.description), ...command.notes])),
    section('COMMANDS', command.commands.flatMap(commandRow)),
    section(
      'ARGUMENTS',
      command.arguments.flatMap(({ placeholder, description }) =>
        item(`\\fI${text(placeholder)}\\fR`, sentence(description)),
      ),
    ),
    section('OPTIONS', command.options.flatMap(optionRow)),
    isProgram ? '' : globalOptions(program),
    section('EXAMPLES', command.examples.flatMap(example)),
    section(
      'EXIT STATUS',
      command.exitCodes.flatMap(([code, meaning]) => item(String(code), sentence(meaning))),
    ),
    section(
      'ENVIRONMENT',
      variables.flatMap(([name, meaning]) => item(`\\fB${text(name)}\\fR`, sentence(meaning))),
    ),
    section(
      'FILES',
      (isProgram ? facts.files : []).flatMap(([path, meaning]) =>
        item(`\\fI${text(path)}\\fR`, sentence(meaning)),
      ),
    ),
    section('SEE ALSO', [seeAlso(command, program)]),
  ];
  return parts
    .filter((part) => part !== '')
    .map((part) => `${part}\n`)
    .join('');
}

function pageOf(path: readonly string[]): string {
  return ['g8ufs', ...path].join('-');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`.SH ${title}`, ...lines].join('\n');
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((paragraph, i) => [...(i === 0 ? [] : ['.PP']), line(paragraph)]);
}

function item(term: string, meaning: string): string[] {
  return ['.TP', guard(term), line(meaning)];
}

function synopsis(command: CommandModel): string {
  const words = ['[\\fIoptions\\fR]'];
  if (command.commands.length > 0) words.push('\\fIcommand\\fR');
  for (const { placeholder, required, variadic } of command.arguments) {
    const name = `\\fI${text(placeholder)}\\fR${variadic ? ' ...' : ''}`;
    words.push(required ? name : `[${name}]`);
  }
  return words.join(' ');
}

function commandRow({ path, description }: CommandModel): string[] {
  return item(`\\fB${text(pageOf(path))}\\fR(1)`, sentence(description));
}

function optionRow({ short, long, value, description }: OptionModel): string[] {
  const name = value === undefined ? '' : ` \\fI${text(value.placeholder)}\\fR`;
  const flags = [short, long].flatMap((flag) =>
    flag === undefined ? [] : [`\\fB${text(flag)}\\fR${flag === long ? name : ''}`],
  );
  return item(flags.join(', '), sentence(description));
}

function globalOptions(program: CommandModel): string {
  const flags = program.options
    .filter(({ long }) => long !== '--version' && long !== '--help')
    .map(({ long, value }) => {
      const name = value === undefined ? '' : ` \\fI${text(value.placeholder)}\\fR`;
      return `\\fB${text(long ?? '')}\\fR${name}`;
    });
  return section('GLOBAL OPTIONS', [`${flags.join(', ')}: see \\fBg8ufs\\fR(1).`]);
}

function example([command, purpose]: CommandModel['examples'][number], i: number): string[] {
  return [
    ...(i === 0 ? [] : ['.PP']),
    line(sentence(purpose)),
    '.PP',
    '.RS 4',
    '.nf',
    guard(text(`g8ufs ${command}`)),
    '.fi',
    '.RE',
  ];
}

/** The pages above and below, and the neighbours of a command. */
function seeAlso(command: CommandModel, program: CommandModel): string {
  const { path } = command;
  const all = allCommands(program);
  const parent = all.find((other) => pageOf(other.path) === pageOf(path.slice(0, -1)));
  const neighbours = [
    ...(path.length === 0 ? [] : [program, ...(path.length > 1 && parent ? [parent] : [])]),
    ...(path.length > 1 ? (parent?.commands ?? []) : command.commands),
  ].filter((other) => pageOf(other.path) !== pageOf(path));
  if (path.length === 1 && command.commands.length === 0) {
    neighbours.push(...program.commands.filter((other) => other.path[0] !== path[0]));
  }
  return neighbours.map((other) => `\\fB${text(pageOf(other.path))}\\fR(1)`).join(',\n');
}

function sentence(words: string): string {
  return /[.:]$/.test(words) ? words : `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

function lowerFirst(words: string): string {
  return words.charAt(0).toLowerCase() + words.slice(1);
}

function line(words: string): string {
  return guard(text(words));
}

/** A line that begins like a request would be taken for one. */
function guard(words: string): string {
  return /^[.']/.test(words) ? `\\&${words}` : words;
}

/** Escapes what roff reads as something else. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('"', '\\(dq')
    .replaceAll('…', '...')
    .replace(/[^\x20-\x7e]/gu, (character) => {
      const code = (character.codePointAt(0) as number).toString(16).toUpperCase();
      return `\\[u${code.padStart(4, '0')}]`;
    });
}
