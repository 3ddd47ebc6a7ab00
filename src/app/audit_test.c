/* audit_test: ten planted causes, and the audit names each of them first; on both stores. */
#include "audit_scene_test.h"

#include <string.h>

static unsigned named, planted;

/* The table of a cluster of six that nothing is wrong with. */
#define PURGES "[cluster.roles.purge]\nstores = [\"1,4\", \"2,3\", \"5,6\"]\naccounts = [\"1,4\"]\n"
#define WAITED                                                                                     \
    "[cluster.roles.push-notifications]\npush-notifications = [\"1,2\", \"3,4\"]\n"                \
    "[cluster.roles.imip-processing]\nimip-processing = [\"3,4\"]\n"                               \
    "[cluster.roles.calendar-alerts]\ncalendar-alerts = [\"1,2\"]\n"
#define HEAVY "[cluster.roles]\nfts-indexing = [\"5,6\"]\nbayes-training = [\"5,6\"]\n"
#define REST                                                                                       \
    "[cluster.roles.metrics]\ncalculate = [\"3,4\"]\npush = [\"4\"]\n"                             \
    "[cluster.roles.acme]\nrenew = [\"5\"]\n"

/* Audits, and notes whether the cause is the first finding. */
static void judge(Scene *scene, const char *name, const char *role, int64_t node)
{
    g_autoptr(Audit) audit = scene_audit(scene);
    g_autofree char *text = scene_text(audit);
    int at = scene_find(audit, name, role, node);
    planted++;
    named += at == 0;
    if (at != 0)
        print_message("# %s: place %d of\n# %s\n", name, at, text);
    if (at < 0 || at > 2)
        fail_msg("%s is not among the first:\n%s", name, text);
    scene_clear(scene);
}

static void test_single_node_critical_role(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES HEAVY "[cluster.roles.calendar-alerts]\ncalendar-alerts = [\"3\"]\n"
                            "[cluster.roles.imip-processing]\nimip-processing = [\"3,4\"]\n" REST);
    scene_load(&scene, 5, "fts-indexing", 1, 0.1, 500);
    judge(&scene, "single-node-shard", "calendar-alerts", 3);
}

static void test_unequal_shards(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               WAITED HEAVY REST
               "[cluster.roles.purge]\nstores = [\"1,2,3,4\", \"5,6\"]\naccounts = [\"1,4\"]\n");
    judge(&scene, "unequal-shards", "purge.stores", 0);
}

static void test_heavy_beside_latency_sensitive(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES WAITED REST
               "[cluster.roles]\nfts-indexing = [\"1\", \"5\"]\nbayes-training = [\"5,6\"]\n");
    scene_load(&scene, 1, "fts-indexing", 1, 1.2, 5000);
    scene_load(&scene, 5, "fts-indexing", 2, 1.1, 5000);
    judge(&scene, "heavy-beside-waiting", "fts-indexing", 1);
}

static void test_slow_node(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES WAITED REST
               "[cluster.roles]\nfts-indexing = [\"4,5,6\"]\nbayes-training = [\"5,6\"]\n");
    scene_load(&scene, 4, "fts-indexing", 1, 0.1, 1000);
    scene_load(&scene, 5, "fts-indexing", 1, 0.1, 1000);
    scene_load(&scene, 6, "fts-indexing", 1, 0.1, 150);
    judge(&scene, "slow-node", NULL, 6);
}

static void test_hot_account(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES WAITED REST
               "[cluster.roles]\nfts-indexing = [\"5\", \"6\"]\nbayes-training = [\"5,6\"]\n");
    scene_accounts(&scene, 60);
    scene_load_key(&scene, &(SceneLoad){5, "fts-indexing", 1, 0.4, "17", 0.8});
    scene_load_key(&scene, &(SceneLoad){6, "fts-indexing", 2, 0.1, "18", 0.1});
    judge(&scene, "hot-account", "fts-indexing", 0);
}

static void test_idle_node(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 7, PURGES WAITED HEAVY REST);
    scene_load(&scene, 5, "fts-indexing", 1, 0.2, 1000);
    judge(&scene, "idle-node", NULL, 7);
}

static void test_lagging_role(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, PURGES WAITED HEAVY REST);
    scene_accounts(&scene, 20);
    for (unsigned i = 1; i <= 20; i++)
        scene_task(&scene, "fts-indexing", i, 1800000);
    scene_load(&scene, 5, "fts-indexing", 1, 0.2, 1000);
    judge(&scene, "lagging-role", "fts-indexing", 0);
}

static void test_uncovered_shard(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, PURGES WAITED HEAVY REST);
    scene_leave(&scene, 5);
    scene_leave(&scene, 6);
    judge(&scene, "uncovered-shard", NULL, 0);
}

static void test_redundant_unsharded(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES REST
               "[cluster.roles]\nfts-indexing = [\"3,4,5,6\"]\nbayes-training = [\"5,6\"]\n"
               "push-notifications = [\"1\", \"2\"]\nimip-processing = [\"1,2\"]\n"
               "calendar-alerts = [\"1,2\"]\n");
    for (unsigned node = 3; node <= 6; node++)
        scene_load(&scene, node, "fts-indexing", 1, 0.9, 4000);
    judge(&scene, "redundant-unsharded", "fts-indexing", 0);
}

static void test_quota_nearly_full(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, PURGES WAITED HEAVY REST);
    scene_accounts(&scene, 20);
    scene_quota(&scene, 3, 1000000, 950000);
    scene_quota(&scene, 4, 1000000, 400000);
    judge(&scene, "quota-nearly-full", NULL, 0);
}

/* The example of the text that the system is built from: two of its critical roles have one node.
 */
static void test_the_examples_table(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES REST
               "[cluster.roles.push-notifications]\npush-notifications = [\"1,2\", \"3,4\"]\n"
               "[cluster.roles]\nfts-indexing = [\"2,3\"]\nbayes-training = [\"1\"]\n"
               "imip-processing = [\"4\"]\ncalendar-alerts = [\"5\"]\n");
    g_autoptr(Audit) audit = scene_audit(&scene);
    g_autofree char *text = scene_text(audit);
    unsigned warnings = 0;
    for (unsigned i = 0; i < audit->findings->len; i++)
        warnings +=
            ((const Finding *)g_ptr_array_index(audit->findings, i))->severity != AUDIT_NOTE;
    if (warnings != 2 || scene_find(audit, "single-node-shard", "imip-processing", 4) < 0 ||
        scene_find(audit, "single-node-shard", "calendar-alerts", 5) < 0)
        fail_msg("%s", text);
    scene_clear(&scene);
}

/* Before anything is measured, the table alone shows some of it: as a note. */
static void test_table_alone(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6,
               PURGES WAITED REST
               "[cluster.roles]\nfts-indexing = [\"1\", \"5\"]\nbayes-training = [\"4,5,6\"]\n");
    g_autoptr(Audit) audit = scene_audit(&scene);
    g_autofree char *text = scene_text(audit);
    assert_int_equal(audit->findings->len, 2);
    if (scene_find(audit, "heavy-beside-waiting", "fts-indexing", 1) < 0 ||
        scene_find(audit, "redundant-unsharded", "bayes-training", 0) < 0)
        fail_msg("%s", text);
    scene_clear(&scene);
}

/* A role that this version does not do, and that has something to do. */
static void test_lag_without_a_handler(void **state)
{
    Scene scene;
    scene_init(&scene, *state, 6, PURGES WAITED HEAVY REST);
    scene_task(&scene, "calendar-alerts", 3, 120000);
    g_autoptr(Audit) audit = scene_audit(&scene);
    assert_int_equal(scene_find(audit, "lagging-role", "calendar-alerts", 0), 0);
    scene_clear(&scene);
}

/* ---------------------------------------------------------------- the other kinds */

static void plant_dead_letter(Scene *scene)
{
    scene_bury(scene, "fts-indexing", "3");
}

static void plant_failures(Scene *scene)
{
    scene_load(scene, 5, "fts-indexing", 1, 0.01, 100);
    scene_fail(scene, 6, "fts-indexing", 1, 25);
}

static void plant_full_shard(Scene *scene)
{
    scene_load(scene, 5, "bayes-training", 1, 0.8, 1000);
    scene_load(scene, 6, "bayes-training", 1, 0.8, 1000);
}

static void plant_overload(Scene *scene)
{
    scene_tell(scene, 5, &(NodeHealth){.cores = 4, .load = 9, .lease_ms = 6000});
}

static void plant_gap(Scene *scene)
{
    scene_tell(scene, 5,
               &(NodeHealth){.cores = 4, .load = 1, .lease_ms = 6000, .beat_gap_ms = 5000});
}

static void plant_other_table(Scene *scene)
{
    scene_propose(scene, 6, PURGES WAITED HEAVY);
}

static void plant_needless_shards(Scene *scene)
{
    scene_load(scene, 5, "metrics.calculate", 1, 0.001, 1000);
    scene_age(scene, INT64_C(86400000));
}

static void plant_unequal_load(Scene *scene)
{
    scene_load(scene, 5, "fts-indexing", 1, 0.4, 4000);
    scene_load(scene, 6, "fts-indexing", 2, 0.1, 1000);
}

static void plant_other_cores(Scene *scene)
{
    scene_tell(scene, 5, &(NodeHealth){.cores = 32, .load = 1, .lease_ms = 6000});
}

#define HALVES "[cluster.roles]\nfts-indexing = [\"5\", \"6\"]\nbayes-training = [\"5,6\"]\n"
#define EIGHT                                                                                      \
    "[cluster.roles.metrics]\ncalculate = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"1\", "      \
    "\"2\"]\n"

static const struct {
    const char *name, *role, *roles;
    int64_t node;
    void (*plant)(Scene *scene);
} others[] = {
    {"dead-letters", "fts-indexing", PURGES WAITED HEAVY REST, 0, plant_dead_letter},
    {"failing-role", "fts-indexing", PURGES WAITED HEAVY REST, 0, plant_failures},
    {"full-shard", "bayes-training", PURGES WAITED HEAVY REST, 0, plant_full_shard},
    {"overloaded-node", NULL, PURGES WAITED HEAVY REST, 5, plant_overload},
    {"slow-node", NULL, PURGES WAITED HEAVY REST, 5, plant_gap},
    {"table-differs", NULL, PURGES WAITED HEAVY REST, 0, plant_other_table},
    {"unequal-shards", "fts-indexing", PURGES WAITED HALVES REST, 0, plant_unequal_load},
    {"unequal-shards", "fts-indexing", PURGES WAITED HALVES REST, 0, plant_other_cores},
    {"needless-shards", "metrics.calculate", PURGES WAITED HEAVY EIGHT, 0, plant_needless_shards},
};

static void test_other(TestStore *store, unsigned index)
{
    Scene scene;
    scene_init(&scene, store, 6, others[index].roles);
    g_autoptr(Audit) before = scene_audit(&scene);
    assert_int_equal(scene_find(before, others[index].name, NULL, 0), -1);
    others[index].plant(&scene);
    g_autoptr(Audit) audit = scene_audit(&scene);
    g_autofree char *text = scene_text(audit);
    int at = scene_find(audit, others[index].name, others[index].role, others[index].node);
    if (at < 0 || at > 1)
        fail_msg("%s is at %d of:\n%s", others[index].name, at, text);
    scene_clear(&scene);
}

static void test_dead_letters(void **state)
{
    test_other(*state, 0);
}

static void test_failing_role(void **state)
{
    test_other(*state, 1);
}

static void test_full_shard(void **state)
{
    test_other(*state, 2);
}

static void test_overloaded_node(void **state)
{
    test_other(*state, 3);
}

static void test_slow_heartbeats(void **state)
{
    test_other(*state, 4);
}

static void test_table_differs(void **state)
{
    test_other(*state, 5);
}

static void test_unequal_load(void **state)
{
    test_other(*state, 6);
}

static void test_unequal_cores(void **state)
{
    test_other(*state, 7);
}

static void test_needless_shards(void **state)
{
    test_other(*state, 8);
}

/* The last: how many were named first. */
static void test_count(void **state)
{
    (void)state;
    print_message("# the audit named %u of %u planted causes first\n", named, planted);
    assert_int_equal(planted, 10);
    assert_in_range(named, 9, 10);
    named = planted = 0;
}

/* Every name is explained, with its heading, in docs/audit.md, and nothing else is. */
static void test_manual(void **state)
{
    (void)state;
    const char *root = g_getenv("ROTA_SOURCE");
    g_autofree char *data = test_data("");
    g_autofree char *path = root ? g_build_filename(root, "docs", "audit.md", NULL)
                                 : g_build_filename(data, "..", "..", "docs", "audit.md", NULL);
    g_autofree char *text = NULL;
    unsigned headings = 0;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    for (unsigned kind = 0; kind < AUDIT_KINDS; kind++) {
        g_autofree char *heading = g_strdup_printf("\n### %s\n", audit_kind_name(kind));
        if (!strstr(text, heading))
            fail_msg("docs/audit.md should have \"### %s\"", audit_kind_name(kind));
    }
    for (const char *at = text; (at = strstr(at, "\n### ")); at++)
        headings++;
    assert_int_equal(headings, AUDIT_KINDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_node_critical_role),
        cmocka_unit_test(test_unequal_shards),
        cmocka_unit_test(test_heavy_beside_latency_sensitive),
        cmocka_unit_test(test_slow_node),
        cmocka_unit_test(test_hot_account),
        cmocka_unit_test(test_idle_node),
        cmocka_unit_test(test_lagging_role),
        cmocka_unit_test(test_uncovered_shard),
        cmocka_unit_test(test_redundant_unsharded),
        cmocka_unit_test(test_quota_nearly_full),
        cmocka_unit_test(test_the_examples_table),
        cmocka_unit_test(test_table_alone),
        cmocka_unit_test(test_lag_without_a_handler),
        cmocka_unit_test(test_dead_letters),
        cmocka_unit_test(test_failing_role),
        cmocka_unit_test(test_full_shard),
        cmocka_unit_test(test_overloaded_node),
        cmocka_unit_test(test_slow_heartbeats),
        cmocka_unit_test(test_table_differs),
        cmocka_unit_test(test_unequal_load),
        cmocka_unit_test(test_unequal_cores),
        cmocka_unit_test(test_needless_shards),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_manual),
    };
    return test_on_both_stores("audit_test", tests, G_N_ELEMENTS(tests));
}
