/* load_report: the load of the last days, by node, role and shard.
 *
 * How it fits: load.c writes, this reads. A minute is read if all of it lies after the table in
 * force came. The time that it is from begins with the first minute that has any count, so that a
 * cluster of an hour is not taken for one that was idle for days.
 *
 * Failures: those of the store. Known weak point: every minute of every node that worked is a row,
 * and all of the days are read; with hundreds of busy nodes that is a matter of seconds.
 */
#include "roster/load_report.h"

#include "base/limits.h"

#define MINUTE_MS 60000

/* clang-format off */
/* $1 the first minute */
static const DbSql SQL_LOAD = {
    "SELECT role, shard, node, CAST(sum(done) AS BIGINT), CAST(sum(failed) AS BIGINT),"
    " CAST(sum(retried) AS BIGINT), CAST(sum(dead) AS BIGINT), CAST(sum(busy_us) AS BIGINT),"
    " CAST(sum(bytes) AS BIGINT) FROM load_sample WHERE minute >= $1"
    " GROUP BY role, shard, node ORDER BY role, shard, node", NULL,
};
static const DbSql SQL_TOPS = {
    "SELECT role, shard, top_key, CAST(sum(top_us) AS BIGINT) AS us FROM load_sample"
    " WHERE minute >= $1 AND top_us > 0 GROUP BY role, shard, top_key"
    " ORDER BY us DESC, role, shard, top_key LIMIT $2", NULL,
};
static const DbSql SQL_FIRST = {"SELECT min(minute) FROM load_sample WHERE minute >= $1", NULL};
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
/* clang-format on */

static void row_free(void *data)
{
    LoadRow *row = data;
    g_free(row->role);
    g_free(row);
}

static void top_free(void *data)
{
    LoadTop *top = data;
    g_free(top->role);
    g_free(top->key);
    g_free(top);
}

void load_report_free(LoadReport *report)
{
    if (!report)
        return;
    g_ptr_array_unref(report->rows);
    g_ptr_array_unref(report->tops);
    g_free(report);
}

static LoadRow *row_new(DbRows *rows)
{
    LoadRow *row = g_new0(LoadRow, 1);
    row->role = g_strdup(db_rows_text(rows, 0));
    row->shard = (unsigned)db_rows_int(rows, 1);
    row->node = db_rows_int(rows, 2);
    row->counts = (LoadCounts){.done = db_rows_int(rows, 3),
                               .failed = db_rows_int(rows, 4),
                               .retried = db_rows_int(rows, 5),
                               .dead = db_rows_int(rows, 6),
                               .busy_us = db_rows_int(rows, 7),
                               .bytes = db_rows_int(rows, 8)};
    return row;
}

static bool read_tops(Db *db, int64_t from, GPtrArray *tops, GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_TOPS, DB_ARGS(db_int(from), db_int(LOAD_TOPS_MAX)), error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        LoadTop *top = g_new0(LoadTop, 1);
        top->role = g_strdup(db_rows_text(rows, 0));
        top->shard = (unsigned)db_rows_int(rows, 1);
        top->key = g_strdup(db_rows_text(rows, 2));
        top->busy_us = db_rows_int(rows, 3);
        g_ptr_array_add(tops, top);
    }
    return more == 0;
}

LoadReport *load_report_read(Db *db, int64_t since, GError **error)
{
    int64_t now, first = 0;
    g_autoptr(LoadReport) report = g_new0(LoadReport, 1);
    report->rows = g_ptr_array_new_with_free_func(row_free);
    report->tops = g_ptr_array_new_with_free_func(top_free);
    if (db_query_int(db, &SQL_NOW, DB_NO_ARGS, &now, error) < 0)
        return NULL;
    int64_t from = MAX(since + MINUTE_MS - 1, now - LOAD_REPORT_DAYS * 24 * 3600000LL) / MINUTE_MS;
    int found = db_query_int(db, &SQL_FIRST, DB_ARGS(db_int(from)), &first, error);
    if (found < 0)
        return NULL;
    if (found > 0)
        report->ms = MAX(now - first * MINUTE_MS, MINUTE_MS);
    g_autoptr(DbRows) rows = db_query(db, &SQL_LOAD, DB_ARGS(db_int(from)), error);
    int more = rows ? 0 : -1;
    while (rows && (more = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(report->rows, row_new(rows));
    g_clear_pointer(&rows, db_rows_free);
    return more == 0 && read_tops(db, from, report->tops, error) ? g_steal_pointer(&report) : NULL;
}
