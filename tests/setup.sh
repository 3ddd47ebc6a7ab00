# setup.sh: what a machine needs, named once; sourced by ./run, ./test and ./bench. Debian 12.
#
# setup_packages NAME...   installs those that are missing, and nothing else. As root, or by sudo.
# Debian's own tools come first in PATH: another python3 or meson of this machine may lack what ours need.
# A failed installation stops the caller with what to do.

export PATH="/usr/bin:/bin:/usr/sbin:/sbin:$PATH"

PACKAGES_RUN=(gcc libc6-dev make pkg-config meson ninja-build python3 libglib2.0-dev
    libgmime-3.0-dev libsqlite3-dev libpq-dev libssl-dev libsodium-dev libzstd-dev libicu-dev
    libjansson-dev libical-dev libxml2-dev libmicrohttpd-dev libcurl4-openssl-dev libstemmer-dev
    libldns-dev libsnappy-dev libcmocka-dev)
PACKAGES_TEST=("${PACKAGES_RUN[@]}" clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev mandoc
    cppcheck spin postgresql-15 pgbouncer openssl python3-pytest python3-jsonschema python3-dateutil
    vdirsyncer python3-caldav python3-cryptography python3-h2 pebble knot knot-dnsutils
    python3-prometheus-client python3-protobuf python3-snappy zstd iproute2 curl wrk
    chromium chromium-driver python3-selenium fonts-dejavu-core)

setup_packages()
{
    local missing=() name
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    local root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "These packages are missing, and only root may install them: ${missing[*]}" >&2
            echo "Run as root: apt-get install ${missing[*]}" >&2
            exit 2
        fi
        root=(sudo)
    fi
    echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
    # The tests start a PostgreSQL of their own; the package shall not start one for the whole machine.
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        "${root[@]}" mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -qq -o Dpkg::Use-Pty=0
        -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300)
    local log
    log=$(mktemp)
    if ! { "${apt[@]}" update &&
        "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "The packages could not be installed: ${missing[*]}" >&2
        exit 2
    fi
    rm -f "$log"
}

# setup_unpacked NAME...   Debian packages of which the programs are wanted and the services are not: in var/packages.
setup_unpacked()
{
    local name log
    for name in "$@"; do
        [ ! -e "var/packages/$name.here" ] || continue
        mkdir -p var/packages
        log=var/packages/$name.log
        if ! { setup_download "$name" && dpkg -x var/packages/"$name"_*.deb var/packages; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            echo "The package $name could not be had" >&2
            return 1
        fi
        rm -f var/packages/"$name"_*.deb
        touch "var/packages/$name.here"
    done
}

setup_download()
{
    (cd var/packages && { apt-get -qq download "$1" || { apt-get -qq update && apt-get -qq download "$1"; }; })
}

# setup_axe   the checker of accessibility, which Debian does not have: var/packages/axe.min.js, for the tests alone.
AXE_VERSION=4.10.3
setup_axe()
{
    [ ! -e var/packages/axe.min.js ] || return 0
    command -v npm >/dev/null || setup_packages npm
    mkdir -p var/packages
    if ! (cd var/packages && npm pack --silent "axe-core@$AXE_VERSION" &&
        tar -xzf "axe-core-$AXE_VERSION.tgz" --strip-components=1 package/axe.min.js) >var/packages/axe.log 2>&1; then
        tail -n 20 var/packages/axe.log >&2
        echo "axe-core could not be had: npm pack axe-core@$AXE_VERSION" >&2
        return 1
    fi
    rm -f "var/packages/axe-core-$AXE_VERSION.tgz"
}

# setup_jam   a JMAP client of others (jmap-jam of npm, one file without dependencies): var/packages/jam.mjs, for the
#             tests alone.
JAM_VERSION=0.13.1
setup_jam()
{
    [ ! -e var/packages/jam.mjs ] || return 0
    command -v npm >/dev/null || setup_packages npm
    mkdir -p var/packages
    if ! (cd var/packages && npm pack --silent "jmap-jam@$JAM_VERSION" &&
        tar -xzOf "jmap-jam-$JAM_VERSION.tgz" package/dist/index.js >jam.mjs.new && mv jam.mjs.new jam.mjs
    ) >var/packages/jam.log 2>&1; then
        tail -n 20 var/packages/jam.log >&2
        echo "jmap-jam could not be had: npm pack jmap-jam@$JAM_VERSION" >&2
        return 1
    fi
    rm -f "var/packages/jmap-jam-$JAM_VERSION.tgz"
}

# setup_build FOLDER [MESON OPTION...]: a build folder that fits the options; made anew if it cannot be used.
setup_build()
{
    local folder=$1 log
    shift
    mkdir -p var
    log=var/$(basename "$folder").log
    if [ -f "$folder/build.ninja" ] && ninja -C "$folder" -t query all >/dev/null 2>&1; then
        return 0
    fi
    rm -rf "$folder"
    meson setup "$folder" "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; return 1; }
}
