/* postgresql: the driver for the cluster store: rounds, transactions and wake-ups.
 *
 * One libpq connection (made by postgresql_connect.c), always in pipeline mode (postgresql.h).
 * BEGIN is not sent by itself but ahead of the transaction's first statement, so a transaction of n
 * statements costs n + 1 round trips, and an empty one none. Those of db_exec_later cost none: they
 * go with the next, or with the commit.
 *
 * It connects in db_open, and again in db_begin and db_listen when the connection was lost.
 *
 * Failures: by SQLSTATE (kind_of). A connection that breaks while COMMIT is under way gives
 * DB_UNKNOWN; when it is seen to be broken before COMMIT is sent, DB_NOT_DONE. A server that turned
 * read-only (it became a standby) is left, so that the next begin finds the other one. Known weak
 * point: a server that is reached but does not answer is given up after the statement time-out and
 * a few seconds.
 */
#include "db/postgresql.h"

#include <errno.h>
#include <poll.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/must.h"

#define ANSWER_MARGIN_SECONDS 5 /* beyond the server's own statement time-out */

static const char *const begin_sql[] = {
    [DB_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [DB_WRITE] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    [DB_WRITE_LAZY] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
};

/* ---- errors */

static ErrorKind kind_of(const PostgresqlDb *db, const char *state)
{
    static const char *const retry[] = {
        "08",    /* connection */
        "40",    /* serialisation, dead lock */
        "53",    /* disk full, too many connections, out of memory */
        "55P03", /* lock not available */
        "55000", /* object not in prerequisite state: a server in recovery */
        "57",    /* cancelled by the time-out, shut down, starting up */
        "58",    /* I/O of the server */
        "25P03", /* idle in transaction for too long */
        "26000", /* a prepared statement is gone: a pooler between us */
    };
    if (!state)
        return ERROR_RETRY;
    if (g_str_has_prefix(state, "23"))
        return ERROR_CONFLICT;
    if (strcmp(state, "25006") == 0)
        return db->base.mode == DB_READ ? ERROR_REJECT : ERROR_RETRY;
    for (unsigned i = 0; i < G_N_ELEMENTS(retry); i++) {
        if (g_str_has_prefix(state, retry[i]))
            return ERROR_RETRY;
    }
    return ERROR_REJECT;
}

/* A plan that a migration made stale: PostgreSQL says "feature not supported", but a new connection
 * mends it. */
static bool plan_is_stale(const PGresult *result, const char *state)
{
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return state && strcmp(state, "0A000") == 0 && function &&
           strcmp(function, "RevalidateCachedQuery") == 0;
}

bool postgresql_fail_result(PostgresqlDb *db, const PGresult *result, GError **error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    ErrorKind kind = kind_of(db, state);
    bool stale = plan_is_stale(result, state);
    if (stale)
        kind = ERROR_RETRY;
    if (stale || !state || (severity && strcmp(severity, "ERROR") != 0) ||
        (kind == ERROR_RETRY && (strcmp(state, "25006") == 0 || strcmp(state, "26000") == 0)) ||
        PQstatus(db->conn) == CONNECTION_BAD)
        db->lost = true;
    g_autofree char *plain = postgresql_one_line(primary ? primary : PQresultErrorMessage(result));
    const char *why = stale ? ": the schema has changed"
                      : state && strcmp(state, "26000") == 0
                          ? ": is a pooler in transaction mode between us?"
                          : "";
    return fail(error, kind, "PostgreSQL: %s%s%s%s", plain, detail ? ": " : "",
                detail ? detail : "", why);
}

bool postgresql_fail_connection(PostgresqlDb *db, GError **error)
{
    db->lost = true;
    g_autofree char *reason = postgresql_one_line(db->conn ? PQerrorMessage(db->conn) : "");
    return fail(error, ERROR_RETRY, "PostgreSQL: the connection is lost%s%s", *reason ? ": " : "",
                reason);
}

bool postgresql_result_is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* ---- rounds */

static void pending_free(void *data)
{
    PendingCommand *command = data;
    for (int i = 0; i < command->count; i++)
        g_free(command->args[i]);
    g_free(command);
}

/* Appends a command to `pending`; the arguments' ownership is taken. */
static void later(PostgresqlDb *db, const char *sql, char *arg0, char *arg1)
{
    PendingCommand *command = g_new0(PendingCommand, 1);
    command->sql = sql;
    command->args[0] = arg0;
    command->args[1] = arg1;
    command->count = (arg0 != NULL) + (arg1 != NULL);
    g_ptr_array_add(db->pending, command);
}

static bool send_plain(PostgresqlDb *db, const char *sql, GError **error)
{
    return PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0) ||
           postgresql_fail_connection(db, error);
}

bool postgresql_send_text(PostgresqlDb *db, const char *sql, GError **error)
{
    g_ptr_array_add(db->awaited, NULL);
    return send_plain(db, sql, error);
}

bool postgresql_send_pending(PostgresqlDb *db, GError **error)
{
    for (unsigned i = 0; i < db->pending->len; i++) {
        PendingCommand *command = db->pending->pdata[i];
        if (!PQsendQueryParams(db->conn, command->sql, command->count, NULL,
                               (const char *const *)command->args, NULL, NULL, 0))
            return postgresql_fail_connection(db, error);
        g_ptr_array_add(db->awaited, NULL);
    }
    db->sent = true;
    g_ptr_array_set_size(db->pending, 0);
    return true;
}

bool postgresql_sync(PostgresqlDb *db, GError **error)
{
    db->base.counts.round_trips++;
    return PQpipelineSync(db->conn) || postgresql_fail_connection(db, error);
}

/* PQgetResult, but it gives up on a server that does not answer. False: the connection is lost. */
static bool await_result(PostgresqlDb *db, PGresult **ret_result, GError **error)
{
    int64_t end = clock_monotonic_us(clock_real()) +
                  (db->statement_seconds + ANSWER_MARGIN_SECONDS) * INT64_C(1000000);
    while (PQisBusy(db->conn)) {
        int64_t left_ms = (end - clock_monotonic_us(clock_real())) / 1000;
        if (left_ms <= 0) {
            db->lost = true;
            return fail(error, ERROR_RETRY, "PostgreSQL: the server does not answer");
        }
        int unsent = PQflush(db->conn);
        struct pollfd wait = {.fd = PQsocket(db->conn),
                              .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))};
        if (unsent < 0 || (poll(&wait, 1, (int)left_ms) < 0 && errno != EINTR))
            return postgresql_fail_connection(db, error);
        if (wait.revents && !PQconsumeInput(db->conn))
            break; /* PQgetResult says what happened */
    }
    *ret_result = PQgetResult(db->conn);
    return true;
}

PGresult *postgresql_result(PostgresqlDb *db, GError **error)
{
    PGresult *result = NULL, *end = NULL;
    if (!await_result(db, &result, error))
        return NULL;
    if (!result) {
        postgresql_fail_connection(db, error);
        return NULL;
    }
    if (PQresultStatus(result) == PGRES_FATAL_ERROR && PQstatus(db->conn) == CONNECTION_BAD)
        return result;
    if (!await_result(db, &end, error)) {
        PQclear(result);
        return NULL;
    }
    if (end) { /* more than one result for a command: COPY, or several statements in one */
        PQclear(end);
        PQclear(result);
        db->lost = true;
        fail(error, ERROR_REJECT, "PostgreSQL: a statement gave more than one result");
        return NULL;
    }
    return result;
}

bool postgresql_expect(PostgresqlDb *db, GError **error)
{
    bool good = true;
    for (unsigned i = 0; i < db->awaited->len && !db->lost; i++) {
        PGresult *result = postgresql_result(db, good ? error : NULL);
        bool done = result && postgresql_result_is_good(result);
        if (db->awaited->pdata[i] && !done)
            postgresql_statement_failed(db->awaited->pdata[i]);
        if (good && result && !done)
            postgresql_fail_result(db, result, error);
        good = good && done;
        PQclear(result);
    }
    g_ptr_array_set_size(db->awaited, 0);
    return good;
}

bool postgresql_end_round(PostgresqlDb *db, GError **error)
{
    if (db->lost)
        return error && *error ? false : postgresql_fail_connection(db, error);
    PGresult *result = NULL;
    if (!await_result(db, &result, error))
        return false;
    bool good = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    PQclear(result);
    return good || postgresql_fail_connection(db, error);
}

/* ---- transactions */

static bool begin(Db *base, DbMode mode, GError **error)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    if (!postgresql_is_alive(db) && !postgresql_connect(db, error))
        return false;
    db->sent = false;
    g_ptr_array_set_size(db->pending, 0);
    later(db, begin_sql[mode], NULL, NULL);
    if (mode == DB_WRITE_LAZY)
        later(db, "SET LOCAL synchronous_commit = off", NULL, NULL);
    return true;
}

static DbOutcome unknown(GError *reason, GError **error)
{
    fail(error, ERROR_UNKNOWN, "%s: the outcome of the commit is not known",
         reason ? reason->message : "the connection was lost");
    g_clear_error(&reason);
    return DB_UNKNOWN;
}

static DbOutcome commit(Db *base, GError **error)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    bool only_begun = !db->sent && db->pending->len == (db->base.mode == DB_WRITE_LAZY ? 2 : 1);
    if (only_begun) {
        g_ptr_array_set_size(db->pending, 0);
        return DB_DONE;
    }
    if (!postgresql_is_alive(db)) {
        postgresql_fail_connection(db, error);
        return DB_NOT_DONE;
    }
    GError *reason = NULL;
    if (!postgresql_send_pending(db, &reason) || !send_plain(db, "COMMIT", &reason) ||
        !postgresql_sync(db, &reason))
        return unknown(reason, error);
    bool good = postgresql_expect(db, &reason);
    PGresult *result = db->lost ? NULL : postgresql_result(db, good ? &reason : NULL);
    bool committed = false;
    if (good && result) {
        committed = PQresultStatus(result) == PGRES_COMMAND_OK &&
                    strcmp(PQcmdStatus(result), "COMMIT") == 0;
        if (!postgresql_result_is_good(result))
            postgresql_fail_result(db, result, &reason);
        else if (!committed)
            fail(&reason, ERROR_RETRY, "PostgreSQL: the server rolled the transaction back");
    }
    PQclear(result);
    if (committed) {
        /* If this fails the commit still stands, and the next begin connects anew. */
        postgresql_end_round(db, NULL);
        db->sent = false;
        return DB_DONE;
    }
    if (!db->lost)
        postgresql_end_round(db, NULL);
    if (db->lost)
        return unknown(reason, error);
    g_propagate_error(error, reason);
    return DB_NOT_DONE;
}

static void rollback(Db *base)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    PQclear(db->rows.result);
    db->rows.result = NULL;
    g_ptr_array_set_size(db->pending, 0);
    if (!db->sent || db->lost)
        return;
    db->sent = false;
    /* What fails here leaves the connection marked as lost, and the server rolls back by itself. */
    if (db->awaited->len > 0) {
        /* A round of their own: after a failure the server skips the rest of its round. */
        if (!postgresql_sync(db, NULL))
            return;
        postgresql_expect(db, NULL);
        if (!postgresql_end_round(db, NULL))
            return;
    }
    if (!postgresql_send_text(db, "ROLLBACK", NULL) || !postgresql_sync(db, NULL))
        return;
    if (!postgresql_expect(db, NULL) || !postgresql_end_round(db, NULL))
        db->lost = true;
}

static bool savepoint(Db *base, DbSavepoint step, GError **error)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    switch (step) {
    case DB_SAVEPOINT_BEGIN:
        /* A failure of what came before shows before it: going back to here would not mend it. */
        if (db->awaited->len > 0)
            return postgresql_run_text(base, "SAVEPOINT door", error);
        later(db, "SAVEPOINT door", NULL, NULL);
        return true;
    case DB_SAVEPOINT_RELEASE:
        later(db, "RELEASE SAVEPOINT door", NULL, NULL);
        return true;
    case DB_SAVEPOINT_ROLLBACK:
        if (!postgresql_run_text(base, "ROLLBACK TO SAVEPOINT door", error))
            return false;
        later(db, "RELEASE SAVEPOINT door", NULL, NULL);
        return true;
    }
    must_fail("a known step", __FILE__, __LINE__);
}

/* ---- the rest of the door */

static bool notify(Db *base, const char *word, GError **error)
{
    (void)error;
    PostgresqlDb *db = (PostgresqlDb *)base;
    later(db, "SELECT pg_notify($1, $2)", g_strdup(db->channel), g_strdup(word));
    return true;
}

static bool start_listening(PostgresqlDb *db, GError **error)
{
    if (postgresql_is_alive(db) && db->listening)
        return true;
    if (!postgresql_is_alive(db) && !postgresql_connect(db, error))
        return false;
    g_autofree char *sql = g_strdup_printf("LISTEN %s", db->channel);
    if (!postgresql_send_text(db, sql, error) || !postgresql_sync(db, error))
        return false;
    bool good = postgresql_expect(db, error);
    db->listening = postgresql_end_round(db, good ? error : NULL) && good;
    return db->listening;
}

static bool listen_for(Db *base, int timeout_ms, char **ret_word, GError **error)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    if (!start_listening(db, error))
        return false;
    int64_t end = clock_monotonic_us(clock_real()) + timeout_ms * INT64_C(1000);
    for (;;) {
        PQisBusy(db->conn); /* takes in what was read */
        PGnotify *notice = PQnotifies(db->conn);
        if (notice) {
            *ret_word = g_strdup(notice->extra);
            PQfreemem(notice);
            return true;
        }
        int64_t left_ms = (end - clock_monotonic_us(clock_real()) + 999) / 1000;
        struct pollfd wait = {.fd = PQsocket(db->conn), .events = POLLIN};
        int ready = left_ms > 0 ? poll(&wait, 1, (int)left_ms) : 0;
        if (ready == 0) {
            *ret_word = NULL;
            return true;
        }
        if (ready > 0 && (!PQconsumeInput(db->conn) || PQstatus(db->conn) != CONNECTION_OK))
            return postgresql_fail_connection(db, error);
    }
}

static bool give_back_pages(Db *base, int64_t max_pages, int64_t *ret_pages, GError **error)
{
    (void)base;
    (void)max_pages;
    (void)error;
    *ret_pages = 0;
    return true;
}

static void close_db(Db *base)
{
    PostgresqlDb *db = (PostgresqlDb *)base;
    postgresql_disconnect(db);
    g_hash_table_unref(db->statements);
    g_ptr_array_unref(db->pending);
    g_ptr_array_unref(db->awaited);
    g_free(db->url);
    g_free(db->schema);
    g_free(db->channel);
    g_free(db);
}

static const DbDriver driver = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .savepoint = savepoint,
    .exec = postgresql_exec,
    .exec_many = postgresql_exec_many,
    .exec_set = postgresql_exec_set,
    .exec_later = postgresql_exec_later,
    .exec_set_later = postgresql_exec_set_later,
    .query = postgresql_query,
    .run_text = postgresql_run_text,
    .notify = notify,
    .listen = listen_for,
    .give_back_pages = give_back_pages,
    .close = close_db,
};

Db *postgresql_open(const DbConfig *config, GError **error)
{
    MUST(config->url);
    char *wrong = NULL;
    PQconninfoOption *options = PQconninfoParse(config->url, &wrong);
    if (!options) {
        fail(error, ERROR_REJECT, "the connection string is wrong: %s", g_strstrip(wrong));
        PQfreemem(wrong);
        return NULL;
    }
    PQconninfoFree(options);
    PostgresqlDb *db = g_new0(PostgresqlDb, 1);
    db->base.driver = &driver;
    db->base.kind = DB_POSTGRESQL;
    db->url = g_strdup(config->url);
    db->schema = g_strdup(config->schema);
    /* Stores of several schemas in one database do not wake each other. */
    db->channel = config->schema ? g_strdup_printf("rota_%016" G_GINT64_MODIFIER "x",
                                                   hash64(config->schema, strlen(config->schema)))
                                 : g_strdup("rota");
    db->steady = config->steady;
    db->statement_seconds =
        config->statement_seconds > 0 ? config->statement_seconds : DB_STATEMENT_SECONDS;
    db->pending = g_ptr_array_new_with_free_func(pending_free);
    db->awaited = g_ptr_array_new();
    db->statements = postgresql_statements_new();
    if (!postgresql_connect(db, error)) {
        close_db(&db->base);
        return NULL;
    }
    return &db->base;
}
