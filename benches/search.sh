#!/usr/bin/env bash
# search: 20 words, warm, each program on an index of the same archive.
#
# Counting: in one process, the median over the words; notmuch counts the same query fifty times in one batch. The
# first 50 results: rota within one process, notmuch and mu by a process for each query, as their users and front ends
# run them; their start is counted too, and that of `true` is printed beside.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

files=$BENCH_WORK/files words=$BENCH_WORK/words store=$BENCH_WORK/store
mail_files >"$files"
cut -f1 benches/search_words.txt >"$words"
"$BENCH_BUILD/benches/index-bench" "$store" <"$files" >/dev/null 2>&1
setting search-rota "search-bench: search_count and search_find by model/search.h, a transaction for each"

if [ -z "$BENCH_SMOKE" ]; then
    mail_peers
    [ -d "$BENCH_WORK/maildir/.notmuch" ] || index_by_notmuch >/dev/null
    [ -d "$BENCH_WORK/mu" ] || index_by_mu >/dev/null
    setting search-notmuch "count --exclude=false --batch; search --output=messages --sort=newest-first --limit=50"
    setting search-mu "find --maxnum=50 --sortfield=date --reverse --fields=l"
fi

notmuch_50=(notmuch search --exclude=false --output=messages --sort=newest-first --limit=50)
mu_50=(mu find --muhome="$BENCH_WORK/mu" --maxnum=50 --sortfield=date --reverse --fields=l)

# each_ms COMMAND...: the median milliseconds of it over the words; it gets the word last.
each_ms()
{
    local word
    while read -r word; do
        seconds "$@" "$word"
    done <"$words" | median | awk '{printf "%.3f", 1000 * $1}'
}

notmuch_count_ms()
{
    local word
    while read -r word; do
        for _ in $(seq 50); do echo "$word"; done >"$BENCH_WORK/batch"
        seconds notmuch count --exclude=false --batch --input="$BENCH_WORK/batch"
    done <"$words" | median | awk '{printf "%.3f", 1000 * $1 / 50}'
}

for _ in $(seq "$BENCH_ROUNDS"); do
    last=$("$BENCH_BUILD/benches/search-bench" "$store" 7 <"$words" | tail -n 1)
    say search-count-rota "$(cut -f3 <<<"$last" | awk '{printf "%.4f", $1 / 1000}')" ms
    say search-first50-rota "$(cut -f4 <<<"$last" | awk '{printf "%.4f", $1 / 1000}')" ms
    [ -z "$BENCH_SMOKE" ] || continue
    say search-count-notmuch "$(notmuch_count_ms)" ms
    say search-first50-notmuch "$(each_ms "${notmuch_50[@]}")" ms
    say search-first50-mu "$(each_ms "${mu_50[@]}")" ms
    say search-process "$(each_ms true)" ms
done
