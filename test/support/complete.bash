# complete.bash SCRIPT LINE...: what bash offers at the end of each line, one result line each
source "$1"
shift
# Splits as readline does: blanks separate, and runs of colons or equals signs are words.
split() {
  local rest=$1
  COMP_WORDS=()
  while [[ -n $rest ]]; do
    [[ $rest =~ ^[[:space:]]+ || $rest =~ ^[:=]+ || $rest =~ ^[^[:space:]:=]+ ]]
    [[ ${BASH_REMATCH[0]} == [[:space:]]* ]] || COMP_WORDS+=("${BASH_REMATCH[0]}")
    rest=${rest#"${BASH_REMATCH[0]}"}
  done
  [[ $1 == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
}
function_name=$(complete -p g8ufs | sed 's/.* -F \([^ ]*\) .*/\1/')
for COMP_LINE in "$@"; do
  COMP_POINT=${#COMP_LINE} COMPREPLY=()
  split "$COMP_LINE"
  "$function_name"
  printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort -u | paste -sd'|'
done
