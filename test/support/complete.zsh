# complete.zsh SCRIPT LINE...: what an interactive zsh offers at the end of each line, one result line each.
# The shell runs on a terminal of its own; a widget there types each line and notes what is added.
zmodload zsh/zpty
folder=$(mktemp -d)
trap 'rm -rf $folder' EXIT
mkfifo $folder/out
print -rl -- "${@[2,-1]}" > $folder/lines
cat > $folder/.zshrc <<'S'
PS1=
autoload -U compinit
compinit -D -u
source $COMPLETION
compadd() {
  if [[ ${@[1,(i)--]} == *-[OAD]* ]]; then
    builtin compadd "$@"
    return
  fi
  local -a found
  builtin compadd -O found "$@"
  offered+=("${found[@]}")
  builtin compadd "$@"
}
probe() {
  local line
  local -a offered
  for line in "${(@f)$(<$FOLDER/lines)}"; do
    BUFFER=$line CURSOR=$#line offered=()
    zle list-choices
    print -r -- "${(j:|:)${(@ou)offered}}"
  done > $FOLDER/out
}
zle -N probe
bindkey '^T' probe
S
export COMPLETION=$1 FOLDER=$folder TERM=dumb ZDOTDIR=$folder LC_ALL=C
zpty inner zsh -i
zpty -w inner $'\x14'
cat $folder/out
zpty -d inner
