#!/usr/bin/env bash
# memory: what a node holds of this machine's memory, in MB: memory-rest, memory-load (the highest), memory-after.
#
# PSS: what is shared with other programs counts in part. Full load is eight LMTP sessions that send real mail without a
# pause while the index is rebuilt again and again and the purges run, until the queue is empty, so that every lane has
# work. Another $BENCH_SECONDS than 20 makes it longer. See lib.sh for the rest.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
seconds=${BENCH_SECONDS:-20}
work=$BENCH_WORK/memory
[ -z "$BENCH_SMOKE" ] || seconds=2
mail=${ROTA_DATA_UNPACKED:-$PWD/var/data}
[ -z "$BENCH_SMOKE" ] && [ -d "$mail" ] || mail=examples/mail
node=''
rota() { "$BENCH_BUILD/rota" "$@" -c "$work/rota.toml"; }
# A wait without a process of its own.
pause() { read -rt "$1" <> <(:) || true; }
mb() { awk '$1 == "Pss:" {printf "%.1f", $2 / 1024}' "/proc/$node/smaps_rollup"; }
sample() { top=$(printf '%s\n' "$top" "$(mb)" | sort -n | tail -n 1); }
stop() { [ -z "$node" ] || { kill "$node" && wait "$node"; } || true; node=''; }
trap 'stop; bench_end' EXIT

one_round()
{
    local load turn=0 top=0
    rm -rf "$work"
    mkdir -p "$work"
    printf '%s\n' '[cluster]' 'node-id = 1' '[store.data]' "path = \"$work/rota.db\"" '[lmtp]' \
        "listen = [\"unix:$work/lmtp\"]" '[http]' 'listen = []' '[log]' 'level = "warning"' >"$work/rota.toml"
    for n in 1 2 3 4 5 6 7 8; do rota account add "user$n@example.org" >/dev/null 2>&1; done
    "$BENCH_BUILD/rota" serve -c "$work/rota.toml" >"$work/log" 2>&1 &
    node=$!
    until rota status >/dev/null 2>&1; do pause 0.1; done
    pause 5
    say memory-rest "$(mb)" MB
    python3 benches/memory_load.py "$work/lmtp" "$seconds" "$mail" >"$work/sent" &
    load=$!
    while kill -0 "$load" 2>/dev/null || [ "$(rota tasks list --limit 1 --json | grep -c '"id"')" != 0 ]; do
        sample
        if ((turn++ % 10 == 0)) && kill -0 "$load" 2>/dev/null; then
            rota search --rebuild >/dev/null 2>&1 || true
            for role in purge.stores purge.accounts; do rota run "$role" --no-wait >/dev/null 2>&1 || true; done
        fi
        pause 0.2
    done
    wait "$load"
    say memory-load "$top" MB
    setting memory-load "eight sessions, $(cat "$work/sent")"
    pause 5
    say memory-after "$(mb)" MB
    stop
}

for ((round = 0; round < BENCH_ROUNDS; round++)); do one_round; done
