/* metrics_cluster: the cluster's state, as series.
 *
 * How it fits: /metrics tells it of every node, metrics.push sends it once. Failures: the store's.
 * Known weak point: none known.
 */
#include "front/metrics_cluster.h"

#include <string.h>

#include "model/metric_outbox.h"

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

/* ---------------------------------------------------------------- the targets of metrics.push */

static double sent_of(const MetricTargetTotal *total)
{
    return (double)total->sent;
}

static double refused_of(const MetricTargetTotal *total)
{
    return (double)total->refused;
}

static double dropped_of(const MetricTargetTotal *total)
{
    return (double)total->dropped;
}

static double failures_of(const MetricTargetTotal *total)
{
    return (double)total->failures;
}

static double unsent_of(const MetricTargetTotal *total)
{
    return (double)total->waiting;
}

static double unsent_bytes_of(const MetricTargetTotal *total)
{
    return (double)total->waiting_bytes;
}

static double sent_at_of(const MetricTargetTotal *total)
{
    return (double)total->sent_at / 1000;
}

static void add_targets(SeriesSet *set, const GPtrArray *totals)
{
    static const struct {
        SeriesType type;
        const char *name, *unit, *help;
        double (*value)(const MetricTargetTotal *total);
    } families[] = {
        {SERIES_COUNTER, "rota_cluster_push_sent_snapshots", "",
         "Snapshots of metrics that the target has taken.", sent_of},
        {SERIES_COUNTER, "rota_cluster_push_refused_snapshots", "",
         "Snapshots that it did not want, or not all of.", refused_of},
        {SERIES_COUNTER, "rota_cluster_push_dropped_snapshots", "",
         "Snapshots that waited longer than the buffer has time or room.", dropped_of},
        {SERIES_GAUGE, "rota_cluster_push_failures", "",
         "Failures since it last took something; of several shards the most.", failures_of},
        {SERIES_GAUGE, "rota_cluster_push_waiting_snapshots", "", "Snapshots that wait for it.",
         unsent_of},
        {SERIES_GAUGE, "rota_cluster_push_waiting_bytes", "bytes", "Their size in the store.",
         unsent_bytes_of},
        {SERIES_GAUGE, "rota_cluster_push_last_success_seconds", "seconds",
         "When it last took something, since 1970-01-01 UTC; 0: never.", sent_at_of},
    };
    for (size_t i = 0; totals->len > 0 && i < G_N_ELEMENTS(families); i++) {
        series_family(set, families[i].type, families[i].name, families[i].unit, families[i].help);
        for (unsigned j = 0; j < totals->len; j++) {
            const MetricTargetTotal *total = g_ptr_array_index(totals, j);
            series_value(set, families[i].value(total), "target", total->name, NULL);
        }
    }
}

/* ---------------------------------------------------------------- all of it */

struct MetricsState {
    StatusReport *report;
    GPtrArray *certificates; /* NULL: none was read */
    GPtrArray *targets;      /* of MetricTargetTotal */
};

MetricsState *metrics_state_read(Db *db, const RoleSet *roles, GError **error)
{
    g_autoptr(MetricsState) state = g_new0(MetricsState, 1);
    state->report = report_status(db, roles, error);
    if (!state->report)
        return NULL;
    state->certificates = metrics_certificates_read(db);
    if (!db_begin(db, DB_READ, error))
        return NULL;
    state->targets = metric_target_totals(db, error);
    db_rollback(db);
    return state->targets ? g_steal_pointer(&state) : NULL;
}

void metrics_state_free(MetricsState *state)
{
    if (!state)
        return;
    status_report_free(state->report);
    g_clear_pointer(&state->certificates, g_ptr_array_unref);
    g_clear_pointer(&state->targets, g_ptr_array_unref);
    g_free(state);
}

void metrics_state_add(SeriesSet *set, const MetricsState *state)
{
    add_nodes(set, state->report);
    add_shards(set, state->report);
    if (state->certificates)
        metrics_certificates_add(set, state->certificates);
    add_targets(set, state->targets);
}
