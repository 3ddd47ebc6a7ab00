#!/usr/bin/env bash
# alarms: a million alarms pending, 100,000 of them due within one minute, three nodes on one PostgreSQL, a million
# index tasks waiting; then the same with a node killed (SIGKILL) half-way: see alarms_run.py. It fails where an alarm
# is lost, or comes twice without being counted.
#
# $ALARMS_PENDING, $ALARMS_DUE, $ALARMS_SECONDS, $ALARMS_INDEX say how many of what; $ALARMS_NODES how many nodes.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
. tests/postgres.sh

pending=${ALARMS_PENDING:-1000000} due=${ALARMS_DUE:-100000} seconds=${ALARMS_SECONDS:-60}
index=${ALARMS_INDEX:-1000000} nodes=${ALARMS_NODES:-3} lead=25 ways=('' --kill)
[ -z "$BENCH_SMOKE" ] || pending=400 due=100 seconds=2 index=100 lead=8 ways=(--kill)
unset ROTA_TEST_PG
POSTGRES_OPTIONS='-c shared_buffers=512MB -c max_wal_size=8GB -c checkpoint_timeout=30min'
[ -z "$BENCH_SMOKE" ] || POSTGRES_OPTIONS='-c fsync=off'
command -v psql >/dev/null || setup_packages postgresql-15 >&2
python3 -c 'import pytest' 2>/dev/null || setup_packages python3-pytest >&2
trap 'postgres_stop; bench_end' EXIT

setting alarms "$pending pending, $due due within $seconds s, $index index tasks waiting, $nodes nodes, smtp-sink"
for way in "${ways[@]}"; do
    postgres_start || exit 1
    mkdir -p "$BENCH_WORK/alarms$way"
    python3 benches/alarms_run.py "$BENCH_BUILD/rota" "$ROTA_TEST_PG" "$BENCH_WORK/alarms$way" --pending "$pending" \
        --due "$due" --seconds "$seconds" --index "$index" --nodes "$nodes" --lead "$lead" ${way:+"$way"}
    postgres_stop
    unset ROTA_TEST_PG
done
