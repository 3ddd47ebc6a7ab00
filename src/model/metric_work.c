/* metric_work: of metrics over time what the roster's tables tell: tasks that wait, what nodes have
 * done, how they are.
 *
 * How it fits: metric_calculate calls it in its snapshot. Tasks are counted by bucket, and a
 * role's buckets put together to its shards here, since how many shards a role has is not in the
 * store's words. Of a role with one shard its role's series are enough. A shard with nothing to
 * tell has no point: of many shards few have a backlog, and a history of zeros would be most of
 * the table.
 *
 * Failures: the store's; what a node tells in a way that cannot be read is left out. Known weak
 * points: due tasks are counted one by one, so that a backlog of many costs; a task whose holder
 * has died counts as due only when it was released; a task that lies in a bucket of another shard
 * of metrics.calculate is that one's to tell, so a shard's lag is the greatest of all their points.
 */
#include <jansson.h>
#include <string.h>

#include "base/limits_metrics.h"

#include "model/metric.h"
#include "model/metric_private.h"

#define LOAD_AFTER   2    /* minutes that must lie behind one before it is taken */
#define LOAD_AT_ONCE 1440 /* minutes; of an older gap nothing is told */

/* clang-format off */
static const DbSql SQL_TASKS = {
    "SELECT role, bucket, count(*), min(due_at) FROM task WHERE owner = 0 AND due_at <= $3"
    " AND bucket % $2 = $1 - 1 GROUP BY role, bucket", NULL};
#define LOAD_SUMS \
    " CAST(sum(done) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(dead) AS BIGINT)," \
    " CAST(sum(busy_us) AS BIGINT) FROM load_sample WHERE minute > $1 AND minute <= $2"
static const DbSql SQL_LOAD = {
    "SELECT minute, role," LOAD_SUMS " GROUP BY minute, role ORDER BY minute, role", NULL};
/* Of each minute those first that did most. */
static const DbSql SQL_SHARDS = {
    "SELECT minute, role, shard," LOAD_SUMS " GROUP BY minute, role, shard"
    " ORDER BY minute, 4 DESC, role, shard", NULL};
static const DbSql SQL_NODES = {
    "SELECT node, health FROM member WHERE lease_until >= $1 ORDER BY node", NULL};
/* clang-format on */

/* ---------------------------------------------------------------- tasks that wait */

typedef struct {
    int64_t due, oldest;
} Waiting;

static unsigned shards_of(const GArray *roles, const char *role)
{
    for (unsigned i = 0; i < roles->len; i++)
        if (strcmp(g_array_index(roles, MetricRole, i).role, role) == 0)
            return g_array_index(roles, MetricRole, i).shards;
    return 1;
}

/* Takes the key. */
static void note(GHashTable *table, char *take_key, int64_t due, int64_t oldest)
{
    Waiting *waiting = g_hash_table_lookup(table, take_key);
    if (waiting) {
        waiting->due += due;
        waiting->oldest = MIN(waiting->oldest, oldest);
        g_free(take_key);
        return;
    }
    waiting = g_new(Waiting, 1);
    *waiting = (Waiting){due, oldest};
    g_hash_table_insert(table, take_key, waiting);
}

static void add_waiting(MetricBatch *batch, const char *role, const Waiting *waiting)
{
    metric_add(batch, "tasks_due", role, batch->at, waiting ? (double)waiting->due : 0);
    metric_add(batch, "lag_ms", role, batch->at,
               waiting ? (double)MAX(batch->now - waiting->oldest, 0) : 0);
}

static int compare_age(gconstpointer a, gconstpointer b, gpointer table)
{
    const Waiting *one = g_hash_table_lookup(table, *(const char *const *)a);
    const Waiting *other = g_hash_table_lookup(table, *(const char *const *)b);
    return (one->oldest > other->oldest) - (one->oldest < other->oldest);
}

/* Those with the longest lag first. */
static void add_waiting_shards(MetricBatch *batch, GHashTable *table)
{
    unsigned count;
    g_autofree gpointer *keys = g_hash_table_get_keys_as_array(table, &count);
    g_qsort_with_data(keys, (gint)count, sizeof(gpointer), compare_age, table);
    for (unsigned i = 0; i < MIN(count, METRIC_SHARDS_MAX); i++) {
        const Waiting *waiting = g_hash_table_lookup(table, keys[i]);
        metric_add(batch, "shard_due", keys[i], batch->at, (double)waiting->due);
        metric_add(batch, "shard_lag_ms", keys[i], batch->at,
                   (double)MAX(batch->now - waiting->oldest, 0));
    }
}

bool metric_add_tasks(Db *db, MetricBatch *batch, unsigned shards, const GArray *roles,
                      GError **error)
{
    g_autoptr(GHashTable) by_role = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) by_shard = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(DbRows) rows = db_query(
        db, &SQL_TASKS,
        DB_ARGS(db_int((int64_t)batch->shard), db_int((int64_t)shards), db_int(batch->now)), error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        const char *role = db_rows_text(rows, 0);
        unsigned of = shards_of(roles, role);
        int64_t due = db_rows_int(rows, 2), oldest = db_rows_int(rows, 3);
        note(by_role, g_strdup(role), due, oldest);
        if (of > 1)
            note(by_shard, g_strdup_printf("%s/%u", role, (unsigned)db_rows_int(rows, 1) % of + 1),
                 due, oldest);
    }
    if (more < 0)
        return false;
    for (unsigned i = 0; i < roles->len; i++) {
        const char *role = g_array_index(roles, MetricRole, i).role;
        add_waiting(batch, role, g_hash_table_lookup(by_role, role));
        g_hash_table_remove(by_role, role);
    }
    GHashTableIter iter;
    gpointer role, waiting;
    g_hash_table_iter_init(&iter, by_role);
    while (g_hash_table_iter_next(&iter, &role, &waiting)) /* of roles that nobody knows */
        add_waiting(batch, role, waiting);
    add_waiting_shards(batch, by_shard);
    return true;
}

/* ---------------------------------------------------------------- what was done */

static bool add_role_load(Db *db, MetricBatch *batch, int64_t after, int64_t last, GError **error)
{
    static const char *const names[] = {"tasks_done", "tasks_failed", "tasks_dead", "busy_us"};
    g_autoptr(DbRows) rows = db_query(db, &SQL_LOAD, DB_ARGS(db_int(after), db_int(last)), error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0)
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
            metric_add(batch, names[i], db_rows_text(rows, 1),
                       db_rows_int(rows, 0) * METRIC_MINUTE_MS, (double)db_rows_int(rows, i + 2));
    return more == 0;
}

static bool add_shard_load(Db *db, MetricBatch *batch, const GArray *roles, int64_t after,
                           int64_t last, GError **error)
{
    static const char *const names[] = {"shard_done", "shard_failed"};
    int64_t minute = -1;
    unsigned told = 0;
    g_autoptr(DbRows) rows = db_query(db, &SQL_SHARDS, DB_ARGS(db_int(after), db_int(last)), error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        if (db_rows_int(rows, 0) != minute)
            told = 0;
        minute = db_rows_int(rows, 0);
        if (shards_of(roles, db_rows_text(rows, 1)) < 2 || told++ >= METRIC_SHARDS_MAX)
            continue;
        g_autofree char *label =
            g_strdup_printf("%s/%" G_GINT64_FORMAT, db_rows_text(rows, 1), db_rows_int(rows, 2));
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
            if (db_rows_int(rows, i + 3) > 0)
                metric_add(batch, names[i], label, minute * METRIC_MINUTE_MS,
                           (double)db_rows_int(rows, i + 3));
    }
    return more == 0;
}

bool metric_add_load(Db *db, MetricBatch *batch, const GArray *roles, GError **error)
{
    int64_t last = batch->now / METRIC_MINUTE_MS - LOAD_AFTER;
    int64_t after = MAX(batch->mark.load_minute, last - LOAD_AT_ONCE);
    if (last <= after)
        return true;
    batch->mark.load_minute = last;
    return add_role_load(db, batch, after, last, error) &&
           add_shard_load(db, batch, roles, after, last, error);
}

/* ---------------------------------------------------------------- how nodes are */

static void add_node(MetricBatch *batch, const char *node, const char *health)
{
    static const struct {
        const char *series, *name; /* as roster/health.c writes it */
    } values[] = {{"node_load", "load"},
                  {"node_cores", "cores"},
                  {"node_memory_bytes", "memory_bytes"},
                  {"node_memory_free_bytes", "memory_free_bytes"},
                  {"heartbeat_gap_ms", "beat_gap_ms"}};
    json_t *told = json_loads(health, 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        const json_t *value = json_object_get(told, values[i].name);
        if (json_is_number(value))
            metric_add(batch, values[i].series, node, batch->at, json_number_value(value));
    }
    json_decref(told);
}

bool metric_add_nodes(Db *db, MetricBatch *batch, GError **error)
{
    unsigned living = 0;
    g_autoptr(DbRows) rows = db_query(db, &SQL_NODES, DB_ARGS(db_int(batch->now)), error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        if (living++ >= METRIC_NODES_MAX)
            continue;
        g_autofree char *node = g_strdup_printf("%" G_GINT64_FORMAT, db_rows_int(rows, 0));
        add_node(batch, node, db_rows_text(rows, 1));
    }
    metric_add(batch, "nodes", "", batch->at, living);
    return more == 0;
}
