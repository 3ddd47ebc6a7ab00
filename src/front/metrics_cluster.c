/* metrics_cluster: the cluster's state, as series.
 *
 * How it fits: /metrics tells it of every node, metrics.push sends it once. Failures: the store's.
 * Known weak point: none known.
 */
#include "front/metrics_cluster.h"

#include <string.h>

#include "front/metrics_certificates.h"

typedef struct {
    const char *name, *unit, *help;
    double (*value)(const ShardReport *shard);
} ShardMetric;

static double covered_of(const ShardReport *shard)
{
    return shard->covered;
}

static double living_of(const ShardReport *shard)
{
    return shard->living->len;
}

static double takers_of(const ShardReport *shard)
{
    return shard->takers->len;
}

static double lag_of(const ShardReport *shard)
{
    return (double)shard->lag_ms / 1000;
}

static double due_of(const ShardReport *shard)
{
    return (double)shard->due.count;
}

static double waiting_of(const ShardReport *shard)
{
    return (double)shard->waiting.count;
}

static double running_of(const ShardReport *shard)
{
    return (double)shard->running.count;
}

static double dead_of(const ShardReport *shard)
{
    return (double)shard->dead.count;
}

static const ShardMetric shard_metrics[] = {
    {"rota_cluster_shard_covered", "", "1 while a living node works for the shard.", covered_of},
    {"rota_cluster_shard_nodes", "", "Living nodes that work for the shard.", living_of},
    {"rota_cluster_shard_takers", "", "Nodes of other shards that have taken it over.", takers_of},
    {"rota_cluster_shard_lag_seconds", "seconds",
     "How long the oldest due task of the shard has been waiting.", lag_of},
    {"rota_cluster_shard_due_tasks", "", "Due tasks that nobody holds, counted to 10000.", due_of},
    {"rota_cluster_shard_waiting_tasks", "", "Tasks that are due later, counted to 10000.",
     waiting_of},
    {"rota_cluster_shard_running_tasks", "", "Tasks that a node holds.", running_of},
    {"rota_cluster_shard_dead_letters", "", "Dead letters, counted to 10000.", dead_of},
};

static void add_nodes(SeriesSet *set, const StatusReport *report)
{
    static const char *const states[] = {"up", "draining", "drained", "lost"};
    unsigned counts[G_N_ELEMENTS(states)] = {0};
    for (unsigned i = 0; i < report->members->len; i++) {
        const MemberRow *member = g_ptr_array_index(report->members, i);
        bool lost = !member->living && strcmp(member->state, "drained") != 0;
        for (size_t state = 0; state < G_N_ELEMENTS(states); state++)
            counts[state] += strcmp(states[state], lost ? "lost" : member->state) == 0;
    }
    series_family(set, SERIES_GAUGE, "rota_cluster_nodes", "",
                  "Nodes by state; lost: the lease has run out.");
    for (size_t state = 0; state < G_N_ELEMENTS(states); state++)
        series_value(set, counts[state], "state", states[state], NULL);
    series_family(set, SERIES_GAUGE, "rota_cluster_uncovered_shards", "",
                  "Shards without a living node: their work waits.");
    series_value(set, report->uncovered, NULL);
    series_family(set, SERIES_GAUGE, "rota_cluster_differing_tables", "",
                  "Role tables that nodes propose and that are not in force.");
    series_value(set, report->differing->len, NULL);
    series_family(set, SERIES_GAUGE, "rota_cluster_table_epoch", "",
                  "Epoch of the role table in force.");
    series_value(set, (double)report->epoch, NULL);
}

static void add_shards(SeriesSet *set, const StatusReport *report)
{
    for (size_t metric = 0; metric < G_N_ELEMENTS(shard_metrics); metric++) {
        const ShardMetric *of = &shard_metrics[metric];
        series_family(set, SERIES_GAUGE, of->name, of->unit, of->help);
        for (unsigned i = 0; i < report->shards->len; i++) {
            const ShardReport *shard = g_ptr_array_index(report->shards, i);
            g_autofree char *number = g_strdup_printf("%u", shard->shard);
            series_value(set, of->value(shard), "role", shard->role->name, "shard", number, NULL);
        }
    }
}

void metrics_cluster_add(SeriesSet *set, const StatusReport *report)
{
    add_nodes(set, report);
    add_shards(set, report);
}

bool metrics_cluster_read(SeriesSet *set, Db *db, const RoleSet *roles, GError **error)
{
    g_autoptr(StatusReport) report = report_status(db, roles, error);
    if (!report)
        return false;
    metrics_cluster_add(set, report);
    g_autoptr(GPtrArray) certificates = metrics_certificates_read(db);
    if (certificates)
        metrics_certificates_add(set, certificates);
    return true;
}
