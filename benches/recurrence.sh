#!/usr/bin/env bash
# recurrence: the next alarm of an event with a rule, from the event's bytes, on one core: the archive of calendars and
# made ones, mixed. Beside it libical's own iteration of the rule to the same instance, with nothing around it.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

rounds=50 folder=${ROTA_DATA_UNPACKED:-$PWD/var/data}/ical/dev
[ -z "$BENCH_SMOKE" ] || rounds=1
bench=$BENCH_BUILD/benches/recurrence-bench

# rate WAY: events in a second.
rate() { taskset -c 0 "$bench" "$1" "$folder" "$rounds" | sed 's|^[a-z]* \([0-9]*\)/s.*|\1|'; }

setting recurrence "$("$bench" rota "$folder" 1 | sed 's/.* of //'), the next alarm after 1 June 2026"
for _ in $(seq "$BENCH_ROUNDS"); do
    say recurrence-rota "$(rate rota)" events/s
    say recurrence-libical "$(rate libical)" events/s
done
