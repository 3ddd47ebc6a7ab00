/* metrics_push_test: what is taken goes, what is not waits, on both stores. */
#include "support.h"
#include "duty_support.h"
#include "metrics_support.h"
#include "purge_support.h"

#include <string.h>

#include "base/limits_metrics_push.h"
#include "duty/metrics_wire.h"
#include "model/metric_outbox.h"

#define ROLE "metrics.push"

typedef struct {
    PushService service;
    MetricsPush push;
    DutySettings settings;
    DutyLane lane;
    Db *db;
    const char *const *shards;
    int64_t now;
} Fixture;

static void make(Fixture *fixture, TestStore *store, const char *const *shards)
{
    *fixture = (Fixture){.db = store->db, .shards = shards};
    push_service_start(&fixture->service);
    push_service_answer(&fixture->service, "200 OK");
    metrics_push_init(&fixture->push, fixture->service.port);
    fixture->settings =
        (DutySettings){.metrics_push = &fixture->push, .metrics_door = &metrics_test_door};
    duty_lane_init_more(&fixture->lane, store, ROLE, &fixture->settings,
                        &(DutyLaneMore){.node = 1, .shards = shards});
    fixture->now = model_count(fixture->db, "SELECT rota_now()");
}

static void unmake(Fixture *fixture)
{
    duty_lane_clear(&fixture->lane);
    push_service_stop(&fixture->service);
    metrics_push_clear(&fixture->push);
}

/* One target alone. */
static void keep_only(Fixture *fixture, int kind)
{
    for (int i = 0; i < METRICS_TARGETS; i++)
        if (i != kind)
            *fixture->push.targets[i].endpoint = '\0';
    fixture->settings.metrics_door = NULL;
}

/* A run, whatever comes of it. */
static void run_once(Fixture *fixture)
{
    purge_ask_round(fixture->lane.node_db, ROLE, fixture->shards);
    purge_exec(fixture->db, "UPDATE task SET due_at = 0 WHERE owner = 0");
    duty_lane_step(&fixture->lane);
    duty_lane_step(&fixture->lane);
}

static int64_t left(Fixture *fixture)
{
    return model_count(fixture->db, "SELECT count(*) FROM metric_outbox");
}

static int64_t of_target(Fixture *fixture, const char *column)
{
    g_autofree char *text =
        g_strdup_printf("SELECT CAST(coalesce(sum(%s), 0) AS BIGINT) FROM metric_target", column);
    return model_count(fixture->db, text);
}

static void all_targets_have_it(void **state)
{
    Fixture fixture;
    make(&fixture, *state, NULL);
    PushService *service = &fixture.service;
    for (int64_t node = 1; node <= 3; node++)
        metrics_record(fixture.db, &fixture.push, node, fixture.now);
    assert_int_equal(left(&fixture), 9);
    run_once(&fixture);
    assert_int_equal(left(&fixture), 0);
    assert_int_equal(push_service_count_of(service, "POST /v1/metrics HTTP/1.1\r\n"), 1);
    assert_int_equal(push_service_count_of(service, "POST /api/v1/write HTTP/1.1\r\n"), 1);
    assert_int_equal(push_service_count_of(service, "PUT /metrics/job/rota/instance/"), 4);
    assert_int_equal(
        push_service_count_of(service, "PUT /metrics/job/rota/instance/cluster HTTP/1.1\r\n"), 1);
    g_autofree char *last = push_service_last(service);
    assert_non_null(strstr(last, "\r\n\r\n# HELP rota_"));
    assert_int_equal(of_target(&fixture, "sent"), 12);
    assert_int_equal(of_target(&fixture, "refused + dropped + failures"), 0);
    /* The cluster's are taken down once in an interval, however often the role runs. */
    run_once(&fixture);
    run_once(&fixture);
    assert_in_range(of_target(&fixture, "sent"), 12, 15);
    unmake(&fixture);
}

/* A moment after the other, of one node: a request each, the oldest first. */
static void waits_and_keeps_the_order(void **state)
{
    static const char *const answers[] = {"503 Service Unavailable", "429 Too Many Requests", "die",
                                          "302 Found\r\nLocation: http://127.0.0.1:1/"};
    Fixture fixture;
    make(&fixture, *state, NULL);
    keep_only(&fixture, METRICS_REMOTE_WRITE);
    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        metrics_record(fixture.db, &fixture.push, 1, fixture.now + i);
        push_service_answer(&fixture.service, answers[i]);
        run_once(&fixture);
        assert_int_equal(left(&fixture), i + 1);
        assert_true(of_target(&fixture, "failures") >= i + 1);
    }
    assert_int_equal(model_count(fixture.db, "SELECT count(*) FROM dead_letter"), 0);
    assert_int_equal(of_target(&fixture, "sent"), 0);
    push_service_answer(&fixture.service, "204 No Content");
    unsigned before = push_service_count(&fixture.service);
    run_once(&fixture);
    assert_int_equal(push_service_count(&fixture.service) - before, G_N_ELEMENTS(answers));
    assert_int_equal(left(&fixture), 0);
    assert_int_equal(of_target(&fixture, "sent"), G_N_ELEMENTS(answers));
    assert_int_equal(of_target(&fixture, "failures"), 0);
    assert_int_equal(model_count(fixture.db, "SELECT count(*) FROM metric_target"
                                             " WHERE problem = ''"),
                     1);
    unmake(&fixture);
}

static void leaves_alone_who_asks_for_it(void **state)
{
    Fixture fixture;
    make(&fixture, *state, NULL);
    keep_only(&fixture, METRICS_OPEN_TELEMETRY);
    metrics_record(fixture.db, &fixture.push, 1, fixture.now);
    push_service_answer(&fixture.service, "429 Too Many Requests\r\nRetry-After: 3600");
    run_once(&fixture);
    unsigned asked = push_service_count(&fixture.service);
    assert_in_range(asked, 1, 2);
    push_service_answer(&fixture.service, "200 OK");
    run_once(&fixture);
    assert_int_equal(push_service_count(&fixture.service), asked);
    assert_int_equal(left(&fixture), 1);
    purge_exec(fixture.db, "UPDATE metric_target SET not_before = rota_now() - 1");
    run_once(&fixture);
    assert_int_equal(left(&fixture), 0);
    unmake(&fixture);
}

/* What is refused as a whole goes one by one, and is counted; nothing comes again. */
static void refused_is_counted(void **state)
{
    Fixture fixture;
    make(&fixture, *state, NULL);
    keep_only(&fixture, METRICS_REMOTE_WRITE);
    for (int64_t node = 1; node <= 5; node++)
        metrics_record(fixture.db, &fixture.push, node, fixture.now);
    push_service_answer(&fixture.service, "400 Bad Request");
    run_once(&fixture);
    assert_int_equal(push_service_count(&fixture.service), 6);
    assert_int_equal(left(&fixture), 0);
    assert_int_equal(of_target(&fixture, "refused"), 5);
    assert_int_equal(of_target(&fixture, "sent"), 0);
    assert_int_equal(model_count(fixture.db, "SELECT count(*) FROM metric_target"
                                             " WHERE problem = 'it answered 400'"),
                     1);
    unmake(&fixture);
}

/* Damaged in the store: an empty body, which a target takes or refuses, and it is gone. */
static void damage_does_not_stop_it(void **state)
{
    Fixture fixture;
    make(&fixture, *state, NULL);
    keep_only(&fixture, METRICS_REMOTE_WRITE);
    metrics_record(fixture.db, &fixture.push, 1, fixture.now);
    metrics_record(fixture.db, &fixture.push, 2, fixture.now);
    purge_exec(fixture.db, "UPDATE metric_outbox SET plain_size = 5000000000000 WHERE node = 1");
    run_once(&fixture);
    assert_int_equal(left(&fixture), 0);
    unmake(&fixture);
}

static void the_buffer_is_bounded(void **state)
{
    Fixture fixture;
    make(&fixture, *state, NULL);
    keep_only(&fixture, METRICS_REMOTE_WRITE);
    push_service_answer(&fixture.service, "503 Service Unavailable");
    for (unsigned i = 0; i < 10; i++)
        metrics_record(fixture.db, &fixture.push, 1, fixture.now + i);
    metrics_record(fixture.db, &fixture.push, 1, fixture.now - fixture.push.buffer_age_ms - 60000);
    run_once(&fixture);
    assert_int_equal(left(&fixture), 10);
    assert_int_equal(of_target(&fixture, "dropped"), 1);
    int64_t size = model_count(fixture.db, "SELECT max(size) FROM metric_outbox");
    fixture.push.buffer_bytes = 4 * size;
    run_once(&fixture);
    assert_in_range(left(&fixture), 4, 5);
    int64_t oldest = model_count(fixture.db, "SELECT min(at) FROM metric_outbox");
    assert_in_range(oldest, fixture.now + 5, fixture.now + 6);
    assert_int_equal(of_target(&fixture, "dropped"), 11 - left(&fixture));
    /* Where nobody sends, the node itself takes out what is too old. */
    assert_true(db_begin(fixture.db, DB_WRITE, NULL));
    assert_true(metric_outbox_forget(fixture.db, 1, fixture.now + 8, NULL));
    assert_int_equal(db_commit(fixture.db, NULL), DB_DONE);
    assert_int_equal(left(&fixture), 2);
    assert_int_equal(of_target(&fixture, "dropped"), 9);
    unmake(&fixture);
}

/* Nodes by their number; the cluster's own by the first shard alone. */
static void shards_divide_it(void **state)
{
    static const char *const shards[] = {"9", "1", NULL};
    Fixture fixture;
    make(&fixture, *state, shards);
    for (int64_t node = 1; node <= 4; node++)
        metrics_record(fixture.db, &fixture.push, node, fixture.now);
    run_once(&fixture);
    assert_int_equal(model_count(fixture.db, "SELECT count(*) FROM metric_outbox WHERE node IN "
                                             "(2, 4)"),
                     6);
    assert_int_equal(left(&fixture), 6);
    assert_int_equal(model_count(fixture.db, "SELECT count(*) FROM metric_target WHERE shard = 2"),
                     3);
    unmake(&fixture);
}

static void nothing_to_do_is_done(void **state)
{
    Fixture fixture;
    make(&fixture, *state, NULL);
    keep_only(&fixture, METRICS_TARGETS);
    run_once(&fixture);
    assert_int_equal(push_service_count(&fixture.service), 0);
    assert_int_equal(model_count(fixture.db, "SELECT count(*) FROM task"), 0);
    unmake(&fixture);
}

static void grouping_keys(void **state)
{
    static const struct {
        const char *label, *cluster;
        int64_t node;
        const char *want;
    } rows[] = {
        {NULL, "", 4, "http://g:1/metrics/job/rota/instance/4"},
        {NULL, "", 0, "http://g:1/metrics/job/rota/instance/cluster"},
        {"site=a b", "mail", 1, "http://g:1/metrics/job/rota/instance/1/cluster/mail/site/a%20b"},
        {"site=a/b", "", 1, "http://g:1/metrics/job/rota/instance/1/site@base64/YS9i"},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *labels[] = {rows[i].label, NULL};
        MetricsTarget target = {.endpoint = (char *)(uintptr_t) "http://g:1/",
                                .labels = (char **)(uintptr_t)labels};
        g_autofree char *url = metrics_pushgateway_url(&target, rows[i].cluster, rows[i].node);
        assert_string_equal(url, rows[i].want);
    }
}

static void answers_mean_something(void **state)
{
    static const struct {
        int kind, status;
        const char *body;
        size_t size;
        MetricsVerdict verdict;
        const char *problem;
    } rows[] = {
        {METRICS_REMOTE_WRITE, 204, "", 0, METRICS_TAKEN, NULL},
        {METRICS_REMOTE_WRITE, 400, "out of\norder", 12, METRICS_REFUSED,
         "it answered 400: out of order"},
        {METRICS_REMOTE_WRITE, 404, "", 0, METRICS_REFUSED, "it answered 404"},
        {METRICS_REMOTE_WRITE, 429, "", 0, METRICS_LATER, "it answered 429"},
        {METRICS_REMOTE_WRITE, 500, "", 0, METRICS_LATER, "it answered 500"},
        {METRICS_PUSHGATEWAY, 500, "", 0, METRICS_LATER, "it answered 500"},
        {METRICS_PUSHGATEWAY, 202, "x", 1, METRICS_TAKEN, NULL},
        {METRICS_OPEN_TELEMETRY, 200, "", 0, METRICS_TAKEN, NULL},
        {METRICS_OPEN_TELEMETRY, 200, "\x0a\x02\x08\x00", 4, METRICS_TAKEN, NULL},
        {METRICS_OPEN_TELEMETRY, 200, "\x0a\x06\x08\x05\x12\x02no", 8, METRICS_TAKEN,
         "it rejected 5 data points: no"},
        {METRICS_OPEN_TELEMETRY, 200, "\x0a\x04\x12\x02hm", 6, METRICS_TAKEN, "it warns: hm"},
        {METRICS_OPEN_TELEMETRY, 200, "<html>", 6, METRICS_TAKEN, NULL},
        {METRICS_OPEN_TELEMETRY, 400,
         "\x08\x03\x12\x03"
         "bad",
         7, METRICS_REFUSED, "it answered 400: bad"},
        {METRICS_OPEN_TELEMETRY, 500, "", 0, METRICS_REFUSED, "it answered 500"},
        {METRICS_OPEN_TELEMETRY, 503, "", 0, METRICS_LATER, "it answered 503"},
        {METRICS_OPEN_TELEMETRY, 302, "", 0, METRICS_LATER, "it answered 302"},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(MetricsAnswer) answer = {.problem = NULL};
        metrics_answer_read(rows[i].kind, rows[i].status, rows[i].body, rows[i].size, &answer);
        if (answer.verdict != rows[i].verdict || g_strcmp0(answer.problem, rows[i].problem) != 0)
            fail_msg("row %zu: got %d \"%s\", want %d \"%s\"", i, (int)answer.verdict,
                     answer.problem, (int)rows[i].verdict, rows[i].problem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_targets_have_it),
        cmocka_unit_test(waits_and_keeps_the_order),
        cmocka_unit_test(leaves_alone_who_asks_for_it),
        cmocka_unit_test(refused_is_counted),
        cmocka_unit_test(damage_does_not_stop_it),
        cmocka_unit_test(the_buffer_is_bounded),
        cmocka_unit_test(shards_divide_it),
        cmocka_unit_test(nothing_to_do_is_done),
        cmocka_unit_test(grouping_keys),
        cmocka_unit_test(answers_mean_something),
    };
    return test_on_both_stores("metrics_push", tests, G_N_ELEMENTS(tests));
}
