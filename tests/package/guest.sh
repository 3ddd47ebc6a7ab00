#!/bin/sh
# guest.sh: what is done in the bare tree of package.sh, as root of it; one part for each call.
#
#   install [before]   the packages (those of the version before), and Postfix
#   first              a node runs, a mail goes through Postfix and is found
#   again              a node runs on what is there, and the first mail is still found
#   remove / purge     what the two keep and take
set -eu
export DEBIAN_FRONTEND=noninteractive
mark=zilverreiger

fail() { echo "guest: $*" >&2; [ ! -e /tmp/rota.log ] || tail -n 20 /tmp/rota.log >&2; exit 1; }
quietly() { "$@" >/tmp/apt.log 2>&1 || { tail -n 20 /tmp/apt.log >&2; fail "$* failed"; }; }

# eventually WHAT COMMAND...: until it is true, for half a minute.
eventually()
{
    what=$1
    shift
    for _ in $(seq 150); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    fail "in 30 s there was no $what"
}

rota() { runuser -u rota -- rota "$@"; }

# start_node: the unit's own command line, as its user, for no systemd runs here.
start_node()
{
    ip link set lo up 2>/dev/null || true
    command=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/rota.service)
    # shellcheck disable=SC2086
    runuser -u rota -- $command >/tmp/rota.log 2>&1 &
    node=$!
    eventually "node that is ready" grep -q serve.ready /tmp/rota.log
}

stop_node()
{
    pkill -TERM -u rota -x rota || fail "the node had ended"
    wait "$node" || fail "the node ended with $?"
}

# found: a search says the mail's mark.
found() { rota search -a ada@example.org "$mark" | grep -q Subject-of-the-package; }

install_packages()
{
    quietly apt-get -qq update
    # The tree has no host of its own; Postfix is told all it would ask. No service is started in a chroot.
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    quietly apt-get -y -qq install --no-install-recommends postfix iproute2 procps
    quietly apt-get -y -qq install --no-install-recommends "$@"
}

case $1 in
install)
    install_packages /packages/${2:+before/}rota_*.deb /packages/${2:+before/}rota-doc_*.deb
    dpkg -L rota-doc | grep -q '^/usr/share/doc/.*/operations.md' || fail "no docs"
    [ -e /usr/share/man/man1/rota.1.gz ] || fail "no manual"
    rota check >/dev/null || fail "rota check has something against the settings as installed"
    ;;
first)
    start_node
    rota account add ada@example.org --generate >/dev/null
    cat >/etc/postfix/main.cf <<'EOF'
compatibility_level = 3.6
myhostname = mail.example.org
mydestination =
inet_interfaces = loopback-only
virtual_mailbox_domains = example.org
virtual_transport = lmtp:inet:127.0.0.1:11024
EOF
    quietly postfix start
    {
        printf 'From: bob@example.org\nTo: ada@example.org\nSubject: Subject-of-the-package\n\n'
        echo "A $mark by the water."
    } | sendmail -f bob@example.org ada@example.org
    eventually "mail that a search finds" found
    postfix stop >/dev/null 2>&1
    stop_node
    ;;
again)
    start_node
    eventually "mail of before that a search finds" found
    rota store check >/dev/null || fail "the store is not whole"
    stop_node
    ;;
remove)
    quietly apt-get -y -qq remove rota
    [ -e /var/lib/rota/rota.db ] || fail "removal has taken the store"
    [ -e /etc/rota/rota.toml ] || fail "removal has taken the settings"
    [ ! -e /usr/bin/rota ] || fail "removal has left the program"
    ;;
purge)
    quietly apt-get -y -qq purge rota
    [ ! -e /var/lib/rota ] || fail "purge has left the store"
    [ ! -e /etc/rota ] || fail "purge has left the settings"
    ;;
*) fail "no such part: $1" ;;
esac
