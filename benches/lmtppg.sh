#!/usr/bin/env bash
# lmtppg: small messages by LMTP into a cluster of six nodes on one PostgreSQL, all on this machine, ten sessions.
#
# Ten sessions, each with a recipient of its own, at the six nodes in turn; the role table is tests/data/seed.toml, and
# every role is at work. Beside it Dovecot's lmtp service with the same ten recipients, to maildir and mdbox. Both make
# a message durable before they answer. One private PostgreSQL, fsync and synchronous_commit on; the nodes and the
# server share the machine's cores, which a cluster would not.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
. tests/postgres.sh

messages=5000 nodes=6 sessions=10
[ -z "$BENCH_SMOKE" ] || messages=60
folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-lmtp.XXXXXX")
chmod 755 "$folder"
serving=''
pids=()
stop_serving()
{
    local pid
    for pid in $serving "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in $serving "${pids[@]}"; do
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done
    serving='' pids=()
}
trap 'stop_serving; postgres_stop; rm -rf "$folder"; bench_end' EXIT

if [ -n "$BENCH_SMOKE" ]; then
    command -v psql >/dev/null || setup_packages postgresql-15 >&2
else
    setup_packages postgresql-15 >&2
    POSTGRES_OPTIONS='-c shared_buffers=512MB -c max_wal_size=8GB -c checkpoint_timeout=30min'
fi
unset ROTA_TEST_PG
postgres_start

# measure NAME SOCKET...: all messages once, after a few that make the mailboxes.
measure()
{
    local name=$1 line client
    shift
    client=("$BENCH_BUILD/benches/lmtp-client" --rcpt "user%@example.org" --sessions "$sessions")
    "${client[@]}" --messages 60 "$@" >/dev/null
    # As autovacuum does in a store's first minute: without statistics the planner takes any index of the table.
    [ "$name" != rota ] || psql -qX "$ROTA_TEST_PG" -c ANALYZE
    line=$("${client[@]}" --messages "$messages" "$@")
    say "lmtppg-$name" "$(cut -f1 <<<"$line")" messages/s
    say "lmtppg-$name-p99" "$(cut -f3 <<<"$line")" ms
}

measure_cluster()
{
    local node user sockets=() config=$folder/node1.toml
    psql -qX "$ROTA_TEST_PG" -c "SET client_min_messages = warning" -c "DROP SCHEMA public CASCADE" \
        -c "CREATE SCHEMA public" >/dev/null
    for node in $(seq "$nodes"); do
        cat >"$folder/node$node.toml" <<C
cluster.node-id = $node
$(sed '/^cluster.node-id/d' tests/data/seed.toml)
[store.data]
type = "postgresql"
url = "$ROTA_TEST_PG"
[lmtp]
listen = ["unix:$folder/lmtp$node"]
[http]
listen = []
[log]
level = "warning"
C
    done
    "$BENCH_BUILD/rota" -c "$config" store init >"$folder/log" 2>&1 || { cat "$folder/log" >&2; return 1; }
    for user in $(seq 0 $((sessions - 1))); do
        "$BENCH_BUILD/rota" -c "$config" account add "user$user@example.org" >/dev/null 2>&1
    done
    for node in $(seq "$nodes"); do
        rm -f "$folder/lmtp$node"
        "$BENCH_BUILD/rota" -c "$folder/node$node.toml" serve >"$folder/log$node" 2>&1 &
        pids+=($!)
        sockets+=("$folder/lmtp$node")
    done
    for node in $(seq "$nodes"); do
        wait_for "$folder/lmtp$node" || { cat "$folder/log$node" >&2; return 1; }
    done
    measure rota "${sockets[@]}"
    stop_serving
}

setting lmtppg "$messages messages of 2,000 bytes, ten recipients, ten sessions, six nodes on one PostgreSQL"
if [ -z "$BENCH_SMOKE" ]; then
    setup_packages dovecot-core dovecot-lmtpd >&2
    setting lmtppg-dovecot "$(dovecot --version), lmtp service alone, the same recipients and sessions"
fi
for _ in $(seq "$BENCH_ROUNDS"); do
    measure_cluster
    [ -z "$BENCH_SMOKE" ] && [ "$(id -u)" = 0 ] || continue
    start_dovecot "$folder" "maildir:~/Maildir"
    measure maildir "$folder/dovecot/run/lmtp"
    stop_serving
    start_dovecot "$folder" "mdbox:~/mdbox"
    measure mdbox "$folder/dovecot/run/lmtp"
    stop_serving
done
