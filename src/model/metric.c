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
/* Added up by domain, once more in add_accounts: SQLite would sort all accounts for it, which costs
 * three times as much as a look at them; its rows are accounts, of which count_over tells whether
 * they are over. As reals: a sum of quotas may be beyond 64 bits. */
#define OVER(SHARE) \
    "CASE WHEN quota_bytes > 0 AND used_bytes >= quota_bytes * " SHARE " THEN 1 ELSE 0 END"
#define OURS        " FROM account WHERE deleted_at = 0 AND bucket % $2 = $1"
#define REAL(OF)    "CAST(sum(" OF ") AS DOUBLE PRECISION)"
static const DbSql SQL_ACCOUNTS = {
    "SELECT address, 1, used_messages, used_bytes, quota_bytes, NULL, NULL" OURS,
    "SELECT substr(address, strpos(address, '@')), " REAL("1") ", " REAL("used_messages") ", "
    REAL("used_bytes") ", " REAL("quota_bytes") ", " REAL(OVER("0.8")) ", " REAL(OVER("0.95"))
    OURS " GROUP BY 1",
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

#define TOTALS 6

typedef struct {
    double sums[TOTALS];
    char name[];
} Domain;

static Domain *get_domain(GHashTable *domains, const char *address)
{
    const char *at = strchr(address, '@');
    const char *name = at ? at + 1 : address;
    Domain *domain = g_hash_table_lookup(domains, name);
    if (!domain) {
        size_t size = strlen(name) + 1;
        domain = g_malloc0(sizeof(Domain) + size);
        memcpy(domain->name, name, size);
        g_hash_table_insert(domains, domain->name, domain); /* its name is its key */
    }
    return domain;
}

static int compare_domains(gconstpointer a, gconstpointer b)
{
    const Domain *one = *(const Domain *const *)a, *other = *(const Domain *const *)b;
    int order = (one->sums[0] < other->sums[0]) - (one->sums[0] > other->sums[0]);
    return order ? order : strcmp(one->name, other->name);
}

/* Those with most accounts have series of their own. */
static void add_domains(MetricBatch *batch, GHashTable *domains)
{
    static const char *const names[] = {"domain_accounts", "domain_messages", "domain_bytes"};
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, domains);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        g_ptr_array_add(all, value);
    g_ptr_array_sort(all, compare_domains);
    for (unsigned row = 0; row < MIN(all->len, METRIC_DOMAINS_MAX); row++) {
        const Domain *domain = g_ptr_array_index(all, row);
        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
            metric_add(batch, names[i], domain->name, batch->at, domain->sums[i]);
    }
}

/* `values` are those of the row before. */
static double count_over(DbRows *rows, unsigned column, const double *values, double share)
{
    if (!db_rows_is_null(rows, column))
        return db_rows_real(rows, column);
    double used = values[2], quota = values[3];
    return quota > 0 && used >= quota * share;
}

static bool add_accounts(Db *db, MetricBatch *batch, unsigned shards, GError **error)
{
    static const char *const names[TOTALS] = {
        "accounts", "messages", "bytes", "quota_bytes", "accounts_over_80", "accounts_over_95"};
    double sums[TOTALS] = {0};
    g_autoptr(GHashTable) domains = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_ACCOUNTS,
                 DB_ARGS(db_int((int64_t)batch->shard - 1), db_int((int64_t)shards)), error);
    int more = -1;
    while (rows && (more = db_rows_next(rows, error)) > 0) {
        Domain *domain = get_domain(domains, db_rows_text(rows, 0));
        double values[TOTALS];
        for (unsigned i = 0; i < TOTALS - 2; i++)
            values[i] = db_rows_real(rows, i + 1);
        values[TOTALS - 2] = count_over(rows, TOTALS - 1, values, 0.8);
        values[TOTALS - 1] = count_over(rows, TOTALS, values, 0.95);
        for (unsigned i = 0; i < TOTALS; i++) {
            domain->sums[i] += values[i];
            sums[i] += values[i];
        }
    }
    if (more < 0)
        return false;
    add_domains(batch, domains);
    for (unsigned i = 0; i < TOTALS; i++)
        metric_add(batch, names[i], "", batch->at, sums[i]);
    return true;
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
