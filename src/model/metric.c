/* metric: what metrics.calculate adds up.
 *
 * How it fits: duty/metrics_calculate.c calls metric_calculate in a snapshot, and writes what came
 * of it under the fence. Accounts are added up from their own rows, which each delivery and removal
 * keeps in its own transaction: nothing else is written for it, no row is hot, and there is no
 * change that could commit late. What the roster's tables tell is metric_work.c's. What the doors
 * did (deliveries, spam, searches) each node's heartbeat writes itself, as samples of its own
 * (tally.h, roster/load.h).
 *
 * Failures: the store's. Known weak point: the cost follows the number of accounts (not of
 * messages).
 */
#include "model/metric.h"

#include <string.h>

#include "base/limits_metrics.h"

#include "model/metric_private.h"

#define WIDTH 6

/* clang-format off */
const MetricSeries metric_series[] = {
    {"accounts", "", "", METRIC_LEVEL},
    {"messages", "", "", METRIC_LEVEL},
    {"bytes", "", "bytes", METRIC_LEVEL},
    {"quota_bytes", "", "bytes", METRIC_LEVEL},
    {"accounts_over_80", "", "", METRIC_LEVEL},
    {"accounts_over_95", "", "", METRIC_LEVEL},
    {"accounts_corrected", "", "", METRIC_LEVEL},
    {"domain_accounts", "domain", "", METRIC_LEVEL},
    {"domain_messages", "domain", "", METRIC_LEVEL},
    {"domain_bytes", "domain", "bytes", METRIC_LEVEL},
    {"tasks_due", "role", "", METRIC_LEVEL},
    {"lag_ms", "role", "ms", METRIC_WORST},
    {"tasks_done", "role", "", METRIC_COUNT},
    {"tasks_failed", "role", "", METRIC_COUNT},
    {"tasks_dead", "role", "", METRIC_COUNT},
    {"busy_us", "role", "us", METRIC_COUNT},
    {"shard_due", "shard", "", METRIC_LEVEL},
    {"shard_lag_ms", "shard", "ms", METRIC_WORST},
    {"shard_done", "shard", "", METRIC_COUNT},
    {"shard_failed", "shard", "", METRIC_COUNT},
    {"nodes", "", "", METRIC_LEVEL},
    {"node_load", "node", "", METRIC_LEVEL},
    {"node_cores", "node", "", METRIC_LEVEL},
    {"node_memory_bytes", "node", "bytes", METRIC_LEVEL},
    {"node_memory_free_bytes", "node", "bytes", METRIC_LEVEL},
    {"heartbeat_gap_ms", "node", "ms", METRIC_WORST},
    {"deliveries", "", "", METRIC_COUNT},
    {"spam", "", "", METRIC_COUNT},
    {"searches", "", "", METRIC_COUNT},
    {NULL, NULL, NULL, METRIC_LEVEL},
};

static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
static const DbSql SQL_MARK = {
    "SELECT load_minute, hour_at, day_at, recount_after, recount_at, checked, corrected"
    " FROM metric_mark WHERE shard = $1", NULL};
/* As reals: a sum of quotas may be beyond 64 bits. */
#define REAL(OF) "sum(CAST(" OF " AS DOUBLE PRECISION))"
#define ACCOUNTS(DOMAIN) \
    "SELECT " DOMAIN " AS domain, " REAL("1") ", " REAL("used_messages") ", " REAL("used_bytes") \
    ", " REAL("quota_bytes") "," \
    " " REAL("CASE WHEN quota_bytes > 0 AND used_bytes >= quota_bytes * 0.8 THEN 1 ELSE 0 END") \
    ", " REAL("CASE WHEN quota_bytes > 0 AND used_bytes >= quota_bytes * 0.95 THEN 1 ELSE 0 END") \
    " FROM account WHERE deleted_at = 0 AND bucket % $2 = $1 - 1" \
    " GROUP BY 1 ORDER BY 2 DESC, 1"
static const DbSql SQL_ACCOUNTS = {
    ACCOUNTS("substr(address, instr(address, '@') + 1)"),
    ACCOUNTS("substr(address, strpos(address, '@') + 1)"),
};
static const DbSql SQL_ADD = {
    "INSERT INTO metric_sample (step, series, at, label, shard, count, total, greatest)"
    " VALUES ($1, $2, $3, $4, $5, 1, $6, $6)"
    " ON CONFLICT (step, series, at, label, shard) DO NOTHING", NULL};
static const DbSql SQL_NOTE = {
    "INSERT INTO metric_mark (shard, load_minute, hour_at, day_at, recount_after, recount_at,"
    " checked, corrected) VALUES ($1, $2, $3, $4, 0, 0, 0, 0)"
    " ON CONFLICT (shard) DO UPDATE SET load_minute = excluded.load_minute,"
    " hour_at = excluded.hour_at, day_at = excluded.day_at", NULL};
/* clang-format on */

typedef struct {
    const char *series; /* of the table above */
    char *label;
    int64_t at;
    double value;
} Sample;

const MetricSeries *metric_series_find(const char *name)
{
    for (const MetricSeries *series = metric_series; series->name; series++)
        if (strcmp(series->name, name) == 0)
            return series;
    return NULL;
}

static void sample_clear(gpointer data)
{
    Sample *sample = data;
    g_free(sample->label);
}

void metric_batch_free(MetricBatch *batch)
{
    if (!batch)
        return;
    g_array_unref(batch->samples);
    g_free(batch);
}

const MetricMark *metric_batch_mark(const MetricBatch *batch)
{
    return &batch->mark;
}

int64_t metric_batch_now(const MetricBatch *batch)
{
    return batch->now;
}

void metric_add(MetricBatch *batch, const char *series, const char *label, int64_t at, double value)
{
    Sample sample = {.series = series, .label = g_strdup(label), .at = at, .value = value};
    g_array_append_val(batch->samples, sample);
}

static bool read_mark(Db *db, MetricBatch *batch, GError **error)
{
    if (db_query_int(db, &SQL_NOW, DB_NO_ARGS, &batch->now, error) < 0)
        return false;
    batch->at = batch->now - batch->now % METRIC_MINUTE_MS;
    g_autoptr(DbRows) rows = db_query(db, &SQL_MARK, DB_ARGS(db_int((int64_t)batch->shard)), error);
    int more = rows ? db_rows_next(rows, error) : -1;
    if (more > 0)
        batch->mark = (MetricMark){db_rows_int(rows, 0), db_rows_int(rows, 1), db_rows_int(rows, 2),
                                   db_rows_int(rows, 3), db_rows_int(rows, 4), db_rows_int(rows, 5),
                                   db_rows_int(rows, 6)};
    return more >= 0;
}

/* By domain; the greatest have series of their own. */
static bool add_accounts(Db *db, MetricBatch *batch, unsigned shards, GError **error)
{
    static const char *const totals[] = {"accounts",    "messages",         "bytes",
                                         "quota_bytes", "accounts_over_80", "accounts_over_95"};
    static const char *const domains[] = {"domain_accounts", "domain_messages", "domain_bytes"};
    double sums[G_N_ELEMENTS(totals)] = {0};
    g_autoptr(DbRows) rows = db_query(
        db, &SQL_ACCOUNTS, DB_ARGS(db_int((int64_t)batch->shard), db_int((int64_t)shards)), error);
    int more = -1;
    for (unsigned row = 0; rows && (more = db_rows_next(rows, error)) > 0; row++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(totals); i++)
            sums[i] += db_rows_real(rows, i + 1);
        for (unsigned i = 0; row < METRIC_DOMAINS_MAX && i < G_N_ELEMENTS(domains); i++)
            metric_add(batch, domains[i], db_rows_text(rows, 0), batch->at,
                       db_rows_real(rows, i + 1));
    }
    for (unsigned i = 0; more == 0 && i < G_N_ELEMENTS(totals); i++)
        metric_add(batch, totals[i], "", batch->at, sums[i]);
    return more == 0;
}

MetricBatch *metric_calculate(Db *db, unsigned shard, unsigned shards, const GArray *roles,
                              GError **error)
{
    g_autoptr(MetricBatch) batch = g_new0(MetricBatch, 1);
    batch->shard = shard;
    batch->samples = g_array_new(FALSE, FALSE, sizeof(Sample));
    g_array_set_clear_func(batch->samples, sample_clear);
    if (!read_mark(db, batch, error) || !add_accounts(db, batch, shards, error) ||
        !metric_add_tasks(db, batch, shards, roles, error) ||
        (shard == 1 &&
         (!metric_add_load(db, batch, roles, error) || !metric_add_nodes(db, batch, error))))
        return NULL;
    metric_add(batch, "accounts_corrected", "", batch->at, (double)batch->mark.corrected);
    return g_steal_pointer(&batch);
}

bool metric_write(Db *db, const MetricBatch *batch, GError **error)
{
    unsigned count = batch->samples->len;
    g_autofree DbValue *args = g_new(DbValue, (size_t)count * WIDTH);
    for (unsigned i = 0; i < count; i++) {
        const Sample *sample = &g_array_index(batch->samples, Sample, i);
        DbValue *row = args + (size_t)i * WIDTH;
        row[0] = db_int(METRIC_MINUTE_MS);
        row[1] = db_text(sample->series);
        row[2] = db_int(sample->at);
        row[3] = db_text(sample->label);
        row[4] = db_int((int64_t)batch->shard);
        row[5] = db_real(sample->value);
    }
    MetricMark mark = batch->mark;
    return db_exec_many(db, &SQL_ADD, args, WIDTH, count, NULL, error) &&
           (batch->shard != 1 || metric_roll_up(db, &mark, batch->now, error)) &&
           db_exec(db, &SQL_NOTE,
                   DB_ARGS(db_int((int64_t)batch->shard), db_int(mark.load_minute),
                           db_int(mark.hour_at), db_int(mark.day_at)),
                   error) >= 0;
}
