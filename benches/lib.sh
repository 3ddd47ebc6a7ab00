# lib.sh: what the parts of ./bench share; sourced by benches/PART.sh.
#
# ./bench sets BENCH_BUILD (a build folder), BENCH_WORK (a folder that it removes), BENCH_ROUNDS and BENCH_SMOKE (not
# empty: a little mail, no peers). A part that is run by itself gets the same here.

set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
. tests/setup.sh
BENCH_BUILD=${BENCH_BUILD:-$PWD/build}
BENCH_ROUNDS=${BENCH_ROUNDS:-5}
BENCH_SMOKE=${BENCH_SMOKE:-}
bench_own=''
if [ -z "${BENCH_WORK:-}" ]; then
    BENCH_WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/rota-bench.XXXXXX")
    bench_own=$BENCH_WORK
fi

# At the end of a part; one with a trap of its own calls it there.
bench_end() { [ -z "$bench_own" ] || rm -rf "$bench_own"; }
trap bench_end EXIT

# say NAME VALUE UNIT: a line of the result.
say() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }

# setting NAME TEXT: how a program was run; shown under the table.
setting() { printf '%s\t%s\tsetting\n' "$1" "$2"; }

# reachable URL: waits until somebody answers there; false after 20 s.
reachable()
{
    for _ in $(seq 200); do
        ! curl -s -o /dev/null "$1" || return 0
        sleep 0.1
    done
    echo "nobody answers at $1" >&2
    return 1
}

free_port() { python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'; }

# The one program that a part has started and ends again.
serving=''
stop_serving()
{
    [ -n "$serving" ] || return 0
    kill "$serving" 2>/dev/null || true
    while kill -0 "$serving" 2>/dev/null; do sleep 0.05; done
    serving=''
}

# serve_mail FOLDER: a node on SQLite, made anew, with LMTP at FOLDER/lmtp and ada@example.org.
serve_mail()
{
    local rota=("$BENCH_BUILD/rota" -c "$1/rota.toml")
    rm -rf "$1"
    mkdir "$1"
    cat >"$1/rota.toml" <<C
[store.data]
path = "rota.db"
[lmtp]
listen = ["unix:$1/lmtp"]
[http]
listen = []
[log]
level = "warning"
C
    "${rota[@]}" store init >/dev/null 2>&1
    "${rota[@]}" account add ada@example.org >/dev/null 2>&1
    "${rota[@]}" serve >"$1/log" 2>&1 &
    serving=$!
    wait_for "$1/lmtp" || { cat "$1/log" >&2; return 1; }
}

# seconds COMMAND...: how long it took; what it says goes to a log that is shown if it fails.
seconds()
{
    local begin end
    begin=$(date +%s%N)
    if ! "$@" >"$BENCH_WORK/command.log" 2>&1 </dev/null; then
        tail -n 20 "$BENCH_WORK/command.log" >&2
        echo "failed: $*" >&2
        return 1
    fi
    end=$(date +%s%N)
    awk -v ns=$((end - begin)) 'BEGIN {printf "%.3f\n", ns / 1e9}'
}

# median: of the numbers on standard input, one a line.
median() { sort -n | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }

# mail_files: the messages of the archive, a path a line, in a fixed order; in a smoke run the example's.
mail_files()
{
    local archive=${ROTA_DATA_UNPACKED:-$PWD/var/data}/mail/dev
    [ -z "$BENCH_SMOKE" ] || archive=$PWD/examples/mail
    if [ ! -d "$archive" ]; then
        echo "The mail archive is not in $archive: \$ROTA_DATA names the folder that has it packed (tests/data.sh)" >&2
        return 1
    fi
    find "$archive" -name '*.eml' | sort
}

# mail_peers: the archive as a maildir, and notmuch and mu installed; once in a run.
mail_peers()
{
    local n=0 file
    setup_packages notmuch maildir-utils >&2
    export NOTMUCH_CONFIG=$BENCH_WORK/notmuch
    [ ! -d "$BENCH_WORK/maildir" ] || return 0
    mkdir -p "$BENCH_WORK/maildir"/{cur,new,tmp}
    while read -r file; do
        n=$((n + 1))
        cp "$file" "$BENCH_WORK/maildir/cur/$n.bench:2,S"
    done < <(mail_files)
    cat >"$NOTMUCH_CONFIG" <<C
[database]
path=$BENCH_WORK/maildir
[user]
name=b
primary_email=b@example.org
[new]
tags=new
ignore=
[search]
exclude_tags=
[maildir]
synchronize_flags=false
C
}

index_by_notmuch()
{
    rm -rf "$BENCH_WORK/maildir/.notmuch"
    seconds notmuch new --no-hooks --quiet
}

index_by_mu()
{
    rm -rf "$BENCH_WORK/mu"
    mu init --muhome="$BENCH_WORK/mu" --maildir="$BENCH_WORK/maildir" >/dev/null
    seconds mu index --muhome="$BENCH_WORK/mu" --quiet
}

# wait_for SOCKET: until somebody listens there.
wait_for()
{
    for _ in $(seq 200); do
        [ ! -S "$1" ] || return 0
        sleep 0.05
    done
    echo "nobody listens on $1" >&2
    return 1
}

# dovecot_settings FOLDER LOCATION: Dovecot wants users for its processes and its mail; "nobody" is there on every
# Debian.
dovecot_settings()
{
    cat <<C
base_dir = $1/dovecot/run
state_dir = $1/dovecot/run
log_path = $1/dovecot/log
protocols = lmtp
ssl = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_location = $2
mail_home = $1/dovecot/home/%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$1/dovecot/home/%n allow_all_users=yes
}
passdb {
  driver = static
  args = nopassword=yes
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
protocol lmtp {
  auth_username_format = %n
}
lmtp_save_to_detail_mailbox = no
C
}

# start_dovecot FOLDER LOCATION: its LMTP service alone, on FOLDER/dovecot/run/lmtp; its number is $serving.
start_dovecot()
{
    rm -rf "$1/dovecot"
    mkdir -p "$1/dovecot/run" "$1/dovecot/home"
    touch "$1/dovecot/log"
    chown -R nobody:nogroup "$1/dovecot/home" "$1/dovecot/log"
    dovecot_settings "$1" "$2" >"$1/dovecot/dovecot.conf"
    dovecot -F -c "$1/dovecot/dovecot.conf" >/dev/null 2>&1 &
    serving=$!
    wait_for "$1/dovecot/run/lmtp" || { cat "$1/dovecot/log" >&2; return 1; }
}
