#!/usr/bin/env bash
# tls: handshakes a second through rota's HTTPS beside `openssl s_server`, with the same certificate and the same
# client, `openssl s_time`: new sessions and resumed ones, TLS 1.3 and 1.2, ECDSA P-256; two clients at a time.
#
# s_server does one connection after the other on one thread; rota has two threads for TLS and hands each connection on
# to the HTTP door. Both close after the handshake, since s_time says nothing.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

seconds=5
[ -z "$BENCH_SMOKE" ] || seconds=1
folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-tls.XXXXXX")
trap 'stop_serving; rm -rf "$folder"; bench_end' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/key.pem" -out "$folder/cert.pem" \
    -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null

wait_for_port() { until openssl s_client -connect "127.0.0.1:$1" </dev/null >/dev/null 2>&1; do sleep 0.1; done; }

# handshakes PORT ARGS...: of two clients together, a second.
handshakes()
{
    local port=$1 one clients=()
    shift
    for one in 1 2; do
        openssl s_time -connect "127.0.0.1:$port" -time "$seconds" "$@" >"$folder/client-$one" 2>&1 &
        clients+=($!)
    done
    wait "${clients[@]}" 2>/dev/null || true
    grep -h 'real seconds' "$folder"/client-* | awk '{n += $1; t = $4 > t ? $4 : t} END {printf "%.0f\n", n / t}'
}

measure()
{
    wait_for_port "$2"
    say "tls-13-$1" "$(handshakes "$2" -new -tls1_3)" handshakes/s
    say "tls-12-$1" "$(handshakes "$2" -new -tls1_2)" handshakes/s
    say "tls-12-resumed-$1" "$(handshakes "$2" -reuse -tls1_2)" handshakes/s
    stop_serving
}

for ((round = 0; round < BENCH_ROUNDS; round++)); do
    port=$(free_port)
    openssl s_server -accept "127.0.0.1:$port" -cert "$folder/cert.pem" -key "$folder/key.pem" -quiet \
        </dev/zero >/dev/null 2>&1 &
    serving=$!
    measure openssl "$port"
    port=$(free_port)
    rm -rf "$folder/rota" && mkdir "$folder/rota"
    cat >"$folder/rota/rota.toml" <<C
[store.data]
path = "rota.db"
[lmtp]
listen = []
[http]
listen = []
tls.listen = ["127.0.0.1:$port"]
max-connections = 5000
max-connections-per-address = 5000
[tls]
certificate = "$folder/cert.pem"
private-key = "$folder/key.pem"
[log]
level = "error"
C
    "$BENCH_BUILD/rota" -c "$folder/rota/rota.toml" store init >/dev/null 2>&1
    "$BENCH_BUILD/rota" -c "$folder/rota/rota.toml" serve >"$folder/rota/log" 2>&1 &
    serving=$!
    measure rota "$port"
done
