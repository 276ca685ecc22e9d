# bash completion for g8ufs, made by: g8ufs completion bash

# Words up to the cursor as the program would get them.
_g8ufs_words() {
  local rest=${COMP_LINE:0:COMP_POINT} word bare i
  words=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    bare=${rest#"${rest%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    [[ ${bare} == "${word}"* ]] || word=${bare}
    if ((i > 0)) && [[ -n ${rest} && ${bare} == "${rest}" ]]; then
      words[${#words[@]} - 1]+=${word}
    else
      words+=("${word}")
    fi
    rest=${bare#"${word}"}
  done
}

# What the value of an option is: sets kind. Fails for a switch.
_g8ufs_value() {
  kind=
  case "$1 $2" in
    'flist create -s' | 'flist create --store') kind='other' ;;
    'flist create --upper') kind='directory' ;;
    'flist create --compress') kind='words:gzip none' ;;
    *) case $2 in
    '--color') kind='words:always never' ;;
    esac ;;
  esac
  [[ -n ${kind} ]]
}

# What may follow a command: sets options, commands and arguments.
_g8ufs_command() {
  options='--json --color' commands= arguments=()
  case $1 in
    '') options+=' --help -h' commands='completion flist man umount' ;;
    'completion') options+=' --help -h' arguments=('words:bash fish') ;;
    'flist') options+=' --help -h' commands='create' ;;
    'flist create') options+=' --store -s --upper --human -h --compress --help' arguments=('directory' 'flist') ;;
    'man') options+=' --help -h' arguments=('command...') ;;
    'umount') options+=' --help -h' arguments=('directory...') ;;
  esac
}

# Offers what a value of some kind may be.
_g8ufs_offer() {
  case $1 in
    flist)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "${cur}"; compgen -f -X '!*.flist' -- "${cur}")
      ;;
    directory)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "${cur}")
      ;;
    file)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "${cur}")
      ;;
    words:*) mapfile -t COMPREPLY < <(compgen -W "${1#words:}" -- "${cur}") ;;
  esac
  if [[ ${cur} == *:* && ${COMP_WORDBREAKS} == *:* ]]; then
    local before=${cur%"${cur##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"${before}"}")
  fi
}

_g8ufs() {
  local words cur word kind options commands arguments path= count=0 ended= pages= i
  COMPREPLY=()
  _g8ufs_words
  cur=${words[${#words[@]} - 1]}
  _g8ufs_command ''
  for ((i = 1; i < ${#words[@]} - 1; i++)); do
    word=${words[i]}
    if [[ -z ${ended} && ${word} == -* ]]; then
      if [[ ${word} == -- ]]; then
        ended=1
      elif [[ ${word} != *=* ]] && _g8ufs_value "${path}" "${word}"; then
        if ((i == ${#words[@]} - 2)); then
          _g8ufs_offer "${kind}"
          return
        fi
        ((i++))
      fi
    elif [[ -z ${path} && ${word} == help ]]; then
      pages=1
    elif [[ " ${commands} " == *" ${word} "* ]]; then
      path=${path:+${path} }${word}
      _g8ufs_command "${path}"
      # Its arguments are words of the tree, from the top.
      if [[ ${arguments[0]} == command* ]]; then
        pages=1 path=
        _g8ufs_command ''
      fi
    else
      ((count++))
    fi
  done
  if [[ -z ${ended} && ${cur} == --*=* ]]; then
    word=${cur%%=*} cur=${cur#*=}
    _g8ufs_value "${path}" "${word}" && _g8ufs_offer "${kind}"
  elif [[ -z ${ended} && ${cur} == -* ]]; then
    _g8ufs_offer "words:${options}"
  elif [[ -n ${commands} ]]; then
    [[ -z ${path} && -z ${pages} ]] && commands+=' help'
    _g8ufs_offer "words:${commands}"
  elif [[ -z ${pages} ]] && ((${#arguments[@]} > 0)); then
    # The last argument takes all that follow when it may be repeated.
    ((count < ${#arguments[@]})) || [[ ${arguments[-1]} != *... ]] || count=$((${#arguments[@]} - 1))
    kind=${arguments[count]-}
    _g8ufs_offer "${kind%...}"
  fi
}

complete -F _g8ufs g8ufs
