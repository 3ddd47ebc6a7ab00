/* round_test: slots run at most once for a shard, missed ones once; on both stores. */
#include "cluster_test.h"

#include <string.h>

#include "roster/round.h"
#include "roster/shard.h"

/* clang-format off */
static const DbSql SQL_MISS = {"UPDATE round SET last_slot = last_slot - $1", NULL};
static const DbSql SQL_ROWS = {"SELECT count(*) FROM round", NULL};
static const DbSql SQL_VERSIONS = {"SELECT CAST(sum(version) AS BIGINT) FROM task", NULL};
static const DbSql SQL_RESULT = {
    "SELECT last_done_at FROM round WHERE unit = 'u' AND shard = 2"
    " AND last_result = '7 things'", NULL};
/* clang-format on */

#define MINUTE 60000

static unsigned step(Db *db, const char *shards, int64_t node, const char *schedule,
                     int64_t *ret_next_at)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = box_table(shards);
    Round round = {.role = &test_roles.roles[1], .unit = "u", .schedule = schedule};
    RoundAsk ask = {.table = table, .node = node, .rounds = &round, .count = 1};
    RoundStep got = {.enqueued = 99};
    test_begin(db);
    if (!round_step(db, &ask, &got, &error))
        fail_msg("round: %s", error->message);
    test_commit(db);
    if (ret_next_at)
        *ret_next_at = got.next_at;
    return got.enqueued;
}

static Db *db_of(void **state)
{
    return ((TestStore *)*state)->db;
}

static void test_slot_runs_once(void **state)
{
    Db *db = db_of(state);
    /* never seen: begins with the next slot */
    assert_int_equal(step(db, "1,2|3", 1, "every 10m", NULL), 0);
    assert_int_equal(test_int(db, &SQL_ROWS, DB_NO_ARGS), 1);
    /* five slots were missed: one runs, for whoever comes first */
    test_exec(db, &SQL_MISS, DB_ARGS(db_int(50 * MINUTE)));
    int64_t next_at;
    assert_int_equal(step(db, "1,2|3", 2, "every 10m", &next_at), 1);
    assert_int_equal(step(db, "1,2|3", 1, "every 10m", NULL), 0);
    assert_int_equal(step(db, "1,2|3", 2, "every 10m", NULL), 0);
    assert_int_equal(test_count(db, "task"), 1);
    assert_int_equal(test_int(db, &SQL_VERSIONS, DB_NO_ARGS), 1);
    static const DbSql now_sql = {"SELECT rota_now()", NULL};
    int64_t now = test_int(db, &now_sql, DB_NO_ARGS);
    assert_in_range(next_at, now, now + 11 * MINUTE);
    /* another shard has its own slots, and goes on from where the role is */
    assert_int_equal(step(db, "1,2|3", 4, "every 10m", NULL), 0);
    assert_int_equal(test_int(db, &SQL_ROWS, DB_NO_ARGS), 1);
    test_exec(db, &SQL_MISS, DB_ARGS(db_int(50 * MINUTE)));
    assert_int_equal(step(db, "1,2|3", 3, "every 10m", NULL), 1);
    assert_int_equal(test_int(db, &SQL_ROWS, DB_NO_ARGS), 2);
}

/* A late heartbeat's transaction cannot enqueue a slot that another node has had meanwhile. */
static void test_two_nodes_at_once(void **state)
{
    TestStore *store = *state;
    if (store->config.kind != DB_POSTGRESQL)
        return;
    g_autoptr(Db) other = test_store_open(store);
    g_autoptr(GError) error = NULL;
    step(store->db, "1,2", 1, "every 10m", NULL);
    test_exec(store->db, &SQL_MISS, DB_ARGS(db_int(50 * MINUTE)));
    g_autoptr(RoleTable) table = box_table("1,2");
    Round round = {.role = &test_roles.roles[1], .unit = "u", .schedule = "every 10m"};
    /* The other's transaction has read the rows before ours commits; DB_READ shows what it would
     * have seen: the guard is in the UPDATE. */
    RoundAsk ask = {.table = table, .node = 1, .rounds = &round, .count = 1};
    RoundStep got;
    test_begin(store->db);
    assert_true(round_step(store->db, &ask, &got, &error));
    assert_int_equal(got.enqueued, 1);
    test_commit(store->db);
    test_begin(other);
    ask.node = 2;
    assert_true(round_step(other, &ask, &got, &error));
    assert_int_equal(got.enqueued, 0);
    test_commit(other);
}

static void test_cron_slots_missed_for_months(void **state)
{
    Db *db = db_of(state);
    step(db, "1", 1, "* * * * *", NULL);
    test_exec(db, &SQL_MISS, DB_ARGS(db_int(400LL * 24 * 60 * MINUTE)));
    assert_int_equal(step(db, "1", 1, "* * * * *", NULL), 1);
    assert_int_equal(step(db, "1", 1, "* * * * *", NULL), 0);
    test_exec(db, &SQL_MISS, DB_ARGS(db_int(400LL * 24 * 60 * MINUTE)));
    assert_int_equal(step(db, "1", 1, "0 3 1 1 *", NULL), 1); /* once a year */
    assert_int_equal(step(db, "1", 1, "0 3 1 1 *", NULL), 0);
    assert_int_equal(test_count(db, "task"), 1); /* merged: it had not run */
}

static void test_now_and_parse(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = box_table("1|2|3");
    Round round = {.role = &test_roles.roles[1], .unit = "u", .schedule = "every 10m"};
    test_begin(db);
    assert_true(round_now(db, table, &round, 2, &error));
    assert_false(round_now(db, table, &round, 4, &error));
    g_clear_error(&error);
    test_commit(db);
    test_member(db, 1);
    unsigned cursor = 0, shard, shards;
    TaskClaimAsk ask = {
        .role = "rounds", .shard = 2, .shards = 3, .owner = 1, .batch = 10, .cursor = &cursor};
    TaskClaimed claimed;
    test_begin(db);
    assert_true(task_claim(db, &ask, &claimed, &error));
    g_autoptr(TaskClaim) held = claimed.claim;
    assert_non_null(held);
    const Task *task = &g_array_index(held->tasks, Task, 0);
    assert_string_equal(task->key, "round/u/2");
    assert_string_equal(task->payload, "shard 2 of 3 unit u");
    assert_true(round_parse(task->key, task->payload, &shard, &shards));
    assert_int_equal(shard, 2);
    assert_int_equal(shards, 3);
    assert_true(round_note_end(db, "rounds", task->key, "7 things", &error));
    test_commit(db);
    assert_true(test_int(db, &SQL_RESULT, DB_NO_ARGS) > 0);
    static const struct {
        const char *key, *payload;
    } others[] = {{"17", ""},
                  {"round/u/2", ""},
                  {"17", "shard 2 of 3 unit u"},
                  {"round/u/2", "shard 4 of 3 unit u"},
                  {"round/u/2", "shard 0 of 3 unit u"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++)
        assert_false(round_parse(others[i].key, others[i].payload, &shard, &shards));
}

static void run_now(Db *db)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = box_table("1");
    Round round = {.role = &test_roles.roles[1], .unit = "u", .schedule = "every 10m"};
    test_begin(db);
    assert_true(round_now(db, table, &round, 0, &error));
    test_commit(db);
}

/* What a person asks for neither takes a slot nor gives one twice. */
static void test_run_beside_slots(void **state)
{
    Db *db = db_of(state);
    static const DbSql forget = {"DELETE FROM task", NULL};
    run_now(
        db); /* before the store has seen the round: it begins with the next slot all the same */
    assert_int_equal(test_count(db, "task"), 1);
    assert_int_equal(step(db, "1", 1, "every 10m", NULL), 0);
    test_exec(db, &forget, DB_NO_ARGS);
    test_exec(db, &SQL_MISS, DB_ARGS(db_int(10 * MINUTE)));
    run_now(db);
    assert_int_equal(step(db, "1", 1, "every 10m", NULL), 1); /* the slot is still there */
    assert_int_equal(test_count(db, "task"), 1);              /* and one run does for both */
    run_now(db);
    assert_int_equal(step(db, "1", 1, "every 10m", NULL), 0); /* it was taken once */
    test_exec(db, &forget, DB_NO_ARGS);
    run_now(db);
    assert_int_equal(step(db, "1", 1, "every 10m", NULL), 0);
}

static void look(Db *db, RoundLook *ret)
{
    g_autoptr(GError) error = NULL;
    Round round = {.role = &test_roles.roles[1], .unit = "u", .schedule = "every 10m"};
    test_begin(db);
    if (!round_look(db, &round, 1, 1, ret, &error))
        fail_msg("look: %s", error->message);
    db_rollback(db);
}

static void test_look(void **state)
{
    Db *db = db_of(state);
    g_auto(RoundLook) none = {0}, waits = {0}, runs = {0}, buried = {0};
    look(db, &none);
    assert_true(!none.there && none.started_at == 0 && none.buried_at == 0);
    run_now(db);
    look(db, &waits);
    assert_true(waits.there && waits.created_at > 0 && waits.node == 0 && waits.started_at > 0);
    test_member(db, 7);
    static const DbSql claim = {"UPDATE task SET owner = 7, attempts = 2, last_error = 'why'",
                                NULL};
    static const DbSql bury = {
        "INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at, "
        "buried_at, last_error, node) SELECT bucket, role, key, payload, 1, 0, 1, 5, 'so', 1 FROM "
        "task",
        NULL};
    test_exec(db, &claim, DB_NO_ARGS);
    look(db, &runs);
    assert_int_equal(runs.node, 7);
    assert_int_equal(runs.attempts, 2);
    assert_string_equal(runs.error, "why");
    test_exec(db, &bury, DB_NO_ARGS);
    look(db, &buried);
    assert_int_equal(buried.buried_at, 5);
    assert_string_equal(buried.burial, "so");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slot_runs_once),
        cmocka_unit_test(test_two_nodes_at_once),
        cmocka_unit_test(test_cron_slots_missed_for_months),
        cmocka_unit_test(test_now_and_parse),
        cmocka_unit_test(test_run_beside_slots),
        cmocka_unit_test(test_look),
    };
    return test_on_both_stores("round", tests, G_N_ELEMENTS(tests));
}
