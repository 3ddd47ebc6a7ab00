#!/usr/bin/env bash
# index: taking in and indexing an archive of mail, and searching it, beside what people would take
# instead.
#
# bench/index.sh [ROUNDS]   (5)
# Needs: $ROTA_DATA_UNPACKED/mail (see tests/data.sh), a build in $BUILD (build); notmuch and mu where
# they are to be compared. Each round runs all of them one after the other, so that a busy machine is
# busy for all. Prints tab-separated lines: what, round, result; last the medians.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}; build=${BUILD:-build}; data=${ROTA_DATA_UNPACKED:?}/mail
work=$(mktemp -d "${TMPDIR:-/var/tmp}/rota-index.XXXXXX"); trap 'rm -rf "$work"' EXIT
words=$work/words; results=$work/results
find "$data" -name '*.eml' | sort >"$work/files"
mkdir -p "$work/maildir/cur" "$work/maildir/new" "$work/maildir/tmp"
n=0; while read -r file; do n=$((n + 1)); cp "$file" "$work/maildir/cur/$n.bench:2,S"; done <"$work/files"
cut -d' ' -f1 >"$words" <"${WORDS:-bench/search_words.txt}"
note() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" | tee -a "$results"; }
timed() {
  local t0 t1; t0=$(date +%s.%N); "$@" >/dev/null 2>&1; t1=$(date +%s.%N)
  echo "$t1 $t0" | awk '{printf "%.2f", $1 - $2}'
}
# The median of the numbers on standard input, times FACTOR, in FORMAT.
median() {
  sort -n | awk -v factor="$1" -v format="$2" \
    '{v[NR] = $1} END {printf format, factor * (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'
}
# Median milliseconds of a search command over the words; the command gets the word last.
search_ms() {
  while read -r word; do t=$(timed "$@" "$word" </dev/null); echo "$t"; done <"$words" | median 1000 %.1f
}
# Milliseconds of one count within one process: the same query fifty times, the median over the words.
notmuch_count_ms() {
  while read -r word; do
    for _ in $(seq 50); do echo "$word"; done >"$work/batch"
    t=$(timed notmuch count --exclude=false --batch --input="$work/batch"); echo "$t"
  done <"$words" | median 20 %.2f
}
for round in $(seq "$rounds"); do
  cat "$work"/maildir/cur/* >/dev/null
  note rota-s "$round" "$("$build/bench/index-bench" "$work/store" <"$work/files" 2>/dev/null | cut -f6)"
  last=$("$build/bench/search-bench" "$work/store" 7 <"$words" | tail -1)
  note rota-count-ms "$round" "$(cut -f3 <<<"$last" | awk '{print $1 / 1000}')"
  note rota-first50-ms "$round" "$(cut -f4 <<<"$last" | awk '{print $1 / 1000}')"
  note bare-s "$round" "$(taskset -c 0 "$build/bench/index-bare" "$work/bare" <"$work/files" | cut -f4)"
  if command -v notmuch >/dev/null; then
    rm -rf "$work/maildir/.notmuch"; export NOTMUCH_CONFIG=$work/notmuch
    {
      printf '[database]\npath=%s\n[user]\nname=b\nprimary_email=b@example.org\n' "$work/maildir"
      printf '[new]\ntags=new\nignore=\n[search]\nexclude_tags=\n[maildir]\nsynchronize_flags=false\n'
    } >"$work/notmuch"
    note notmuch-s "$round" "$(timed notmuch new --no-hooks --quiet)"
    note notmuch-count-ms "$round" "$(notmuch_count_ms)"
    note notmuch-first50-ms "$round" "$(search_ms notmuch search \
      --exclude=false --output=messages --sort=newest-first --limit=50)"
  fi
  if command -v mu >/dev/null; then
    rm -rf "$work/mu"; mu init --muhome="$work/mu" --maildir="$work/maildir" >/dev/null
    note mu-s "$round" "$(timed mu index --muhome="$work/mu" --quiet)"
    note mu-first50-ms "$round" "$(search_ms mu find \
      --muhome="$work/mu" --maxnum=50 --sortfield=date --reverse --fields=l)"
  fi
done
echo; cut -f1 "$results" | sort -u | while read -r what; do
  note "median-$what" "$rounds" "$(awk -F'\t' -v w="$what" '$1 == w {print $3}' "$results" | median 1 %g)"
done
