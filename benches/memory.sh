#!/usr/bin/env bash
# memory: what a node holds of this machine's memory, at rest and under full load.
#
# benches/memory.sh [SECONDS]   (20)
# Full load: eight LMTP sessions send real mail without a pause, the index is rebuilt all the time and
# the purges run, so that every lane has work. Prints PSS (proportional: what is shared with other
# programs counts in part) and RSS, in MB: at rest, the highest under load, and at rest again.
# Needs: a build in $BUILD (build), python3. Mail: $ROTA_DATA_UNPACKED (see tests/data.sh), else examples/mail.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}; build=${BUILD:-build}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/rota-memory.XXXXXX")
node=''
trap '[ -z "$node" ] || kill "$node" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cat >"$work/rota.toml" <<SETTINGS
[cluster]
node-id = 1
[store.data]
path = "$work/rota.db"
[lmtp]
listen = ["unix:$work/lmtp"]
[log]
level = "warning"
SETTINGS
rota() { "$build/rota" "$@" -c "$work/rota.toml"; }
# Waits for a condition, at most a minute.
await() { for _ in $(seq 600); do "$@" && return 0; read -rt 0.1 <> <(:) || true; done; return 1; }
pause() { read -rt "$1" <> <(:) || true; }
mb() { awk -v what="$1" '$1 == what {printf "%.1f", $2 / 1024}' "/proc/$node/smaps_rollup"; }
note() { printf '%-28s %8s MB PSS %8s MB RSS\n' "$1" "$(mb Pss:)" "$(mb Rss:)"; }
works() { rota status >/dev/null 2>&1; }

for n in 1 2 3 4 5 6 7 8; do rota account add "user$n@example.org" >/dev/null 2>&1; done
"$build/rota" serve -c "$work/rota.toml" >"$work/log" 2>&1 & node=$!
await works
pause 5
note 'at rest'
python3 benches/memory_load.py "$work/lmtp" "$seconds" "${ROTA_DATA_UNPACKED:-examples}" >"$work/sent" & load=$!
top_pss=0; top_rss=0; turn=0
sample() {
  top_pss=$(printf '%s\n' "$top_pss" "$(mb Pss:)" | sort -n | tail -n 1)
  top_rss=$(printf '%s\n' "$top_rss" "$(mb Rss:)" | sort -n | tail -n 1)
}
while kill -0 "$load" 2>/dev/null; do
  sample
  if ((turn++ % 10 == 0)); then
    rota search --rebuild >/dev/null 2>&1 || true
    for role in purge.stores purge.accounts; do rota run "$role" --no-wait >/dev/null 2>&1 || true; done
  fi
  pause 0.2
done
wait "$load"
idle() { sample; [ "$(rota tasks list --json | grep -c '"id"')" = 0 ]; }
await idle || true
printf '%-28s %8s MB PSS %8s MB RSS   (highest; %s)\n' 'eight sessions, all lanes' "$top_pss" "$top_rss" \
  "$(cat "$work/sent")"
pause 5
note 'at rest again'
