/* metrics: what /metrics tells.
 *
 * How it fits: the house (app/serve_metrics.c) reads this node's numbers; the cluster's are
 * roster/report's. Failures: a store that does not answer is told by a metric, not by a status.
 * Known weak point: a scrape that asks a store which hangs takes as long as its handle allows; the
 * next ones do not wait for it.
 */
#include "front/metrics.h"

#include <string.h>

#include "base/limits_http.h"

#include "front/http_parse.h"
#include "front/metrics_certificates.h"
#include "front/metrics_text.h"

#define OPEN_METRICS "application/openmetrics-text"
#define PLAIN        "text/plain"

struct MetricsCluster {
    GMutex lock;
    StatusReport *report;    /* the newest; NULL: none yet. Under lock, as all below */
    GPtrArray *certificates; /* with it; NULL: none was read */
    int64_t read_us;         /* when it was read */
    int64_t asked_us;        /* when the store was last asked */
    bool asking;             /* a scrape does, now */
    bool answered;           /* the last time */
};

MetricsCluster *metrics_cluster_new(void)
{
    MetricsCluster *cluster = g_new0(MetricsCluster, 1);
    g_mutex_init(&cluster->lock);
    return cluster;
}

void metrics_cluster_free(MetricsCluster *cluster)
{
    if (!cluster)
        return;
    status_report_free(cluster->report);
    g_clear_pointer(&cluster->certificates, g_ptr_array_unref);
    g_mutex_clear(&cluster->lock);
    g_free(cluster);
}

/* ---------------------------------------------------------------- this node */

static void add_process(MetricsText *text, const NodeMetrics *node)
{
    metrics_family(text, METRICS_COUNTER, "process_cpu_seconds", "seconds",
                   "Processor time of this process, user and system.");
    metrics_sample(text, node->cpu_seconds, NULL);
    metrics_family(text, METRICS_GAUGE, "process_start_time_seconds", "seconds",
                   "When this process started, since 1970-01-01 UTC.");
    metrics_sample(text, (double)node->started_at / 1000, NULL);
    metrics_family(text, METRICS_GAUGE, "process_resident_memory_bytes", "bytes",
                   "Memory of this process that is in the machine's.");
    metrics_sample(text, (double)node->resident_bytes, NULL);
    metrics_family(text, METRICS_GAUGE, "process_virtual_memory_bytes", "bytes",
                   "Address space of this process.");
    metrics_sample(text, (double)node->virtual_bytes, NULL);
    metrics_family(text, METRICS_GAUGE, "process_open_fds", "", "Open files and sockets.");
    metrics_sample(text, (double)node->open_files, NULL);
    metrics_family(text, METRICS_GAUGE, "process_max_fds", "", "As many may be open.");
    metrics_sample(text, (double)node->files_max, NULL);
    metrics_family(text, METRICS_COUNTER, "rota_store_statements", "",
                   "Statements that this node has sent to the store.");
    metrics_sample(text, (double)node->statements, NULL);
}

static void add_life(MetricsText *text, const NodeMetrics *node)
{
    static const char *const states[] = {"starting", "up", "draining", "drained", "stopped"};
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, node->node);
    metrics_family(text, METRICS_INFO, "rota_node", "", "Which node this is.");
    metrics_sample(text, 1, "node", number, "version", node->version, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_state", "",
                   "1 for the state that this node is in.");
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        metrics_sample(text, strcmp(states[i], node->state) == 0, "state", states[i], NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_ready", "",
                   "1 while this node holds its lease and works.");
    metrics_sample(text, node->may_work, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_lease_seconds", "seconds",
                   "How long this node may still trust its lease without another heartbeat.");
    metrics_sample(text, (double)node->lease_left_ms / 1000, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_heartbeat_gap_seconds", "seconds",
                   "The longest time between two heartbeats of the last minutes.");
    metrics_sample(text, (double)node->beat_gap_ms / 1000, NULL);
    metrics_family(text, METRICS_COUNTER, "rota_node_heartbeats_failed", "",
                   "Heartbeats that did not reach the store.");
    metrics_sample(text, (double)node->beats_failed, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_clock_ahead_seconds", "seconds",
                   "How far this node's clock is before the store's.");
    metrics_sample(text, (double)node->clock_ahead_ms / 1000, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_table_epoch", "",
                   "Epoch of the role table that this node works by.");
    metrics_sample(text, (double)node->epoch, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_node_held_tasks", "", "Tasks that this node holds.");
    metrics_sample(text, (double)node->held, NULL);
}

static void add_doors(MetricsText *text, const NodeMetrics *node)
{
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    if (node->lmtp) {
        metrics_family(text, METRICS_GAUGE, "rota_lmtp_open_sessions", "", "LMTP sessions now.");
        metrics_sample(text, node->lmtp_sessions, NULL);
        metrics_family(text, METRICS_COUNTER, "rota_lmtp_sessions", "",
                       "LMTP sessions that were taken.");
        metrics_sample(text, (double)node->lmtp_sessions_total, NULL);
        metrics_family(text, METRICS_COUNTER, "rota_lmtp_turned_away_sessions", "",
                       "LMTP sessions beyond the limit, which were told to come later.");
        metrics_sample(text, (double)node->lmtp_turned_away, NULL);
        metrics_family(text, METRICS_COUNTER, "rota_deliveries", "",
                       "Messages for one recipient each, by how they were answered.");
        metrics_sample(text, (double)node->stored, "result", "stored", NULL);
        metrics_sample(text, (double)node->duplicate, "result", "duplicate", NULL);
        metrics_sample(text, (double)node->refused, "result", "no-account", NULL);
        metrics_sample(text, (double)node->over_quota, "result", "over-quota", NULL);
        metrics_sample(text, (double)node->later, "result", "later", NULL);
    }
    metrics_family(text, METRICS_GAUGE, "rota_http_open_connections", "", "HTTP connections now.");
    metrics_sample(text, node->http_connections, NULL);
    metrics_family(text, METRICS_COUNTER, "rota_http_turned_away_connections", "",
                   "HTTP connections beyond the limits.");
    metrics_sample(text, (double)node->http_turned_away, NULL);
    metrics_family(text, METRICS_COUNTER, "rota_http_answers", "",
                   "Answers to HTTP requests, by the class of their status.");
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
        metrics_sample(text, (double)node->http_answers[i], "status", classes[i], NULL);
}

static void add_ends(MetricsText *text, const NodeMetrics *node)
{
    metrics_family(text, METRICS_COUNTER, "rota_tasks", "",
                   "Tasks that this node ran, by role, shard and how it ended.");
    for (unsigned i = 0; i < node->loads->len; i++) {
        const LoadTotal *load = g_ptr_array_index(node->loads, i);
        const struct {
            const char *result;
            int64_t count;
        } ends[] = {{"done", load->counts.done},
                    {"retried", load->counts.retried},
                    {"dead", load->counts.dead}};
        g_autofree char *shard = g_strdup_printf("%u", load->shard);
        for (size_t end = 0; end < G_N_ELEMENTS(ends); end++)
            metrics_sample(text, (double)ends[end].count, "role", load->role, "shard", shard,
                           "result", ends[end].result, NULL);
    }
}

static void add_tls(MetricsText *text, const NodeMetrics *node)
{
    if (!node->tls)
        return;
    metrics_family(text, METRICS_GAUGE, "rota_tls_connections", "", "Connections by TLS.");
    metrics_sample(text, node->tls_connections, NULL);
    metrics_family(text, METRICS_COUNTER, "rota_tls_handshakes", "",
                   "Handshakes that clients have begun, by how they ended.");
    metrics_sample(text, (double)node->tls_handshakes, "result", "done", NULL);
    metrics_sample(text, (double)node->tls_failures, "result", "failed", NULL);
}

static void add_work(MetricsText *text, const NodeMetrics *node)
{
    double ends[LOAD_TIMES];
    for (unsigned i = 0; i < LOAD_TIMES; i++)
        ends[i] = (double)load_times_us[i] / 1e6;
    add_ends(text, node);
    metrics_family(text, METRICS_HISTOGRAM, "rota_run_duration_seconds", "seconds",
                   "How long runs of tasks took on this node, a batch as one run.");
    for (unsigned i = 0; i < node->loads->len; i++) {
        const LoadTotal *load = g_ptr_array_index(node->loads, i);
        g_autofree char *shard = g_strdup_printf("%u", load->shard);
        MetricsHistogram histogram = {ends, load->runs, LOAD_TIMES,
                                      (double)load->counts.busy_us / 1e6};
        metrics_histogram(text, &histogram, "role", load->role, "shard", shard, NULL);
    }
}

/* ---------------------------------------------------------------- the cluster */

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

static void add_nodes(MetricsText *text, const StatusReport *report)
{
    static const char *const states[] = {"up", "draining", "drained", "lost"};
    unsigned counts[G_N_ELEMENTS(states)] = {0};
    for (unsigned i = 0; i < report->members->len; i++) {
        const MemberRow *member = g_ptr_array_index(report->members, i);
        bool lost = !member->living && strcmp(member->state, "drained") != 0;
        for (size_t state = 0; state < G_N_ELEMENTS(states); state++)
            counts[state] += strcmp(states[state], lost ? "lost" : member->state) == 0;
    }
    metrics_family(text, METRICS_GAUGE, "rota_cluster_nodes", "",
                   "Nodes by state; lost: the lease has run out.");
    for (size_t state = 0; state < G_N_ELEMENTS(states); state++)
        metrics_sample(text, counts[state], "state", states[state], NULL);
    metrics_family(text, METRICS_GAUGE, "rota_cluster_uncovered_shards", "",
                   "Shards without a living node: their work waits.");
    metrics_sample(text, report->uncovered, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_cluster_differing_tables", "",
                   "Role tables that nodes propose and that are not in force.");
    metrics_sample(text, report->differing->len, NULL);
    metrics_family(text, METRICS_GAUGE, "rota_cluster_table_epoch", "",
                   "Epoch of the role table in force.");
    metrics_sample(text, (double)report->epoch, NULL);
}

static void add_shards(MetricsText *text, const StatusReport *report)
{
    for (size_t metric = 0; metric < G_N_ELEMENTS(shard_metrics); metric++) {
        const ShardMetric *of = &shard_metrics[metric];
        metrics_family(text, METRICS_GAUGE, of->name, of->unit, of->help);
        for (unsigned i = 0; i < report->shards->len; i++) {
            const ShardReport *shard = g_ptr_array_index(report->shards, i);
            g_autofree char *number = g_strdup_printf("%u", shard->shard);
            metrics_sample(text, of->value(shard), "role", shard->role->name, "shard", number,
                           NULL);
        }
    }
}

/* Asks the store, if that is due and no other scrape does. */
static void renew_cluster(const struct MetricsHouse *house, Db *db)
{
    MetricsCluster *cluster = house->cluster;
    int64_t now_us = clock_monotonic_us(house->clock);
    g_mutex_lock(&cluster->lock);
    bool ask = !cluster->asking &&
               (cluster->asked_us == 0 || now_us - cluster->asked_us >= METRICS_CLUSTER_MS * 1000);
    if (ask) {
        cluster->asking = true;
        cluster->asked_us = now_us;
    }
    g_mutex_unlock(&cluster->lock);
    if (!ask)
        return;
    StatusReport *report = db ? report_status(db, house->roles, NULL) : NULL;
    GPtrArray *certificates = report ? metrics_certificates_read(db) : NULL;
    g_mutex_lock(&cluster->lock);
    cluster->asking = false;
    cluster->answered = report != NULL;
    if (report) {
        status_report_free(cluster->report);
        cluster->report = report;
        g_clear_pointer(&cluster->certificates, g_ptr_array_unref);
        cluster->certificates = certificates;
        cluster->read_us = now_us;
    }
    g_mutex_unlock(&cluster->lock);
}

static void add_cluster(MetricsText *text, const struct MetricsHouse *house)
{
    MetricsCluster *cluster = house->cluster;
    g_mutex_lock(&cluster->lock);
    int64_t age_ms = (clock_monotonic_us(house->clock) - cluster->read_us) / 1000;
    metrics_family(text, METRICS_GAUGE, "rota_cluster_report_success", "",
                   "1 if the store answered when it was last asked for what follows.");
    metrics_sample(text, cluster->answered, NULL);
    /* What is long out of date would say that all is well. */
    if (cluster->report && age_ms < METRICS_STALE_MS) {
        metrics_family(text, METRICS_GAUGE, "rota_cluster_report_age_seconds", "seconds",
                       "How long ago the store was asked.");
        metrics_sample(text, (double)age_ms / 1000, NULL);
        add_nodes(text, cluster->report);
        add_shards(text, cluster->report);
        if (cluster->certificates)
            metrics_certificates_add(text, cluster->certificates);
    }
    g_mutex_unlock(&cluster->lock);
}

/* ---------------------------------------------------------------- the route */

static bool may_scrape(const struct MetricsHouse *house, const HttpCall *call)
{
    const char *field = call->request->header("Authorization", call->request->data);
    g_autofree char *username = NULL, *password = NULL;
    if (!*house->username)
        return true;
    return field && http_basic_parse(field, &username, &password) &&
           http_same_secret(username, house->username) &&
           http_same_secret(password, house->password);
}

static void run_metrics(HttpCall *call)
{
    const struct MetricsHouse *house = call->house->metrics;
    if (!may_scrape(house, call)) {
        http_answer_problem(call->answer, 401,
                            "metrics are for metrics.prometheus.username and its password");
        http_answer_add_header(call->answer, "WWW-Authenticate",
                               "Basic realm=\"rota metrics\", charset=\"UTF-8\"");
        return;
    }
    const char *accept = call->request->header("Accept", call->request->data);
    MetricsText text = {
        .out = call->answer->body,
        .open_metrics =
            http_accept_weight(accept, OPEN_METRICS) > http_accept_weight(accept, PLAIN),
    };
    NodeMetrics node = {0};
    renew_cluster(house, call->db);
    house->read_node(&node, house->data);
    add_process(&text, &node);
    add_life(&text, &node);
    add_doors(&text, &node);
    add_tls(&text, &node);
    add_work(&text, &node);
    add_cluster(&text, house);
    metrics_end(&text);
    g_ptr_array_unref(node.loads);
    call->answer->type = text.open_metrics ? OPEN_METRICS "; version=1.0.0; charset=utf-8"
                                           : PLAIN "; version=0.0.4; charset=utf-8";
}

const HttpRoute http_route_metrics = {
    .method = "GET", .path = "/metrics", .store = HTTP_STORE_OR_NOT, .run = run_metrics};
