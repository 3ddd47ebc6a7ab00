/* postgresql_connect: how a handle comes to a server that it can work with.
 *
 * Connection strings pass through to libpq, with several hosts too; where they say nothing, rota
 * asks for the server that takes writes, and for a dead peer to be noticed within seconds. What
 * cannot work is refused here, with what to do: a server that is too old, and a pooler that gives
 * each transaction another session, through which wake-ups, prepared statements and time-outs get
 * lost.
 *
 * A pooler is seen by the process number that it makes up for its clients. In which mode it works
 * is found out by a second connection: if that one is given the session that the first has just
 * used, though the first is still open, sessions are not kept.
 *
 * Failures: a server that is not there, or does not let us in: ERROR_RETRY, with a pause for the
 * whole process (connect_pause.h); one that cannot work: ERROR_REJECT. Known weak point: a pooler
 * in transaction mode that serves many others at this moment may hand out another session, and is
 * found out by its failures only; they name it.
 */
#include "db/postgresql.h"

#include <poll.h>

#include "base/error.h"
#include "db/connect_pause.h"

#define SERVER_OLDEST   130000 /* PostgreSQL 13: the oldest that is still alike where we look */
#define SERVER_PER_MAIN 10000

static const char pid_sql[] = "SELECT pg_backend_pid()";

void postgresql_disconnect(PostgresqlDb *db)
{
    if (db->conn)
        PQfinish(db->conn);
    db->conn = NULL;
    db->listening = false;
    db->sent = false;
    db->lost = false;
    g_ptr_array_set_size(db->pending, 0);
    g_hash_table_remove_all(db->statements);
    g_ptr_array_set_size(db->awaited, 0);
}

static void no_notice(void *data, const PGresult *result)
{
    (void)data;
    (void)result;
}

char *postgresql_one_line(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *line = g_string_new(NULL);
    for (char **at = lines; *at; at++) {
        const char *part = g_strstrip(*at);
        if (*part)
            g_string_append_printf(line, "%s%s", line->len > 0 ? "; " : "", part);
    }
    g_string_replace(line, ":  ", ": ", 0);
    return g_string_free(line, FALSE);
}

static PGconn *connect_to(const char *url)
{
    /* What stands before dbname is only the default for it; see PQconnectdbParams. */
    static const char *const words[] = {"connect_timeout",
                                        "target_session_attrs",
                                        "tcp_user_timeout",
                                        "keepalives_idle",
                                        "keepalives_interval",
                                        "keepalives_count",
                                        "fallback_application_name",
                                        "dbname",
                                        NULL};
    const char *values[] = {"5", "read-write", "10000", "5", "2", "3", "rota", url, NULL};
    PGconn *conn = PQconnectdbParams(words, values, 1);
    PQsetNoticeReceiver(conn, no_notice, NULL);
    return conn;
}

/* The session's settings, in one round. All statements are short: compiling one (jit), which the
 * planner wishes for a queue whose statistics are old, takes a hundred times as long as running it.
 * A steady handle's statements are planned once, and all go by an index: a queue is empty when
 * PostgreSQL looks at it, and full when it matters. A server may lack these settings.
 * *ret_pid is the number of the process that serves us. */
static bool set_up(PostgresqlDb *db, int *ret_pid, GError **error)
{
    static const char sql[] =
        "SELECT pg_backend_pid(), set_config('statement_timeout', $1, false),"
        " set_config('idle_in_transaction_session_timeout', $4, false),"
        " set_config('client_encoding', 'UTF8', false),"
        " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
        " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),"
        " CASE WHEN current_setting('jit', true) = 'on' THEN set_config('jit', 'off', false) END,"
        " set_config('search_path', coalesce($2, current_setting('search_path')), false),"
        " (SELECT count(set_config(name, CASE name WHEN 'plan_cache_mode' THEN 'force_generic_plan'"
        " ELSE 'off' END, false)) FROM pg_settings WHERE $3 = 'steady' AND name IN"
        " ('enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'plan_cache_mode'))";
    if (!PQenterPipelineMode(db->conn))
        return postgresql_fail_connection(db, error);
    g_autofree char *path = db->schema ? db_quote_name(db->schema) : NULL;
    char seconds[32], idle[32];
    g_snprintf(seconds, sizeof seconds, "%ds", db->statement_seconds);
    g_snprintf(idle, sizeof idle, "%ds", MIN(db->statement_seconds, DB_IDLE_SECONDS));
    const char *args[] = {seconds, path, db->steady ? "steady" : "", idle};
    if (!PQsendQueryParams(db->conn, sql, 4, NULL, args, NULL, NULL, 0) ||
        !postgresql_sync(db, error))
        return postgresql_fail_connection(db, error && *error ? NULL : error);
    PGresult *result = postgresql_result(db, error);
    bool good = result && postgresql_result_is_good(result);
    if (good)
        *ret_pid = (int)g_ascii_strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    else if (result)
        postgresql_fail_result(db, result, error);
    PQclear(result);
    return postgresql_end_round(db, good ? error : NULL) && good;
}

/* The process that serves this connection now; 0: it cannot be asked. */
static int server_pid(PGconn *conn)
{
    PGresult *result = PQexec(conn, pid_sql);
    int pid = PQresultStatus(result) == PGRES_TUPLES_OK
                  ? (int)g_ascii_strtoll(PQgetvalue(result, 0, 0), NULL, 10)
                  : 0;
    PQclear(result);
    return pid;
}

/* Is the session that `conn` has been served by (`pid`) given to another connection? */
static bool is_shared(const PostgresqlDb *db, int pid)
{
    PGconn *second = connect_to(db->url);
    bool shared = PQstatus(second) == CONNECTION_OK && server_pid(second) == pid;
    PQfinish(second);
    return shared;
}

/* Refuses what can be reached and cannot work. */
static bool check_server(PostgresqlDb *db, int pid, GError **error)
{
    if (pid != PQbackendPID(db->conn) && is_shared(db, pid))
        return fail(error, ERROR_REJECT,
                    "between us and PostgreSQL is a pooler in transaction mode, which loses "
                    "wake-ups, prepared statements and time-outs; let store.data.url name "
                    "PostgreSQL itself, or set the pooler to session mode for this database");
    return true;
}

static bool check_version(const PGconn *conn, GError **error)
{
    int version = PQserverVersion(conn);
    if (version >= SERVER_OLDEST)
        return true;
    return fail(error, ERROR_REJECT,
                "the server is PostgreSQL %d.%d; rota needs %d or newer, and is tested with 15",
                version / SERVER_PER_MAIN, version % SERVER_PER_MAIN,
                SERVER_OLDEST / SERVER_PER_MAIN);
}

static bool connect_now(PostgresqlDb *db, GError **error)
{
    int pid = 0;
    db->conn = connect_to(db->url);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        g_autofree char *reason = postgresql_one_line(PQerrorMessage(db->conn));
        return fail(error, ERROR_RETRY, "could not connect to PostgreSQL: %s", reason);
    }
    return check_version(db->conn, error) && set_up(db, &pid, error) &&
           check_server(db, pid, error);
}

bool postgresql_connect(PostgresqlDb *db, GError **error)
{
    postgresql_disconnect(db);
    if (!connect_pause_enter(db->url, clock_monotonic_us(clock_real()), error))
        return false;
    g_autoptr(GError) reason = NULL;
    bool done = connect_now(db, &reason);
    connect_pause_leave(db->url, clock_monotonic_us(clock_real()), reason);
    if (done)
        return true;
    postgresql_disconnect(db);
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

bool postgresql_is_alive(PostgresqlDb *db)
{
    if (!db->conn || db->lost || PQstatus(db->conn) != CONNECTION_OK)
        return false;
    for (;;) {
        struct pollfd look = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (look.fd < 0)
            return false;
        if (poll(&look, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(db->conn) || PQstatus(db->conn) != CONNECTION_OK)
            return false;
        PQisBusy(db->conn); /* takes in what was read */
    }
}
