/* serve_metrics: this node's numbers for /metrics.
 *
 * How it fits: serve_http.c makes it the house's answer. Failures: what the system does not tell is
 * 0. Known weak point: counting open files reads a folder of the kernel's, about as long as there
 * are files.
 */
#include "app/serve_metrics.h"

#include <string.h>
#include <sys/resource.h>

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int64_t count_files(void)
{
    GDir *folder = g_dir_open("/proc/self/fd", 0, NULL);
    int64_t count = 0;
    while (folder && g_dir_read_name(folder))
        count++;
    if (folder)
        g_dir_close(folder);
    return MAX(count - 1, 0); /* without the folder's own */
}

static void read_process(NodeMetrics *ret, const ServeMetrics *parts)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};
    g_autofree char *statm = NULL;
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    ret->cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    ret->started_at = parts->started_at;
    ret->open_files = count_files();
    ret->files_max = (int64_t)limit.rlim_cur;
    ret->statements = db_statements_of_process();
    if (g_file_get_contents("/proc/self/statm", &statm, NULL, NULL)) { /* in pages: all, resident */
        char *rest = NULL;
        int64_t page = sysconf(_SC_PAGESIZE);
        ret->virtual_bytes = (int64_t)g_ascii_strtoull(statm, &rest, 10) * page;
        ret->resident_bytes = (int64_t)g_ascii_strtoull(rest, NULL, 10) * page;
    }
}

static const char *state_name(NodeState state)
{
    switch (state) {
    case NODE_STARTING:
        return "starting";
    case NODE_UP:
        return "up";
    case NODE_DRAINING:
        return "draining";
    case NODE_DRAINED:
        return "drained";
    case NODE_STOPPED:
    case NODE_REFUSED:
        return "stopped";
    }
    return "";
}

static void read_life(NodeMetrics *ret, const ServeMetrics *parts)
{
    Node *node = parts->node;
    ret->version = ROTA_VERSION;
    ret->node = parts->settings->node_id;
    ret->state = node ? state_name(node_state(node)) : "starting";
    ret->beat_gap_ms = parts->beat_gap_ms;
    ret->beats_failed = parts->beats_failed;
    if (!node)
        return;
    RoleTable *table = node_table(node, &ret->epoch);
    if (table)
        table_unref(table);
    int64_t until_us = node_member(node)->trusted_until_us;
    ret->lease_left_ms = MAX(until_us - clock_monotonic_us(parts->clock), 0) / 1000;
    ret->may_work = node_may_work(node);
    ret->held = node_held(node);
    ret->clock_ahead_ms = node_clock_ahead_ms(node);
}

void serve_metrics_read(NodeMetrics *ret, void *data)
{
    ServeMetrics *parts = data;
    read_process(ret, parts);
    read_life(ret, parts);
    if (parts->lmtp) {
        LmtpCounts lmtp;
        PostboxCounts mail;
        lmtp_server_counts(parts->lmtp, &lmtp);
        postbox_counts(parts->postbox, &mail);
        ret->lmtp = true;
        ret->lmtp_sessions = lmtp.sessions;
        ret->lmtp_sessions_total = lmtp.taken;
        ret->lmtp_turned_away = lmtp.turned_away;
        ret->stored = mail.stored;
        ret->duplicate = mail.duplicate;
        ret->refused = mail.no_account;
        ret->over_quota = mail.over_quota;
        ret->later = mail.later;
    }
    if (parts->relay) {
        TlsCounts tls;
        tls_relay_counts(parts->relay, &tls);
        ret->tls = true;
        ret->tls_connections = tls.connections;
        ret->tls_handshakes = tls.handshakes;
        ret->tls_failures = tls.failures;
    }
    if (parts->server) {
        HttpCounts http;
        http_server_counts(parts->server, &http);
        ret->http = true;
        ret->http_connections = http.connections;
        ret->http_turned_away = http.turned_away;
        memcpy(ret->http_answers, http.answers, sizeof ret->http_answers);
    }
    ret->loads = load_totals(parts->load);
}
