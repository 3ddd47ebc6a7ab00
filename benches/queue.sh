#!/usr/bin/env bash
# queue: empty tasks through the queue on SQLite, each commit durable (synchronous=FULL).
#
# rota: `queue-bench`, a lane of the program with its leases, fence and load counts. Beside it a bare C loop over one
# table with the same batches, and plainjob (npm) with jobs added by the hundred. Keeping up: each hundred is worked off
# before the next is enqueued. Backlog: all are enqueued, then all are worked off; here rota pays for its buckets, each
# of which is a page of its own in a long queue.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

batch=100 tasks=50000 jobs=5000
[ -z "$BENCH_SMOKE" ] || tasks=1000
store=$BENCH_WORK/queue

# rate WORD COMMAND...: the tasks a second that a line "WORD N/s" says, on a store made anew.
rate()
{
    local word=$1
    shift
    rm -f "$store"*
    "$@" 2>"$BENCH_WORK/queue.log" | sed -n "s|^$word \([0-9]*\)/s$|\1|p"
    rm -f "$store"*
}

setting queue "batches of $batch, $tasks tasks, an empty handler, one connection"
if [ -z "$BENCH_SMOKE" ]; then
    command -v npm >/dev/null || setup_packages nodejs npm >&2
    modules=var/npm
    node=$modules/node_modules/node/bin/node # what better-sqlite3 was built for; Debian's is older
    if [ ! -x "$node" ] || [ ! -d "$modules/node_modules/plainjob" ]; then
        mkdir -p "$modules"
        echo '{"private": true}' >"$modules/package.json"
        npm install --prefix "$modules" --no-audit --no-fund plainjob@0.0.14 better-sqlite3@13.2.0 node@24.21.0 >&2
    fi
    setting queue-plainjob "plainjob 0.0.14, better-sqlite3 13.2.0, node $("$node" --version), $jobs jobs, one worker"
fi
for _ in $(seq "$BENCH_ROUNDS"); do
    bench=("$BENCH_BUILD/benches/queue-bench" --sqlite "$store" --tasks "$tasks" --batch "$batch")
    bare=("$BENCH_BUILD/benches/queue-bare" "$store" "$tasks" "$batch")
    say queue-rota "$(rate interleaved "${bench[@]}" --interleaved)" tasks/s
    say queue-bare "$(rate interleaved "${bare[@]}" --interleaved)" tasks/s
    say queue-rota-backlog "$(rate both "${bench[@]}")" tasks/s
    say queue-bare-backlog "$(rate both "${bare[@]}")" tasks/s
    [ -z "$BENCH_SMOKE" ] || continue
    rm -f "$store"*
    say queue-plainjob "$("$node" benches/queue_plainjob.mjs "$modules/node_modules" "$store" "$jobs" "$batch")" tasks/s
done
