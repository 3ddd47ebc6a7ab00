#!/usr/bin/env bash
# queuepg: empty tasks through the queue on PostgreSQL, each commit durable; how soon an idle node starts a task; what a
# claim costs as the queue grows.
#
# One private PostgreSQL for all, its settings below. Throughput: all tasks are enqueued, then two or four workers work
# them off, and the better of both counts. rota: `queue-bench`, lanes of the program with leases and fence. Beside it
# graphile-worker as it comes and with its local queue, pg-boss with fetch and complete of 2,000, and a bare C loop with
# rota's batches. The same with a snapshot held open, as a back-up does, so that no dead row can be removed. Idle: from
# the enqueue to the handler, on the same node and on another. Curves: see queue_curve.c.
#
# $QUEUEPG_PARTS (throughput snapshot latency curves) says what is measured, $QUEUEPG_TASKS with how many tasks,
# $QUEUEPG_SIZES how many lie in the queue for the curves, $QUEUEPG_PINNED for how many seconds a snapshot is held under
# load for the last of them.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
. tests/postgres.sh

parts=${QUEUEPG_PARTS:-throughput snapshot latency curves}
tasks=${QUEUEPG_TASKS:-200000} slow_tasks=20000 idle=200
sizes=${QUEUEPG_SIZES:-1000 10000 100000 1000000}
pinned=${QUEUEPG_PINNED:-60}
[ -z "$BENCH_SMOKE" ] || tasks=2000 idle=5 sizes=1000 pinned=2
setting queuepg-curves "claims of 100; pinned: tenths of $pinned seconds of 2,000 tasks a second, one lane"

if [ -n "$BENCH_SMOKE" ]; then
    command -v psql >/dev/null || setup_packages postgresql-15 >&2
else
    setup_packages postgresql-15 >&2
    unset ROTA_TEST_PG
    POSTGRES_OPTIONS='-c shared_buffers=512MB -c max_wal_size=8GB -c checkpoint_timeout=30min'
fi
snapshot_pid=''
# The snapshot is a psql that waits for its input to end.
hold_snapshot()
{
    coproc SNAPSHOT { psql -qtA -X "$url"; }
    # shellcheck disable=SC2153 # coproc sets it
    snapshot_pid=$SNAPSHOT_PID
    echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'held' FROM pg_class LIMIT 1;" >&"${SNAPSHOT[1]}"
    local word
    read -r word <&"${SNAPSHOT[0]}"
    [ "$word" = held ]
}
drop_snapshot()
{
    [ -n "$snapshot_pid" ] || return 0
    kill "$snapshot_pid" 2>/dev/null || true
    wait "$snapshot_pid" 2>/dev/null || true
    snapshot_pid=''
}
trap 'drop_snapshot; postgres_stop; bench_end' EXIT
postgres_start
url=$ROTA_TEST_PG
schema=queuepg_$$

fresh()
{
    psql -qX "$url" -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" \
        -c "CREATE SCHEMA $schema" -c "CHECKPOINT" >/dev/null
}

# rate WORD COMMAND...: the tasks a second that a line "WORD N/s" says, in an empty schema.
rate()
{
    local word=$1
    shift
    fresh
    "$@" | sed -n "s|^$word \([0-9]*\)/s$|\1|p"
}

# best WORD TASKS BATCH: the better of two and four workers of rota (bare: of the bare loop).
rota() { rate "$1" "$BENCH_BUILD/benches/queue-bench" --postgresql "$url" --schema "$schema" --tasks "$2" --batch "$3" \
    --workers "$4"; }
bare() { rate "$1" "$BENCH_BUILD/benches/queue-bare-pg" "$url options='-c search_path=$schema'" "$2" "$3" "$4"; }
best()
{
    local two four
    two=$("$@" 2)
    four=$("$@" 4)
    echo $((two > four ? two : four))
}

peers=''
setting queuepg "$tasks tasks ($slow_tasks where a peer is slow), an empty handler, best of two and four workers; \
PostgreSQL $(psql -V | sed 's/.* \([0-9.]*\) .*/\1/'), fsync and synchronous_commit on, shared_buffers 512 MB"
if [ -z "$BENCH_SMOKE" ]; then
    command -v npm >/dev/null || setup_packages nodejs npm >&2
    modules=var/npm
    node=$modules/node_modules/node/bin/node
    if [ ! -x "$node" ] || [ ! -d "$modules/node_modules/pg-boss" ]; then
        mkdir -p "$modules"
        [ -f "$modules/package.json" ] || echo '{"private": true}' >"$modules/package.json"
        npm install --prefix "$modules" --no-audit --no-fund graphile-worker@0.18.0 pg-boss@12.38.0 pg@8.23.1 \
            node@24.21.0 >&2
    fi
    peers=yes
    setting queuepg-peers "graphile-worker 0.18.0 (24 jobs at once in each process), pg-boss 12.38.0, pg 8.23.1, \
node $("$node" --version)"
    folder=$(sed 's/^host=\([^ ]*\) .*/\1/' <<<"$url")
    node_url="postgres://rota@localhost:54321/postgres?host=$folder"
fi
graphile() { "$node" benches/queue_graphile.mjs "$modules/node_modules" "$node_url" work "$1" "$3" "$2"; }
pgboss() { "$node" benches/queue_pgboss.mjs "$modules/node_modules" "$node_url" work "$1" "$3" "$2"; }

# measure SUFFIX: all programs once.
measure()
{
    local batch
    for batch in 100 1000; do
        say "queuepg-rota-$batch$1" "$(best rota work "$tasks" "$batch")" tasks/s
        say "queuepg-bare-$batch$1" "$(best bare work "$tasks" "$batch")" tasks/s
    done
    say "queuepg-enqueue$1" "$(rota enqueue "$tasks" 1000 2)" tasks/s
    [ -n "$peers" ] || return 0
    say "queuepg-graphile$1" "$(best graphile "$slow_tasks" 0)" tasks/s
    say "queuepg-graphile-500$1" "$(best graphile "$tasks" 500)" tasks/s
    say "queuepg-graphile-5000$1" "$(best graphile "$tasks" 5000)" tasks/s
    say "queuepg-pgboss$1" "$(best pgboss "$tasks" 2000)" tasks/s
}

# idle NAME COMMAND...: its median and 99th percentile.
idle()
{
    local name=$1 lines
    shift
    lines=$("$@")
    say "queuepg-idle-$name" "$(sed -n 's/^median\t//p' <<<"$lines")" ms
    say "queuepg-idle-$name-p99" "$(sed -n 's/^p99\t//p' <<<"$lines")" ms
}

measure_idle()
{
    local latency=("$BENCH_BUILD/benches/queue-latency" --postgresql "$url" --schema "$schema" --tasks "$idle")
    fresh
    idle same "${latency[@]}"
    fresh
    idle other "${latency[@]}" --other
    [ -n "$peers" ] || return 0
    idle graphile "$node" benches/queue_graphile.mjs "$modules/node_modules" "$node_url" latency "$idle"
    idle pgboss "$node" benches/queue_pgboss.mjs "$modules/node_modules" "$node_url" latency "$idle"
}

# grown FILE: how much the dearest of its numbers is above the first.
grown() { awk 'NR == 1 {first = $1} $1 > most {most = $1} END {printf "%.2f\n", most / first}' "$1"; }

measure_curves()
{
    local curve=("$BENCH_BUILD/benches/queue-curve" --postgresql "$url" --schema "$schema") shape size tenth us
    local points=$BENCH_WORK/points
    for shape in due later others; do
        for size in $sizes; do
            fresh
            us=$("${curve[@]}" "$shape" "$size" | sed -n 's/^claim //p')
            say "queuepg-claim-$shape-$size" "$us" us
            echo "$us" >>"$points-$shape"
        done
        say "queuepg-growth-$shape" "$(grown "$points-$shape")" times
        rm "$points-$shape"
    done
    fresh
    while read -r tenth us; do
        say "queuepg-claim-pinned-$tenth" "$us" us
        echo "$us" >>"$points"
    done < <("${curve[@]}" pinned "$pinned")
    say queuepg-growth-pinned "$(grown "$points")" times
    rm "$points"
}

for _ in $(seq "$BENCH_ROUNDS"); do
    for part in $parts; do
        case $part in
        throughput) measure '' ;;
        snapshot)
            hold_snapshot
            measure -snapshot
            drop_snapshot
            ;;
        latency) measure_idle ;;
        curves) measure_curves ;;
        *)
            echo "queuepg: there is no part \"$part\"" >&2
            exit 2
            ;;
        esac
    done
done
psql -qX "$url" -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE"
