/* metrics_support.h: targets of metrics.push that are a push service of a test's own, and snapshots
 * for them.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_METRICS_SUPPORT_H
#define ROTA_TESTS_METRICS_SUPPORT_H

#include "push_support.h"

#include "duty/metrics_snapshot.h"

static inline char *metrics_text(void)
{
    return g_strdup("");
}

/* All targets at http://127.0.0.1:PORT; 0: none. */
static inline void metrics_push_init(MetricsPush *push, unsigned port)
{
    static const char *const paths[METRICS_TARGETS] = {"/v1/metrics", "/api/v1/write", ""};
    *push = (MetricsPush){
        .schedule = g_strdup("every 1m"), .buffer_age_ms = 3600000, .buffer_bytes = 1 << 20};
    for (unsigned i = 0; i < METRICS_TARGETS; i++)
        push->targets[i] = (MetricsTarget){
            .endpoint =
                port ? g_strdup_printf("http://127.0.0.1:%u%s", port, paths[i]) : metrics_text(),
            .username = metrics_text(),
            .password = metrics_text(),
            .token = metrics_text(),
            .ca_file = metrics_text(),
            .headers = g_new0(char *, 1),
            .labels = g_new0(char *, 1),
            .timeout_ms = 5000};
}

static inline void metrics_push_clear(MetricsPush *push)
{
    g_free(push->schedule);
    for (unsigned i = 0; i < METRICS_TARGETS; i++) {
        MetricsTarget *target = &push->targets[i];
        g_free(target->endpoint);
        g_free(target->username);
        g_free(target->password);
        g_free(target->token);
        g_free(target->ca_file);
        g_strfreev(target->headers);
        g_strfreev(target->labels);
    }
}

/* What a node had to tell at a moment, a gauge with the moment as its value. */
static inline void metrics_record(Db *db, const MetricsPush *push, int64_t node, int64_t at)
{
    g_autoptr(SeriesSet) set = series_new();
    g_autofree char *instance = g_strdup_printf("%d", (int)node);
    SeriesSource source = {.cluster = "",
                           .instance = instance,
                           .host = "host",
                           .version = "1",
                           .started_at = 1,
                           .at = at};
    series_family(set, SERIES_GAUGE, "rota_test", "", "Help.");
    series_value(set, (double)at, NULL);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(metrics_snapshot_add(db, push, set, &source, node, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

/* As the door of app/serve.c, with one series. */
static inline bool metrics_read_cluster(SeriesSet *set, Db *db, void *data, GError **error)
{
    (void)db;
    (void)data;
    (void)error;
    series_family(set, SERIES_GAUGE, "rota_cluster_test", "", "Help.");
    series_value(set, 1, NULL);
    return true;
}
static const MetricsDoor metrics_test_door = {metrics_read_cluster, NULL, "", "1"};

#endif
