#!/usr/bin/env bash
# purge: what a message by LMTP has to wait while purge.stores removes 100,000 expired keys and purge.accounts
# 100,000 old messages of a Trash, beside the same node a moment before.
#
# Each round begins with the same store (purge-fill, copied). One session sends messages one after the other, then ten
# at once; then both rounds are asked for, and the same is sent again while they go on. purge-left says how much of the
# work was still to do after the last message: more than nothing, or the comparison would be of nothing. After the last
# round the node is left alone until they have ended: purge-rest.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

filled=100000 messages=3000
[ -z "$BENCH_SMOKE" ] || filled=2000 messages=50
folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-purge.XXXXXX")
trap 'stop_serving; rm -rf "$folder"; [ -n "${BENCH_PART_OF_RUN:-}" ] || rm -rf "$BENCH_WORK"' EXIT

cat >"$folder/rota.toml" <<C
[store.data]
path = "rota.db"
[lmtp]
listen = ["unix:$folder/lmtp"]
[http]
listen = []
C
rota() { "$BENCH_BUILD/rota" "$@" -c "$folder/rota.toml"; }
left()
{
    rota run "$1" --dry-run --json 2>/dev/null |
        python3 -c 'import json, sys; print(sum(kind["count"] for kind in json.load(sys.stdin)["would_go"]))'
}

# send NAME SESSIONS: the 99th percentile of a message's milliseconds.
send()
{
    local line
    line=$("$BENCH_BUILD/benches/lmtp-client" --rcpt ada@example.org --sessions "$2" --messages "$messages" \
        "$folder/lmtp")
    say "$1-$2-p99" "$(cut -f3 <<<"$line")" ms
}

measure()
{
    local role
    stop_serving
    rm -f "$folder"/rota.db* "$folder/lmtp"
    cp "$BENCH_WORK/full.db" "$folder/rota.db"
    sync "$folder/rota.db"
    "$BENCH_BUILD/rota" serve -c "$folder/rota.toml" >"$folder/log" 2>&1 & # not by the function: its number
    serving=$!
    for _ in $(seq 200); do
        [ ! -S "$folder/lmtp" ] || break
        sleep 0.05
    done
    "$BENCH_BUILD/benches/lmtp-client" --rcpt ada@example.org --messages 50 "$folder/lmtp" >/dev/null
    send purge-without 1
    send purge-without 10
    for role in purge.stores purge.accounts; do
        rota run "$role" --no-wait >/dev/null
    done
    send purge-with 1
    send purge-with 10
    say purge-left "$(($(left purge.stores) + $(left purge.accounts)))" rows
}

# rest: until both have ended, with nobody beside.
rest()
{
    local role begin
    begin=$(date +%s%N)
    for role in purge.stores purge.accounts; do
        rota run "$role" >/dev/null 2>&1
    done
    say purge-rest "$(awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN {printf "%.1f", ns / 1e9}')" s
}

setting purge "$filled expired keys, $filled messages of 600 bytes in Trash; $messages sent each time; defaults, SQLite"
"$BENCH_BUILD/benches/purge-fill" --messages "$filled" --keys "$filled" "$BENCH_WORK/full.db"
for _ in $(seq "$BENCH_ROUNDS"); do
    measure
done
rest
stop_serving
