#!/usr/bin/env bash
# metrics: what metrics.calculate costs after 100 changes, beside its own full recount, on both stores
# (`metrics-bench`): 10,000 accounts with 10^4, 10^5 and 10^6 messages; $METRICS_SIZES says how many. Milliseconds of
# one run: reading, adding up, writing and the commit. …-growth is what 10^6 messages cost, divided by what 10^4 do.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
. tests/postgres.sh

accounts=10000
read -ra sizes <<<"${METRICS_SIZES:-10000 100000 1000000}"
[ -z "$BENCH_SMOKE" ] || { accounts=100 sizes=(500 1000); }
if [ -n "$BENCH_SMOKE" ]; then
    command -v psql >/dev/null || setup_packages postgresql-15 >&2
else
    setup_packages postgresql-15 >&2
    unset ROTA_TEST_PG
    POSTGRES_OPTIONS='-c shared_buffers=512MB'
fi
trap 'postgres_stop; bench_end' EXIT
postgres_start
url=$ROTA_TEST_PG
schema=metrics_$$
work=$BENCH_WORK/metrics
mkdir -p "$work"
setting metrics "$accounts accounts of 50 domains, 100 messages more before each run; one shard"

# measure STORE SIZE ARGUMENT…: all rounds of one size.
measure()
{
    "$BENCH_BUILD/benches/metrics-bench" "${@:3}" --accounts "$accounts" --messages "$2" --rounds "$BENCH_ROUNDS" \
        >"$work/$1-$2"
    while read -r what ms; do
        say "metrics-$1-$what-$2" "$ms" ms
    done <"$work/$1-$2"
}

# growth STORE: the middle cost of the largest size beside that of the smallest.
growth()
{
    local size cost=()
    for size in "${sizes[0]}" "${sizes[-1]}"; do
        cost+=("$(awk '$1 == "calculate" {print $2}' "$work/$1-$size" | median)")
    done
    say "metrics-$1-growth" "$(awk -v a="${cost[0]}" -v b="${cost[1]}" 'BEGIN {printf "%.3f", b / a}')" times
}

for size in "${sizes[@]}"; do
    measure sqlite "$size" --store "$work/metrics.db"
    rm -f "$work"/metrics.db*
    psql -qX "$url" -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" \
        -c "CREATE SCHEMA $schema" >/dev/null
    measure postgresql "$size" --url "$url" --schema "$schema"
done
psql -qX "$url" -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" >/dev/null
growth sqlite
growth postgresql
