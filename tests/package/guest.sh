#!/bin/sh
# guest.sh: what is done in the bare tree of package.sh, as root of it; one part for each call.
#
#   install [before]   the packages (those of the version before), and Postfix
#   before             a node of the version before makes a store with an account
#   first              docs/getting-started.md, command by command, on that store
#   again              a node runs on what is there, and the mail is still found
#   remove / purge     what the two keep and take
set -eu
export DEBIAN_FRONTEND=noninteractive
mark=dredging

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

# found: a search says the mail's subject.
found() { rota search -a ada@example.org "$mark" | grep -q "The harbour"; }

# ---- what a command of the page means in a tree without systemd, and on a machine that is busy

systemctl()
{
    case "$*" in
    "start rota") start_node ;;
    "restart postfix")
        postfix stop >/dev/null 2>&1 || true
        quietly postfix start
        ;;
    *) fail "the page says: systemctl $*" ;;
    esac
}

sleep()
{
    [ "$1" = 5 ] || { command sleep "$@"; return; }
    eventually "mail that a search finds" found
}

# follow PAGE: runs its blocks marked sh, one after the other; the first that fails ends it.
follow()
{
    page=$(dpkg -L rota-doc | grep "/$1\(.gz\)\?$")
    # shellcheck disable=SC2016
    zcat -f "$page" | sed -n '/^```sh$/,/^```$/p' | sed '/^```/d' >/tmp/page.sh
    [ -s /tmp/page.sh ] || fail "$1 has no commands"
    cd /packages
    # shellcheck disable=SC1091
    . /tmp/page.sh
    cd /
}

install_packages()
{
    quietly apt-get -qq update
    # The tree has no host of its own; Postfix is told all it would ask. No service is started in a chroot.
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    {
        echo 'postfix postfix/main_mailer_type select Internet Site'
        echo 'postfix postfix/mailname string mail.example.org'
    } | debconf-set-selections
    quietly apt-get -y -qq install --no-install-recommends postfix iproute2 procps curl
    quietly apt-get -y -qq install --no-install-recommends "$@"
}

case $1 in
install)
    install_packages /packages/${2:+before/}rota_*.deb /packages/${2:+before/}rota-doc_*.deb
    dpkg -L rota-doc | grep -q '^/usr/share/doc/.*/operations.md' || fail "no docs"
    [ -e /usr/share/man/man1/rota.1.gz ] || fail "no manual"
    rota check >/dev/null || fail "rota check has something against the settings as installed"
    ;;
before)
    start_node
    rota account add bob@example.org --generate >/dev/null
    stop_node
    ;;
first)
    # Not before "||": there a shell goes on after a command that failed.
    trap 'tail -n 20 /tmp/page.out >&2; echo "guest: the page failed" >&2' EXIT
    follow getting-started.md >/tmp/page.out 2>&1
    trap - EXIT
    grep -q "The harbour" /tmp/page.out || fail "the page's search has not shown the mail"
    rota account list | grep -q bob@example.org || fail "the account of the version before is gone"
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
