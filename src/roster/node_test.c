/* node_test: joining, heartbeats, death, draining, one table in force; on both stores. */
#include "cluster_test.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "roster/coverage.h"

static GString *logged;

static void take_line(LogLevel level, const char *line, void *data)
{
    (void)level;
    (void)data;
    g_string_append_printf(logged, "%s\n", line);
}

static void start_log(void)
{
    logged = g_string_new(NULL);
    log_sink_set(take_line, NULL);
}

/* How often a text was logged; ends the taking. */
static unsigned stop_log(const char *text)
{
    unsigned count = 0;
    log_sink_set(NULL, NULL);
    for (const char *at = logged->str; (at = strstr(at, text)); at++)
        count++;
    g_string_free(logged, TRUE);
    return count;
}

static char *state_of(Db *db, int64_t node)
{
    g_autoptr(GError) error = NULL;
    char *state = NULL;
    test_begin(db);
    g_autoptr(GPtrArray) members = member_list(db, &error);
    assert_no_error(error);
    db_rollback(db);
    for (unsigned i = 0; i < members->len; i++) {
        const MemberRow *row = g_ptr_array_index(members, i);
        if (row->node == node)
            state = g_strdup(row->living ? row->state : "dead");
    }
    return state ? state : g_strdup("none");
}

static void assert_state(Db *db, int64_t node, const char *want)
{
    g_autofree char *state = state_of(db, node);
    if (strcmp(state, "dead") == 0 && strcmp(want, "drained") == 0)
        return;
    assert_string_equal(state, want);
}

static void test_join_and_leave(void **state)
{
    TestStore *store = *state;
    Box box;
    box_init(&box, store, 3, "3", 0);
    assert_int_equal(node_state(box.node), NODE_STARTING);
    assert_false(node_may_work(box.node));
    box_join(&box);
    assert_true(node_may_work(box.node));
    int64_t epoch;
    table_unref(node_table(box.node, &epoch));
    assert_int_equal(epoch, 1); /* a first node's table is in force at once */
    assert_state(store->db, 3, "up");
    node_ask_stop(box.node);
    box_step(&box, 1);
    box_step(&box, 1);
    assert_int_equal(node_state(box.node), NODE_STOPPED);
    assert_state(store->db, 3, "none");
    box_clear(&box);
}

/* Until the store's clock, which is a real one, shows another millisecond: a lease that is renewed
 * within one looks as if it had not been. */
static void let_store_clock_move(TestStore *store)
{
    static const DbSql sql = {"SELECT rota_now()", NULL};
    int64_t began = test_int(store->db, &sql, DB_NO_ARGS);
    while (test_int(store->db, &sql, DB_NO_ARGS) == began)
        continue;
}

static void test_second_life_is_refused_then_takes_over(void **state)
{
    TestStore *store = *state;
    Box one, two;
    box_init(&one, store, 3, "3", 0);
    box_init(&two, store, 3, "3", 0);
    box_join(&one);
    start_log();
    for (unsigned i = 0; i < 100 && node_state(two.node) == NODE_STARTING; i++) {
        let_store_clock_move(store);
        box_step(&two, 500000);
        box_step(&one, 500000);
    }
    assert_int_equal(node_state(two.node), NODE_REFUSED);
    assert_true(stop_log("node 3 is already running on host box, pid 103") > 0);
    box_clear(&two);
    /* killed: its lease runs out, and the next life takes the row. */
    box_init(&two, store, 3, "3", 0);
    box_step(&two, 500000);
    assert_int_equal(node_state(two.node), NODE_STARTING);
    box_age(store, 3);
    box_join(&two);
    assert_true(node_member(two.node)->incarnation > node_member(one.node)->incarnation);
    /* The old life wakes up: it finds its lease taken. */
    start_log();
    box_step(&one, 3000000);
    assert_false(node_may_work(one.node));
    assert_int_equal(stop_log("node.lost"), 1);
    box_clear(&one);
    box_clear(&two);
}

static void test_trust_ends_by_its_own_clock(void **state)
{
    TestStore *store = *state;
    Box box;
    box_init(&box, store, 3, "3", 0);
    box_join(&box);
    /* stopped for longer than its lease, while the store has not noticed */
    clock_manual_advance(&box.clock, (6000 - LEASE_MARGIN_MS) * 1000);
    assert_false(node_may_work(box.node));
    box_step(&box, 0); /* renewed: trusted again */
    assert_true(node_may_work(box.node));
    /* a step of the wall clock changes nothing */
    clock_manual_step_wall(&box.clock, 3600000);
    assert_true(node_may_work(box.node));
    clock_manual_step_wall(&box.clock, -7200000);
    assert_true(node_may_work(box.node));
    box_clear(&box);
}

static void test_expiry_and_coverage(void **state)
{
    TestStore *store = *state;
    Box one, two;
    box_init(&one, store, 1, "1|2", 0);
    box_init(&two, store, 2, "1|2", 0);
    box_join(&one);
    box_join(&two);
    box_step(&one, 2000000);
    box_step(&one, 0);
    box_clear(&two);
    box_age(store, 2);
    start_log();
    for (unsigned i = 0; i < 8; i++)
        box_step(&one, 1000000);
    assert_state(store->db, 2, "none");
    assert_true(one.woken > 0);
    assert_int_equal(stop_log("no living node for work shard 2 of 2"), 1); /* once */
    box_init(&two, store, 2, "1|2", 0);
    box_join(&two);
    start_log();
    for (unsigned i = 0; i < 8; i++)
        box_step(&one, 1000000);
    assert_int_equal(stop_log("work shard 2 of 2 has a living node again"), 1);
    box_clear(&one);
    box_clear(&two);
}

static void test_drain(void **state)
{
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    Box box;
    box_init(&box, store, 3, "3", 0);
    box_join(&box);
    node_add_held(box.node, 1);
    test_begin(store->db);
    assert_int_equal(member_set_wish(store->db, 3, "drain", &error), 1);
    test_commit(store->db);
    box_step(&box, 2000000);
    assert_int_equal(node_state(box.node), NODE_DRAINING);
    assert_false(node_may_work(box.node));
    box_step(&box, 2000000);
    assert_state(store->db, 3, "draining");
    assert_int_equal(node_state(box.node), NODE_DRAINING);
    node_add_held(box.node, -1);
    box_step(&box, 1);
    assert_int_equal(node_state(box.node), NODE_DRAINED);
    assert_state(store->db, 3, "drained");
    /* It is not expired, and a new life may take the id at once. */
    Box other;
    box_init(&other, store, 4, "3", 0);
    box_join(&other);
    box_step(&other, 2000000);
    assert_state(store->db, 3, "drained");
    box_clear(&box);
    box_init(&box, store, 3, "3", 0);
    box_join(&box);
    box_clear(&box);
    box_clear(&other);
}

static void test_stop_gives_up_waiting(void **state)
{
    TestStore *store = *state;
    Box box;
    box_init(&box, store, 3, "3", 0);
    box_join(&box);
    node_add_held(box.node, 1);
    node_ask_stop(box.node);
    box_step(&box, 1);
    box_step(&box, 1000);
    assert_int_equal(node_state(box.node), NODE_DRAINING);
    start_log();
    box_step(&box, NODE_STOP_MS * 1000);
    assert_int_equal(node_state(box.node), NODE_STOPPED);
    assert_int_equal(stop_log("1 tasks still run"), 1);
    node_add_held(box.node, -1);
    box_clear(&box);
}

static int64_t epoch_of(Box *box)
{
    int64_t epoch;
    table_unref(node_table(box->node, &epoch));
    return epoch;
}

static const char *reload_shards;

static RoleTable *reload(void *data, GError **error)
{
    (void)data;
    if (!reload_shards) {
        fail(error, ERROR_REJECT, "line 3: no such role");
        return NULL;
    }
    return box_table(reload_shards);
}

static void test_table_comes_into_force_when_all_agree(void **state)
{
    TestStore *store = *state;
    Box one, two;
    box_init(&one, store, 1, "1,2", 0);
    box_init(&two, store, 2, "1|2", 0); /* differs from the start */
    box_join(&one);
    box_join(&two);
    for (unsigned i = 0; i < 4; i++) {
        box_step(&one, 2000000);
        box_step(&two, 2000000);
    }
    assert_int_equal(epoch_of(&one), 1);
    g_autoptr(RoleTable) old = node_table(two.node, NULL);
    assert_int_equal(table_shards(old, "work"), 1);
    /* node 1 is restarted with the new table: now all living agree. */
    box_clear(&one);
    box_age(store, 1);
    box_init(&one, store, 1, "1|2", 0);
    box_join(&one);
    for (unsigned i = 0; i < 4; i++) {
        box_step(&one, 2000000);
        box_step(&two, 2000000);
    }
    assert_int_equal(epoch_of(&one), 2);
    assert_int_equal(epoch_of(&two), 2);
    g_autoptr(RoleTable) new = node_table(two.node, NULL);
    assert_int_equal(table_shards(new, "work"), 2);
    box_clear(&one);
    box_clear(&two);
}

static void test_reload_and_adopt(void **state)
{
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    Box one, two;
    box_init(&one, store, 1, "1,2", 0);
    box_init(&two, store, 2, "1,2", 0);
    NodeConfig config = {.db = two.db,
                         .clock = &two.clock.clock,
                         .set = &test_roles,
                         .node_id = 2,
                         .lease_ms = 6000,
                         .heartbeat_ms = 2000,
                         .host = "box",
                         .version = "1",
                         .pid = 1,
                         .reload = reload};
    g_autoptr(RoleTable) table = box_table("1,2");
    config.table = table;
    node_free(two.node);
    two.node = node_new(&config);
    box_join(&one);
    box_join(&two);
    reload_shards = NULL; /* a wrong file: nothing changes */
    start_log();
    node_ask_reload(two.node);
    box_step(&two, 2000000);
    assert_int_equal(stop_log("line 3: no such role"), 1);
    reload_shards = "1|2";
    test_begin(store->db);
    assert_int_equal(member_set_wish(store->db, 2, "reload", &error), 1);
    test_commit(store->db);
    for (unsigned i = 0; i < 4; i++) {
        box_step(&two, 2000000);
        box_step(&one, 2000000);
    }
    assert_int_equal(epoch_of(&two), 1); /* node 1 has not agreed */
    test_begin(store->db);
    assert_true(adoption_force(store->db, 2, &error));
    test_commit(store->db);
    box_step(&one, 2000000);
    assert_int_equal(epoch_of(&one), 2);
    test_begin(store->db);
    assert_false(adoption_force(store->db, 9, &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    db_rollback(store->db);
    box_clear(&one);
    box_clear(&two);
}

static void test_idle_node_makes_few_queries(void **state)
{
    TestStore *store = *state;
    Box box;
    box_init(&box, store, 1, "1", 0);
    box_join(&box);
    uint64_t before = db_counts(box.db).statements;
    for (unsigned i = 0; i < 600; i++) /* a minute */
        box_step(&box, 100000);
    assert_in_range(db_counts(box.db).statements - before, 30, 119);
    box_clear(&box);
}

static void test_heartbeats_tell_their_gap(void **state)
{
    static const DbSql taken = {"DELETE FROM member WHERE node = 1", NULL};
    TestStore *store = *state;
    Box box;
    int64_t gap, failed;
    box_init(&box, store, 1, "1", 0);
    box_join(&box);
    for (unsigned i = 0; i < 3; i++)
        box_step(&box, 2000000);
    node_beats(box.node, &gap, &failed);
    assert_in_range(gap, 1, 2000);
    assert_int_equal(failed, 0);
    box_step(&box, 5000000); /* the machine stood still */
    node_beats(box.node, &gap, &failed);
    assert_in_range(gap, 5000, 7000);
    /* it is forgotten in the end */
    for (unsigned i = 0; i < 700000 / 2000; i++)
        box_step(&box, 2000000);
    node_beats(box.node, &gap, &failed);
    assert_in_range(gap, 1, 2000);
    /* it stood still for so long that its lease was taken */
    test_exec(box.db, &taken, DB_NO_ARGS);
    box_step(&box, 20000000);
    box_join(&box);
    node_beats(box.node, &gap, &failed);
    assert_in_range(gap, 20000, 23000);
    assert_int_equal(failed, 1);
    box_clear(&box);
}

static void test_poll_wakes_the_role_that_has_work(void **state)
{
    TestStore *store = *state;
    Box box;
    box_init(&box, store, 1, "1|2", 0);
    box_join(&box);
    unsigned before = box.woken;
    test_add(store->db, "work", 1, "other shard", 0);
    test_add(store->db, "work", 2, "not due", INT64_MAX / 2);
    for (unsigned i = 0; i < 110; i++) /* eleven seconds */
        box_step(&box, 100000);
    assert_int_equal(box.woken, before);
    test_add(store->db, "work", 4, "ours", 0);
    for (unsigned i = 0; i < 110; i++) /* eleven seconds */
        box_step(&box, 100000);
    assert_true(box.woken > before);
    box_clear(&box);
}

/* Without a look at all, a heartbeat sees the next three by number, and the first three. */
static void test_neighbours_are_watched(void **state)
{
    TestStore *store = *state;
    g_autoptr(RoleTable) table = box_table("1");
    g_autoptr(GError) error = NULL;
    Member *members[11] = {NULL};
    for (int64_t node = 1; node <= 10; node++) {
        members[node] = member_new(node, 6000, "box", node, "1");
        test_begin(store->db);
        assert_true(member_join(members[node], store->db, table, &error));
        test_commit(store->db);
        member_confirm(members[node], 0);
    }
    for (int64_t dead = 1; dead <= 10; dead++) {
        box_age(store, dead);
        for (int64_t node = 1; node <= 10; node++) {
            MemberPulse near, all;
            test_begin(store->db);
            assert_true(member_renew(members[node], store->db, NULL, true, &all, &error));
            assert_true(member_renew(members[node], store->db, NULL, false, &near, &error));
            db_rollback(store->db);
            bool next = dead > node && dead <= node + 3, first = dead < node && dead <= 3;
            assert_int_equal(near.expired, next || first ? 1 : 0);
            assert_int_equal(all.expired, dead == node ? 0 : 1);
            assert_int_equal(all.members, 10);
        }
        MemberPulse alive;
        test_begin(store->db);
        assert_true(member_renew(members[dead], store->db, NULL, false, &alive, &error));
        test_commit(store->db);
    }
    for (int64_t node = 1; node <= 10; node++)
        member_free(members[node]);
}

/* Each member looks in its turn, and a cluster of any size has as many looks in a heartbeat's time.
 */
static void test_looks_are_shared(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 8, 9, 16, 1000};
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        int64_t size = sizes[i], turns = (size + MEMBER_LOOKS - 1) / MEMBER_LOOKS, most = 0;
        g_autofree unsigned *looked = g_new0(unsigned, size);
        for (int64_t beat = 1; beat <= turns; beat++) {
            int64_t looks = 0;
            for (int64_t node = 0; node < size; node++) {
                Member member = {.incarnation = 100 + node};
                bool look = member_should_look(&member, beat, size);
                looked[node] += look;
                looks += look;
            }
            most = MAX(most, looks);
        }
        for (int64_t node = 0; node < size; node++)
            assert_int_equal(looked[node], 1);
        assert_in_range(most, 1, MEMBER_LOOKS);
    }
}

/* A wrong clock is told once when it is seen and once when it is right; nothing depends on it. */
static void test_clock_far_from_the_stores_is_told(void **state)
{
    TestStore *store = *state;
    Box box;
    box_init(&box, store, 1, "1", 0);
    const struct {
        int64_t ahead_ms;
        const char *want;
    } rows[] = {{3600000, "clock says"}, {3600000, NULL},           {0, "agrees"},
                {-3000, NULL},           {-86400000, "clock says"}, {2000, "agrees"}};
    box_join(&box);
    clock_manual_step_wall(&box.clock,
                           clock_wall_ms(clock_real()) - clock_wall_ms(&box.clock.clock));
    box_step(&box, 2000000);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        int64_t wall = clock_wall_ms(clock_real()) + rows[i].ahead_ms;
        clock_manual_step_wall(&box.clock, wall - clock_wall_ms(&box.clock.clock));
        clock_manual_step_wall(&box.clock, -2000); /* which the step adds */
        start_log();
        box_step(&box, 2000000);
        unsigned told = stop_log(rows[i].want ? rows[i].want : "node.clock");
        if (told != (rows[i].want ? 1 : 0))
            fail_msg("row %u: told %u times", i, told);
        assert_true(ABS(node_clock_ahead_ms(box.node) - rows[i].ahead_ms) < 2000);
        assert_int_equal(node_state(box.node), NODE_UP);
    }
    box_clear(&box);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_and_leave),
        cmocka_unit_test(test_second_life_is_refused_then_takes_over),
        cmocka_unit_test(test_trust_ends_by_its_own_clock),
        cmocka_unit_test(test_expiry_and_coverage),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_stop_gives_up_waiting),
        cmocka_unit_test(test_table_comes_into_force_when_all_agree),
        cmocka_unit_test(test_reload_and_adopt),
        cmocka_unit_test(test_neighbours_are_watched),
        cmocka_unit_test(test_looks_are_shared),
        cmocka_unit_test(test_clock_far_from_the_stores_is_told),
        cmocka_unit_test(test_idle_node_makes_few_queries),
        cmocka_unit_test(test_poll_wakes_the_role_that_has_work),
        cmocka_unit_test(test_heartbeats_tell_their_gap),
    };
    return test_on_both_stores("node", tests, G_N_ELEMENTS(tests));
}
