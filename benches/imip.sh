#!/usr/bin/env bash
# imip: invitations that come by LMTP, each to another event of one account, ten sessions.
#
# imip-rota: from the first byte until each is delivered, weighed, in the calendar and in the log. imip-lmtp: the same
# bytes with a text/plain part where the text/calendar part was, until each is delivered. Both with `rota serve` and its
# defaults, the index kept up meanwhile.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

messages=5000
[ -z "$BENCH_SMOKE" ] || messages=50
folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-imip.XXXXXX")
trap 'stop_serving; rm -rf "$folder"; bench_end' EXIT

rota() { "$BENCH_BUILD/rota" -c "$folder/rota/rota.toml" "$@"; }

# waiting: how many tasks of imip-processing there are.
waiting() { rota tasks list --role imip-processing --json | grep -c '"id"' || true; }

# measure NAME TYPE
measure()
{
    local begin end
    serve_mail "$folder/rota"
    "$BENCH_BUILD/benches/lmtp-client" --messages 20 "$folder/rota/lmtp" >/dev/null
    begin=$(date +%s%N)
    "$BENCH_BUILD/benches/lmtp-client" --sessions 10 --messages "$messages" --invite "$2" "$folder/rota/lmtp" >/dev/null
    while [ "$(waiting)" -gt 0 ]; do sleep 0.02; done
    end=$(date +%s%N)
    say "$1" "$(awk -v n="$messages" -v ns=$((end - begin)) 'BEGIN {printf "%.0f", n * 1e9 / ns}')" messages/s
    stop_serving
}

setting imip "$messages messages of 2000 bytes, one recipient, ten sessions, no pipelining"
for _ in $(seq "$BENCH_ROUNDS"); do
    measure imip-rota "text/calendar; method=REQUEST"
    measure imip-lmtp text/plain
done
