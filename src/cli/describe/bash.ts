/**
 * Completion script for bash, from the command tree. It is static (no program is started at a key press)
 * and needs nothing of the bash-completion package. Pure.
 */
import {
  allCommands,
  type CommandModel,
  globalOptions,
  type OptionModel,
  type ValueModel,
} from './model.ts';

/** The script; to be sourced, or put into a folder of completions under the name `g8ufs`. */
export function bashCompletion(program: CommandModel): string {
  const commands = allCommands(program);
  return `# bash completion for g8ufs, made by: g8ufs completion bash

${WORDS}
# What the value of an option is: sets kind. Fails for a switch.
_g8ufs_value() {
  kind=
  case "$1 $2" in
${commands.flatMap(valueCases).join('\n')}
    *) case $2 in
${program.options.flatMap((option) => valueCase('', option)).join('\n')}
    esac ;;
  esac
  [[ -n \${kind} ]]
}

# What may follow a command: sets options, commands and arguments.
_g8ufs_command() {
  options='${flagsOf(globalOptions(program)).join(' ')}' commands= arguments=()
  case $1 in
${commands.map((command) => commandCase(command)).join('\n')}
  esac
}

${OFFER}`;
}

// Readline splits words at colons and equals signs too; the program does not.
const WORDS = `# Words up to the cursor as the program would get them.
_g8ufs_words() {
  local rest=\${COMP_LINE:0:COMP_POINT} word bare i
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    bare=\${rest#"\${rest%%[![:space:]]*}"}
    word=\${COMP_WORDS[i]}
    [[ \${bare} == "\${word}"* ]] || word=\${bare}
    if ((i > 0)) && [[ -n \${rest} && \${bare} == "\${rest}" ]]; then
      words[\${#words[@]} - 1]+=\${word}
    else
      words+=("\${word}")
    fi
    rest=\${bare#"\${word}"}
  done
}
`;

const OFFER = `# Offers what a value of some kind may be.
_g8ufs_offer() {
  case $1 in
    flist)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "\${cur}"; compgen -f -X '!*.flist' -- "\${cur}")
      ;;
    directory)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "\${cur}")
      ;;
    file)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "\${cur}")
      ;;
    words:*) mapfile -t COMPREPLY < <(compgen -W "\${1#words:}" -- "\${cur}") ;;
  esac
  if [[ \${cur} == *:* && \${COMP_WORDBREAKS} == *:* ]]; then
    local before=\${cur%"\${cur##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"\${before}"}")
  fi
}

_g8ufs() {
  local words cur word kind options commands arguments path= count=0 ended= pages= i
  COMPREPLY=()
  _g8ufs_words
  cur=\${words[\${#words[@]} - 1]}
  _g8ufs_command ''
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    if [[ -z \${ended} && \${word} == -* ]]; then
      if [[ \${word} == -- ]]; then
        ended=1
      elif [[ \${word} != *=* ]] && _g8ufs_value "\${path}" "\${word}"; then
        if ((i == \${#words[@]} - 2)); then
          _g8ufs_offer "\${kind}"
          return
        fi
        ((i++))
      fi
    elif [[ -z \${path} && \${word} == help ]]; then
      pages=1
    elif [[ " \${commands} " == *" \${word} "* ]]; then
      path=\${path:+\${path} }\${word}
      _g8ufs_command "\${path}"
      # Its arguments are words of the tree, from the top.
      if [[ \${arguments[0]} == command* ]]; then
        pages=1 path=
        _g8ufs_command ''
      fi
    else
      ((count++))
    fi
  done
  if [[ -z \${ended} && \${cur} == --*=* ]]; then
    word=\${cur%%=*} cur=\${cur#*=}
    _g8ufs_value "\${path}" "\${word}" && _g8ufs_offer "\${kind}"
  elif [[ -z \${ended} && \${cur} == -* ]]; then
    _g8ufs_offer "words:\${options}"
  elif [[ -n \${commands} ]]; then
    [[ -z \${path} && -z \${pages} ]] && commands+=' help'
    _g8ufs_offer "words:\${commands}"
  elif [[ -z \${pages} ]] && ((\${#arguments[@]} > 0)); then
    # The last argument takes all that follow when it may be repeated.
    ((count < \${#arguments[@]})) || [[ \${arguments[-1]} != *... ]] || count=$((\${#arguments[@]} - 1))
    kind=\${arguments[count]-}
    _g8ufs_offer "\${kind%...}"
  fi
}

complete -F _g8ufs g8ufs
`;

function commandCase(command: CommandModel): string {
  const facts: string[] = [];
  const own = command.path.length === 0 ? ['--help', '-h'] : flagsOf(command.options);
  if (own.length > 0) facts.push(`options+=' ${own.join(' ')}'`);
  if (command.commands.length > 0) {
    facts.push(`commands='${command.commands.map(({ path }) => path.at(-1)).join(' ')}'`);
  }
  if (command.arguments.length > 0) {
    const kinds = command.arguments.map(
      (argument) => `'${kindOf(argument)}${argument.variadic ? '...' : ''}'`,
    );
    facts.push(`arguments=(${kinds.join(' ')})`);
  }
  return `    '${command.path.join(' ')}') ${facts.join(' ') || ':'} ;;`;
}

function valueCases(command: CommandModel): string[] {
  if (command.path.length === 0) return [];
  return command.options.flatMap((option) => valueCase(`${command.path.join(' ')} `, option));
}

function valueCase(prefix: string, { short, long, value }: OptionModel): string[] {
  if (value === undefined) return [];
  const patterns = [short, long].flatMap((flag) =>
    flag === undefined ? [] : [`'${prefix}${flag}'`],
  );
  return [`    ${patterns.join(' | ')}) kind='${kindOf(value)}' ;;`];
}

function kindOf({ kind, choices }: ValueModel): string {
  return kind === 'words' ? `words:${choices.join(' ')}` : kind;
}

function flagsOf(options: readonly OptionModel[]): string[] {
  return options.flatMap(({ short, long }) => [long, short]).filter((flag) => flag !== undefined);
}
