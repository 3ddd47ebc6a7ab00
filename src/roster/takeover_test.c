/* takeover: when a shard may be worked by others, and until when; on both stores. */
#include "cluster_test.h"

#include "roster/takeover.h"

#define HOUR_MS 3600000

static Box one, two;

static Db *db_of(void **state)
{
    return ((TestStore *)*state)->db;
}

/* As if all that is uncovered had been for so long. */
static void age(Db *db, int64_t ms)
{
    static const DbSql sql = {"UPDATE uncovered SET since = since - $1", NULL};
    test_exec(db, &sql, DB_ARGS(db_int(ms)));
}

/* A step of a node of the table; what it has taken over then, of role "work". */
static unsigned step(Db *db, const RoleTable *table, int64_t epoch, int64_t node,
                     int64_t *ret_next_at)
{
    g_autoptr(GError) error = NULL;
    TakeoverAsk ask = {
        .set = &test_roles, .table = table, .epoch = epoch, .node = node, .after_ms = HOUR_MS};
    TakeoverStep found;
    test_begin(db);
    assert_true(takeover_step(db, &ask, &found, &error));
    test_commit(db);
    unsigned taken = found.taken->len;
    g_ptr_array_unref(found.taken);
    *ret_next_at = found.next_at;
    return taken;
}

static bool holds(Db *db, const char *role, unsigned shard, int64_t node, int64_t epoch)
{
    g_autofree char *name = g_strdup(role);
    Takeover takeover = {name, shard, node, epoch};
    bool held;
    test_begin(db);
    assert_true(takeover_holds(db, &takeover, &held, NULL));
    db_rollback(db);
    return held;
}

static void set_epoch(Db *db, int64_t epoch)
{
    static const DbSql sql = {"UPDATE cluster SET epoch = $1 WHERE id = 1", NULL};
    test_exec(db, &sql, DB_ARGS(db_int(epoch)));
}

static int64_t count(Db *db)
{
    static const DbSql sql = {"SELECT (SELECT count(*) FROM uncovered) * 100"
                              " + (SELECT count(*) FROM takeover)",
                              NULL};
    return test_int(db, &sql, DB_NO_ARGS);
}

static void it_comes_after_its_time(void **state)
{
    Db *db = db_of(state);
    g_autoptr(RoleTable) table = box_table("1|2,3|4");
    int64_t next;
    set_epoch(db, 1);
    test_member(db, 1);
    test_member(db, 4);
    assert_int_equal(step(db, table, 1, 1, &next), 0); /* writes it down: two roles */
    assert_int_equal(count(db), 200);
    assert_true(next != INT64_MAX);
    age(db, HOUR_MS - 60000);
    assert_int_equal(step(db, table, 1, 1, &next), 0);
    age(db, 60000);
    assert_false(holds(db, "work", 2, 1, 1));
    assert_int_equal(step(db, table, 1, 1, &next), 2);
    assert_true(next == INT64_MAX);
    assert_true(holds(db, "work", 2, 1, 1));
    assert_true(holds(db, "rounds", 2, 1, 1));
    assert_false(holds(db, "work", 2, 4, 1)); /* which has not asked */
    assert_int_equal(step(db, table, 1, 4, &next), 2);
    assert_int_equal(step(db, table, 1, 1, &next), 2); /* and again the same */
    assert_int_equal(count(db), 204);
}

static void a_node_without_a_shard_of_the_role_takes_nothing(void **state)
{
    Db *db = db_of(state);
    g_autoptr(RoleTable) table = box_table("1|2");
    int64_t next;
    set_epoch(db, 1);
    test_member(db, 1);
    test_member(db, 9);
    step(db, table, 1, 1, &next);
    age(db, 2 * HOUR_MS);
    assert_int_equal(step(db, table, 1, 9, &next), 0);
    assert_true(next == INT64_MAX);
    g_autoptr(RoleTable) single = box_table("2");
    set_epoch(db, 2);
    step(db, single, 2, 1, &next);
    age(db, 2 * HOUR_MS);
    assert_int_equal(step(db, single, 2, 1, &next), 0);
}

static void a_member_that_may_renew_keeps_its_shard(void **state)
{
    Db *db = db_of(state);
    static const DbSql ages = {"UPDATE member SET lease_until = rota_now() - 1 WHERE node = 2",
                               NULL};
    static const DbSql drains = {"UPDATE member SET state = 'draining' WHERE node = 2", NULL};
    g_autoptr(RoleTable) table = box_table("1|2");
    int64_t next;
    set_epoch(db, 1);
    test_member(db, 1);
    test_member(db, 2);
    test_exec(db, &ages, DB_NO_ARGS);
    step(db, table, 1, 1, &next);
    assert_int_equal(count(db), 0);
    test_exec(db, &drains, DB_NO_ARGS);
    step(db, table, 1, 1, &next);
    assert_int_equal(count(db), 200);
}

static void another_table_begins_anew(void **state)
{
    Db *db = db_of(state);
    g_autoptr(RoleTable) table = box_table("1|2");
    int64_t next;
    set_epoch(db, 1);
    test_member(db, 1);
    step(db, table, 1, 1, &next);
    age(db, HOUR_MS);
    assert_int_equal(step(db, table, 1, 1, &next), 2);
    set_epoch(db, 2);
    assert_false(holds(db, "work", 2, 1, 2));
    /* who has not heard of it writes nothing */
    assert_int_equal(step(db, table, 1, 1, &next), 0);
    assert_int_equal(count(db), 202);
    assert_int_equal(step(db, table, 2, 1, &next), 0);
    assert_true(next != INT64_MAX);
    assert_int_equal(count(db), 200);
    assert_false(holds(db, "work", 2, 1, 1));
}

/* Steps a node until something is so, or for a minute of its time. */
static bool step_until_taken(Box *box, bool taken)
{
    for (int i = 0; i < 120; i++) {
        g_autoptr(GArray) shards = node_taken(box->node, "work");
        if ((shards->len > 0) == taken)
            return true;
        box_step(box, 500000);
    }
    return false;
}

static void a_node_takes_over_and_hands_back(void **state)
{
    Db *db = db_of(state);
    script = (Script){0};
    box_takeover_ms = HOUR_MS;
    box_init(&one, *state, 1, "1|2", 1);
    box_init(&two, *state, 2, "1|2", 1);
    box_join(&one);
    box_join(&two);
    box_clear(&two);
    ledger_ask(db, 1, "theirs"); /* of shard 2 */
    box_age(*state, 2);
    for (int i = 0; i < 20; i++)
        box_step(&one, 500000);
    assert_int_equal(count(db), 200);
    assert_false(step_until_taken(&one, true));
    box_work(&one, 10);
    assert_int_equal(ledger_runs(db, "theirs"), 0);
    age(db, HOUR_MS);
    test_member(db, 9); /* a change, so that it looks again before the hour */
    assert_true(step_until_taken(&one, true));
    box_work(&one, 10);
    assert_int_equal(ledger_runs(db, "theirs"), 1);
    assert_int_equal(script.shard, 2);
    /* The shard's own node is back; node 1 has not heard of it, and claims nothing there. */
    box_init(&two, *state, 2, "1|2", 1);
    box_join(&two);
    assert_int_equal(count(db), 0);
    ledger_ask(db, 1, "theirs again");
    g_autoptr(GArray) still = node_taken(one.node, "work");
    assert_int_equal(still->len, 1);
    worker_step(one.lanes[0]);
    assert_int_equal(ledger_runs(db, "theirs again"), 0);
    box_work(&two, 10);
    assert_int_equal(ledger_runs(db, "theirs again"), 1);
    assert_true(step_until_taken(&one, false));
    box_clear(&one);
    box_clear(&two);
    box_takeover_ms = 0;
}

static void rounds_of_what_is_taken_over_come_too(void **state)
{
    Db *db = db_of(state);
    static const DbSql past = {"UPDATE round SET last_slot = last_slot - 600000", NULL};
    static const DbSql tasks = {
        "SELECT count(*) FROM task WHERE role = 'rounds' AND key = 'round//2'", NULL};
    g_autoptr(RoleTable) table = box_table("1|2");
    g_autoptr(GPtrArray) taken = takeovers_new();
    Takeover *takeover = g_new0(Takeover, 1);
    *takeover = (Takeover){g_strdup("rounds"), 2, 1, 1};
    g_ptr_array_add(taken, takeover);
    Round round = {.role = role_find(&test_roles, "rounds"), .unit = "", .schedule = "every 1m"};
    for (unsigned turn = 0; turn < 2; turn++) {
        RoundAsk ask = {.table = table, .node = 1, .taken = taken, .rounds = &round, .count = 1};
        RoundStep found;
        test_begin(db);
        assert_true(round_step(db, &ask, &found, NULL));
        test_commit(db);
        test_exec(db, &past, DB_NO_ARGS);
    }
    assert_int_equal(test_int(db, &tasks, DB_NO_ARGS), 1);
}

static void off_is_never(void **state)
{
    Db *db = db_of(state);
    box_init(&one, *state, 1, "1|2", 1);
    box_join(&one);
    for (int i = 0; i < 20; i++)
        box_step(&one, 500000);
    assert_int_equal(count(db), 0);
    box_clear(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_after_its_time),
        cmocka_unit_test(a_node_without_a_shard_of_the_role_takes_nothing),
        cmocka_unit_test(a_member_that_may_renew_keeps_its_shard),
        cmocka_unit_test(another_table_begins_anew),
        cmocka_unit_test(a_node_takes_over_and_hands_back),
        cmocka_unit_test(rounds_of_what_is_taken_over_come_too),
        cmocka_unit_test(off_is_never),
    };
    return test_on_both_stores("takeover_test", tests, G_N_ELEMENTS(tests));
}
