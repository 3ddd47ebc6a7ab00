#!/usr/bin/env bash
# caldav: requests a second to a calendar of 5,000 events, beside Debian's Radicale and Cyrus httpd: PUT of one that is
# there, GET, calendar-query of a week with its events, sync-collection that tells ten changes.
#
# wrk with four connections; each login is a name and a password (Cyrus: sasldb, Radicale: a plain htpasswd, rota:
# argon2id, remembered). All three write to the disk before they answer a PUT: rota's default, Radicale's, Cyrus'.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

seconds=10 events=5000 peers=(rota radicale cyrus)
[ -z "$BENCH_SMOKE" ] || { seconds=1 events=50 peers=(rota); }
work=$BENCH_WORK/caldav
started=()
caldav_end()
{
    for serving in "${started[@]}"; do stop_serving; done
    rm -rf "$work"
    bench_end
}
trap caldav_end EXIT
command -v wrk >/dev/null || setup_packages wrk >&2
[ -n "$BENCH_SMOKE" ] || setup_packages radicale cyrus-caldav cyrus-imapd sasl2-bin libsasl2-modules >&2
mkdir -p "$work"
chmod 755 "$BENCH_WORK" "$work"

start_rota()
{
    local rota=("$BENCH_BUILD/rota" -c "$work/rota/rota.toml")
    mkdir "$work/rota"
    cat >"$work/rota/rota.toml" <<C
[store.data]
path = "rota.db"
[lmtp]
listen = []
[http]
listen = ["127.0.0.1:$port"]
[log]
level = "warning"
C
    "${rota[@]}" store init >/dev/null
    echo right | "${rota[@]}" account add ada@example.org --password-stdin >/dev/null
    "${rota[@]}" serve >"$work/rota/log" 2>&1 &
    serving=$! base=/dav/calendars/ada@example.org/bench/ who=ada@example.org
}

start_radicale()
{
    mkdir "$work/radicale"
    echo ada:right >"$work/radicale/users"
    cat >"$work/radicale/config" <<C
[server]
hosts = 127.0.0.1:$port
[auth]
type = htpasswd
htpasswd_filename = $work/radicale/users
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = $work/radicale/store
[logging]
level = error
C
    radicale --config "$work/radicale/config" >"$work/radicale/log" 2>&1 &
    serving=$! base=/ada/bench/ who=ada
}

start_cyrus()
{
    local folder=$work/cyrus
    mkdir -p "$folder"/{conf,part,run,lock,proc,sieve}
    cat >"$folder/imapd.conf" <<C
configdirectory: $folder/conf
defaultpartition: default
partition-default: $folder/part
admins: cyrus
allowplaintext: yes
httpmodules: caldav
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $folder/sasldb
sasl_mech_list: PLAIN
sievedir: $folder/sieve
lmtpsocket: $folder/run/lmtp
idlesocket: $folder/run/idle
notifysocket: $folder/run/notify
proc_path: $folder/proc
mboxname_lockpath: $folder/lock
autocreate_users: anyone
autocreate_quota: 0
C
    imap=$(free_port)
    cat >"$folder/cyrus.conf" <<C
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r -C $folder/imapd.conf"
}
SERVICES {
  http cmd="/usr/lib/cyrus/bin/httpd -C $folder/imapd.conf" listen="127.0.0.1:$port" prefork=4
  imap cmd="/usr/lib/cyrus/bin/imapd -C $folder/imapd.conf" listen="127.0.0.1:$imap" prefork=0
}
EVENTS {
}
C
    echo right | saslpasswd2 -p -c -f "$folder/sasldb" -u "$(hostname)" ada
    chown -R cyrus:mail "$folder"
    /usr/lib/cyrus/bin/master -C "$folder/imapd.conf" -M "$folder/cyrus.conf" -p "$folder/run/pid" \
        >"$folder/log" 2>&1 &
    serving=$! base=/dav/calendars/user/ada/bench/ who=ada
    reachable "http://127.0.0.1:$port/"
    # The first login by IMAP makes the person.
    python3 -c 'import imaplib, sys; imaplib.IMAP4("127.0.0.1", int(sys.argv[1])).login("ada", "right")' "$imap"
}

# rate KIND: requests a second; one that is not answered with 2xx spoils it.
rate()
{
    local said
    said=$(wrk -t1 -c4 -d"${seconds}s" --timeout 60s -s benches/caldav_load.lua "http://127.0.0.1:$port" -- \
        "$1" "$base" "$events" "$login" "$token")
    if grep -q 'Non-2xx\|Socket errors' <<<"$said"; then
        echo "$said" >&2
        return 1
    fi
    awk '$1 == "Requests/sec:" {print $2}' <<<"$said"
}

setting caldav "$events events, each tenth a series; wrk with one thread and four connections, $seconds s each"
declare -A ports bases logins
for peer in "${peers[@]}"; do
    port=$(free_port)
    "start_$peer"
    started+=("$serving")
    reachable "http://127.0.0.1:$port/"
    ports[$peer]=$port bases[$peer]=$base logins[$peer]=$(printf %s "$who:right" | base64)
    python3 benches/caldav_fill.py "$port" "$base" "$events" "${logins[$peer]}" \
        "$([ "$peer" = radicale ] && echo file || echo fill)"
done
for _ in $(seq "$BENCH_ROUNDS"); do
    for peer in "${peers[@]}"; do
        port=${ports[$peer]} base=${bases[$peer]} login=${logins[$peer]}
        token=$(python3 benches/caldav_fill.py "$port" "$base" "$events" "$login" change)
        for kind in sync get query put; do
            say "caldav-$kind-$peer" "$(rate "$kind")" requests/s
        done
    done
done
