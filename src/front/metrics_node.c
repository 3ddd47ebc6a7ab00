/* metrics_node: a node's own counts, as series.
 *
 * How it fits: app/serve_metrics.c gathers the numbers; /metrics tells them, and app/recorder.c
 * writes them down for metrics.push. Failures: none. Known weak point: none known.
 */
#include "front/metrics_node.h"

#include <string.h>

static void add_process(SeriesSet *set, const NodeMetrics *node)
{
    series_family(set, SERIES_COUNTER, "process_cpu_seconds", "seconds",
                  "Processor time of this process, user and system.");
    series_value(set, node->cpu_seconds, NULL);
    series_family(set, SERIES_GAUGE, "process_start_time_seconds", "seconds",
                  "When this process started, since 1970-01-01 UTC.");
    series_value(set, (double)node->started_at / 1000, NULL);
    series_family(set, SERIES_GAUGE, "process_resident_memory_bytes", "bytes",
                  "Memory of this process that is in the machine's.");
    series_value(set, (double)node->resident_bytes, NULL);
    series_family(set, SERIES_GAUGE, "process_virtual_memory_bytes", "bytes",
                  "Address space of this process.");
    series_value(set, (double)node->virtual_bytes, NULL);
    series_family(set, SERIES_GAUGE, "process_open_fds", "", "Open files and sockets.");
    series_value(set, (double)node->open_files, NULL);
    series_family(set, SERIES_GAUGE, "process_max_fds", "", "As many may be open.");
    series_value(set, (double)node->files_max, NULL);
    series_family(set, SERIES_COUNTER, "rota_store_statements", "",
                  "Statements that this node has sent to the store.");
    series_value(set, (double)node->statements, NULL);
}

static void add_life(SeriesSet *set, const NodeMetrics *node)
{
    static const char *const states[] = {"starting", "up", "draining", "drained", "stopped"};
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, node->node);
    series_family(set, SERIES_INFO, "rota_node", "", "Which node this is.");
    series_value(set, 1, "node", number, "version", node->version, NULL);
    series_family(set, SERIES_GAUGE, "rota_node_state", "",
                  "1 for the state that this node is in.");
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        series_value(set, strcmp(states[i], node->state) == 0, "state", states[i], NULL);
    series_family(set, SERIES_GAUGE, "rota_node_ready", "",
                  "1 while this node holds its lease and works.");
    series_value(set, node->may_work, NULL);
    series_family(set, SERIES_GAUGE, "rota_node_lease_seconds", "seconds",
                  "How long this node may still trust its lease without another heartbeat.");
    series_value(set, (double)node->lease_left_ms / 1000, NULL);
    series_family(set, SERIES_GAUGE, "rota_node_heartbeat_gap_seconds", "seconds",
                  "The longest time between two heartbeats of the last minutes.");
    series_value(set, (double)node->beat_gap_ms / 1000, NULL);
    series_family(set, SERIES_COUNTER, "rota_node_heartbeats_failed", "",
                  "Heartbeats that did not reach the store.");
    series_value(set, (double)node->beats_failed, NULL);
    series_family(set, SERIES_GAUGE, "rota_node_clock_ahead_seconds", "seconds",
                  "How far this node's clock is before the store's.");
    series_value(set, (double)node->clock_ahead_ms / 1000, NULL);
    series_family(set, SERIES_GAUGE, "rota_node_table_epoch", "",
                  "Epoch of the role table that this node works by.");
    series_value(set, (double)node->epoch, NULL);
    series_family(set, SERIES_GAUGE, "rota_node_held_tasks", "", "Tasks that this node holds.");
    series_value(set, (double)node->held, NULL);
}

static void add_doors(SeriesSet *set, const NodeMetrics *node)
{
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    if (node->lmtp) {
        series_family(set, SERIES_GAUGE, "rota_lmtp_open_sessions", "", "LMTP sessions now.");
        series_value(set, node->lmtp_sessions, NULL);
        series_family(set, SERIES_COUNTER, "rota_lmtp_sessions", "",
                      "LMTP sessions that were taken.");
        series_value(set, (double)node->lmtp_sessions_total, NULL);
        series_family(set, SERIES_COUNTER, "rota_lmtp_turned_away_sessions", "",
                      "LMTP sessions beyond the limit, which were told to come later.");
        series_value(set, (double)node->lmtp_turned_away, NULL);
        series_family(set, SERIES_COUNTER, "rota_deliveries", "",
                      "Messages for one recipient each, by how they were answered.");
        series_value(set, (double)node->stored, "result", "stored", NULL);
        series_value(set, (double)node->duplicate, "result", "duplicate", NULL);
        series_value(set, (double)node->refused, "result", "no-account", NULL);
        series_value(set, (double)node->over_quota, "result", "over-quota", NULL);
        series_value(set, (double)node->later, "result", "later", NULL);
    }
    if (!node->http)
        return;
    series_family(set, SERIES_GAUGE, "rota_http_open_connections", "", "HTTP connections now.");
    series_value(set, node->http_connections, NULL);
    series_family(set, SERIES_COUNTER, "rota_http_turned_away_connections", "",
                  "HTTP connections beyond the limits.");
    series_value(set, (double)node->http_turned_away, NULL);
    series_family(set, SERIES_COUNTER, "rota_http_answers", "",
                  "Answers to HTTP requests, by the class of their status.");
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
        series_value(set, (double)node->http_answers[i], "status", classes[i], NULL);
}

static void add_ends(SeriesSet *set, const NodeMetrics *node)
{
    series_family(set, SERIES_COUNTER, "rota_tasks", "",
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
            series_value(set, (double)ends[end].count, "role", load->role, "shard", shard, "result",
                         ends[end].result, NULL);
    }
}

static void add_tls(SeriesSet *set, const NodeMetrics *node)
{
    if (!node->tls)
        return;
    series_family(set, SERIES_GAUGE, "rota_tls_connections", "", "Connections by TLS.");
    series_value(set, node->tls_connections, NULL);
    series_family(set, SERIES_COUNTER, "rota_tls_handshakes", "",
                  "Handshakes that clients have begun, by how they ended.");
    series_value(set, (double)node->tls_handshakes, "result", "done", NULL);
    series_value(set, (double)node->tls_failures, "result", "failed", NULL);
}

static void add_work(SeriesSet *set, const NodeMetrics *node)
{
    double ends[LOAD_TIMES];
    for (unsigned i = 0; i < LOAD_TIMES; i++)
        ends[i] = (double)load_times_us[i] / 1e6;
    add_ends(set, node);
    series_family(set, SERIES_HISTOGRAM, "rota_run_duration_seconds", "seconds",
                  "How long runs of tasks took on this node, a batch as one run.");
    for (unsigned i = 0; i < node->loads->len; i++) {
        const LoadTotal *load = g_ptr_array_index(node->loads, i);
        g_autofree char *shard = g_strdup_printf("%u", load->shard);
        SeriesHistogram histogram = {ends, load->runs, LOAD_TIMES,
                                     (double)load->counts.busy_us / 1e6};
        series_histogram(set, &histogram, "role", load->role, "shard", shard, NULL);
    }
}

void metrics_node_add(SeriesSet *set, const NodeMetrics *node)
{
    add_process(set, node);
    add_life(set, node);
    add_doors(set, node);
    add_tls(set, node);
    add_work(set, node);
}
