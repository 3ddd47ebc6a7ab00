/* acme_renew_test: orders against a stand-in CA: killed at every step, refused, kept waiting, asked
 * to come later; renewal by age and by the CA's information.
 *
 * Death is at every call of the store's door, before every request and between every request and
 * its answer: from there on nothing reaches the store or the CA, until another claims the task. So
 * one order, one certificate and no lost key is what must come out, wherever that was.
 */
#include <string.h>

#include "acme_scene_test.h"
#include "base/limits_acme.h"
#include "content/chain.h"
#include "content/private_key.h"
#include "db/fault.h"
#include "duty/acme_order.h"
#include "model/certificate.h"

#define ROLE "acme.renew"
#define DAY  INT64_C(86400000)

/* ---------------------------------------------------------------- the way of an order */

static void gets_one(void **state)
{
    AcmeScene scene;
    acme_scene_init(&scene, *state);
    scene.ca->bad.nonce_reject = 3;
    acme_enqueue(scene.store->db);
    acme_work(&scene, 30);
    assert_int_equal(scene.ca->count, 1);
    assert_int_equal(scene.ca->accounts, 1);
    assert_int_equal(scene.ca->challenges, 1);
    acme_assert_serves(scene.store->db);
    assert_int_equal(acme_version(scene.store->db), 1);
    unsigned asked = scene.ca->requests;
    acme_enqueue(scene.store->db); /* not due */
    acme_work(&scene, 5);
    assert_int_equal(scene.ca->count, 1);
    assert_true(scene.ca->requests <= asked + 2); /* directory, renewal information */
    acme_scene_clear(&scene);
}

static void renews_by_age(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    g_auto(Certificate) row = {.name = NULL};
    acme_read_row(db, &row);
    assert_true(llabs(row.not_after - row.renew_at - 30 * DAY) < 120000);
    purge_exec(db, "UPDATE certificate SET renew_at = rota_now() - 1, info_at = rota_now() + 1000");
    purge_ask_round(db, ROLE, NULL);
    acme_work(&scene, 40);
    assert_int_equal(scene.ca->count, 2);
    assert_non_null(scene.ca->orders[1].replaces); /* RFC 9773 5 */
    assert_int_equal(acme_version(db), 2);
    acme_assert_serves(db);
    scene.ca->life_ms = 6 * DAY; /* a third of a short life */
    purge_exec(db, "UPDATE certificate SET wish = 'renew'");
    acme_enqueue(db);
    acme_work(&scene, 40);
    g_auto(Certificate) short_row = {.name = NULL};
    acme_read_row(db, &short_row);
    assert_true(llabs(short_row.not_after - short_row.renew_at - 2 * DAY) < 120000);
    acme_scene_clear(&scene);
}

static void renews_by_the_cas_information(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    g_auto(Certificate) row = {.name = NULL};
    acme_read_row(db, &row);
    scene.ca->window_start = row.now + 10 * DAY;
    scene.ca->window_end = row.now + 12 * DAY;
    purge_ask_round(db, ROLE, NULL);
    acme_work(&scene, 10);
    g_auto(Certificate) told = {.name = NULL};
    acme_read_row(db, &told);
    assert_in_range(told.renew_at, scene.ca->window_start, scene.ca->window_end);
    assert_in_range(told.info_at, told.now + 3000000, told.now + 3700000); /* Retry-After */
    assert_int_equal(scene.ca->count, 1);
    /* The CA wants it back: a window that is past. */
    acme_pass_time(db, DAY);
    scene.ca->window_start = row.now - 2 * DAY;
    scene.ca->window_end = row.now - DAY;
    purge_exec(db, "UPDATE certificate SET info_at = 0");
    purge_ask_round(db, ROLE, NULL);
    acme_work(&scene, 40);
    assert_int_equal(scene.ca->count, 2);
    acme_assert_serves(db);
    acme_scene_clear(&scene);
}

/* The settings want one more name, and then not any more. */
static void renews_for_other_names(void **state)
{
    static char *two[] = {"imap.example.org", "mail.example.org", NULL};
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    AcmeDuty other = acme_settings.certificates[0];
    const AcmeDuty *before = acme_settings.certificates;
    acme_settings.certificates = &other;
    for (unsigned orders = 2; orders < 4; orders++) {
        other.domains = orders == 2 ? two : before->domains;
        for (unsigned round = 0; round < 3; round++) {
            purge_ask_round(db, ROLE, NULL);
            acme_work(&scene, 40);
        }
        g_auto(Certificate) row = {.name = NULL};
        acme_read_row(db, &row);
        g_autoptr(Chain) chain = chain_parse(row.chain, strlen(row.chain), NULL, NULL);
        assert_int_equal(chain_covers(chain, "imap.example.org"), orders == 2);
        assert_int_equal(scene.ca->count, orders);
        acme_assert_serves(db);
    }
    acme_settings.certificates = before;
    acme_scene_clear(&scene);
}

/* A round of many that are due: each has its task, in several transactions. */
static void a_round_of_many(void **state)
{
    enum { MANY = 2 * ACME_ROUND_BATCH + 50 };
    static AcmeDuty many[MANY];
    AcmeScene scene;
    acme_scene_init(&scene, *state);
    const AcmeDuty *before = acme_settings.certificates;
    for (unsigned i = 0; i < MANY; i++) {
        many[i] = *before;
        many[i].name = g_strdup_printf("c%u", i);
    }
    acme_settings.certificates = many;
    acme_settings.certificate_count = MANY;
    purge_ask_round(scene.store->db, ROLE, NULL);
    duty_lane_step(&scene.lane);
    assert_int_equal(model_count(scene.store->db, "SELECT count(*) FROM task WHERE role = '" ROLE
                                                  "' AND key NOT LIKE 'round/%'"),
                     MANY);
    acme_settings.certificates = before;
    acme_settings.certificate_count = 1;
    for (unsigned i = 0; i < MANY; i++)
        g_free(many[i].name);
    acme_scene_clear(&scene);
}

static void revokes(void **state)
{
    AcmeScene scene;
    Db *db = acme_scene_init_with_one(&scene, *state);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(certificate_set_wish(db, "mail", "revoke", NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    acme_work(&scene, 40);
    assert_int_equal(scene.ca->revoked, 1);
    assert_int_equal(acme_version(db), 2);
    acme_assert_serves(db);
    assert_int_equal(model_count(db, "SELECT count(*) FROM certificate WHERE wish <> ''"), 0);
    acme_scene_clear(&scene);
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

static void next_life(AcmeScene *scene, Db *take_db)
{
    scene->ca->dead = false;
    scene->ca->die_before = scene->ca->die_after = 0;
    duty_lane_restart(&scene->lane, take_db);
    purge_exec(scene->store->db, "UPDATE task SET owner = 0");
}

/* One renewal that is cut off as `death`, `before`, `after` say; then gone on with. */
static void one_renewal(AcmeScene *scene, Death *death, uint64_t before, uint64_t after)
{
    Db *db = scene->store->db;
    int64_t was = acme_version(db);
    unsigned orders = scene->ca->count;
    g_autoptr(Db) behind = test_store_open(scene->store);
    next_life(scene, db_open_fault(behind, die_plan, death));
    if (before)
        scene->ca->die_before = scene->ca->requests + before;
    if (after)
        scene->ca->die_after = scene->ca->requests + after;
    purge_exec(db, "UPDATE certificate SET wish = 'renew'");
    acme_enqueue(db);
    for (unsigned i = 0; i < 60 && !scene->ca->dead && acme_has_task(db); i++) {
        acme_hurry(db);
        duty_lane_step(&scene->lane);
    }
    death->met |= scene->ca->dead;
    next_life(scene, test_store_open(scene->store));
    acme_work(scene, 60);
    if (scene->ca->count != orders + 1 || acme_version(db) != was + 1)
        fail_msg("death %u/%u/%u: %u orders, version %d after %d", (unsigned)death->number,
                 (unsigned)before, (unsigned)after, scene->ca->count - orders,
                 (int)acme_version(db), (int)was);
    acme_assert_serves(db);
}

static void walk(void **state, bool calls, bool before)
{
    AcmeScene scene;
    acme_scene_init(&scene, *state);
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
    acme_scene_clear(&scene);
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
        cmocka_unit_test(renews_for_other_names),
        cmocka_unit_test(a_round_of_many),
        cmocka_unit_test(revokes),
        cmocka_unit_test(dies_at_every_call_of_the_store),
        cmocka_unit_test(dies_before_every_request),
        cmocka_unit_test(dies_before_every_answer),
    };
    return test_on_both_stores("acme_renew", tests, G_N_ELEMENTS(tests));
}
