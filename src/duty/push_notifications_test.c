/* push_notifications_test: what is sent, once; what comes of each answer; who may send. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"
#include "push_support.h"

#include "base/limits_push.h"
#include "db/fault.h"
#include "model/email.h"
#include "model/push_origin.h"
#include "duty/push_wire.h"

#define ROLE   "push-notifications"
#define MINUTE 60000
#define TASKS  "SELECT count(*) FROM task WHERE role = 'push-notifications'"

typedef struct {
    PushService service;
    DutySettings settings;
    DutyLane lane;
    Db *db;
    int64_t account, id;
    char *url;
} Scene;

static void scene_start(Scene *scene, TestStore *store, bool private)
{
    memset(scene, 0, sizeof *scene);
    push_service_start(&scene->service);
    scene->db = store->db;
    scene->settings =
        (DutySettings){.push_attempts = 3,
                       .push_attempts_interval_ms = MINUTE,
                       .push_retry_interval_ms = 60 * MINUTE,
                       .push = push_wire_new(&(PushWireConfig){
                           .allow_private = private, .contact = "mailto:ada@example.org"})};
    duty_lane_init_more(&scene->lane, store, ROLE, &scene->settings,
                        &(DutyLaneMore){.node = 1, .lease_ms = 100000000});
    scene->account = model_account(scene->db, "ada@example.org", 0);
    scene->url = g_strdup_printf("http://127.0.0.1:%u/ada", scene->service.port);
    scene->id = push_subscribe(scene->db, scene->account, scene->url, NULL);
    purge_exec(scene->db, "DELETE FROM task");
}

static void scene_stop(Scene *scene)
{
    duty_lane_clear(&scene->lane);
    push_wire_free(scene->settings.push);
    push_service_stop(&scene->service);
    g_free(scene->url);
}

/* One run of what is due. */
static void step(Scene *scene)
{
    for (unsigned i = 0; i < 3; i++)
        duty_lane_step(&scene->lane);
}

/* All that waits is due. */
static void let_time_pass(Scene *scene)
{
    purge_exec(scene->db,
               "UPDATE push_subscription SET next_at = 0, sending_at = 0, pushed_at = 0");
    purge_exec(scene->db, "UPDATE push_origin SET open_until = 1 WHERE open_until > 0");
    purge_exec(scene->db, "UPDATE task SET due_at = 0");
}

static void deliver(Scene *scene)
{
    static unsigned number;
    g_autofree char *key = g_strdup_printf("letter %u", number++);
    g_autoptr(Letter) letter = model_letter("", NULL, "test", key);
    Delivery delivery = {.letter = letter, .account = scene->account, .key = key};
    Delivered delivered;
    assert_true(deliver_many(scene->db, &delivery, 1, &delivered, NULL));
}

static int64_t column(Scene *scene, const char *name)
{
    g_autofree char *sql = g_strdup_printf("SELECT %s FROM push_subscription", name);
    return model_count(scene->db, sql);
}

static void one_state_is_pushed_once(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    deliver(&scene);
    deliver(&scene);
    assert_int_equal(model_count(scene.db, TASKS), 1);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1);
    assert_int_equal(model_count(scene.db, TASKS), 0);
    g_autofree char *push = push_service_last(&scene.service);
    int64_t seq = model_count(scene.db, "SELECT change_seq FROM account");
    g_autofree char *want =
        g_strdup_printf("\r\n\r\n{\"@type\":\"StateChange\",\"changed\":{\"a%d\":{\"Email\":\"%d\","
                        "\"EmailDelivery\":\"%d\",\"Mailbox\":\"%d\",\"Thread\":\"%d\"}}}",
                        (int)scene.account, (int)seq, (int)seq, (int)seq, (int)seq);
    assert_true(g_str_has_suffix(push, want));
    static const char *const heads[] = {
        "POST /ada HTTP/1.1\r\n", "Authorization: vapid t=eyJ",
        "TTL: 2419200\r\n",       "Topic: state\r\n",
        "Urgency: normal\r\n",    "Content-Type: application/json\r\n"};
    for (size_t i = 0; i < G_N_ELEMENTS(heads); i++)
        assert_non_null(strstr(push, heads[i]));
    assert_int_equal(column(&scene, "pushes"), 1);
    assert_int_equal(column(&scene, "pushed_seq"), seq);
    /* Asked again without a change: nothing. */
    assert_true(db_begin(scene.db, DB_WRITE, NULL));
    assert_true(
        subscription_change(scene.db, scene.account, scene.id, &(SubscriptionChange){0}, NULL));
    assert_int_equal(db_commit(scene.db, NULL), DB_DONE);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1);
    scene_stop(&scene);
}

static void a_code_is_pushed_first(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    GError *error = NULL;
    int64_t id = 0;
    SubscriptionNew new = {.device = "new", .url = scene.url, .allow_private = true};
    assert_true(db_begin(scene.db, DB_WRITE, &error));
    assert_true(subscription_add(scene.db, scene.account, &new, &id, &error));
    assert_int_equal(db_commit(scene.db, &error), DB_DONE);
    deliver(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1);
    g_autofree char *push = push_service_last(&scene.service);
    assert_non_null(strstr(push, "\"@type\":\"PushVerification\",\"pushSubscriptionId\":\"P"));
    assert_non_null(strstr(push, "Topic: verify\r\n"));
    assert_int_equal(column(&scene, "stage"), SUBSCRIPTION_ASKED);
    deliver(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1); /* not before it is said back */
    g_autofree char *code = g_strdup(strstr(push, "verificationCode\":\"") + 19);
    *strchr(code, '"') = '\0';
    assert_true(db_begin(scene.db, DB_WRITE, &error));
    assert_true(subscription_change(scene.db, scene.account, id,
                                    &(SubscriptionChange){.code = code}, &error));
    assert_int_equal(db_commit(scene.db, &error), DB_DONE);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 2); /* what has changed since */
    scene_stop(&scene);
}

static void changes_in_a_second_are_one_push(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    scene.settings.push_throttle_ms = 3600000;
    for (unsigned i = 0; i < 5; i++) {
        deliver(&scene);
        step(&scene);
    }
    assert_int_equal(push_service_count(&scene.service), 1);
    assert_int_equal(model_count(scene.db, TASKS), 1);
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 2);
    assert_int_equal(column(&scene, "pushed_seq"),
                     model_count(scene.db, "SELECT change_seq FROM account"));
    scene_stop(&scene);
}

static void types_choose(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    purge_exec(scene.db, "UPDATE push_subscription SET types = ' EmailDelivery '");
    deliver(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1);
    g_autofree char *push = push_service_last(&scene.service);
    assert_non_null(strstr(push, ":{\"EmailDelivery\":\""));
    assert_true(db_begin(scene.db, DB_WRITE, NULL));
    assert_true(email_set_keyword(scene.db, scene.account, 1, "$seen", true, NULL));
    assert_int_equal(db_commit(scene.db, NULL), DB_DONE);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1);
    scene_stop(&scene);
}

static const struct {
    const char *answer;
    bool tried, stays, unknown;
    int64_t status, wait_ms;
} answers[] = {
    {"200 OK", false, true, false, 200, 0},
    {"204 No", false, true, false, 204, 0},
    {"404 No", false, false, false, 0, 0},
    {"410 Gone", false, false, false, 0, 0},
    {"400 Bad", true, true, false, 400, MINUTE},
    {"301 There\r\nLocation: /other", true, true, false, 301, MINUTE},
    {"413 Large", true, true, false, 413, MINUTE},
    {"429 Slow\r\nRetry-After: 7", true, true, false, 429, 7000},
    {"429 Slow\r\nRetry-After: soon", true, true, false, 429, MINUTE},
    {"429 Slow\r\nRetry-After: 999999999999", true, true, false, 429, 24 * 3600000},
    {"500 No\r\nRetry-After: 7", true, true, false, 500, MINUTE},
    {"503 No\r\nRetry-After: 7", true, true, false, 503, 7000},
    {"die", true, true, true, 0, MINUTE},
};

/* The store's clock is read twice by one statement, and may have moved between. */
static bool is_about(int64_t got, int64_t want)
{
    return got > want - 1000 && got < want + 1000;
}

static void each_answer_has_its_end(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        Scene scene;
        purge_exec(((TestStore *)*state)->db, "DELETE FROM member");
        purge_exec(((TestStore *)*state)->db, "DELETE FROM push_origin");
        scene_start(&scene, *state, true);
        push_service_answer(&scene.service, answers[i].answer);
        deliver(&scene);
        step(&scene);
        assert_int_equal(push_service_count(&scene.service), 1);
        if (column(&scene, "count(*)") != answers[i].stays ||
            model_count(scene.db, TASKS) != answers[i].tried)
            fail_msg("%s: stays %d", answers[i].answer, (int)column(&scene, "count(*)"));
        if (answers[i].stays) {
            assert_int_equal(column(&scene, "last_status"), answers[i].status);
            assert_int_equal(column(&scene, "sending_seq") != 0, answers[i].unknown);
            assert_int_equal(column(&scene, "failures"), answers[i].tried);
            int64_t wait = column(&scene, "next_at - last_at");
            assert_true(!answers[i].tried || is_about(wait, answers[i].wait_ms));
        }
        if (answers[i].tried) {
            int64_t left = model_count(
                scene.db, "SELECT due_at - rota_now() FROM task WHERE role = '" ROLE "'");
            if (left > answers[i].wait_ms + 1000 || left < answers[i].wait_ms - 10000)
                fail_msg("%s: due in %d ms", answers[i].answer, (int)left);
        }
        push_service_answer(&scene.service, "201 Created");
        let_time_pass(&scene);
        step(&scene);
        assert_int_equal(push_service_count(&scene.service), 1 + answers[i].tried);
        if (answers[i].stays) {
            assert_int_equal(column(&scene, "repeats"), answers[i].unknown);
            assert_int_equal(column(&scene, "pushed_seq"),
                             model_count(scene.db, "SELECT change_seq FROM account"));
        }
        purge_exec(scene.db, "DELETE FROM push_subscription");
        purge_exec(scene.db, "UPDATE account SET address = id || 'x', subscribers = 0");
        purge_exec(scene.db, "DELETE FROM alias");
        purge_exec(scene.db, "UPDATE account SET id = id + 1000, change_seq = 0");
        purge_exec(scene.db, "DELETE FROM account");
        purge_exec(scene.db, "DELETE FROM task");
        scene_stop(&scene);
    }
}

static void after_some_attempts_it_rests(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    push_service_answer(&scene.service, "400 Bad");
    deliver(&scene);
    for (unsigned i = 1; i <= 4; i++) {
        step(&scene);
        assert_int_equal(push_service_count(&scene.service), i);
        assert_true(is_about(column(&scene, "next_at - last_at"), i < 3 ? MINUTE : 60 * MINUTE));
        step(&scene);
        assert_int_equal(push_service_count(&scene.service), i); /* not before */
        let_time_pass(&scene);
    }
    scene_stop(&scene);
}

static void what_was_perhaps_sent(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    deliver(&scene);
    /* A node noted it and died. */
    int64_t seq = model_count(scene.db, "SELECT change_seq FROM account");
    purge_exec(scene.db, "UPDATE push_subscription SET sending_seq = %d, sending_at = rota_now()",
               (int)seq);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 0); /* it may be in flight */
    assert_int_equal(model_count(scene.db, TASKS), 1);
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 1);
    assert_int_equal(column(&scene, "repeats"), 1);
    /* Another, and there is a newer state: that alone is sent. */
    deliver(&scene);
    purge_exec(scene.db, "UPDATE push_subscription SET sending_seq = %d", (int)seq + 1);
    deliver(&scene);
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 2);
    assert_int_equal(column(&scene, "repeats"), 1);
    assert_int_equal(column(&scene, "pushed_seq"), seq + 2);
    scene_stop(&scene);
}

static void private_addresses_get_nothing(void **state)
{
    Scene scene;
    scene_start(&scene, *state, false);
    deliver(&scene);
    step(&scene);
    purge_exec(scene.db, "UPDATE push_subscription SET url = 'https://127.0.0.1:%u/ada'",
               scene.service.port);
    let_time_pass(&scene);
    step(&scene);
    purge_exec(scene.db, "UPDATE push_subscription SET url = 'https://localhost:%u/ada'",
               scene.service.port);
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 0);
    assert_int_equal(column(&scene, "failures"), 3);
    assert_int_equal(model_count(scene.db, "SELECT count(*) FROM push_subscription WHERE "
                                           "last_error LIKE '%not a public one%'"),
                     1);
    assert_int_equal(column(&scene, "sending_seq"), 0);
    scene_stop(&scene);
}

static void a_push_service_rests_for_all(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    push_service_answer(&scene.service, "500 No");
    for (unsigned i = 1; i < PUSH_ORIGIN_FAILURES + 2; i++) {
        g_autofree char *url = g_strdup_printf("%s%u", scene.url, i);
        push_subscribe(scene.db, scene.account, url, NULL);
    }
    unsigned all = PUSH_ORIGIN_FAILURES + 2;
    deliver(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), all);
    assert_true(model_count(scene.db, "SELECT open_until - rota_now() FROM push_origin") > 0);
    purge_exec(scene.db, "UPDATE push_subscription SET next_at = 0");
    purge_exec(scene.db, "UPDATE task SET due_at = 0");
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), all); /* it rests */
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), all + 1); /* one tries */
    push_service_answer(&scene.service, "201 Created");
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), all + 2);
    assert_int_equal(model_count(scene.db, "SELECT count(*) FROM push_origin"), 0);
    let_time_pass(&scene);
    step(&scene);
    assert_int_equal(push_service_count(&scene.service), 2 * all + 1);
    scene_stop(&scene);
}

/* Fault number n at the store's door, for n = 1, 2, …: each state is pushed at most once but where
 * it is counted, and the last one is. */
static Fault fault_at(FaultPoint point, uint64_t call, void *data)
{
    (void)point;
    struct {
        uint64_t number;
        Fault fault;
        bool met;
    } *at = data;
    if (call != at->number)
        return FAULT_NONE;
    at->met = true;
    return at->fault;
}

static void fails_anywhere(void **state, Fault fault)
{
    struct {
        uint64_t number;
        Fault fault;
        bool met;
    } at = {0, fault, true};
    Scene scene;
    scene_start(&scene, *state, true);
    Db *behind = test_store_open(*state);
    for (unsigned n = 1; at.met && n < 200; n++) {
        unsigned before = push_service_count(&scene.service);
        int64_t repeats = column(&scene, "repeats");
        deliver(&scene);
        at.number = n;
        at.met = false;
        duty_lane_restart(&scene.lane, db_open_fault(behind, fault_at, &at));
        for (unsigned i = 0; i < 20 && model_count(scene.db, TASKS); i++) {
            let_time_pass(&scene);
            duty_lane_step(&scene.lane);
        }
        unsigned sent = push_service_count(&scene.service) - before;
        assert_int_equal(model_count(scene.db, TASKS), 0);
        assert_int_equal(column(&scene, "pushed_seq"),
                         model_count(scene.db, "SELECT change_seq FROM account"));
        if (sent < 1 || sent > 1 + column(&scene, "repeats") - repeats)
            fail_msg("fault %u: %u pushes, %d counted", n, sent,
                     (int)(column(&scene, "repeats") - repeats));
        if (!at.met)
            assert_true(n > 10);
    }
    assert_false(at.met);
    scene_stop(&scene);
    db_close(behind);
}

static void a_lost_connection_anywhere(void **state)
{
    fails_anywhere(state, FAULT_RETRY);
}

static void a_commit_that_was_done_unheard(void **state)
{
    fails_anywhere(state, FAULT_UNKNOWN_DONE);
}

/* A store that fails again and again buries nobody's task. */
static Fault fail_at_pushes(FaultPoint point, uint64_t call, void *data)
{
    (void)call;
    /* Each run begins with a look, after the claim's commit. */
    unsigned *begun = data;
    *begun += point == FAULT_POINT_BEGIN;
    return point == FAULT_POINT_BEGIN && *begun % 2 == 0 && *begun < 20 ? FAULT_RETRY : FAULT_NONE;
}

static void a_bad_store_buries_nothing(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    Db *behind = test_store_open(*state);
    unsigned begun = 0;
    int64_t attempts = 0;
    deliver(&scene);
    duty_lane_restart(&scene.lane, db_open_fault(behind, fail_at_pushes, &begun));
    for (unsigned i = 0; i < 100 && model_count(scene.db, TASKS); i++) {
        let_time_pass(&scene);
        duty_lane_step(&scene.lane);
        int64_t now = model_count(
            scene.db, "SELECT coalesce(max(attempts), 0) FROM task WHERE role = '" ROLE "'");
        attempts = MAX(attempts, now);
    }
    assert_int_equal(model_count(scene.db, "SELECT count(*) FROM dead_letter"), 0);
    assert_true(attempts > 3);
    assert_int_equal(push_service_count(&scene.service), 1);
    scene_stop(&scene);
    db_close(behind);
}

static void who_lost_the_lease_sends_nothing(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    deliver(&scene);
    clock_manual_advance(&scene.lane.clock, INT64_C(100000000) * 1000);
    worker_step(scene.lane.worker);
    assert_int_equal(push_service_count(&scene.service), 0);
    scene_stop(&scene);
}

/* The lane's clock, which leaps over the end of the lease once the outbox is committed: as after a
 * SIGSTOP. */
static struct {
    ClockManual *manual;
    Db *db;
    unsigned commits;
} leap;

static int64_t leaping_us(const Clock *clock)
{
    (void)clock;
    bool noted = leap.commits >= 2 && !db_in_transaction(leap.db);
    return leap.manual->monotonic + (noted ? INT64_C(200000000) * 1000 : 0);
}

static Fault count_commits(FaultPoint point, uint64_t call, void *data)
{
    (void)call;
    (void)data;
    leap.commits += point == FAULT_POINT_COMMIT; /* of the claim, then of the outbox */
    return FAULT_NONE;
}

static void who_was_stopped_sends_nothing(void **state)
{
    Scene scene;
    scene_start(&scene, *state, true);
    deliver(&scene);
    step(&scene); /* the cluster's key is made */
    deliver(&scene);
    purge_exec(scene.db, "UPDATE push_subscription SET pushed_at = 0");
    Db *behind = test_store_open(*state), *door = db_open_fault(behind, count_commits, NULL);
    duty_lane_restart(&scene.lane, door);
    leap.manual = &scene.lane.clock;
    leap.db = door;
    leap.commits = 0;
    scene.lane.clock.clock.monotonic_us = leaping_us;
    for (unsigned i = 0; i < 3; i++)
        worker_step(scene.lane.worker);
    assert_true(leap.commits >= 2);
    assert_true(column(&scene, "sending_seq") > 0); /* it was about to */
    assert_int_equal(push_service_count(&scene.service), 1);
    leap.commits = 0;
    scene_stop(&scene);
    db_close(behind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_state_is_pushed_once),
        cmocka_unit_test(a_code_is_pushed_first),
        cmocka_unit_test(changes_in_a_second_are_one_push),
        cmocka_unit_test(types_choose),
        cmocka_unit_test(each_answer_has_its_end),
        cmocka_unit_test(after_some_attempts_it_rests),
        cmocka_unit_test(what_was_perhaps_sent),
        cmocka_unit_test(private_addresses_get_nothing),
        cmocka_unit_test(a_push_service_rests_for_all),
        cmocka_unit_test(a_lost_connection_anywhere),
        cmocka_unit_test(a_commit_that_was_done_unheard),
        cmocka_unit_test(a_bad_store_buries_nothing),
        cmocka_unit_test(who_lost_the_lease_sends_nothing),
        cmocka_unit_test(who_was_stopped_sends_nothing),
    };
    return test_on_both_stores("push_notifications", tests, G_N_ELEMENTS(tests));
}
