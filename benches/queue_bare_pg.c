/* queue_bare_pg: the bare limit beside queue_bench: a table of tasks in PostgreSQL and a loop
 * around it.
 *
 *     queue-bare-pg URL TASKS BATCH WORKERS
 *
 * TASKS are enqueued, BATCH in a transaction, and WORKERS connections work them off: one statement
 * removes the last batch and leases the next, which is all that is sent, a transaction of its own.
 * Rows are found by their place (ctid), the lease is in no index, and the scan starts at the due
 * time of the last row claimed. No leases of nodes, no fence, no merging, no buckets, no shards. It
 * prints what queue-bench prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <libpq-fe.h>

#include "base/clock.h"
#include "base/must.h"

#define BATCH_MAX   1000
#define WORKERS_MAX 16
#define SCHEMA                                                                                     \
    "SET client_min_messages = warning; DROP TABLE IF EXISTS bare_task;"                           \
    "CREATE TABLE bare_task (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"                  \
    " due TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), lease TIMESTAMPTZ,"                      \
    " attempts BIGINT NOT NULL DEFAULT 0, key TEXT NOT NULL, payload TEXT NOT NULL)"               \
    " WITH (fillfactor = 70); CREATE INDEX bare_task_due ON bare_task (due)"
#define NEVER    "-infinity"
#define DEADLOCK "40P01"

static const char *url;
static int tasks, batch, workers;
static int done; /* atomic */

static PGresult *must(PGconn *conn, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "queue-bare-pg: %s", PQerrorMessage(conn));
        exit(1);
    }
    return result;
}

static void run(PGconn *conn, const char *sql)
{
    PQclear(must(conn, PQexec(conn, sql)));
}

static PGconn *connect_now(void)
{
    PGconn *conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK) {
        fprintf(stderr, "queue-bare-pg: %s", PQerrorMessage(conn));
        exit(1);
    }
    run(conn, "SET plan_cache_mode = force_generic_plan");
    return conn;
}

static void enqueue(void)
{
    PGconn *conn = connect_now();
    run(conn, SCHEMA);
    PQclear(must(conn, PQprepare(conn, "add",
                                 "INSERT INTO bare_task (key, payload)"
                                 " SELECT i, '' FROM unnest($1::text[]) i",
                                 0, NULL)));
    g_autoptr(GString) keys = g_string_new(NULL);
    for (int at = 0; at < tasks; at += batch) {
        g_string_assign(keys, "{");
        for (int i = at; i < MIN(at + batch, tasks); i++)
            g_string_append_printf(keys, "%s%d", i > at ? "," : "", i);
        g_string_append_c(keys, '}');
        const char *args[] = {keys->str};
        PQclear(must(conn, PQexecPrepared(conn, "add", 1, args, NULL, NULL, 0)));
    }
    run(conn, "VACUUM ANALYZE bare_task");
    PQfinish(conn);
}

static void prepare_claim(PGconn *conn)
{
    /* The batch as a literal, and an array instead of a join: so that the plan is the right one. */
    g_autofree char *sql = g_strdup_printf(
        "WITH ended AS (DELETE FROM bare_task WHERE id = ANY($1::bigint[]))"
        " UPDATE bare_task SET lease = now() + interval '30 s', attempts = attempts + 1"
        " WHERE ctid = ANY(ARRAY(SELECT ctid FROM bare_task WHERE due <= now()"
        " AND (lease IS NULL OR lease < now()) AND due >= $2::timestamptz"
        " ORDER BY due LIMIT %d FOR UPDATE SKIP LOCKED)) RETURNING id, due, attempts, key, payload",
        batch);
    PQclear(must(conn, PQprepare(conn, "claim", sql, 0, NULL)));
}

static void *work(void *data)
{
    (void)data;
    PGconn *conn = connect_now();
    prepare_claim(conn);
    g_autoptr(GString) ids = g_string_new("{}");
    g_autofree char *mark = g_strdup(NEVER);
    for (;;) {
        const char *args[] = {ids->str, mark};
        PGresult *result = PQexecPrepared(conn, "claim", 2, args, NULL, NULL, 0);
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (state && strcmp(state, DEADLOCK) == 0) { /* workers meet at the same rows */
            PQclear(result);
            continue;
        }
        must(conn, result);
        int rows = PQntuples(result);
        bool marked = strcmp(mark, NEVER) != 0;
        g_string_assign(ids, "{");
        for (int i = 0; i < rows; i++)
            g_string_append_printf(ids, "%s%s", i > 0 ? "," : "", PQgetvalue(result, i, 0));
        g_string_append_c(ids, '}');
        g_free(mark);
        mark = g_strdup(rows > 0 ? PQgetvalue(result, rows - 1, 1) : NEVER);
        PQclear(result);
        g_atomic_int_add(&done, rows);
        if (rows == 0 && !marked)
            break;
    }
    PQfinish(conn);
    return NULL;
}

int main(int argc, char **argv)
{
    MUST(argc == 5);
    url = argv[1];
    tasks = (int)strtol(argv[2], NULL, 10);
    batch = (int)strtol(argv[3], NULL, 10);
    workers = (int)strtol(argv[4], NULL, 10);
    MUST(tasks > 0 && batch > 0 && batch <= BATCH_MAX && workers > 0 && workers <= WORKERS_MAX);
    GThread *threads[WORKERS_MAX] = {0};
    int64_t begin = clock_monotonic_us(clock_real());
    enqueue();
    int64_t enqueued = clock_monotonic_us(clock_real());
    for (int i = 0; i < workers; i++)
        threads[i] = g_thread_new("bare", work, NULL);
    for (int i = 0; i < workers; i++)
        g_thread_join(threads[i]);
    int64_t worked = clock_monotonic_us(clock_real());
    MUST(done == tasks);
    printf("enqueue %.0f/s\nwork %.0f/s\nboth %.0f/s\n", tasks * 1e6 / (double)(enqueued - begin),
           tasks * 1e6 / (double)(worked - enqueued), tasks * 1e6 / (double)(worked - begin));
    return 0;
}
