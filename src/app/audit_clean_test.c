/* audit_clean_test: tables and figures that look like a finding and are none: the audit must not
 * warn of anything. On both stores. And what it says of a fresh install. */
#include "audit_scene_test.h"

#include <string.h>

#define SIX                                                                                        \
    "[cluster.roles.purge]\nstores = [\"1,4\", \"2,3\", \"5,6\"]\naccounts = [\"1,4\"]\n"          \
    "[cluster.roles.push-notifications]\npush-notifications = [\"1,2\", \"3,4\"]\n"                \
    "[cluster.roles.imip-processing]\nimip-processing = [\"3,4\"]\n"                               \
    "[cluster.roles.calendar-alerts]\ncalendar-alerts = [\"1,2\"]\n"                               \
    "[cluster.roles.metrics]\ncalculate = [\"3,4\"]\npush = [\"4\"]\n"                             \
    "[cluster.roles.acme]\nrenew = [\"5\"]\n"
#define FTS  "[cluster.roles.fts-indexing]\nfts-indexing = "
#define REST "\n[cluster.roles.bayes-training]\nbayes-training = [\"5,6\"]\n"

/* Not one warning; notes are counted. */
static void judge(Scene *scene, unsigned notes)
{
    g_autoptr(Audit) audit = scene_audit(scene);
    g_autofree char *text = scene_text(audit);
    unsigned count = 0;
    for (unsigned i = 0; i < audit->findings->len; i++) {
        const Finding *finding = g_ptr_array_index(audit->findings, i);
        if (finding->severity != AUDIT_NOTE)
            fail_msg("the audit should not warn:\n%s", text);
        count++;
    }
    assert_int_equal(count, notes);
    scene_clear(scene);
}

static void test_one_fresh_node(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 1, "");
    judge(&scene, 1); /* that redundancy needs a second node */
}

static void test_two_fresh_nodes(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 2, "");
    judge(&scene, 0);
}

/* acme.renew and metrics.push on one node: their work can wait for a person. */
static void test_light_roles_on_one_node(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"5,6\"]" REST);
    judge(&scene, 0);
}

/* Machines that are not quite the same; and a role that nobody is to do. */
static void test_nearly_equal_shards(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "\"none\"" REST);
    g_autoptr(Audit) none = scene_audit(&scene);
    assert_int_equal(none->findings->len, 0);
    scene_tell(&scene, 5,
               &(NodeHealth){.cores = 6, .load = 5, .lease_ms = 6000, .beat_gap_ms = 3000});
    scene_tell(&scene, 6,
               &(NodeHealth){.cores = 6, .load = 7, .lease_ms = 6000, .beat_gap_ms = 4000});
    judge(&scene, 0);
}

/* A node is away: its shards are smaller, which is no fault of the table. */
static void test_a_node_is_away(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"4,5,6\"]" REST);
    scene_leave(&scene, 6);
    g_autoptr(Audit) audit = scene_audit(&scene);
    assert_int_equal(scene_find(audit, "unequal-shards", NULL, 0), -1);
    assert_int_equal(scene_find(audit, "uncovered-shard", NULL, 0), -1);
    scene_clear(&scene);
}

/* Nodes that never came cost nothing, also where a range names them. */
static void test_ranges(void **state)
{
    Scene scene;
    scene_init(
        &scene, *state, 6,
        "[cluster.roles.purge]\nstores = [\"1-3\", \"4-2000000000\"]\naccounts = [\"1,4\"]\n");
    judge(&scene, 0);
}

static void test_light_heavy_work_beside_waiting(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"1\", \"2\"]" REST);
    scene_load(&scene, 1, "fts-indexing", 1, 0.15, 5000);
    scene_load(&scene, 2, "fts-indexing", 2, 0.03, 1000);
    g_autoptr(Audit) young = scene_audit(&scene);
    assert_int_equal(scene_find(young, "heavy-beside-waiting", "fts-indexing", 1), 0);
    scene_age(&scene, INT64_C(86400000) * 2);
    scene_load(&scene, 1, "fts-indexing", 1, 0.15, 5000);
    scene_load(&scene, 2, "fts-indexing", 2, 0.03, 1000);
    judge(&scene, 0);
}

/* Few runs say nothing; twice as long is no wonder. */
static void test_not_slow(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"4,5,6\"]" REST);
    scene_load(&scene, 4, "fts-indexing", 1, 0.1, 1000);
    scene_load(&scene, 5, "fts-indexing", 1, 0.1, 500);
    scene_load(&scene, 6, "fts-indexing", 1, 0.03, 40);
    judge(&scene, 2); /* what the table shows, after two hours only */
}

/* A third of a shard's load is no hot account; nor is most of hardly any. */
static void test_not_hot(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"5\", \"6\"]" REST);
    scene_accounts(&scene, 60);
    scene_load_key(&scene, &(SceneLoad){5, "fts-indexing", 1, 0.3, "17", 0.33});
    scene_load_key(&scene, &(SceneLoad){6, "fts-indexing", 2, 0.25, "18", 0.2});
    scene_load_key(&scene, &(SceneLoad){6, "bayes-training", 1, 0.01, "17", 0.9});
    judge(&scene, 1); /* the latter is a note */
}

/* One account of three: of course it makes most of the work. */
static void test_few_accounts(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"5,6\"]" REST);
    scene_accounts(&scene, 3);
    scene_load_key(&scene, &(SceneLoad){5, "fts-indexing", 1, 0.2, "2", 0.9});
    judge(&scene, 0);
}

/* Not long ago, or not yet due. */
static void test_no_lag(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"5,6\"]" REST);
    scene_task(&scene, "fts-indexing", 1, 240000);
    scene_task(&scene, "fts-indexing", 2, -86400000);
    judge(&scene, 0);
}

static void test_light_unsharded(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"4,5,6\"]" REST);
    scene_load(&scene, 4, "fts-indexing", 1, 0.1, 1000);
    scene_load(&scene, 5, "fts-indexing", 1, 0.1, 1000);
    scene_load(&scene, 6, "fts-indexing", 1, 0.1, 1000);
    scene_age(&scene, INT64_C(86400000));
    judge(&scene, 0);
}

static void test_no_quota_near(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, SIX FTS "[\"5,6\"]" REST);
    scene_accounts(&scene, 12);
    scene_quota(&scene, 1, 1000000, 890000);
    scene_quota(&scene, 2, 0, INT64_C(1) << 40);
    scene_quota(&scene, 3, INT64_MAX, 1);
    judge(&scene, 0);
}

/* What was counted before the table came into force is of other shards. */
static void test_young_table(void **state)
{
    static const DbSql young = {"UPDATE cluster SET in_force_at = rota_now() WHERE id = 1", NULL};
    Scene scene;
    g_autoptr(GError) error = NULL;
    scene_init(&scene, *state, 6, SIX FTS "[\"1\", \"5\"]" REST);
    scene_load(&scene, 1, "fts-indexing", 1, 1.5, 5000);
    g_autoptr(Audit) before = scene_audit(&scene);
    assert_true(scene_find(before, "heavy-beside-waiting", "fts-indexing", 1) >= 0);
    db_begin(scene.db, DB_WRITE, &error);
    db_exec(scene.db, &young, DB_NO_ARGS, &error);
    assert_no_error(error);
    assert_int_equal(db_commit(scene.db, &error), DB_DONE);
    judge(&scene, 1); /* what the table alone shows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fresh_node),
        cmocka_unit_test(test_two_fresh_nodes),
        cmocka_unit_test(test_light_roles_on_one_node),
        cmocka_unit_test(test_nearly_equal_shards),
        cmocka_unit_test(test_a_node_is_away),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_light_heavy_work_beside_waiting),
        cmocka_unit_test(test_not_slow),
        cmocka_unit_test(test_not_hot),
        cmocka_unit_test(test_few_accounts),
        cmocka_unit_test(test_no_lag),
        cmocka_unit_test(test_light_unsharded),
        cmocka_unit_test(test_no_quota_near),
        cmocka_unit_test(test_young_table),
    };
    return test_on_both_stores("audit_clean_test", tests, G_N_ELEMENTS(tests));
}
