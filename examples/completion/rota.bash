# bash completion for rota: commands and options are asked of the program itself, so they are its own.

_rota()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev='' word i commands command='' words=()
    [ "$COMP_CWORD" -lt 1 ] || prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
    -c | --config)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    esac

    # The words before the one that is typed, without options and the value of -c.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -c | --config) i=$((i + 1)) ;;
        -*) ;;
        *) words+=("$word") ;;
        esac
    done
    commands=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^rota \([a-z]\{1,\}\( [a-z]\{1,\}\)\{0,1\}\)  .*/\1/p')
    for word in "${words[*]:0:2}" "${words[*]:0:1}"; do
        if [ -n "$word" ] && grep -qx -- "$word" <<<"$commands"; then
            command=$word
            break
        fi
    done

    if [[ $cur == -* ]]; then
        # shellcheck disable=SC2086 # a command of two words is two words
        word=$("${COMP_WORDS[0]}" $command --help 2>/dev/null |
            sed -n 's/^  \(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\).*/\2/p')
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
        return
    fi
    case ${#words[@]} in
    0) word=$(cut -d' ' -f1 <<<"$commands" | sort -u) ;;
    1) word=$(sed -n "s/^${words[0]} //p" <<<"$commands") ;;
    *) word='' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
    # An argument may be a file (rota import, rota train).
    [ ${#COMPREPLY[@]} -gt 0 ] || [ ${#words[@]} -eq 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _rota rota
