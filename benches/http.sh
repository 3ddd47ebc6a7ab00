#!/usr/bin/env bash
# http: answers a second to wrk: /metrics with some 2,000 series and /api/status of a cluster of 100 nodes, beside
# Debian's prometheus-node-exporter with as many series; what 20 open pages cost a node; and what /readyz and the
# heartbeat feel of 10,000 connections that are idle, slow or no HTTP.
#
# rota: one node on SQLite. The other 99 are rows that a heartbeat would write, with leases that do not end; the table
# has a shard for each pair, so that /metrics has its series. The exporter's series come from a file (its textfile
# collector), all other collectors are off but those that cost nothing to count: its own process and Go's.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

seconds=10 watched=10 nodes=100 crowd=10000
[ -z "$BENCH_SMOKE" ] || seconds=1 watched=1 crowd=200
work=$BENCH_WORK/http node='' exporter='' pages=()
http_end()
{
    local pid
    for pid in "${pages[@]}" $node $exporter; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    bench_end
}
trap http_end EXIT

# rate URL [ARGUMENT…]: requests a second; one that is not answered with 200 spoils it.
rate()
{
    local said
    said=$(wrk -t1 -c8 -d"${seconds}s" "${@:2}" "$1")
    if grep -q 'Non-2xx\|Socket errors' <<<"$said"; then
        echo "$said" >&2
        return 1
    fi
    awk '$1 == "Requests/sec:" {print $2}' <<<"$said"
}

# ticks: of the node's processor time, in hundredths of a second.
ticks() { awk '{print $14 + $15}' "/proc/$node/stat"; }

# part_of_core: what the node takes in a while, in per cent of a core.
part_of_core()
{
    local before
    before=$(ticks)
    sleep "$watched"
    awk -v n="$(($(ticks) - before))" -v s="$watched" -v hz="$(getconf CLK_TCK)" \
        'BEGIN {printf "%.2f\n", n * 100 / hz / s}'
}

command -v wrk >/dev/null || setup_packages wrk >&2
mkdir -p "$work/text"
port=$(free_port)
rota=$BENCH_BUILD/rota login=admin@example.org:bench
{
    printf '[store.data]\npath = "rota.db"\n[lmtp]\nlisten = []\n[http]\nlisten = ["127.0.0.1:%s"]\n' "$port"
    printf 'max-connections = 10100\nmax-connections-per-address = 1000\n'
    printf '[cluster]\nnode-id = 1\n[cluster.roles]\n'
    while read -r role pairs; do
        printf '%s = [' "$role"
        for n in $(seq 2 "$pairs"); do printf '"1,%s", ' "$n"; done
        printf ']\n'
    done <<<"fts-indexing $nodes
imip-processing $nodes
bayes-training 42"
} >"$work/rota.toml"
"$rota" store init -c "$work/rota.toml" >/dev/null
echo bench | "$rota" account add admin@example.org --admin --password-stdin -c "$work/rota.toml" >/dev/null
"$rota" serve -c "$work/rota.toml" >"$work/log" 2>&1 &
node=$!
for _ in $(seq 200); do
    curl -sf -o "$work/ready" "http://127.0.0.1:$port/readyz" && break
    sleep 0.1
done
python3 - "$work/rota.db" "$nodes" <<'P'
import sqlite3
import sys
store = sqlite3.connect(sys.argv[1], timeout=20)
rows = store.execute("SELECT * FROM member")
names = [column[0] for column in rows.description]
own = dict(zip(names, rows.fetchone()))
for node in range(2, int(sys.argv[2]) + 1):
    own.update(node=node, incarnation=1000 + node, lease_until=4102444800000)
    places = ", ".join("?" * len(names))
    store.execute(f"INSERT INTO member ({', '.join(names)}) VALUES ({places})", list(own.values()))
store.commit()
P
until [ "$(curl -s "http://127.0.0.1:$port/metrics" | grep -c '^rota_cluster_node')" -gt 0 ]; do sleep 0.2; done
series=$(curl -s "http://127.0.0.1:$port/metrics" | grep -vc '^#')
status=$(curl -s -u $login "http://127.0.0.1:$port/api/status" | wc -c)
setting http "wrk -t1 -c8 for $seconds s; $series series; $nodes nodes, /api/status of $status bytes"
if [ -z "$BENCH_SMOKE" ]; then
    setup_unpacked prometheus-node-exporter >&2 # its service would run for ever
    program=var/packages/usr/bin/prometheus-node-exporter
    for n in $(seq "$series"); do
        printf 'bench_series_of_a_cluster{role="fts-indexing",shard="%s"} %s.5\n' "$n" "$n"
    done >"$work/text/bench.prom"
    exporter_port=$(free_port)
    "$program" --collector.disable-defaults --collector.textfile \
        --collector.textfile.directory="$work/text" --web.listen-address="127.0.0.1:$exporter_port" \
        >"$work/exporter.log" 2>&1 &
    exporter=$!
    sleep 1
    exported=$(curl -s "http://127.0.0.1:$exporter_port/metrics" | grep -vc '^#')
    setting http-exporter "$("$program" --version 2>&1 | head -1), $exported series"
fi
basic="Authorization: Basic $(printf %s "$login" | base64)"
for _ in $(seq "$BENCH_ROUNDS"); do
    say http-metrics-rota "$(rate "http://127.0.0.1:$port/metrics")" requests/s
    [ -n "$BENCH_SMOKE" ] || say http-exporter "$(rate "http://127.0.0.1:$exporter_port/metrics")" requests/s
    say http-status-rota "$(rate "http://127.0.0.1:$port/api/status" -H "$basic")" requests/s
    alone=$(part_of_core)
    say http-alone "$alone" %
    code=$(curl -s -m 1 -o "$work/events" -w '%{http_code}' -u $login "http://127.0.0.1:$port/api/events" || true)
    if [ "$code" = 200 ]; then
        for _ in $(seq 20); do
            curl -sN -u $login "http://127.0.0.1:$port/api/events" >>"$work/events" &
            pages+=($!)
        done
        sleep 1
        watched_by=$(part_of_core)
        say http-watched "$watched_by" %
        say http-watching \
            "$(awk -v a="$alone" -v w="$watched_by" 'BEGIN {d = w - a; printf "%.2f", (d > 0 ? d : 0)}')" %
        kill "${pages[@]}"
        wait "${pages[@]}" 2>/dev/null || true
        pages=()
    fi
    crowded=$(python3 benches/http_crowd.py "$port" "$crowd" "$watched")
    say http-crowd "$(awk '$1 == "opened" {print $2}' <<<"$crowded")" connections
    say http-crowd-longest "$(awk '$1 == "longest" {print $2}' <<<"$crowded")" ms
    say http-crowd-beat "$(curl -s -u $login "http://127.0.0.1:$port/api/status" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["nodes"][0]["beat_gap_ms"])')" ms
done
