#compdef g8ufs
# zsh completion for g8ufs, made by: g8ufs completion zsh

_g8ufs() {
  local curcontext=$curcontext state state_descr line
  typeset -A opt_args
  _arguments -C -S \
    '*--json[print JSON]' \
    '*--color=[colour \[or not\] (always, never)]:when:(always never)' \
    '*'{-h,--help}'[display help for command]' \
    '(-)1: :->command' \
    '(-)*:: :->rest'
  case $state in
    command)
      local -a commands=(
        'completion:print a script'
        'flist:work with flists'
        'man:print a page'
        'umount:take away'
        'help:show the page of a command'
      )
      _describe -t commands command commands
      ;;
    rest)
      case $words[1] in
        completion) _g8ufs_completion ;;
        flist) _g8ufs_flist ;;
        man) _g8ufs_man ;;
        umount) _g8ufs_umount ;;
        help) _g8ufs_pages ;;
      esac
      ;;
  esac
}

_g8ufs_completion() {
  _arguments -s -S \
    '*--json[print JSON]' \
    '*--color=[colour \[or not\] (always, never)]:when:(always never)' \
    '*'{-h,--help}'[display help for command]' \
    '1:shell:(bash fish)'
}

_g8ufs_flist() {
  local curcontext=$curcontext state state_descr line
  typeset -A opt_args
  _arguments -C -S \
    '*--json[print JSON]' \
    '*--color=[colour \[or not\] (always, never)]:when:(always never)' \
    '*'{-h,--help}'[display help for command]' \
    '(-)1: :->command' \
    '(-)*:: :->rest'
  case $state in
    command)
      local -a commands=(
        'create:make a flist\: one file'
      )
      _describe -t commands command commands
      ;;
    rest)
      case $words[1] in
        create) _g8ufs_flist_create ;;
      esac
      ;;
  esac
}

_g8ufs_flist_create() {
  _arguments -s -S \
    '*--json[print JSON]' \
    '*--color=[colour \[or not\] (always, never)]:when:(always never)' \
    '*'{-s,--store=}'[where chunks go\: a URL]:url: ' \
    '*--upper=[folder of changes]:dir:_path_files -/' \
    '*'{-h,--human}'[takes a letter from help]' \
    '*--compress=[how it'\''s compressed (gzip, none; default\: gzip)]:how:(gzip none)' \
    '*--help[show it]' \
    '1:dir:_path_files -/' \
    '2::flist:_files -g "*.flist(-.)"'
}

_g8ufs_man() {
  _arguments -s -S \
    '*--json[print JSON]' \
    '*--color=[colour \[or not\] (always, never)]:when:(always never)' \
    '*'{-h,--help}'[display help for command]' \
    '*:command:_g8ufs_pages'
}

_g8ufs_umount() {
  _arguments -s -S \
    '*--json[print JSON]' \
    '*--color=[colour \[or not\] (always, never)]:when:(always never)' \
    '*'{-h,--help}'[display help for command]' \
    '*:dir:_path_files -/'
}

# Words that name a command, for its page.
_g8ufs_pages() {
  case ${(j: :)${(@)words[2,CURRENT-1]:#-*}} in
    '') compadd -- completion flist man umount ;;
    'flist') compadd -- create ;;
  esac
}

if [[ $funcstack[1] == _g8ufs ]]; then
  _g8ufs "$@"
else
  compdef _g8ufs g8ufs
fi
