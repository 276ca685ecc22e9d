/**
 * Completion script for fish, from the command tree. One function finds out where the cursor is; each
 * offer is conditional on its answer. Pure.
 */
import {
  allCommands,
  type CommandModel,
  globalOptions,
  type OptionModel,
  type ValueModel,
} from './model.ts';

/** The script; to be sourced, or saved as `g8ufs.fish` in a folder of completions. */
export function fishCompletion(program: CommandModel): string {
  const commands = allCommands(program);
  const groups = commands.filter((command) => command.commands.length > 0);
  const pages = commands.filter(({ arguments: [first] }) => first?.kind === 'command');
  return `# fish completion for g8ufs, made by: g8ufs completion fish

# Prints the command that the words before the cursor name, and how many arguments it has already.
function __g8ufs_place
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l path
    set -l count 0
    set -l skip 0
    for token in $tokens
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$path $token"
            case ${groups.flatMap(childPatterns).join(' ')}
                set -a path $token
                if contains -- "$path" ${pages.map(({ path }) => quote(path.join(' '))).join(' ')}
                    set path
                    set count pages
                end
            case ' help'
                set count pages
            case ${commands.flatMap(valuedPatterns).join(' ')}
                set skip 1
            case '* -*'
            case '*'
                test $count = pages; or set count (math $count + 1)
        end
    end
    echo "$path:$count"
end

# Whether the cursor is at a command's options, or at its argument of some number (N+: or a later one).
function __g8ufs_at
    set -l place (string split ':' (__g8ufs_place))
    test "$place[1]" = "$argv[1]"; or return
    set -q argv[2]; or return 0
    switch $argv[2]
        case '*+'
            test $place[2] = pages; and return 1
            test $place[2] -ge (string trim -r -c + $argv[2])
        case '*'
            test $place[2] = $argv[2]
    end
end

complete -c g8ufs -f
${globalOptions(program)
  .map((option) => optionLine(undefined, option))
  .join('\n')}
complete -c g8ufs -n '__g8ufs_at "" 0' -a help -d 'show the page of a command'
${commands.flatMap(commandLines).join('\n')}
`;
}

function commandLines(command: CommandModel): string[] {
  const at = command.path.join(' ');
  const children = command.commands.flatMap(({ path, description }) =>
    (command.arguments.length > 0 ? [] : ['0', 'pages']).map(
      (count) =>
        `complete -c g8ufs -n '__g8ufs_at "${at}" ${count}' -a ${path.at(-1)} -d ${quote(description)}`,
    ),
  );
  const options = command.options
    .filter((option) => command.path.length > 0 || option.long === '--help')
    .map((option) => optionLine(at, option));
  const args = command.arguments.flatMap((argument, i) => {
    const offer = offerOf(argument);
    const count = argument.variadic ? `${i}+` : String(i);
    return offer === ''
      ? []
      : [
          `complete -c g8ufs -n '__g8ufs_at "${at}" ${count}' ${offer} -d ${quote(argument.description)}`,
        ];
  });
  return [...children, ...options, ...args];
}

function optionLine(
  at: string | undefined,
  { short, long, value, description }: OptionModel,
): string {
  const words = ['complete -c g8ufs'];
  if (at !== undefined) words.push(`-n '__g8ufs_at "${at}"'`);
  if (short !== undefined) words.push(`-s ${short.slice(1)}`);
  if (long !== undefined) words.push(`-l ${long.slice(2)}`);
  if (value !== undefined) words.push(`-x ${offerOf(value)}`.trimEnd());
  return `${words.join(' ')} -d ${quote(description)}`;
}

function offerOf({ kind, choices }: ValueModel): string {
  if (kind === 'words') return `-a ${quote(choices.join(' '))}`;
  if (kind === 'flist') return "-a '(__fish_complete_suffix .flist)'";
  if (kind === 'directory') return "-a '(__fish_complete_directories)'";
  if (kind === 'file') return '-F';
  return '';
}

function childPatterns({ path, commands }: CommandModel): string[] {
  return commands.map((child) => quote(`${path.join(' ')} ${child.path.at(-1)}`));
}

function valuedPatterns({ path, options }: CommandModel): string[] {
  return options.flatMap(({ short, long, value }) =>
    value === undefined
      ? []
      : [short, long].flatMap((flag) =>
          // Options of the program itself are known at every command.
          flag === undefined ? [] : [quote(`${path.length === 0 ? '*' : path.join(' ')} ${flag}`)],
        ),
  );
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
