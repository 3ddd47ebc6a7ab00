# run_cluster.sh: ./run --cluster: a private PostgreSQL and six nodes with the role table of the design on this
# machine, each with its own settings, log and door, fed with mail; sourced by ./run, whose words (say, show, build) it
# uses.
#
# How it fits: everything lies in var/cluster. A node is a process of its own session, known by its pid file, so that
# `./run --cluster kill 3` and `start 3` work from another terminal; the run itself holds var/cluster/lock and ends
# what there is when it ends. PostgreSQL listens on a unix socket in its folder alone; as root it runs as the user
# "postgres".
#
# Failures: each with what to do, exit status 1. Known weak points: after kill -9 of the run itself its nodes serve on;
# the next run ends them first. Where the user "postgres" cannot enter var/, or var's path is too long for a socket,
# PostgreSQL's folder is in /var/tmp, and var/cluster/postgresql a link to it.

. tests/postgres.sh

NODES=6
ACCOUNTS=24              # enough that each shard has some
RATE=${ROTA_FEED_RATE:-2} # messages a second
SOCKET_PATH_MAX=107

# shellcheck disable=SC2154 # it is ./run's
cluster=$var/cluster
# The socket's name needs a port, though nobody else sees it.
pg_port=5432
feeder=''

settings_of() { echo "$cluster/node$1.toml"; }
log_of() { echo "$cluster/node$1.log"; }
mapfile -t all_settings < <(for ((n = 1; n <= NODES; n++)); do settings_of "$n"; done)

# ---------------------------------------------------------------- nodes as processes

# The pid of a node that lives; a pid that another process has by now is none.
pid_of()
{
    local pid
    pid=$(cat "$cluster/node$1.pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "serve -c $(settings_of "$1")" || return 1
    [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1)" != Z ] || return 1
    echo "$pid"
}
gone() { ! pid_of "$1" >/dev/null; }

# Waits until COMMAND is true, SECONDS at most.
await()
{
    local seconds=$1 end
    shift
    end=$((SECONDS + seconds))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

launch()
{
    local n=$1 port settings
    settings=$(settings_of "$n")
    port=$(sed -n 's/^listen = \["127.0.0.1:\([0-9]*\)"\]$/\1/p' "$settings")
    if [ -n "$port" ] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        sed -i "s/^listen = .*/listen = [\"127.0.0.1:$(free_ports 1)\"]/" "$settings"
        say "node $n: another program has port $port now; it has a new one"
    fi
    port=$(sed -n 's/^http\.listen = \["127.0.0.1:\([0-9]*\)"\]$/\1/p' "$settings")
    if [ -z "$port" ]; then
        sed -i "1i http.listen = [\"127.0.0.1:$(free_ports 1)\"]" "$settings"
    elif (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        sed -i "s/^http\.listen = .*/http.listen = [\"127.0.0.1:$(free_ports 1)\"]/" "$settings"
        say "node $n: another program has port $port now; it has a new one"
    fi
    touch "$(log_of "$n")"
    wc -l <"$(log_of "$n")" >"$cluster/node$n.from"
    setsid "$program" serve -c "$settings" >>"$(log_of "$n")" 2>&1 </dev/null 9>&- &
    echo $! >"$cluster/node$n.pid"
    disown
    # Until it is a program of its own, it looks as if it had ended.
    await 10 pid_of "$n" >/dev/null
}
new_lines() { tail -n "+$(($(cat "$cluster/node$1.from") + 1))" "$(log_of "$1")"; }
ready_or_gone() { new_lines "$1" | grep -q 'serve\.ready' || gone "$1"; }
ready()
{
    await 60 ready_or_gone "$1"
    new_lines "$1" | grep -q 'serve\.ready' && pid_of "$1" >/dev/null ||
        give_up "node $1 did not start; its last words:" "$(tail -n 5 "$(log_of "$1")")"
}

stop_one()
{
    local pid
    pid=$(pid_of "$1") || return 0
    kill -CONT "$pid" 2>/dev/null
    kill -TERM "$pid" 2>/dev/null
}
stop_nodes()
{
    local n
    for ((n = 1; n <= NODES; n++)); do stop_one "$n"; done
    for ((n = 1; n <= NODES; n++)); do
        await 30 gone "$n" || { kill -KILL "$(pid_of "$n")" 2>/dev/null; say "node $n did not end in time: killed"; }
    done
}

# ---------------------------------------------------------------- one node, from another terminal

cluster_verb()
{
    local verb=$1 n=${2:-} pid
    program=$(readlink -f "${ROTA_PROGRAM:-$top/build/rota}")
    if ! [[ $n =~ ^[1-9]$ && $n -le $NODES ]]; then
        echo "run: which node? ./run --cluster $verb N, from 1 to $NODES" >&2
        exit 2
    fi
    if [ ! -f "$(settings_of "$n")" ] || flock -n "$cluster/lock" true; then
        give_up "there is no cluster at work in $cluster: ./run --cluster starts one"
    fi
    pid=$(pid_of "$n")
    if [ "$verb" != start ] && [ -z "$pid" ]; then give_up "node $n does not run"; fi
    case $verb in
    kill) kill -KILL "$pid" && say "kill -9 $pid: node $n is dead, and nobody has been told" ;;
    stop) stop_one "$n" && await 30 gone "$n" && say "node $n handed over and ended" ;;
    pause) kill -STOP "$pid" && say "kill -STOP $pid: node $n stands still; ./run --cluster resume $n" ;;
    resume) kill -CONT "$pid" && say "kill -CONT $pid: node $n goes on" ;;
    start)
        # One that is drained works again when it is started again.
        if [ -n "$pid" ]; then stop_one "$n"; await 30 gone "$n" || give_up "node $n does not end"; fi
        launch "$n"
        ready "$n"
        say "node $n works: process $(pid_of "$n"), log $(log_of "$n")"
        ;;
    esac
}

# ---------------------------------------------------------------- PostgreSQL

pg_fits() { postgres_as test -w "$1" && [ ${#1} -le $((SOCKET_PATH_MAX - 16)) ]; }

# PostgreSQL's folder; it is kept from run to run.
pg_folder()
{
    local link=$cluster/postgresql
    if [ ! -e "$link" ]; then
        mkdir "$link" || exit 2
        [ "$(id -u)" != 0 ] || chown postgres: "$link"
        if ! pg_fits "$(readlink -f "$link")"; then
            rm -f "$link"
            rmdir "$link" 2>/dev/null
            ln -s "$(mktemp -d /var/tmp/rota-cluster.XXXXXX)" "$link"
            [ "$(id -u)" != 0 ] || chown postgres: "$(readlink -f "$link")"
        fi
    fi
    pg=$(readlink -f "$link")
    chmod 700 "$pg"
    pg_fits "$pg" || give_up "PostgreSQL cannot use its folder $pg: remove $link, and run again"
}

pg_ctl() { postgres_as "$POSTGRES_BIN/pg_ctl" -D "$pg/data" "$@" 9>&-; }

start_postgresql()
{
    pg_folder
    [ -x "$POSTGRES_BIN/initdb" ] || give_up "PostgreSQL 15 is not installed: apt-get install postgresql-15"
    if [ ! -f "$pg/data/PG_VERSION" ]; then
        say "a PostgreSQL of its own is made in $pg"
        quietly postgres_as "$POSTGRES_BIN/initdb" -D "$pg/data" -A trust -U rota -E UTF8 --locale=C.UTF-8 ||
            give_up "it could not be made; see above"
    fi
    if ! pg_ctl status >/dev/null 2>&1; then
        pg_ctl -w -t 120 -l "$pg/log" start \
            -o "-k $pg -p $pg_port -c listen_addresses= -c max_connections=200" >"$cluster/pg_ctl.log" 2>&1 ||
            give_up "PostgreSQL did not start:" "$(tail -n 5 "$pg/log" 2>/dev/null || cat "$cluster/pg_ctl.log")"
    fi
    say "PostgreSQL: psql -h $pg -U rota postgres; log $pg/log"
}

stop_postgresql() { [ -z "${pg:-}" ] || pg_ctl -m fast -w -t 60 stop >/dev/null 2>&1; }

# ---------------------------------------------------------------- settings

free_ports()
{
    python3 - "$1" <<'END'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))
END
}

# The role table is that of the design, letter for letter; a node's number is all that differs within it.
write_cluster_settings()
{
    local n ports
    read -ra ports < <(free_ports $((2 * NODES)))
    for ((n = 1; n <= NODES; n++)); do
        [ ! -f "$(settings_of "$n")" ] || continue
        {
            echo "# Written by ./run --cluster, once; yours to change."
            echo "http.listen = [\"127.0.0.1:${ports[NODES + n - 1]}\"]"
            sed "s/^cluster\.node-id = .*/cluster.node-id = $n/" tests/data/seed.toml
            cat <<END

[store.data]
type = "postgresql"
url = "host=$pg port=$pg_port user=rota dbname=postgres"

[lmtp]
listen = ["127.0.0.1:${ports[n - 1]}"]
END
        } >"$(settings_of "$n")" || exit 2
    done
    # The socket may have moved with its folder.
    sed -i "s|^url = \"host=[^ ]* port=$pg_port user=rota |url = \"host=$pg port=$pg_port user=rota |" \
        "${all_settings[@]}" || exit 2
    say "settings: $cluster/node1.toml … node$NODES.toml; the role table is that of tests/data/seed.toml"
}

make_accounts()
{
    local i name
    for ((i = 1; i <= ACCOUNTS; i++)); do
        name=$(printf 'user%02d@example.org' "$i")
        recipients+=(--to "$name")
        rota account show "$name" >/dev/null 2>&1 || quietly rota account add "$name" ||
            give_up "the account $name could not be made; see above"
    done
    make_administrator
    say "accounts: user01@example.org … user$ACCOUNTS@example.org"
}

# ---------------------------------------------------------------- mail

start_feed()
{
    rm -f "$cluster/fed"
    python3 tools/feed.py --rate "$RATE" --told "$cluster/fed" "${recipients[@]}" "${all_settings[@]}" -- \
        tests/data/mail/*.eml examples/mail/*.eml >>"$cluster/feed.log" 2>&1 </dev/null 9>&- &
    feeder=$!
    say "mail: $RATE messages a second, to each node in turn; log $cluster/feed.log"
}
stop_feed()
{
    local status=0
    [ -n "$feeder" ] || return 0
    kill -TERM "$feeder" 2>/dev/null
    wait "$feeder" 2>/dev/null || status=$?
    feeder=''
    return "$status"
}
fed() { cat "$cluster/fed" 2>/dev/null || echo 0; }
fed_at_least() { [ "$(fed)" -ge "$1" ]; }

# ---------------------------------------------------------------- what the cluster says of itself

# all_work N: N nodes work, and no shard is uncovered.
all_work()
{
    local said
    said=$(rota status --json 2>/dev/null) &&
        [ "$(grep -c '"state": "up"' <<<"$said")" = "$1" ] && [ "$(grep -c '"living": true' <<<"$said")" -ge "$1" ]
}
# Who works for a shard, as "2, 3".
living() { rota roles --explain "$1" "$2" --json | sed -n 's/^ *"living": "\(.*\)",\{0,1\}$/\1/p'; }
living_is() { [ "$(living "$1" "$2")" = "$3" ]; }
nothing_waits() { rota tasks list --role fts-indexing --limit 1 --json 2>/dev/null | grep -q '"tasks": \[\]'; }

end_cluster()
{
    trap '' INT TERM HUP
    stop_feed
    stop_nodes
    stop_postgresql
}

begin_cluster()
{
    local n
    mkdir -p "$cluster" || exit 2
    exec 9>>"$cluster/lock"
    flock -n 9 || give_up "another ./run --cluster is at work in $cluster: use that one, or end it by q or Ctrl-C" \
        "(or ROTA_VAR=FOLDER ./run --cluster)"
    title "A PostgreSQL and $NODES nodes"
    stop_nodes # of a run that was killed
    trap end_cluster EXIT
    trap 'exit 130' INT TERM HUP
    start_postgresql
    write_cluster_settings
    export ROTA_CONFIG=$cluster/node1.toml
    quietly rota store init || quietly rota store upgrade || give_up "the store could not be made; see above"
    for ((n = 1; n <= NODES; n++)); do launch "$n"; done
    for ((n = 1; n <= NODES; n++)); do ready "$n"; done
    make_accounts
    await 60 all_work "$NODES" || { rota status; give_up "not all nodes work, or a shard is uncovered; see above"; }
    say "$NODES nodes work, and every shard has a living node: $SECONDS seconds since ./run began"
}

tell_verbs()
{
    title "In another terminal"
    say "cd $top; export ROTA_CONFIG=$cluster/node1.toml PATH=$(dirname "$program"):\$PATH"
    say "./run --cluster kill 3         kill -9: within 6 seconds the others have its work"
    say "./run --cluster start 3        bring it back: also one that was drained"
    say "./run --cluster pause 3        stand still (SIGSTOP) …"
    say "./run --cluster resume 3       … and go on: its lease was taken, so it writes nothing and joins anew"
    say "./run --cluster stop 3         a clean end: it hands over at once"
    say "rota drain 3                   do no more background work; mail comes in all the same"
    say "rota roles --explain fts-indexing 1   one shard, from the line of the settings to who works now"
    say "rota tasks list                what waits, runs, failed"
    say "curl http://$(sed -n 's/^http\.listen = \["\(.*\)"\]$/\1/p' "$(settings_of 1)")/metrics   more: docs/http.md"
    say "tail -f $cluster/node*.log"
}

# ---------------------------------------------------------------- the tour, for tests

tour()
{
    local begin before
    title "Six nodes, each with its part of the table"
    show status
    title "kill -9 of node 3, which shares fts-indexing and purge.stores shard 2 with node 2"
    await 60 fed_at_least 6 || give_up "no mail comes in; see $cluster/feed.log"
    kill -KILL "$(pid_of 3)"
    begin=$(date +%s%N)
    await 60 living_is fts-indexing 1 2 || give_up "the work of node 3 did not move; see $(log_of 2)"
    say "after $(($(($(date +%s%N) - begin)) / 1000000)) ms its lease had run out, and what it held was free"
    await 60 all_work 5 || give_up "a shard is uncovered, which should not be; see rota status"
    before=$(fed)
    await 60 fed_at_least $((before + 6)) || give_up "mail stands still; see $cluster/feed.log"
    await 60 nothing_waits || give_up "the index falls behind; see rota tasks list"
    say "$(($(fed) - before)) more messages came in meanwhile; node 2 alone indexes them"
    show roles --explain fts-indexing 1
    show run purge.stores
    title "Node 3 comes back, and node 2 is drained"
    launch 3
    ready 3
    await 60 living_is fts-indexing 1 "2, 3" || give_up "node 3 does not work again; see $(log_of 3)"
    show drain 2
    await 60 living_is fts-indexing 1 3 || give_up "node 2 does not let go; see $(log_of 2)"
    await 60 nothing_waits || give_up "the index falls behind; see rota tasks list"
    show status
    title "Node 2 is started again: all as it was"
    stop_one 2
    await 30 gone 2 || give_up "node 2 does not end"
    launch 2
    ready 2
    await 60 all_work "$NODES" || give_up "not all nodes work, or a shard is uncovered; see rota status"
    stop_feed || give_up "some mail was taken by no node; see $cluster/feed.log"
    await 60 nothing_waits || give_up "the index falls behind; see rota tasks list"
    say "mail: $(tail -n 1 "$cluster/feed.log")"
    show status
    show store check
}

run_cluster()
{
    PACKAGES_RUN+=(postgresql-15)
    build
    recipients=()
    begin_cluster
    title "Mail comes in by LMTP, at each node in turn"
    start_feed
    if [ "$1" = --once ]; then
        tour
        title "Ending"
        end_cluster
        trap - EXIT
        say "the nodes handed over and ended; PostgreSQL is stopped"
        exit 0
    fi
    tell_verbs
    if [ -t 0 ] && [ -t 1 ]; then
        printf '\nPress Enter for the live status (q there ends all of it; a second run goes on with the same store). '
        read -r || exit 0
        rota status --watch
    else
        title "Serving until Ctrl-C; what the nodes say:"
        tail -q -n 0 -F "$cluster"/node*.log 9>&- &
        tail=$!
        trap 'kill "$tail" 2>/dev/null; exit 0' INT TERM HUP
        wait "$tail"
    fi
    title "Ending"
    exit 0
}

case ${1:-} in
'' | --once) run_cluster "${1:-serve}" ;;
kill | stop | start | pause | resume) cluster_verb "$@" ;;
*) echo "run: --cluster \"$1\" is unknown; ./run --help tells what there is" >&2; exit 2 ;;
esac
exit
