/* metric_outbox: what metrics.push has to send.
 *
 * How it fits: app/recorder.c adds each node's snapshots, duty/metrics_push.c the cluster's, sends
 * all and takes them out under its fence. Both tables are small: a row for each node, target and
 * interval that a target has not taken yet.
 *
 * Failures: the store's; a body that is damaged comes out empty, so that it can be taken out.
 * Known weak point: what nodes count as dropped is one row for each target, which nodes that come
 * back from a long silence write one after the other.
 */
#include "model/metric_outbox.h"

#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "base/limits_metrics_push.h"

#define LEVEL 1

/* clang-format off */
#define OF_SHARD "target = $1 AND node % $3 = $2 - 1"
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
static const DbSql SQL_ADD = {
    "INSERT INTO metric_outbox (target, at, node, size, plain_size, body)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (target, at, node) DO NOTHING", NULL};
static const DbSql SQL_LAST = {
    "SELECT coalesce(max(cluster_at), 0) FROM metric_target", NULL};
#define INTO_TARGET \
    "INSERT INTO metric_target (target, shard, created_at, sent_at, not_before, failures," \
    " problem, sent, refused, dropped, cluster_at) VALUES ($1, "
static const DbSql SQL_CLUSTER = {
    INTO_TARGET "1, rota_now(), 0, 0, 0, '', 0, 0, 0, $2)"
    " ON CONFLICT (target, shard) DO UPDATE SET cluster_at = excluded.cluster_at", NULL};
static const DbSql SQL_NEXT = {
    "SELECT at, node, plain_size, body FROM metric_outbox WHERE " OF_SHARD
    " ORDER BY at, node LIMIT $4", NULL};
static const DbSql SQL_REMOVE = {
    "DELETE FROM metric_outbox WHERE target = $1 AND at = $2 AND node = $3", NULL};
static const DbSql SQL_SUPERSEDE = {
    "DELETE FROM metric_outbox WHERE target = $1 AND at < $2 AND node = $3", NULL};
static const DbSql SQL_SIZES = {
    "SELECT at, size FROM metric_outbox WHERE " OF_SHARD " ORDER BY at DESC", NULL};
static const DbSql SQL_TRIM = {
    "DELETE FROM metric_outbox WHERE " OF_SHARD " AND at < $4", NULL};
static const DbSql SQL_OLD = {
    "SELECT target, count(*) FROM metric_outbox WHERE node = $1 AND at < $2 GROUP BY target"
    " ORDER BY target", NULL};
static const DbSql SQL_FORGET = {
    "DELETE FROM metric_outbox WHERE node = $1 AND at < $2", NULL};
static const DbSql SQL_NOTE = {
    INTO_TARGET "0, rota_now(), 0, 0, 0, '', 0, 0, $2, 0)"
    " ON CONFLICT (target, shard) DO UPDATE SET dropped = metric_target.dropped + excluded.dropped",
    NULL};
static const DbSql SQL_READ = {
    "SELECT created_at, sent_at, not_before, failures, sent, refused, dropped, problem"
    " FROM metric_target WHERE target = $1 AND shard = $2", NULL};
static const DbSql SQL_WRITE = {
    INTO_TARGET "$2, rota_now(), $3, $4, $5, $6, $7, $8, $9, 0)"
    " ON CONFLICT (target, shard) DO UPDATE SET sent_at = excluded.sent_at,"
    " not_before = excluded.not_before, failures = excluded.failures, problem = excluded.problem,"
    " sent = excluded.sent, refused = excluded.refused, dropped = excluded.dropped", NULL};
static const DbSql SQL_TOTALS = {
    "SELECT t.target, min(t.created_at), max(t.sent_at), max(t.failures),"
    " CAST(sum(t.sent) AS BIGINT), CAST(sum(t.refused) AS BIGINT),"
    " CAST(sum(t.dropped) AS BIGINT),"
    " (SELECT count(*) FROM metric_outbox o WHERE o.target = t.target),"
    " (SELECT CAST(coalesce(sum(o.size), 0) AS BIGINT) FROM metric_outbox o"
    " WHERE o.target = t.target)"
    " FROM metric_target t GROUP BY t.target ORDER BY t.target", NULL};
/* clang-format on */

bool metric_outbox_now(Db *db, int64_t *ret_now, GError **error)
{
    return db_query_int(db, &SQL_NOW, DB_NO_ARGS, ret_now, error) == 1;
}

bool metric_outbox_add(Db *db, const MetricKey *key, const void *bytes, size_t size, GError **error)
{
    if (size > METRICS_SNAPSHOT_BYTES_MAX)
        return fail(error, ERROR_REJECT, "a snapshot of metrics has %zu bytes, more than %d", size,
                    METRICS_SNAPSHOT_BYTES_MAX);
    size_t room = ZSTD_compressBound(size);
    g_autofree char *body = g_malloc(room);
    size_t got = ZSTD_compress(body, room, bytes, size, LEVEL);
    if (ZSTD_isError(got))
        return fail(error, ERROR_REJECT, "could not compress a snapshot of metrics: %s",
                    ZSTD_getErrorName(got));
    return db_exec(db, &SQL_ADD,
                   DB_ARGS(db_text(key->target), db_int(key->at), db_int(key->node),
                           db_int((int64_t)got), db_int((int64_t)size), db_bytes(body, got)),
                   error) >= 0;
}

bool metric_outbox_last(Db *db, int64_t *ret_at, GError **error)
{
    return db_query_int(db, &SQL_LAST, DB_NO_ARGS, ret_at, error) == 1;
}

bool metric_outbox_note(Db *db, const char *target, int64_t at, GError **error)
{
    return db_exec(db, &SQL_CLUSTER, DB_ARGS(db_text(target), db_int(at)), error) >= 0;
}

/* ---------------------------------------------------------------- what is sent */

static void snapshot_free(gpointer data)
{
    MetricSnapshot *snapshot = data;
    g_bytes_unref(snapshot->body);
    g_free(snapshot);
}

static GBytes *unpack(const void *packed, size_t size, int64_t plain_size)
{
    if (plain_size < 0 || plain_size > METRICS_SNAPSHOT_BYTES_MAX)
        return g_bytes_new(NULL, 0);
    char *plain = g_malloc((size_t)plain_size + 1);
    size_t got = ZSTD_decompress(plain, (size_t)plain_size, packed, size);
    if (!ZSTD_isError(got) && got == (size_t)plain_size)
        return g_bytes_new_take(plain, got);
    g_free(plain);
    return g_bytes_new(NULL, 0);
}

static bool has_node(const GPtrArray *snapshots, int64_t node)
{
    for (unsigned i = 0; i < snapshots->len; i++) {
        const MetricSnapshot *snapshot = g_ptr_array_index(snapshots, i);
        if (snapshot->node == node)
            return true;
    }
    return false;
}

GPtrArray *metric_outbox_next(Db *db, const MetricScope *scope, unsigned limit, size_t bytes,
                              GError **error)
{
    g_autoptr(GPtrArray) snapshots = g_ptr_array_new_with_free_func(snapshot_free);
    size_t all = 0;
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_NEXT,
                 DB_ARGS(db_text(scope->target), db_int((int64_t)scope->shard),
                         db_int((int64_t)scope->shards), db_int((int64_t)limit)),
                 error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        int64_t node = db_rows_int(rows, 1), plain_size = db_rows_int(rows, 2);
        all += (size_t)MAX(plain_size, 0);
        if (snapshots->len > 0 && (all > bytes || has_node(snapshots, node)))
            break;
        size_t size;
        const void *packed = db_rows_bytes(rows, 3, &size);
        MetricSnapshot *snapshot = g_new(MetricSnapshot, 1);
        *snapshot = (MetricSnapshot){db_rows_int(rows, 0), node, unpack(packed, size, plain_size)};
        g_ptr_array_add(snapshots, snapshot);
    }
    return more >= 0 ? g_steal_pointer(&snapshots) : NULL;
}

bool metric_outbox_remove(Db *db, const char *target, const GPtrArray *snapshots, GError **error)
{
    g_autofree DbValue *args = g_new(DbValue, (size_t)snapshots->len * 3);
    for (unsigned i = 0; i < snapshots->len; i++) {
        const MetricSnapshot *snapshot = g_ptr_array_index(snapshots, i);
        args[(size_t)i * 3] = db_text(target);
        args[(size_t)i * 3 + 1] = db_int(snapshot->at);
        args[(size_t)i * 3 + 2] = db_int(snapshot->node);
    }
    return db_exec_many(db, &SQL_REMOVE, args, 3, snapshots->len, NULL, error);
}

bool metric_outbox_supersede(Db *db, const MetricKey *key, GError **error)
{
    return db_exec(db, &SQL_SUPERSEDE,
                   DB_ARGS(db_text(key->target), db_int(key->at), db_int(key->node)), error) >= 0;
}

/* ---------------------------------------------------------------- the buffer's bounds */

/* From when on the newest of the shard's fit into `bytes`. */
static bool find_cut(Db *db, const MetricScope *scope, int64_t bytes, int64_t *before,
                     GError **error)
{
    int64_t all = 0;
    g_autoptr(DbRows) rows = db_query(db, &SQL_SIZES,
                                      DB_ARGS(db_text(scope->target), db_int((int64_t)scope->shard),
                                              db_int((int64_t)scope->shards)),
                                      error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        all += db_rows_int(rows, 1);
        if (all > bytes) {
            *before = MAX(*before, db_rows_int(rows, 0) + 1);
            break;
        }
    }
    return more >= 0;
}

bool metric_outbox_trim(Db *db, const MetricScope *scope, int64_t before, int64_t bytes,
                        int64_t *ret_dropped, GError **error)
{
    if (!find_cut(db, scope, bytes, &before, error))
        return false;
    int64_t dropped = db_exec(db, &SQL_TRIM,
                              DB_ARGS(db_text(scope->target), db_int((int64_t)scope->shard),
                                      db_int((int64_t)scope->shards), db_int(before)),
                              error);
    *ret_dropped = MAX(dropped, 0);
    return dropped >= 0;
}

bool metric_outbox_forget(Db *db, int64_t node, int64_t before, GError **error)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(int64_t));
    DbRows *rows = db_query(db, &SQL_OLD, DB_ARGS(db_int(node), db_int(before)), error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        int64_t count = db_rows_int(rows, 1);
        g_ptr_array_add(targets, g_strdup(db_rows_text(rows, 0)));
        g_array_append_val(counts, count);
    }
    db_rows_free(rows);
    if (more < 0)
        return false;
    for (unsigned i = 0; i < targets->len; i++)
        if (db_exec(db, &SQL_NOTE,
                    DB_ARGS(db_text(g_ptr_array_index(targets, i)),
                            db_int(g_array_index(counts, int64_t, i))),
                    error) < 0)
            return false;
    return targets->len == 0 ||
           db_exec(db, &SQL_FORGET, DB_ARGS(db_int(node), db_int(before)), error) >= 0;
}

/* ---------------------------------------------------------------- targets */

void metric_target_clear(MetricTarget *target)
{
    g_clear_pointer(&target->problem, g_free);
}

bool metric_target_read(Db *db, const MetricScope *scope, MetricTarget *ret, GError **error)
{
    g_autoptr(DbRows) rows = db_query(
        db, &SQL_READ, DB_ARGS(db_text(scope->target), db_int((int64_t)scope->shard)), error);
    int more = rows ? db_rows_next(rows, error) : -1;
    if (more < 0)
        return false;
    *ret = (MetricTarget){.problem = NULL};
    if (more > 0)
        *ret = (MetricTarget){db_rows_int(rows, 0), db_rows_int(rows, 1),
                              db_rows_int(rows, 2), db_rows_int(rows, 3),
                              db_rows_int(rows, 4), db_rows_int(rows, 5),
                              db_rows_int(rows, 6), g_strdup(db_rows_text(rows, 7))};
    else
        ret->problem = g_strdup("");
    return true;
}

bool metric_target_write(Db *db, const MetricScope *scope, const MetricTarget *target,
                         GError **error)
{
    return db_exec(db, &SQL_WRITE,
                   DB_ARGS(db_text(scope->target), db_int((int64_t)scope->shard),
                           db_int(target->sent_at), db_int(target->not_before),
                           db_int(target->failures), db_text(target->problem), db_int(target->sent),
                           db_int(target->refused), db_int(target->dropped)),
                   error) >= 0;
}

static void total_free(gpointer data)
{
    MetricTargetTotal *total = data;
    g_free(total->name);
    g_free(total);
}

GPtrArray *metric_target_totals(Db *db, GError **error)
{
    g_autoptr(GPtrArray) totals = g_ptr_array_new_with_free_func(total_free);
    g_autoptr(DbRows) rows = db_query(db, &SQL_TOTALS, DB_NO_ARGS, error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        MetricTargetTotal *total = g_new(MetricTargetTotal, 1);
        *total = (MetricTargetTotal){g_strdup(db_rows_text(rows, 0)),
                                     db_rows_int(rows, 1),
                                     db_rows_int(rows, 2),
                                     db_rows_int(rows, 3),
                                     db_rows_int(rows, 4),
                                     db_rows_int(rows, 5),
                                     db_rows_int(rows, 6),
                                     db_rows_int(rows, 7),
                                     db_rows_int(rows, 8)};
        g_ptr_array_add(totals, total);
    }
    return more >= 0 ? g_steal_pointer(&totals) : NULL;
}
