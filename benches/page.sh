#!/usr/bin/env bash
# page: what the page at /admin/ costs who opens it: bytes over the wire, all files and first answers, and the time from
# the address to the first complete grid in Debian's Chromium, with an empty cache. One node on SQLite with the role
# table of tests/data/seed.toml. What open pages cost a node is in http.sh.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

work=$BENCH_WORK/page node=''
page_end()
{
    [ -z "$node" ] || kill "$node" 2>/dev/null || true
    wait 2>/dev/null || true
    bench_end
}
trap page_end EXIT

setup_packages chromium chromium-driver python3-selenium fonts-dejavu-core >&2
mkdir -p "$work"
port=$(free_port)
rota=$BENCH_BUILD/rota
{
    printf '[store.data]\npath = "rota.db"\n[lmtp]\nlisten = []\n[http]\nlisten = ["127.0.0.1:%s"]\n[cluster]\n' "$port"
    sed 's/^cluster\.node-id = .*/node-id = 1/' tests/data/seed.toml
} >"$work/rota.toml"
"$rota" store init -c "$work/rota.toml" >/dev/null
echo right | "$rota" account add admin@example.org --admin --password-stdin -c "$work/rota.toml" >/dev/null
"$rota" serve -c "$work/rota.toml" >"$work/log" 2>&1 &
node=$!
for _ in $(seq 200); do
    curl -sf -o "$work/ready" "http://127.0.0.1:$port/readyz" && break
    sleep 0.1
done
setting page "$(chromium --version --no-sandbox 2>/dev/null | head -1)"
python3 benches/page_look.py "$port" "$BENCH_ROUNDS" "$work"
