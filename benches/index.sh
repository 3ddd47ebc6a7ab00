#!/usr/bin/env bash
# index: taking in and indexing a whole archive of mail, from nothing.
#
# rota: `index-bench`, that is the pipeline of `rota import` and one lane of fts-indexing: parse, store, change log,
# index, every batch durable; once on the machine as it is, once on one core. Beside it notmuch and mu, which store no
# mail and sync nothing; and on one core the bare limit: GMime's parser and one FTS5 insert for each message.
# notmuch is by far the slowest, and its rounds take most of the time.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

files=$BENCH_WORK/files
mail_files >"$files"
setting archive "$(wc -l <"$files") messages, $(xargs -a "$files" -d '\n' cat | wc -c) bytes, read before each round"
setting index-rota "one thread at the edge, one lane of fts-indexing; SQLite, WAL, synchronous=FULL for mail"
setting index-bare "GMime $(pkg-config --modversion gmime-3.0), FTS5 unicode61, a commit for 1,000, synchronous=NORMAL"

rota_s() { "$@" "$BENCH_BUILD/benches/index-bench" "$BENCH_WORK/store" <"$files" 2>/dev/null | cut -f6; }

if [ -z "$BENCH_SMOKE" ]; then
    mail_peers
    setting index-notmuch "$(notmuch --version | tr '\n' ' ')new --no-hooks --quiet; no tags from flags"
    setting index-mu "$(mu --version | head -n 1), index --quiet"
fi

for _ in $(seq "$BENCH_ROUNDS"); do
    xargs -a "$files" -d '\n' cat >"/dev/null"
    say index-rota-one-core "$(rota_s taskset -c 0)" s
    say index-bare-one-core "$(taskset -c 0 "$BENCH_BUILD/benches/index-bare" "$BENCH_WORK/bare" <"$files" | cut -f4)" s
    say index-rota "$(rota_s env)" s
    [ -z "$BENCH_SMOKE" ] || continue
    say index-mu "$(index_by_mu)" s
    say index-notmuch "$(index_by_notmuch)" s
done
