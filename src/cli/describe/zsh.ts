/**
 * Completion script for zsh, from the command tree: one function for each command, for `_arguments`. Pure.
 */
import {
  allCommands,
  type CommandModel,
  globalOptions,
  type OptionModel,
  type ValueModel,
} from './model.ts';

/** The script; to be sourced after compinit, or saved as `_g8ufs` in a folder of `$fpath`. */
export function zshCompletion(program: CommandModel): string {
  const functions = allCommands(program).map((command) => commandFunction(command, program));
  return `#compdef g8ufs
# zsh completion for g8ufs, made by: g8ufs completion zsh

${functions.join('\n')}
# Words that name a command, for its page.
_g8ufs_pages() {
  case \${(j: :)\${(@)words[2,CURRENT-1]:#-*}} in
${pageCases(program).join('\n')}
  esac
}

if [[ $funcstack[1] == _g8ufs ]]; then
  _g8ufs "$@"
else
  compdef _g8ufs g8ufs
fi
`;
}

function commandFunction(command: CommandModel, program: CommandModel): string {
  const isProgram = command.path.length === 0;
  const options = isProgram ? program.options : [...globalOptions(program), ...command.options];
  const specs = options.map(optionSpec);
  const name = functionName(command.path);
  if (command.commands.length === 0) {
    specs.push(...command.arguments.map(argumentSpec));
    return `${name}() {\n  _arguments -s -S \\\n    ${specs.join(' \\\n    ')}\n}\n`;
  }
  const rows = command.commands.map(({ path, description }) =>
    quote(`${path.at(-1)}:${description.replaceAll(':', '\\:')}`),
  );
  if (isProgram) rows.push(quote('help:show the page of a command'));
  const cases = command.commands.map(
    ({ path }) => `        ${path.at(-1)}) ${functionName(path)} ;;`,
  );
  if (isProgram) cases.push('        help) _g8ufs_pages ;;');
  specs.push("'(-)1: :->command'", "'(-)*:: :->rest'");
  return `${name}() {
  local curcontext=$curcontext state state_descr line
  typeset -A opt_args
  _arguments -C -S \\
    ${specs.join(' \\\n    ')}
  case $state in
    command)
      local -a commands=(
        ${rows.join('\n        ')}
      )
      _describe -t commands command commands
      ;;
    rest)
      case $words[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}
`;
}

function pageCases(program: CommandModel): string[] {
  return allCommands(program)
    .filter(({ commands }) => commands.length > 0)
    .map(({ path, commands }) => {
      const names = commands.map((child) => child.path.at(-1)).join(' ');
      return `    ${quote(path.join(' '))}) compadd -- ${names} ;;`;
    });
}

function optionSpec({ short, long, value, description }: OptionModel): string {
  const flags = [short, long].filter((flag) => flag !== undefined);
  const text = description.replace(/[[\]]/g, '\\$&').replaceAll(':', '\\:');
  // Without a mark of its own an option is offered once; some may be repeated, which does no harm.
  const suffix =
    value === undefined ? '' : `:${value.placeholder.replaceAll(':', '\\:')}:${action(value)}`;
  const mark = (flag: string): string => (value !== undefined && flag.startsWith('--') ? '=' : '');
  return flags.length === 1
    ? quote(`*${flags[0]}${mark(flags[0] as string)}[${text}]${suffix}`)
    : `'*'{${flags.map((flag) => `${flag}${mark(flag)}`).join(',')}}${quote(`[${text}]${suffix}`)}`;
}

function argumentSpec(argument: CommandModel['arguments'][number], i: number): string {
  const place = argument.variadic ? '*' : `${i + 1}`;
  const optional = argument.required || argument.variadic ? ':' : '::';
  return quote(
    `${place}${optional}${argument.placeholder.replaceAll(':', '\\:')}:${action(argument)}`,
  );
}

function action({ kind, choices }: ValueModel): string {
  if (kind === 'words') return `(${choices.join(' ')})`;
  if (kind === 'flist') return '_files -g "*.flist(-.)"';
  if (kind === 'directory') return '_path_files -/';
  if (kind === 'file') return '_files';
  if (kind === 'command') return '_g8ufs_pages';
  return ' ';
}

function functionName(path: readonly string[]): string {
  return ['_g8ufs', ...path].join('_').replaceAll('-', '_');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
