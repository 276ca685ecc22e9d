# fish completion for g8ufs, made by: g8ufs completion fish

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
            case ' completion' ' flist' ' man' ' umount' 'flist create'
                set -a path $token
                if contains -- "$path" 'man'
                    set path
                    set count pages
                end
            case ' help'
                set count pages
            case '* --color' 'flist create -s' 'flist create --store' 'flist create --upper' 'flist create --compress'
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
complete -c g8ufs -l json -d 'print JSON'
complete -c g8ufs -l color -x -a 'always never' -d 'colour [or not] (always, never)'
complete -c g8ufs -n '__g8ufs_at "" 0' -a help -d 'show the page of a command'
complete -c g8ufs -n '__g8ufs_at "" 0' -a completion -d 'print a script'
complete -c g8ufs -n '__g8ufs_at "" pages' -a completion -d 'print a script'
complete -c g8ufs -n '__g8ufs_at "" 0' -a flist -d 'work with flists'
complete -c g8ufs -n '__g8ufs_at "" pages' -a flist -d 'work with flists'
complete -c g8ufs -n '__g8ufs_at "" 0' -a man -d 'print a page'
complete -c g8ufs -n '__g8ufs_at "" pages' -a man -d 'print a page'
complete -c g8ufs -n '__g8ufs_at "" 0' -a umount -d 'take away'
complete -c g8ufs -n '__g8ufs_at "" pages' -a umount -d 'take away'
complete -c g8ufs -n '__g8ufs_at ""' -s h -l help -d 'display help for command'
complete -c g8ufs -n '__g8ufs_at "completion"' -s h -l help -d 'display help for command'
complete -c g8ufs -n '__g8ufs_at "completion" 0' -a 'bash fish' -d 'which'
complete -c g8ufs -n '__g8ufs_at "flist" 0' -a create -d 'make a flist: one file'
complete -c g8ufs -n '__g8ufs_at "flist" pages' -a create -d 'make a flist: one file'
complete -c g8ufs -n '__g8ufs_at "flist"' -s h -l help -d 'display help for command'
complete -c g8ufs -n '__g8ufs_at "flist create"' -s s -l store -x -d 'where chunks go: a URL'
complete -c g8ufs -n '__g8ufs_at "flist create"' -l upper -x -a '(__fish_complete_directories)' -d 'folder of changes'
complete -c g8ufs -n '__g8ufs_at "flist create"' -s h -l human -d 'takes a letter from help'
complete -c g8ufs -n '__g8ufs_at "flist create"' -l compress -x -a 'gzip none' -d 'how it\'s compressed (gzip, none; default: gzip)'
complete -c g8ufs -n '__g8ufs_at "flist create"' -l help -d 'show it'
complete -c g8ufs -n '__g8ufs_at "flist create" 0' -a '(__fish_complete_directories)' -d 'folder to take'
complete -c g8ufs -n '__g8ufs_at "flist create" 1' -a '(__fish_complete_suffix .flist)' -d 'file to write'
complete -c g8ufs -n '__g8ufs_at "man"' -s h -l help -d 'display help for command'
complete -c g8ufs -n '__g8ufs_at "umount"' -s h -l help -d 'display help for command'
complete -c g8ufs -n '__g8ufs_at "umount" 0+' -a '(__fish_complete_directories)' -d 'mount points'
