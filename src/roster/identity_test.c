/* identity: a store takes the first name and refuses the others; on both stores. */
#include "cluster_test.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "roster/identity.h"
#include "roster/node_private.h"

static void drop_line(LogLevel level, const char *line, void *data)
{
    (void)level;
    (void)line;
    (void)data;
}

static bool takes(Db *db, const char *name, GError **error)
{
    test_begin(db);
    bool taken = identity_take(db, name, error);
    if (taken)
        test_commit(db);
    else
        db_rollback(db);
    return taken;
}

static void test_first_name_stays(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    const struct {
        const char *name;
        bool rename, want;
    } rows[] = {{"", false, true},        {"ours", false, true},  {"ours", false, true},
                {"theirs", false, false}, {"", false, true},      {"ours", false, true},
                {"theirs", true, true},   {"ours", false, false}, {"", true, true},
                {"ours", false, true}};
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        if (rows[i].rename) {
            test_begin(db);
            assert_true(identity_rename(db, rows[i].name, &error));
            test_commit(db);
            continue;
        }
        if (takes(db, rows[i].name, &error) != rows[i].want)
            fail_msg("row %u: %s", i, error ? error->message : "it was taken");
        assert_true(rows[i].want || error_kind(error) == ERROR_REJECT);
        test_begin(db);
        assert_int_equal(identity_check(db, rows[i].name, NULL), rows[i].want);
        db_rollback(db);
    }
}

/* A node of another cluster does not join, so it has no row, no table and no work; and it does as
 * soon as the store is its own. */
static void test_a_strangers_node_does_not_join(void **state)
{
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    Box box;
    assert_true(takes(store->db, "ours", &error));
    box_init(&box, store, 1, "1", 0);
    box.node->config.cluster = "theirs";
    log_sink_set(drop_line, NULL);
    for (unsigned i = 0; i < 5; i++)
        box_step(&box, 2000000);
    log_sink_set(NULL, NULL);
    assert_int_equal(node_state(box.node), NODE_STARTING);
    test_begin(store->db);
    g_autoptr(GPtrArray) members = member_list(store->db, &error);
    assert_no_error(error);
    assert_int_equal(members->len, 0);
    assert_true(identity_rename(store->db, "theirs", NULL));
    test_commit(store->db);
    box_join(&box);
    assert_int_equal(node_state(box.node), NODE_UP);
    box_clear(&box);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_name_stays),
        cmocka_unit_test(test_a_strangers_node_does_not_join),
    };
    return test_on_both_stores("identity", tests, G_N_ELEMENTS(tests));
}
