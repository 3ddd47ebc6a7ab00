#!/usr/bin/env bash
# push: pushes to devices (RFC 8030, 8291, 8292): encrypted and signed on one core; delivered to a local push service.
#
# rota: `push-bench`, the functions of a node's lane. Beside it the same steps with nothing around them but OpenSSL, and
# web-push (npm), which signs a token for each push. A node keeps a token for each push service: push-kept-rota. The
# push service is one process (node's http2); it speaks HTTP/2 to rota, and HTTP/1.1 to web-push, which knows no other.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

count=20000 sent=5000 peer=2000
[ -z "$BENCH_SMOKE" ] || count=200 sent=50
receiver=''
push_end()
{
    [ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
    bench_end
}
trap push_end EXIT

# rate WORD COMMAND...: of the line "WORD N/s".
rate()
{
    local word=$1
    shift
    "$@" | sed -n "s|^$word \([0-9]*\)/s$|\1|p"
}

command -v openssl >/dev/null || setup_packages openssl >&2
command -v node >/dev/null || [ -n "$BENCH_SMOKE" ] || setup_packages nodejs npm >&2
setting push "a StateChange of 133 bytes to 100 devices, 100 pushes in flight"
if [ -z "$BENCH_SMOKE" ]; then
    modules=var/npm-push
    if [ ! -d "$modules/node_modules/web-push" ]; then
        mkdir -p "$modules"
        echo '{"private": true}' >"$modules/package.json"
        npm install --prefix "$modules" --no-audit --no-fund web-push@3.6.7 >&2
    fi
    setting push-webpush "web-push 3.6.7, node $(node --version), an agent that keeps its connections"
fi
if command -v node >/dev/null; then
    pem=$BENCH_WORK/push.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$BENCH_WORK/key.pem" -out "$pem" \
        -days 2 -subj /CN=push -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    cp "$pem" "$BENCH_WORK/ca.pem"
    cat "$BENCH_WORK/key.pem" >>"$pem"
    mkfifo "$BENCH_WORK/port"
    node benches/push_receiver.mjs "$pem" >"$BENCH_WORK/port" &
    receiver=$!
    read -r port <"$BENCH_WORK/port"
fi
for _ in $(seq "$BENCH_ROUNDS"); do
    bench=$BENCH_BUILD/benches/push-bench
    say push-rota "$(rate encrypt "$bench" encrypt "$count")" pushes/s
    say push-kept-rota "$(rate encrypt-kept "$bench" encrypt-kept "$count")" pushes/s
    bare=$("$BENCH_BUILD/benches/push-bare" "$count")
    say push-bare "$(rate bare echo "$bare")" pushes/s
    say push-kept-bare "$(rate bare-kept echo "$bare")" pushes/s
    [ -n "$receiver" ] || continue
    say push-sent-rota "$(rate send "$bench" send "$sent" "https://127.0.0.1:$port/x" "$BENCH_WORK/ca.pem")" pushes/s
    [ -z "$BENCH_SMOKE" ] || continue
    peer_rate()
    {
        NODE_EXTRA_CA_CERTS=$BENCH_WORK/ca.pem node benches/push_webpush.mjs "$PWD/$modules/node_modules" "$@"
    }
    say push-webpush "$(peer_rate encrypt "$peer" | tr -d /s)" pushes/s
    say push-sent-webpush "$(peer_rate send "$peer" "https://127.0.0.1:$port/x" | tr -d /s)" pushes/s
done
