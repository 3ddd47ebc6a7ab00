/* metrics_support.h: targets of metrics.push that are a push service of a test's own, and snapshots
 * for them.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_METRICS_SUPPORT_H
#define ROTA_TESTS_METRICS_SUPPORT_H

#include "push_support.h"

#include "duty/metrics_snapshot.h"
#include "purge_support.h"

/* steps at which a death has a request sent twice: those between its answer and the commit */
#define METRICS_CRASH_REPEATS 12

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

/* ---------------------------------------------------------------- for duty/crash_test.c */

/* The service lives in the test, while those who send to it die; they find it by the environment.
 */
#define METRICS_VARIABLE "ROTA_TEST_METRICS"
static PushService metrics_crash_service;
static MetricsPush metrics_crash_push;

/* The settings of both, at the start of the program. */
static inline void metrics_crash_init(DutySettings *settings)
{
    const char *port = g_getenv(METRICS_VARIABLE);
    metrics_push_init(&metrics_crash_push, port ? (unsigned)g_ascii_strtoull(port, NULL, 10) : 0);
    settings->metrics_push = &metrics_crash_push;
    settings->metrics_door = &metrics_test_door;
}

static inline void metrics_crash_start(DutySettings *settings)
{
    push_service_start(&metrics_crash_service);
    push_service_answer(&metrics_crash_service, "200 OK");
    g_autofree char *port = g_strdup_printf("%u", metrics_crash_service.port);
    g_setenv(METRICS_VARIABLE, port, TRUE);
    metrics_push_clear(&metrics_crash_push);
    metrics_crash_init(settings);
}

static inline void metrics_crash_stop(void)
{
    g_unsetenv(METRICS_VARIABLE);
    push_service_stop(&metrics_crash_service);
}

/* Two nodes' series, and the cluster's. */
static inline void metrics_crash_plant(Db *db, unsigned n)
{
    int64_t now = model_count(db, "SELECT rota_now()");
    (void)n;
    metrics_record(db, &metrics_crash_push, 1, now);
    metrics_record(db, &metrics_crash_push, 2, now);
    purge_exec(db, "UPDATE metric_target SET cluster_at = 0");
    purge_ask_round(db, "metrics.push", NULL);
}

/* All targets have had it, which is counted once; a death between the sending and the counting has
 * it sent once more. */
static inline void metrics_crash_verify(Db *db, unsigned n)
{
    static const char *const lines[] = {"POST /v1/metrics ", "POST /api/v1/write ",
                                        "PUT /metrics/job/rota/instance/1 ",
                                        "PUT /metrics/job/rota/instance/cluster "};
    assert_int_equal(model_count(db, "SELECT count(*) FROM metric_outbox"), 0);
    assert_int_equal(model_count(db, "SELECT CAST(sum(sent) AS BIGINT) FROM metric_target"),
                     n * 3 * METRICS_TARGETS);
    assert_int_equal(model_count(db, "SELECT CAST(sum(refused + dropped) AS BIGINT)"
                                     " FROM metric_target"),
                     0);
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        unsigned count = push_service_count_of(&metrics_crash_service, lines[i]);
        if (count < n || count > n + METRICS_CRASH_REPEATS)
            fail_msg("%u of \"%s\" after %u works", count, lines[i], n);
    }
}

#endif
