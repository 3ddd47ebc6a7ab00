/* acme_renew_test: orders against a stand-in CA: killed at every step, refused, kept waiting, asked
 * to come later; renewal by age and by the CA's information.
 *
 * Death is at every call of the store's door, before every request and between every request and
 * its answer: from there on nothing reaches the store or the CA, until another claims the task. So
 * one order, one certificate and no lost key is what must come out, wherever that was.
 */
#include <string.h>

#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"

#include "acme_ca_test.h"
#include "base/limits_acme.h"
#include "content/chain.h"
#include "content/private_key.h"
#include "db/fault.h"
#include "duty/acme_order.h"
#include "model/certificate.h"

#define ROLE "acme.renew"
#define DAY  INT64_C(86400000)

static char *no_texts[] = {NULL};
static char *domains[] = {"mail.example.org", NULL};
static AcmeDuty duty = {
    .name = "mail",
    .directory = "https://ca.example/directory",
    .ca_file = "",
    .contact = no_texts,
    .domains = domains,
    .renew_before_ms = 30 * DAY,
    .eab_kid = "",
    .eab_key = "",
    .issuer = "",
    .host = "",
    .tsig_key = "",
    .tsig_secret = "",
    .export_folder = "",
    .export_nodes = no_texts,
    .deploy_hook = no_texts,
};
static AcmeDoor door;
static DutySettings settings = {.certificates = &duty, .certificate_count = 1, .door = &door};

typedef struct {
    TestStore *store;
    Ca *ca;
    DutyLane lane;
} Scene;

static void scene_init(Scene *scene, TestStore *store)
{
    *scene = (Scene){.store = store, .ca = ca_new()};
    seal_init(&settings.seal, "0123456789abcdef0123456789abcdef", "");
    door = (AcmeDoor){ca_fetch, scene->ca};
    duty_lane_init_more(&scene->lane, store, ROLE, &settings,
                        &(DutyLaneMore){.node = 1, .lease_ms = 100000000});
}

static void scene_clear(Scene *scene)
{
    duty_lane_clear(&scene->lane);
    ca_free(scene->ca);
}

static void enqueue(Db *db)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(certificate_enqueue(db, "mail", NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void read_row(Db *db, Certificate *ret)
{
    assert_true(db_begin(db, DB_READ, NULL));
    assert_true(certificate_read(db, "mail", ret, NULL));
    db_rollback(db);
}

static int64_t version(Db *db)
{
    g_auto(Certificate) row = {.name = NULL};
    read_row(db, &row);
    return row.version;
}

/* What waits is due now: the test does not sit out back-offs. */
static void hurry(Db *db)
{
    purge_exec(db, "UPDATE task SET due_at = rota_now() WHERE owner = 0");
    purge_exec(db, "UPDATE certificate SET next_at = 0");
}

static bool has_task(Db *db)
{
    return model_count(db, "SELECT count(*) FROM task WHERE role = '" ROLE "'") > 0;
}

static void work(Scene *scene, unsigned limit)
{
    Db *db = scene->lane.node_db;
    for (unsigned step = 0; has_task(db); step++) {
        if (step > limit)
            fail_msg("the order does not end in %u steps", limit);
        hurry(db);
        duty_lane_step(&scene->lane);
    }
}

/* The chain is served with its key: what was stored fits, and opens. */
static void assert_serves(Db *db)
{
    g_auto(Certificate) row = {.name = NULL};
    g_autoptr(GError) error = NULL;
    read_row(db, &row);
    char *key = certificate_open_key(&row, &settings.seal, &error);
    assert_no_error(error);
    g_autoptr(Chain) chain = chain_parse(row.chain, strlen(row.chain), key, &error);
    assert_no_error(error);
    private_key_text_free(key);
    assert_true(chain_covers(chain, "mail.example.org"));
    assert_string_equal(row.step, "");
    assert_string_equal(row.problem, "");
    assert_int_equal(row.failures, 0);
    assert_int_equal(g_bytes_get_size(row.order_key), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM expiring WHERE kind = 'acme-http'"), 0);
}

/* A scene that has its first certificate. */
static Db *scene_init_with_one(Scene *scene, TestStore *store)
{
    scene_init(scene, store);
    enqueue(store->db);
    work(scene, 30);
    return store->db;
}

/* ---------------------------------------------------------------- the way of an order */

static void gets_one(void **state)
{
    Scene scene;
    scene_init(&scene, *state);
    scene.ca->nonce_reject = 3;
    enqueue(scene.store->db);
    work(&scene, 30);
    assert_int_equal(scene.ca->count, 1);
    assert_int_equal(scene.ca->accounts, 1);
    assert_int_equal(scene.ca->challenges, 1);
    assert_serves(scene.store->db);
    assert_int_equal(version(scene.store->db), 1);
    unsigned asked = scene.ca->requests;
    enqueue(scene.store->db); /* not due */
    work(&scene, 5);
    assert_int_equal(scene.ca->count, 1);
    assert_true(scene.ca->requests <= asked + 2); /* directory, renewal information */
    scene_clear(&scene);
}

static void renews_by_age(void **state)
{
    Scene scene;
    Db *db = scene_init_with_one(&scene, *state);
    g_auto(Certificate) row = {.name = NULL};
    read_row(db, &row);
    assert_true(llabs(row.not_after - row.renew_at - 30 * DAY) < 120000);
    purge_exec(db, "UPDATE certificate SET renew_at = rota_now() - 1, info_at = rota_now() + 1000");
    purge_ask_round(db, ROLE, NULL);
    work(&scene, 40);
    assert_int_equal(scene.ca->count, 2);
    assert_non_null(scene.ca->orders[1].replaces); /* RFC 9773 5 */
    assert_int_equal(version(db), 2);
    assert_serves(db);
    scene.ca->life_ms = 6 * DAY; /* a third of a short life */
    purge_exec(db, "UPDATE certificate SET wish = 'renew'");
    enqueue(db);
    work(&scene, 40);
    g_auto(Certificate) short_row = {.name = NULL};
    read_row(db, &short_row);
    assert_true(llabs(short_row.not_after - short_row.renew_at - 2 * DAY) < 120000);
    scene_clear(&scene);
}

static void renews_by_the_cas_information(void **state)
{
    Scene scene;
    Db *db = scene_init_with_one(&scene, *state);
    g_auto(Certificate) row = {.name = NULL};
    read_row(db, &row);
    scene.ca->window_start = row.now + 10 * DAY;
    scene.ca->window_end = row.now + 12 * DAY;
    purge_ask_round(db, ROLE, NULL);
    work(&scene, 10);
    g_auto(Certificate) told = {.name = NULL};
    read_row(db, &told);
    assert_in_range(told.renew_at, scene.ca->window_start, scene.ca->window_end);
    assert_in_range(told.info_at, told.now + 3000000, told.now + 3700000); /* Retry-After */
    assert_int_equal(scene.ca->count, 1);
    /* The CA wants it back: a window that is past. */
    scene.ca->window_start = row.now - 2 * DAY;
    scene.ca->window_end = row.now - DAY;
    purge_exec(db, "UPDATE certificate SET info_at = 0");
    purge_ask_round(db, ROLE, NULL);
    work(&scene, 40);
    assert_int_equal(scene.ca->count, 2);
    assert_serves(db);
    scene_clear(&scene);
}

static void revokes(void **state)
{
    Scene scene;
    Db *db = scene_init_with_one(&scene, *state);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(certificate_set_wish(db, "mail", "revoke", NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    work(&scene, 40);
    assert_int_equal(scene.ca->revoked, 1);
    assert_int_equal(version(db), 2);
    assert_serves(db);
    assert_int_equal(model_count(db, "SELECT count(*) FROM certificate WHERE wish <> ''"), 0);
    scene_clear(&scene);
}

/* ---------------------------------------------------------------- a CA that is not well */

typedef struct {
    const char *name;
    void (*spoil)(Ca *ca);
    void (*mend)(Ca *ca);
    const char *problem; /* that is shown */
    unsigned orders;     /* in all, once it is well */
} Trouble;

static void spoil_503(Ca *ca)
{
    ca->status = 503;
    ca->retry_after = "3600";
}
static void spoil_429(Ca *ca)
{
    ca->status = 429;
    ca->retry_after = "7200";
}
static void spoil_nonsense(Ca *ca)
{
    ca->nonsense = true;
}
static void spoil_refusal(Ca *ca)
{
    ca->refuses = true;
}
static void mend(Ca *ca)
{
    ca->status = 0;
    ca->retry_after = NULL;
    ca->nonsense = ca->refuses = ca->forgets = ca->never_ends = false;
}

static const Trouble troubles[] = {
    {"503 for an hour", spoil_503, mend, "serverInternal", 1},
    {"429 for two", spoil_429, mend, "rateLimited", 1},
    {"nonsense", spoil_nonsense, mend, "no nonce|JSON|called", 1},
    {"a challenge that it refuses", spoil_refusal, mend, "not what was expected", 2},
};

static void assert_problem(const Certificate *row, const Trouble *trouble)
{
    g_auto(GStrv) any = g_strsplit(trouble->problem, "|", -1);
    for (char **word = any; *word; word++)
        if (strstr(row->problem, *word))
            return;
    fail_msg("%s: the problem is %s", trouble->name, row->problem);
}

/* It is left alone: a try, then a wait that only time ends; and the old certificate stays. */
static void backs_off(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(troubles); i++) {
        const Trouble *trouble = &troubles[i];
        Scene scene;
        purge_exec(((TestStore *)*state)->db, "DELETE FROM member"); /* the one before */
        scene_init(&scene, *state);
        Db *db = scene.store->db;
        purge_exec(db, "DELETE FROM certificate");
        purge_exec(db, "DELETE FROM acme_account");
        purge_exec(db, "DELETE FROM task");
        enqueue(db);
        trouble->spoil(scene.ca);
        for (unsigned step = 0; step < 20; step++)
            duty_lane_step(&scene.lane);
        unsigned asked = scene.ca->requests;
        g_auto(Certificate) row = {.name = NULL};
        read_row(db, &row);
        assert_int_equal(row.failures, 1);
        assert_problem(&row, trouble);
        assert_true(row.next_at >= row.now + (scene.ca->retry_after ? 3500000 : 40000));
        for (unsigned step = 0; step < 20; step++) {
            purge_exec(db, "UPDATE task SET due_at = rota_now() WHERE owner = 0");
            duty_lane_step(&scene.lane);
        }
        purge_ask_round(db, ROLE, NULL);
        for (unsigned step = 0; step < 5; step++)
            duty_lane_step(&scene.lane);
        if (scene.ca->requests != asked)
            fail_msg("%s: asked %u times, then %u", trouble->name, asked, scene.ca->requests);
        trouble->mend(scene.ca);
        work(&scene, 60);
        assert_serves(db);
        if (scene.ca->count != trouble->orders)
            fail_msg("%s: %u orders", trouble->name, scene.ca->count);
        scene_clear(&scene);
    }
}

static void waits_longer_each_time(void **state)
{
    Scene scene;
    scene_init(&scene, *state);
    Db *db = scene.store->db;
    scene.ca->nonsense = true;
    enqueue(db);
    int64_t before = 0;
    for (unsigned i = 0; i < 12; i++) {
        int64_t failures = i + 1;
        for (unsigned step = 0; step < 50; step++) {
            g_auto(Certificate) row = {.name = NULL};
            read_row(db, &row);
            if (row.failures == failures)
                break;
            hurry(db);
            duty_lane_step(&scene.lane);
        }
        g_auto(Certificate) row = {.name = NULL};
        read_row(db, &row);
        assert_int_equal(row.failures, failures);
        int64_t wait = row.next_at - row.failed_at;
        assert_true(wait <= ACME_RETRY_MAX_MS && wait > before / 2);
        before = wait;
    }
    assert_true(before > ACME_RETRY_MAX_MS / 2);
    assert_int_equal(model_count(db, "SELECT count(*) FROM dead_letter"), 0);
    scene_clear(&scene);
}

static void steps(Scene *scene, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        hurry(scene->store->db);
        duty_lane_step(&scene->lane);
    }
}

static void a_new_order_where_the_old_is_forgotten(void **state)
{
    Scene scene;
    scene_init(&scene, *state);
    Db *db = scene.store->db;
    scene.ca->never_ends = true;
    enqueue(db);
    steps(&scene, 3);
    g_auto(Certificate) row = {.name = NULL};
    read_row(db, &row);
    assert_string_equal(row.step, "authorise");
    assert_int_equal(scene.ca->count, 1);
    scene.ca->forgets = true;
    steps(&scene, 1);
    mend(scene.ca);
    work(&scene, 60);
    assert_int_equal(scene.ca->count, 2);
    assert_serves(db);
    /* One that never ends is given up after a day. */
    scene.ca->never_ends = true;
    purge_exec(db, "UPDATE certificate SET wish = 'renew'");
    enqueue(db);
    steps(&scene, 4);
    assert_int_equal(scene.ca->count, 3);
    purge_exec(db, "UPDATE certificate SET order_at = order_at - %d", (int)ACME_ORDER_MS + 1000);
    steps(&scene, 4);
    assert_int_equal(scene.ca->count, 4);
    mend(scene.ca);
    work(&scene, 60);
    assert_serves(db);
    scene_clear(&scene);
}

/* ---------------------------------------------------------------- death */

typedef struct {
    uint64_t number;
    Ca *ca;
    bool met;
} Death;

/* From call `number` on nothing of this life reaches the store; nor the CA. */
static Fault die_plan(FaultPoint point, uint64_t call, void *data)
{
    Death *death = data;
    (void)point;
    if (call == death->number) {
        death->met = true;
        death->ca->dead = true;
    }
    return death->ca->dead ? FAULT_RETRY : FAULT_NONE;
}

static void next_life(Scene *scene, Db *take_db)
{
    scene->ca->dead = false;
    scene->ca->die_before = scene->ca->die_after = 0;
    duty_lane_restart(&scene->lane, take_db);
    purge_exec(scene->store->db, "UPDATE task SET owner = 0");
}

/* One renewal that is cut off as `death`, `before`, `after` say; then gone on with. */
static void one_renewal(Scene *scene, Death *death, uint64_t before, uint64_t after)
{
    Db *db = scene->store->db;
    int64_t was = version(db);
    unsigned orders = scene->ca->count;
    g_autoptr(Db) behind = test_store_open(scene->store);
    next_life(scene, db_open_fault(behind, die_plan, death));
    if (before)
        scene->ca->die_before = scene->ca->requests + before;
    if (after)
        scene->ca->die_after = scene->ca->requests + after;
    purge_exec(db, "UPDATE certificate SET wish = 'renew'");
    enqueue(db);
    for (unsigned i = 0; i < 60 && !scene->ca->dead && has_task(db); i++) {
        hurry(db);
        duty_lane_step(&scene->lane);
    }
    death->met |= scene->ca->dead;
    next_life(scene, test_store_open(scene->store));
    work(scene, 60);
    if (scene->ca->count != orders + 1 || version(db) != was + 1)
        fail_msg("death %u/%u/%u: %u orders, version %d after %d", (unsigned)death->number,
                 (unsigned)before, (unsigned)after, scene->ca->count - orders, (int)version(db),
                 (int)was);
    assert_serves(db);
}

static void walk(void **state, bool calls, bool before)
{
    Scene scene;
    scene_init(&scene, *state);
    unsigned n = 0;
    Death death = {.ca = scene.ca, .met = true};
    while (death.met && n < 400) {
        n++;
        death = (Death){.ca = scene.ca, .number = calls ? n : 0};
        one_renewal(&scene, &death, !calls && before ? n : 0, !calls && !before ? n : 0);
    }
    print_message("# died at %u points\n", n - 1);
    assert_false(death.met);
    assert_true(n > (calls ? 40 : 10));
    assert_int_equal(model_count(scene.store->db, "SELECT count(*) FROM dead_letter"), 0);
    scene_clear(&scene);
}

static void dies_at_every_call_of_the_store(void **state)
{
    walk(state, true, false);
}

static void dies_before_every_request(void **state)
{
    walk(state, false, true);
}

static void dies_before_every_answer(void **state)
{
    walk(state, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_one),
        cmocka_unit_test(renews_by_age),
        cmocka_unit_test(renews_by_the_cas_information),
        cmocka_unit_test(revokes),
        cmocka_unit_test(backs_off),
        cmocka_unit_test(waits_longer_each_time),
        cmocka_unit_test(a_new_order_where_the_old_is_forgotten),
        cmocka_unit_test(dies_at_every_call_of_the_store),
        cmocka_unit_test(dies_before_every_request),
        cmocka_unit_test(dies_before_every_answer),
    };
    return test_on_both_stores("acme_renew", tests, G_N_ELEMENTS(tests));
}
