/* acme_trouble_test: a CA that is not well, for an hour: how often it is asked, that what is served
 * goes on being served, that the operator sees why, and that one order ends it once it is well.
 * And renewal information (RFC 9773) that is nonsense.
 *
 * The hour passes by moving the role's rows back in time, from one due task to the next; rounds
 * come as often as they like.
 */
#include "acme_scene_test.h"

#include <string.h>

#include "base/limits_acme.h"
#include "content/chain.h"

#define ROLE "acme.renew"
#define DAY  INT64_C(86400000)
#define HOUR INT64_C(3600000)

/* ---------------------------------------------------------------- an hour of trouble */

typedef struct {
    const char *name;
    CaFaults bad;
    const char *problem; /* that is shown; "": it is only waited for */
    unsigned failures;   /* at most, and at least one where there is a problem */
    unsigned requests;   /* at most, in the hour */
    unsigned orders;     /* at most, in the hour */
    unsigned after;      /* orders that it takes once the CA is well */
} Trouble;

static const Trouble troubles[] = {
    {"503", {.status = 503}, "serverInternal", 7, 21, 0, 1},
    {"503, ten minutes", {.status = 503, .retry_after = "600"}, "serverInternal", 6, 18, 0, 1},
    {"503, an hour", {.status = 503, .retry_after = "3600"}, "serverInternal", 2, 6, 0, 1},
    {"503, for ever", {.status = 503, .retry_after = "99999999999"}, "serverInternal", 1, 3, 0, 1},
    {"503, nonsense", {.status = 503, .retry_after = "soon"}, "serverInternal", 7, 21, 0, 1},
    {"503, by a date of 2037",
     {.status = 503, .retry_after = "Wed, 21 Oct 2037 07:28:00 GMT"},
     "serverInternal",
     1,
     3,
     0,
     1},
    {"503, directory too", {.status = 503, .everywhere = true}, "serverInternal", 7, 14, 0, 1},
    {"429", {.status = 429}, "rateLimited", 7, 21, 0, 1},
    {"429, two hours", {.status = 429, .retry_after = "7200"}, "rateLimited", 1, 3, 0, 1},
    {"HTML", {.nonsense = true}, "no nonce|JSON|called", 7, 21, 0, 1},
    {"a directory of HTML", {.lie_path = "/directory", .lie = "<html>"}, "directory", 7, 7, 0, 1},
    {"an empty directory", {.lie_path = "/directory", .lie = "{}"}, "newNonce", 7, 7, 0, 1},
    {"an account forgotten", {.forgets_account = true}, "", 0, 40, 1, 0},
    {"no order", {.lie_path = "/order/", .lie = "[]"}, "order", 7, 40, 1, 0},
    {"an order of its own kind",
     {.lie_path = "/order/", .lie = "{\"status\":\"splendid\"}"},
     "order",
     7,
     40,
     1,
     0},
    {"no authorisation", {.lie_path = "/authorization/", .lie = ""}, "authorization", 7, 40, 1, 0},
    {"no certificate", {.lie_path = "/certificate/", .lie = "PEM"}, "certificate", 7, 40, 1, 0},
    {"another's certificate", {.more_names = "DNS:a.example"}, "not for", 5, 90, 5, 1},
    {"a certificate of tomorrow", {.begins_ms = DAY}, "in force", 5, 90, 5, 1},
    {"orders forgotten", {.forgets = true}, "malformed", 5, 30, 5, 1},
    {"a challenge refused", {.refuses = true}, "not what was expected", 5, 60, 5, 1},
    {"a challenge never looked at", {.never_ends = true}, "", 0, 80, 1, 0},
    {"a certificate never made", {.never_issues = true}, "", 0, 80, 1, 0},
    {"every second nonce refused", {.nonce_reject = 2}, "", 0, 40, 1, 0},
};

static void assert_problem(const Certificate *row, const Trouble *trouble)
{
    g_auto(GStrv) any = g_strsplit(trouble->problem, "|", -1);
    for (char **word = any; *word; word++)
        if (strstr(row->problem, *word))
            return;
    fail_msg("%s: the problem is %s", trouble->name, row->problem);
}

/* How long until something is due; at least a second. */
static int64_t until_due(Db *db)
{
    int64_t wait =
        model_count(db, "SELECT coalesce(min(due_at), rota_now() + 600000) - rota_now() FROM task");
    return CLAMP(wait, 1000, 600000);
}

static void pass_hour(AcmeScene *scene)
{
    Db *db = scene->store->db;
    for (int64_t passed = 0; passed < HOUR;) {
        for (unsigned step = 0; step < 3; step++)
            duty_lane_step(&scene->lane);
        int64_t wait = MIN(until_due(db), HOUR - passed);
        acme_pass_time(db, wait);
        passed += wait;
        purge_ask_round(db, ROLE, NULL);
    }
}

/* What is wrong with the hour; NULL: nothing. The caller frees it. */
static char *judge(const AcmeScene *scene, const Trouble *trouble, unsigned requests,
                   unsigned orders)
{
    g_auto(Certificate) row = {.name = NULL};
    acme_read_row(scene->store->db, &row);
    unsigned asked = scene->ca->requests - requests, made = scene->ca->count - orders;
    bool fails = *trouble->problem;
    print_message("# %s: %u requests, %u orders, %d failures\n", trouble->name, asked, made,
                  (int)row.failures);
    if (asked > trouble->requests || made > trouble->orders || row.failures > trouble->failures ||
        (fails && row.failures == 0))
        return g_strdup_printf("%u requests, %u orders, %d failures", asked, made,
                               (int)row.failures);
    if (fails)
        assert_problem(&row, trouble);
    return NULL;
}

static void one_trouble(TestStore *store, const Trouble *trouble)
{
    AcmeScene scene;
    static const char *const tables[] = {"member", "certificate", "acme_account", "task",
                                         "expiring"};
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) /* the one before */
        purge_exec(store->db, "DELETE FROM %s", tables[i]);
    Db *db = acme_scene_init_with_one(&scene, store);
    g_auto(Certificate) before = {.name = NULL}, during = {.name = NULL};
    acme_read_row(db, &before);
    unsigned requests = scene.ca->requests, orders = scene.ca->count;
    acme_ask_renewal(db);
    scene.ca->bad = trouble->bad;
    pass_hour(&scene);
    g_autofree char *wrong = judge(&scene, trouble, requests, orders);
    if (wrong)
        fail_msg("%s: %s", trouble->name, wrong);
    acme_read_row(db, &during);
    if (trouble->problem[0] || during.version == 1)
        assert_string_equal(during.chain, before.chain);
    orders = scene.ca->count;
    scene.ca->bad = (CaFaults){0};
    acme_work(&scene, 60);
    acme_assert_serves(db);
    if (acme_version(db) != 2 || scene.ca->count - orders != trouble->after)
        fail_msg("%s: %u orders once it is well, version %d", trouble->name,
                 scene.ca->count - orders, (int)acme_version(db));
    assert_int_equal(model_count(db, "SELECT count(*) FROM dead_letter"), 0);
    acme_scene_clear(&scene);
}

static void troubles_of_an_hour(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(troubles); i++)
        one_trouble(*state, &troubles[i]);
}

static void waits_longer_each_time(void **state)
{
    AcmeScene scene;
    acme_scene_init(&scene, *state);
    Db *db = scene.store->db;
    scene.ca->bad.nonsense = true;
    acme_enqueue(db);
    int64_t before = 0;
    for (unsigned i = 0; i < 12; i++) {
        int64_t failures = i + 1;
        for (unsigned step = 0; step < 50; step++) {
            g_auto(Certificate) row = {.name = NULL};
            acme_read_row(db, &row);
            if (row.failures == failures)
                break;
            acme_hurry(db);
            duty_lane_step(&scene.lane);
        }
        g_auto(Certificate) row = {.name = NULL};
        acme_read_row(db, &row);
        assert_int_equal(row.failures, failures);
        int64_t wait = row.next_at - row.failed_at;
        assert_true(wait <= ACME_RETRY_MAX_MS && wait > before / 2);
        before = wait;
    }
    assert_true(before > ACME_RETRY_MAX_MS / 2);
    assert_int_equal(model_count(db, "SELECT count(*) FROM dead_letter"), 0);
    acme_scene_clear(&scene);
}

static void steps(AcmeScene *scene, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        acme_hurry(scene->store->db);
        duty_lane_step(&scene->lane);
    }
}

static void a_new_order_where_the_old_is_forgotten(void **state)
{
    AcmeScene scene;
    acme_scene_init(&scene, *state);
    Db *db = scene.store->db;
    scene.ca->bad.never_ends = true;
    acme_enqueue(db);
    steps(&scene, 3);
    g_auto(Certificate) row = {.name = NULL};
    acme_read_row(db, &row);
    assert_string_equal(row.step, "authorise");
    assert_int_equal(scene.ca->count, 1);
    scene.ca->bad.forgets = true;
    steps(&scene, 1);
    scene.ca->bad = (CaFaults){0};
    acme_work(&scene, 60);
    assert_int_equal(scene.ca->count, 2);
    acme_assert_serves(db);
    /* One that never ends is given up after a day. */
    scene.ca->bad.never_ends = true;
    acme_ask_renewal(db);
    steps(&scene, 4);
    assert_int_equal(scene.ca->count, 3);
    purge_exec(db, "UPDATE certificate SET order_at = order_at - %d", (int)ACME_ORDER_MS + 1000);
    steps(&scene, 4);
    assert_int_equal(scene.ca->count, 4);
    g_auto(Certificate) late = {.name = NULL};
    acme_read_row(db, &late);
    assert_int_equal(late.failures, 1);
    assert_non_null(strstr(late.problem, "did not come to its end in 24 hours"));
    scene.ca->bad = (CaFaults){0};
    acme_work(&scene, 60);
    acme_assert_serves(db);
    acme_scene_clear(&scene);
}

/* ---------------------------------------------------------------- renewal information */

typedef struct {
    const char *name;
    CaFaults bad;
} Nonsense;

#define INFO(text)                                                                                 \
    {                                                                                              \
        .lie_path = "/info/", .lie = text                                                          \
    }
static const Nonsense nonsense[] = {
    {"nothing", INFO("")},
    {"HTML", INFO("<html>")},
    {"a list", INFO("[]")},
    {"no window", INFO("{}")},
    {"no end", INFO("{\"suggestedWindow\":{\"start\":\"2026-01-01T00:00:00Z\"}}")},
    {"numbers", INFO("{\"suggestedWindow\":{\"start\":1,\"end\":2}}")},
    {"backwards", INFO("{\"suggestedWindow\":{\"start\":\"2026-02-01T00:00:00Z\","
                       "\"end\":\"2026-01-01T00:00:00Z\"}}")},
    {"before 1970", INFO("{\"suggestedWindow\":{\"start\":\"1901-02-01T00:00:00Z\","
                         "\"end\":\"1902-01-01T00:00:00Z\"}}")},
    {"words", INFO("{\"suggestedWindow\":{\"start\":\"now\",\"end\":\"then\"}}")},
    {"429", {.status = 429}},
    {"503, a day", {.status = 503, .retry_after = "86400"}},
};

static void next_round(AcmeScene *scene)
{
    purge_ask_round(scene->store->db, ROLE, NULL);
    for (unsigned step = 0; step < 4; step++)
        duty_lane_step(&scene->lane);
}

/* It changes nothing: the age decides, it is no failure, and it is not asked again for six hours,
 * or longer where the CA says so. */
static void information_that_is_nonsense(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    acme_pass_time(db, DAY);
    for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        g_auto(Certificate) before = {.name = NULL}, row = {.name = NULL};
        bool long_wait = nonsense[i].bad.retry_after != NULL;
        scene.ca->bad = nonsense[i].bad;
        purge_exec(db, "UPDATE certificate SET info_at = 0");
        acme_read_row(db, &before);
        next_round(&scene);
        unsigned requests = scene.ca->requests;
        for (unsigned round = 0; round < 5; round++)
            next_round(&scene);
        acme_read_row(db, &row);
        if (row.renew_at != before.renew_at || row.failures != 0 || *row.problem ||
            row.version != 1 || scene.ca->count != 1)
            fail_msg("%s: renewed at %d s from before, %d failures, version %d", nonsense[i].name,
                     (int)((row.renew_at - before.renew_at) / 1000), (int)row.failures,
                     (int)row.version);
        int64_t wait = row.info_at - row.now, least = long_wait ? DAY : 6 * HOUR;
        if (scene.ca->requests != requests || wait < least - 60000 || wait > least)
            fail_msg("%s: asked again after %u requests, %d s", nonsense[i].name,
                     scene.ca->requests - requests, (int)(wait / 1000));
    }
    acme_scene_clear(&scene);
}

/* A CA that wants each certificate back at once, for ever: a few orders a day. */
static void a_window_that_is_always_past(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    for (int64_t passed = 0; passed < DAY; passed += HOUR / 2) {
        int64_t now = clock_wall_ms(clock_real());
        scene.ca->window_start = now - 2 * DAY;
        scene.ca->window_end = now - DAY;
        purge_ask_round(db, ROLE, NULL);
        acme_work(&scene, 40);
        acme_pass_time(db, HOUR / 2);
    }
    acme_assert_serves(db);
    print_message("# %u orders in a day\n", scene.ca->count);
    assert_in_range(scene.ca->count, 3, 6);
    acme_scene_clear(&scene);
}

/* A window that is far away does not keep a certificate beyond its end. */
static void a_window_after_the_end(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    g_auto(Certificate) row = {.name = NULL};
    int64_t now = clock_wall_ms(clock_real());
    scene.ca->window_start = now + 1000 * DAY;
    scene.ca->window_end = now + 2000 * DAY;
    next_round(&scene);
    acme_read_row(db, &row);
    assert_true(row.renew_at < row.not_after - 4 * DAY && row.renew_at > row.not_after - 5 * DAY);
    acme_scene_clear(&scene);
}

/* The CA knows the certificate before as replaced already: the order is made without saying it. */
static void replaced_before(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    scene.ca->bad.refuses_replaces = true;
    acme_ask_renewal(db);
    acme_work(&scene, 40);
    assert_int_equal(scene.ca->count, 2);
    assert_null(scene.ca->orders[1].replaces);
    acme_assert_serves(db);
    scene.ca->bad.refuses_replaces = false;
    acme_ask_renewal(db);
    acme_work(&scene, 40);
    g_auto(Certificate) row = {.name = NULL};
    acme_read_row(db, &row);
    assert_non_null(scene.ca->orders[2].replaces);
    acme_scene_clear(&scene);
}

/* A CA that puts another name into what it issues is not asked for a new one at each round. */
static void more_names_than_asked_for(void **state)
{
    AcmeScene scene;
    acme_scene_init(&scene, *state);
    Db *db = scene.store->db;
    scene.ca->bad.more_names = "DNS:mail.example.org,DNS:www.mail.example.org";
    acme_enqueue(db);
    acme_work(&scene, 40);
    acme_assert_serves(db);
    for (unsigned round = 0; round < 5; round++)
        next_round(&scene);
    assert_int_equal(scene.ca->count, 1);
    acme_scene_clear(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(troubles_of_an_hour),
        cmocka_unit_test(waits_longer_each_time),
        cmocka_unit_test(a_new_order_where_the_old_is_forgotten),
        cmocka_unit_test(information_that_is_nonsense),
        cmocka_unit_test(a_window_that_is_always_past),
        cmocka_unit_test(a_window_after_the_end),
        cmocka_unit_test(replaced_before),
        cmocka_unit_test(more_names_than_asked_for),
    };
    return test_on_both_stores("acme_trouble", tests, G_N_ELEMENTS(tests));
}
