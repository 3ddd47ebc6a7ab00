#!/usr/bin/env bash
# package.sh: the Debian packages as someone would have them, from the source to a purge; called by `./test package`.
#
# Builds them twice, in two folders, two time zones and two masks, and compares every byte; asks lintian and
# systemd-analyze; then installs them in a bare Debian 12 tree, where guest.sh goes on with Postfix. Root only, for the
# tree is entered with chroot; it has a network namespace of its own while programs run in it, so that no port of
# this machine is taken, and all its processes end with its process namespace.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tests/setup.sh
[ "$(id -u)" = 0 ] || { echo "./test package needs root: it installs into a tree of its own" >&2; exit 2; }
# Not on any list of the other parts: a machine that never makes packages needs none of these.
setup_packages dpkg-dev debhelper fakeroot lintian debootstrap systemd util-linux

work=$(mktemp -d "${TMPDIR:-/tmp}/rota-package.XXXXXX")
tree=$work/tree
trap 'rm -rf --one-file-system "$work"' EXIT
step() { echo "package: $*"; }

# build_packages FOLDER VERSION: the packages of the checkout's files as they are, in FOLDER.
build_packages()
{
    local folder=$1 version=$2
    mkdir -p "$folder/rota"
    git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$folder/rota"
    sed -i "1s/(.*)/($version)/" "$folder/rota/debian/changelog"
    if ! (cd "$folder/rota" && DEB_BUILD_OPTIONS="parallel=2 noautodbgsym" dpkg-buildpackage -b -us -uc) \
        >"$folder/build.log" 2>&1; then
        tail -n 40 "$folder/build.log" >&2
        return 1
    fi
}

version=$(dpkg-parsechangelog -S Version)
step "builds $version"
build_packages "$work/a" "$version"
step "builds it again elsewhere, and compares"
(umask 077 && TZ=Asia/Tokyo LC_ALL=C build_packages "$work/another/folder" "$version")
for deb in "$work"/a/*.deb; do
    cmp "$deb" "$work/another/folder/${deb##*/}"
done
rm -rf "$work/another"

step "lintian"
lintian --fail-on error,warning --allow-root "$work"/a/*.changes
step "systemd-analyze security: at most 2.0"
mkdir -p "$work/unit"
dpkg-deb --fsys-tarfile "$work"/a/rota_*.deb | tar -xf - -C "$work/unit" ./lib/systemd/system/rota.service
unit=$work/unit/lib/systemd/system/rota.service
systemd-analyze security --offline=true --threshold=20 "$unit" >"$work/security.log" ||
    { tail -n 1 "$work/security.log" >&2; exit 1; }
tail -n 1 "$work/security.log"

# The version before: the same files under a lower number, so that dpkg's own upgrade is gone through.
step "builds the version before"
build_packages "$work/before" "$version~before"

step "makes a bare Debian 12"
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^#' |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ') || true
debootstrap --variant=minbase bookworm "$tree" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
# What this machine's apt needs to reach its mirror, the tree's needs as well.
cp -a /etc/apt/apt.conf.d/. "$tree/etc/apt/apt.conf.d/" 2>/dev/null || true
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || install -D -m 644 "$file" "$tree$file"
done
mkdir -p "$tree/packages/before"
cp "$work"/a/*.deb "$tree/packages/"
cp "$work"/before/*.deb "$tree/packages/before/"
install -m 755 tests/package/guest.sh "$tree/packages/guest.sh"
# inside PART: one part of guest.sh in the tree. Those that install packages see this machine's network, the
# others none.
inside()
{
    local apart=(--mount --pid --fork)
    case $1 in install* | remove* | purge*) ;; *) apart+=(--net) ;; esac
    step "$*"
    unshare "${apart[@]}" sh -c '
        mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" \
            env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
            http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" /packages/guest.sh "$@"' "$tree" "$@"
}
inside install before
inside before
inside install
inside first
inside remove
inside install
inside again
inside purge
step "whole"
