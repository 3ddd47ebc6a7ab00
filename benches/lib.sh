# lib.sh: what the parts of ./bench share; sourced by benches/PART.sh.
#
# ./bench sets BENCH_BUILD (a build folder), BENCH_WORK (a folder that it removes), BENCH_ROUNDS and BENCH_SMOKE (not
# empty: a little mail, no peers). A part that is run by itself gets the same here.

set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
. tests/setup.sh
BENCH_BUILD=${BENCH_BUILD:-$PWD/build}
BENCH_ROUNDS=${BENCH_ROUNDS:-5}
BENCH_SMOKE=${BENCH_SMOKE:-}
bench_own=''
if [ -z "${BENCH_WORK:-}" ]; then
    BENCH_WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/rota-bench.XXXXXX")
    bench_own=$BENCH_WORK
fi

# At the end of a part; one with a trap of its own calls it there.
bench_end() { [ -z "$bench_own" ] || rm -rf "$bench_own"; }
trap bench_end EXIT

# say NAME VALUE UNIT: a line of the result.
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }

# setting NAME TEXT: how a program was run; shown under the table.
setting() { printf '%s\t%s\tsetting\n' "$1" "$2"; }

# seconds COMMAND...: how long it took; what it says goes to a log that is shown if it fails.
seconds()
{
    local begin end
    begin=$(date +%s%N)
    if ! "$@" >"$BENCH_WORK/command.log" 2>&1 </dev/null; then
        tail -n 20 "$BENCH_WORK/command.log" >&2
        echo "failed: $*" >&2
        return 1
    fi
    end=$(date +%s%N)
    awk -v ns=$((end - begin)) 'BEGIN {printf "%.3f\n", ns / 1e9}'
}

# median: of the numbers on standard input, one a line.
median() { sort -n | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }

# mail_files: the messages of the archive, a path a line, in a fixed order; in a smoke run the example's.
mail_files()
{
    local archive=${ROTA_DATA_UNPACKED:-$PWD/var/data}/mail/dev
    [ -z "$BENCH_SMOKE" ] || archive=$PWD/examples/mail
    if [ ! -d "$archive" ]; then
        echo "The mail archive is not in $archive: \$ROTA_DATA names the folder that has it packed (tests/data.sh)" >&2
        return 1
    fi
    find "$archive" -name '*.eml' | sort
}

# mail_peers: the archive as a maildir, and notmuch and mu installed; once in a run.
mail_peers()
{
    local n=0 file
    setup_packages notmuch maildir-utils >&2
    export NOTMUCH_CONFIG=$BENCH_WORK/notmuch
    [ ! -d "$BENCH_WORK/maildir" ] || return 0
    mkdir -p "$BENCH_WORK/maildir"/{cur,new,tmp}
    while read -r file; do
        n=$((n + 1))
        cp "$file" "$BENCH_WORK/maildir/cur/$n.bench:2,S"
    done < <(mail_files)
    cat >"$NOTMUCH_CONFIG" <<C
[database]
path=$BENCH_WORK/maildir
[user]
name=b
primary_email=b@example.org
[new]
tags=new
ignore=
[search]
exclude_tags=
[maildir]
synchronize_flags=false
C
}

index_by_notmuch()
{
    rm -rf "$BENCH_WORK/maildir/.notmuch"
    seconds notmuch new --no-hooks --quiet
}

index_by_mu()
{
    rm -rf "$BENCH_WORK/mu"
    mu init --muhome="$BENCH_WORK/mu" --maildir="$BENCH_WORK/maildir" >/dev/null
    seconds mu index --muhome="$BENCH_WORK/mu" --quiet
}
