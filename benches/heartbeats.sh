#!/usr/bin/env bash
# heartbeats: what nodes that only live cost one PostgreSQL: 10, 100, 1,000 of them, each with its lease, heartbeat and
# poll at the default pace (`heartbeat-bench`); $HEARTBEATS_SIZES says how many. CPU of all of the server's processes,
# in percent of one core.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
. tests/postgres.sh

read -ra sizes <<<"${HEARTBEATS_SIZES:-10 100 1000}"
seconds=30 settle=15
[ -z "$BENCH_SMOKE" ] || { sizes=(10) seconds=2 settle=0; }
if [ -n "$BENCH_SMOKE" ]; then
    command -v psql >/dev/null || setup_packages postgresql-15 >&2
else
    setup_packages postgresql-15 >&2
    unset ROTA_TEST_PG
    POSTGRES_OPTIONS='-c shared_buffers=128MB'
fi
bench_pid=''
trap '[ -z "$bench_pid" ] || kill "$bench_pid" 2>/dev/null; postgres_stop; bench_end' EXIT
postgres_start
url=$ROTA_TEST_PG
schema=heartbeats_$$
setting heartbeats "lease 6 s, heartbeat 2 s, durable commits, $seconds s, $settle s after the last joined"

# The CPU seconds of the server until now: its first process, and what that has started and waited for.
server=$(psql -qtAX "$url" -c "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
cpu()
{
    # A process may end while it is read.
    { cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v server="$server" -v hz="$(getconf CLK_TCK)" '
        $2 == "(postgres)" && ($1 == server || $4 == server) {sum += $14 + $15}
        $1 == server {sum += $16 + $17}
        END {printf "%.2f\n", sum / hz}'
}

for _ in $(seq "$BENCH_ROUNDS"); do
    for nodes in "${sizes[@]}"; do
        psql -qX "$url" -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" \
            -c "CREATE SCHEMA $schema" >/dev/null
        coproc BENCH { "$BENCH_BUILD/benches/heartbeat-bench" "$url" "$schema" "$nodes" "$((settle + seconds))"; }
        bench_pid=$BENCH_PID
        exec 7<&"${BENCH[0]}"
        read -r word <&7
        [ "$word" = joined ]
        # As autovacuum does within a minute: the plans of a table that was empty are not a cluster's.
        psql -qX "$url" -c "ANALYZE $schema.member" >/dev/null
        sleep "$settle" # joining is another thing: each node reads who is there
        before=$(cpu)
        sleep $((seconds - 1))
        after=$(cpu)
        said=$(cat <&7)
        wait "$bench_pid"
        bench_pid=''
        exec 7<&-
        say "heartbeats-cpu-$nodes" \
            "$(awk '{printf "%.2f", 100 * ($2 - $1) / $3}' <<<"$before $after $((seconds - 1))")" '% of a core'
        say "heartbeats-statements-$nodes" "$(sed -n 's/^statements\t//p' <<<"$said")" statements/s
        say "heartbeats-late-$nodes" "$(sed -n 's/^late\t//p' <<<"$said")" ms
    done
done
psql -qX "$url" -c "SET client_min_messages = warning" -c "DROP SCHEMA IF EXISTS $schema CASCADE" >/dev/null
