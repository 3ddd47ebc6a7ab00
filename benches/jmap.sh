#!/usr/bin/env bash
# jmap: requests a second of one JMAP client over one connection to a mailbox of 15,000, beside Debian's Cyrus (its
# httpd with the JMAP module) with the same mail by LMTP; and what an open EventSource costs a node.
#
# jmap-list: Email/query of the inbox, newest first, with its total, and Email/get of the first 50 as clients list them;
# jmap-changes: Email/changes that names 50; jmap-set: Email/set of a keyword of 50. Both are durable as they come.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

seconds=10 mails=15000 open=5000
[ -z "$BENCH_SMOKE" ] || seconds=1 mails=60 open=20
work=$BENCH_WORK/jmap node='' cyrus=''
jmap_end()
{
    local pid
    for pid in $node $cyrus; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    bench_end
}
trap jmap_end EXIT

ask() { python3 benches/jmap_ask.py "$@"; }

# start_rota: with LMTP at $work/rota/lmtp.
start_rota()
{
    local rota=("$BENCH_BUILD/rota" -c "$work/rota/rota.toml")
    mkdir -p "$work/rota"
    cat >"$work/rota/rota.toml" <<C
[store.data]
path = "rota.db"
[lmtp]
listen = ["unix:$work/rota/lmtp"]
[http]
listen = ["127.0.0.1:$port"]
max-connections = $((open * 2 + 100))
max-connections-per-address = 1000
[log]
level = "warning"
C
    "${rota[@]}" store init >/dev/null
    echo bench | "${rota[@]}" account add ada@example.org --password-stdin >/dev/null
    "${rota[@]}" serve >"$work/rota/log" 2>&1 &
    node=$!
    wait_for "$work/rota/lmtp" && reachable "http://127.0.0.1:$port/healthz"
}

# cyrus_settings: those of imapd.conf; what is not said is as it comes.
cyrus_settings()
{
    cat <<C
configdirectory: $work/cyrus/config
partition-default: $work/cyrus/mail
defaultpartition: default
cyrus_user: nobody
virtdomains: off
servername: example.org
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $work/cyrus/sasldb
sasl_mech_list: PLAIN
allowplaintext: yes
admins: root
conversations: yes
httpmodules: jmap
httpallowcompress: no
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Drafts|Sent|Trash
xlist-drafts: Drafts
xlist-sent: Sent
xlist-trash: Trash
unixhierarchysep: yes
altnamespace: yes
C
}

start_cyrus()
{
    local folder=$work/cyrus programs=$PWD/var/packages/usr/lib/cyrus/bin
    setup_packages sasl2-bin >&2
    setup_unpacked cyrus-common cyrus-imapd cyrus-caldav >&2
    mkdir -p "$folder/mail" "$folder"/config/{db,socket,proc,log,ptclient,quota,user,msg,lock}
    cyrus_settings >"$folder/imapd.conf"
    cat >"$folder/cyrus.conf" <<C
START {
  recover cmd="$programs/ctl_cyrusdb -C $folder/imapd.conf -r"
}
SERVICES {
  http cmd="$programs/httpd -C $folder/imapd.conf" listen="127.0.0.1:$cyrus_port" prefork=1 maxchild=4
  lmtpunix cmd="$programs/lmtpd -C $folder/imapd.conf -a" listen="$folder/lmtp" prefork=1
}
EVENTS {
}
DAEMON {
}
C
    echo bench | saslpasswd2 -p -c -f "$folder/sasldb" -u example.org ada
    chmod 0755 "$BENCH_WORK" "$work"
    chown -R nobody "$folder"
    "$programs/master" -D -C "$folder/imapd.conf" -M "$folder/cyrus.conf" -p "$folder/pid" >"$folder/log" 2>&1 &
    cyrus=$!
    wait_for "$folder/lmtp" && reachable "http://127.0.0.1:$cyrus_port/.well-known/jmap"
}

# measure NAME PORT USER
measure()
{
    local what value
    while read -r what value; do
        [ "$what" = total ] || say "jmap-$what-$1" "$value" requests/s
    done < <(ask ask "$2" "$3" bench "$seconds" || echo failed failed)
}

mkdir -p "$work"
port=$(free_port) cyrus_port=$(free_port)
setting jmap "$mails mails, $seconds s of each"
start_rota
mail_files | ask fill "$work/rota/lmtp" "$mails"
if [ -z "$BENCH_SMOKE" ]; then
    start_cyrus
    mail_files | ask fill "$work/cyrus/lmtp" "$mails"
    setting jmap-cyrus "$(zcat var/packages/usr/share/doc/cyrus-common/changelog.Debian.gz | head -1)"
fi
for _ in $(seq "$BENCH_ROUNDS"); do
    measure rota "$port" ada@example.org
    [ -n "$BENCH_SMOKE" ] || measure cyrus "$cyrus_port" ada
done
for n in $(seq 0 $(((open - 1) / 20))); do
    echo bench | "$BENCH_BUILD/rota" -c "$work/rota/rota.toml" account add "p$n@example.org" --password-stdin >/dev/null
done
streams=$(ask streams "$port" bench "$open" "$node")
say jmap-stream-bytes "$(awk '$1 == "bytes" {print $2}' <<<"$streams")" bytes
say jmap-stream-wake "$(awk '$1 == "wake" {print $2}' <<<"$streams")" ms
