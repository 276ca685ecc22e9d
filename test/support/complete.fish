# complete.fish SCRIPT LINE...: what fish offers at the end of each line, one result line each
source $argv[1]
for line in $argv[2..-1]
    complete -C $line | string replace -r '\t.*' '' | LC_ALL=C sort -u | paste -sd'|'
end
