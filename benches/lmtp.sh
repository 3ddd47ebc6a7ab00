#!/usr/bin/env bash
# lmtp: small messages into one mailbox by LMTP, each answered when it is durable; one and ten sessions.
#
# rota is `rota serve` with its defaults, all roles at work (the index is kept up meanwhile). Dovecot is its lmtp
# service alone, delivering to a maildir or an mdbox without an index of words, mail_fsync as it comes. Both listen
# on a unix socket, have a folder and settings of their own, and are stopped by their own process' number. The
# client is benches/lmtp_client.c for all.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

messages=5000
[ -z "$BENCH_SMOKE" ] || messages=50
bytes=2000
# A socket's path is at most 107 bytes long, and Dovecot's user must be able to go there.
folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-lmtp.XXXXXX")
chmod 755 "$folder"
trap 'stop_serving; rm -rf "$folder"; bench_end' EXIT

# measure NAME SOCKET RCPT: a run of one session and a run of ten, after a first message that makes the mailbox.
measure()
{
    local sessions line
    "$BENCH_BUILD/benches/lmtp-client" --rcpt "$3" --messages 20 "$2" >/dev/null
    for sessions in 1 10; do
        line=$("$BENCH_BUILD/benches/lmtp-client" --rcpt "$3" --sessions "$sessions" --messages "$messages" \
            --bytes "$bytes" "$2")
        say "lmtp-$1-$sessions" "$(cut -f1 <<<"$line")" messages/s
        say "lmtp-$1-$sessions-p99" "$(cut -f3 <<<"$line")" ms
    done
}

measure_rota()
{
    serve_mail "$folder/rota"
    measure rota "$folder/rota/lmtp" ada@example.org
    stop_serving
}

# measure_dovecot FORMAT LOCATION
measure_dovecot()
{
    start_dovecot "$folder" "$2"
    measure "$1" "$folder/dovecot/run/lmtp" ada@example.org
    stop_serving
}

setting lmtp "$messages messages of $bytes bytes, one recipient, a connection for each session, no pipelining"
setting lmtp-rota "rota serve, defaults: SQLite, synchronous=FULL, every role at work, log.level warning"
if [ -z "$BENCH_SMOKE" ]; then
    setup_packages dovecot-core dovecot-lmtpd >&2
    setting lmtp-dovecot \
        "$(dovecot --version), lmtp service alone, mail_fsync as it comes (optimized), no index of words"
    [ "$(id -u)" = 0 ] || { echo "lmtp: Dovecot wants to be started by root; only rota is measured" >&2; }
fi
for _ in $(seq "$BENCH_ROUNDS"); do
    measure_rota
    [ -z "$BENCH_SMOKE" ] && [ "$(id -u)" = 0 ] || continue
    measure_dovecot maildir "maildir:~/Maildir"
    measure_dovecot mdbox "mdbox:~/mdbox"
done
