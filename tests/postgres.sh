# postgres.sh: a private PostgreSQL for the tests, on a unix socket in a folder of its own; sourced by ./test.
#
# postgres_start sets ROTA_TEST_PG (a libpq string); postgres_stop stops what was started and removes
# it. PostgreSQL refuses to run as root: started by root it runs as the user "postgres" that its package
# makes. A ROTA_TEST_PG that is set already is used as it is. The folder is under /tmp: a socket's path
# is at most 107 bytes long, and that user may not be able to enter the checkout. POSTGRES_OPTIONS is for
# who measures: the server's options instead of fsync=off.

POSTGRES_BIN=/usr/lib/postgresql/15/bin
postgres_folder=''

postgres_as()
{
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all "$@")
    else
        "$@"
    fi
}

postgres_start()
{
    [ -z "${ROTA_TEST_PG:-}" ] || return 0
    postgres_folder=$(mktemp -d "${TMPDIR:-/tmp}/rota-pg.XXXXXX")
    [ "$(id -u)" != 0 ] || chown postgres: "$postgres_folder"
    # fsync=off is for tests of behaviour, not of numbers; kill -9 of our own program loses nothing by it.
    if ! { postgres_as "$POSTGRES_BIN/initdb" -D "$postgres_folder/data" -A trust -U rota -E UTF8 --locale=C.UTF-8 &&
        postgres_as "$POSTGRES_BIN/pg_ctl" -D "$postgres_folder/data" -w -t 60 -l "$postgres_folder/log" \
            -o "-k $postgres_folder -p 54321 -c listen_addresses= -c max_connections=300 \
${POSTGRES_OPTIONS:--c fsync=off}" start; } \
        >"$postgres_folder.out" 2>&1; then
        cat "$postgres_folder.out" "$postgres_folder/log" >&2
        return 1
    fi
    export ROTA_TEST_PG="host=$postgres_folder port=54321 user=rota dbname=postgres"
}

postgres_stop()
{
    [ -n "$postgres_folder" ] || return 0
    if [ -s "$postgres_folder/data/postmaster.pid" ]; then
        postgres_as "$POSTGRES_BIN/pg_ctl" -D "$postgres_folder/data" -m immediate -w stop >/dev/null 2>&1
    fi
    rm -rf "$postgres_folder" "$postgres_folder.out"
    postgres_folder=''
}
