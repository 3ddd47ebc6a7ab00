/* worker_test: what a lane does with a batch, well and badly; on both stores. */
#include "cluster_test.h"

#include <string.h>

static Box box;

static void setup(void **state, const char *shards, unsigned lanes)
{
    script = (Script){0};
    box_init(&box, *state, 1, shards, lanes);
    box_join(&box);
}

static Db *db_of(void **state)
{
    return ((TestStore *)*state)->db;
}

static void test_effect_once(void **state)
{
    setup(state, "1", 2);
    for (unsigned i = 0; i < 35; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        ledger_ask(db_of(state), i * 29, key);
    }
    box_work(&box, 100);
    assert_int_equal(test_count(db_of(state), "task"), 0);
    for (unsigned i = 0; i < 35; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        assert_int_equal(ledger_runs(db_of(state), key), 1);
    }
    assert_true(script.runs <= 6); /* batches, not single tasks */
    box_clear(&box);
}

static void test_bad_task_costs_no_other(void **state)
{
    Db *db = db_of(state);
    setup(state, "1", 1);
    script.fail_key = "bad";
    ledger_ask(db, 1, "good");
    ledger_ask(db, 1, "bad");
    ledger_ask(db, 1, "fine");
    box_work(&box, 100);
    assert_int_equal(ledger_runs(db, "good"), 1);
    assert_int_equal(ledger_runs(db, "fine"), 1);
    assert_int_equal(ledger_runs(db, "bad"), 0);
    assert_int_equal(test_count(db, "task"), 0);
    assert_int_equal(test_count(db, "dead"), 1);
    static const DbSql letter = {
        "SELECT attempts FROM dead_letter WHERE key = 'bad' AND last_error = 'the script says so'",
        NULL};
    assert_int_equal(test_int(db, &letter, DB_NO_ARGS), 3);
    static const DbSql history = {"SELECT count(*) FROM task_history WHERE key = 'bad'", NULL};
    assert_int_equal(test_int(db, &history, DB_NO_ARGS), 3);
    box_clear(&box);
}

static void test_stopped_counts_no_attempt(void **state)
{
    Db *db = db_of(state);
    setup(state, "1", 1);
    script.stop = true;
    ledger_ask(db, 1, "a");
    for (unsigned i = 0; i < 10; i++)
        worker_step(box.lanes[0]);
    script.stop = false;
    static const DbSql attempts = {"SELECT attempts + owner FROM task", NULL};
    assert_int_equal(test_int(db, &attempts, DB_NO_ARGS), 0);
    box_work(&box, 10);
    assert_int_equal(ledger_runs(db, "a"), 1);
    box_clear(&box);
}

/* Asked for again between claim and end: the row stays, and runs once more. */
static void test_enqueue_during_run(void **state)
{
    Db *db = db_of(state);
    int64_t next;
    setup(state, "1", 1);
    ledger_ask(db, 1, "a");
    assert_true(worker_claim(box.lanes[0], &next));
    ledger_ask(db, 1, "a");
    worker_finish(box.lanes[0]);
    assert_int_equal(test_count(db, "task"), 1);
    box_work(&box, 10);
    assert_int_equal(ledger_runs(db, "a"), 2);
    assert_int_equal(ledger_seen(db, "a"), 2);
    box_clear(&box);
}

/* Past its lease by its own clock, nothing is committed, though the store has not noticed. */
static void test_no_commit_without_trust(void **state)
{
    Db *db = db_of(state);
    static const bool ways[] = {false, true};
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        setup(state, "1", 1);
        script.checkpoint = ways[i];
        ledger_ask(db, 1, "a");
        int64_t next;
        assert_true(worker_claim(box.lanes[0], &next));
        script.stall = &box.clock;
        worker_finish(box.lanes[0]);
        assert_int_equal(ledger_runs(db, "a"), 0);
        box_step(&box, 0); /* it renews, and goes on with what is still its own */
        box_work(&box, 20);
        assert_int_equal(ledger_runs(db, "a"), 1);
        static const DbSql clean = {"DELETE FROM expiring", NULL};
        test_exec(db, &clean, DB_NO_ARGS);
        node_ask_stop(box.node);
        box_step(&box, 0);
        box_step(&box, 0);
        box_clear(&box);
    }
}

/* The store took the lease away: the fence refuses, the other node does it, once. */
static void test_taken_over(void **state)
{
    TestStore *store = *state;
    static const bool ways[] = {false, true};
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        setup(state, "1,2", 1);
        script.checkpoint = ways[i];
        Box other;
        box_init(&other, store, 2, "1,2", 1);
        box_join(&other);
        ledger_ask(store->db, 1, "a");
        int64_t next;
        assert_true(worker_claim(box.lanes[0], &next));
        box_age(store, 1);
        box_step(&other, 2000000);
        if (i == 1) /* also when nobody has claimed it yet */
            box_work(&other, 10);
        worker_finish(box.lanes[0]);
        assert_int_equal(ledger_runs(store->db, "a"), i == 1 ? 1 : 0);
        box_work(&other, 10);
        assert_int_equal(ledger_runs(store->db, "a"), 1);
        assert_int_equal(test_count(store->db, "task"), 0);
        static const DbSql clean = {"DELETE FROM expiring", NULL};
        test_exec(store->db, &clean, DB_NO_ARGS);
        box_age(store, 2);
        box_clear(&box);
        box_clear(&other);
        static const DbSql gone = {"DELETE FROM member", NULL};
        test_exec(store->db, &gone, DB_NO_ARGS);
    }
}

static void test_only_tables_nodes(void **state)
{
    TestStore *store = *state;
    setup(state, "1|2", 1);
    Box other;
    box_init(&other, store, 2, "1|2", 1);
    box_join(&other);
    for (unsigned i = 0; i < 20; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        ledger_ask(store->db, i, key);
    }
    box_work(&box, 20);
    assert_int_equal(test_count(store->db, "task"), 10);
    static const DbSql others = {"SELECT count(*) FROM task WHERE bucket % 2 = 1", NULL};
    assert_int_equal(test_int(store->db, &others, DB_NO_ARGS), 10);
    box_work(&other, 20);
    assert_int_equal(test_count(store->db, "task"), 0);
    box_clear(&box);
    box_clear(&other);
}

static void test_draining_claims_nothing(void **state)
{
    Db *db = db_of(state);
    setup(state, "1", 1);
    ledger_ask(db, 1, "a");
    node_ask_stop(box.node);
    worker_step(box.lanes[0]);
    assert_int_equal(script.runs, 0);
    box_clear(&box);
}

static void test_round_has_its_own_shard(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    setup(state, "1", 1);
    TaskNew task = {
        .role = "work", .bucket = 1, .key = "round//2", .payload = "shard 2 of 3 unit "};
    test_begin(db);
    assert_true(task_add(db, &task, &error));
    test_commit(db);
    ledger_ask(db, 1, "a");
    script.no_effect = true;
    box_work(&box, 20);
    assert_int_equal(script.runs, 2);
    static const DbSql history = {
        "SELECT count(*) FROM task_history WHERE key = 'round//2' AND outcome = 'done'", NULL};
    assert_int_equal(test_int(db, &history, DB_NO_ARGS), 1);
    box_clear(&box);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_effect_once),
        cmocka_unit_test(test_bad_task_costs_no_other),
        cmocka_unit_test(test_stopped_counts_no_attempt),
        cmocka_unit_test(test_enqueue_during_run),
        cmocka_unit_test(test_no_commit_without_trust),
        cmocka_unit_test(test_taken_over),
        cmocka_unit_test(test_only_tables_nodes),
        cmocka_unit_test(test_draining_claims_nothing),
        cmocka_unit_test(test_round_has_its_own_shard),
    };
    return test_on_both_stores("worker", tests, G_N_ELEMENTS(tests));
}
