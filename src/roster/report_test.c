/* report_test: what the reports say of a roster that is set up by hand, on both stores. */
#include "roster_test.h"

#include <string.h>

#include "roster/adoption.h"
#include "roster/report.h"

static const Handler handler = {.run = NULL};
static const Role roles[] = {
    {.name = "work", .setting = "work.work", .other_name = "labour", .handler = &handler},
    {.name = "rounds", .setting = "rounds.rounds", .schedule = "every 1m", .handler = &handler},
    {.name = "later", .setting = "later.later"},
};
static const RoleSet set = {roles, G_N_ELEMENTS(roles)};

#define NEVER_DUE INT64_C(32503680000000) /* the year 3000 */

/* The table in force: work = 1,2 | 3, and node 4's proposal is another. */
static void put_table(Db *db)
{
    static const DbSql force = {
        "UPDATE cluster SET epoch = 7, role_table = $1, digest = $2 WHERE id = 1", NULL};
    static const DbSql propose = {
        "UPDATE member SET proposed_table = $1, proposed_digest = 'x' WHERE node = $2", NULL};
    static const DbSql same = {
        "UPDATE member SET proposed_table = $1, proposed_digest = $2 WHERE node < 4", NULL};
    static const char text[] = "later = *\nrounds = none\nwork = 1,2 | 3\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = table_parse(&set, text, &error);
    assert_no_error(error);
    test_exec(db, &force, DB_ARGS(db_text(text), db_text(table_digest(table))));
    test_exec(db, &same, DB_ARGS(db_text(text), db_text(table_digest(table))));
    test_exec(db, &propose,
              DB_ARGS(db_text("later = *\nrounds = none\nwork = 1,2 | 3-4\n"), db_int(4)));
}

static void bury(Db *db, unsigned bucket, const char *role, const char *key)
{
    static const DbSql sql = {
        "INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at, "
        "buried_at, last_error, node)"
        " VALUES ($1, $2, $3, '', 3, 0, rota_now(), rota_now(), 'no such thing', 2)",
        NULL};
    test_exec(db, &sql, DB_ARGS(db_int(bucket), db_text(role), db_text(key)));
}

/* As if a claim had been made by that incarnation. */
static void hold(Db *db, const char *key, int64_t owner)
{
    static const DbSql sql = {"UPDATE task SET owner = $2, claimed_at = rota_now() WHERE key = $1",
                              NULL};
    assert_int_equal(test_exec(db, &sql, DB_ARGS(db_text(key), db_int(owner))), 1);
}

static StatusReport *status_of(Db *db)
{
    g_autoptr(GError) error = NULL;
    StatusReport *report = report_status(db, &set, &error);
    assert_no_error(error);
    assert_non_null(report);
    assert_false(db_in_transaction(db));
    return report;
}

static const ShardReport *shard_at(const StatusReport *report, unsigned index)
{
    assert_true(index < report->shards->len);
    return g_ptr_array_index(report->shards, index);
}

static Db *db_of(void **state)
{
    return ((TestStore *)*state)->db;
}

static void test_empty_store(void **state)
{
    g_autoptr(StatusReport) report = status_of(db_of(state));
    assert_int_equal(report->epoch, 0);
    assert_string_equal(report->digest, "");
    assert_int_equal(report->members->len + report->shards->len + report->differing->len, 0);
}

static void test_coverage_and_counts(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    test_member(db, 4);
    put_table(db);
    test_add(db, "work", 0, "a", 1000);      /* shard 1, due */
    test_add(db, "work", 2, "b", 0);         /* shard 1, held */
    test_add(db, "work", 4, "c", NEVER_DUE); /* shard 1, waits */
    test_add(db, "work", 6, "d", 2000);      /* shard 1, its owner is dead */
    test_add(db, "work", 1, "e", 5000);      /* shard 2 */
    hold(db, "b", 1);
    hold(db, "d", 3);
    bury(db, 9, "work", "f"); /* shard 2 */
    g_autoptr(StatusReport) report = status_of(db);
    assert_int_equal(report->epoch, 7);
    assert_int_equal(report->members->len, 2);
    assert_int_equal(report->shards->len, 4);
    assert_int_equal(report->uncovered, 1);
    const ShardReport *first = shard_at(report, 0), *second = shard_at(report, 1);
    assert_string_equal(first->nodes, "1,2");
    assert_int_equal(first->living->len, 1);
    assert_true(first->covered);
    assert_int_equal(first->due.count, 2);
    assert_int_equal(first->running.count, 1);
    assert_int_equal(first->waiting.count, 1);
    assert_int_equal(first->dead.count, 0);
    assert_int_equal(first->lag_ms, report->at - 1000);
    assert_false(first->due.more || first->running.more || first->waiting.more);
    assert_false(second->covered);
    assert_int_equal(second->shards, 2);
    assert_int_equal(second->due.count, 1);
    assert_int_equal(second->dead.count, 1);
    assert_int_equal(second->lag_ms, report->at - 5000);
    const ShardReport *none = shard_at(report, 2), *all = shard_at(report, 3);
    assert_true(none->none && none->covered);
    assert_string_equal(none->nodes, "none");
    assert_int_equal(all->living->len, 2);
    assert_string_equal(all->nodes, "*");
    assert_int_equal(report->differing->len, 1);
    assert_string_equal(g_ptr_array_index(report->differing, 0),
                        "node 4 proposes work = 1,2 | 3-4");
}

static void test_lag_is_not_of_what_runs(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    put_table(db);
    test_add(db, "work", 0, "old", 1000);
    hold(db, "old", 1);
    g_autoptr(StatusReport) report = status_of(db);
    assert_int_equal(shard_at(report, 0)->lag_ms, 0);
    test_add(db, "work", 0, "next", 3000);
    g_autoptr(StatusReport) again = status_of(db);
    assert_int_equal(shard_at(again, 0)->lag_ms, again->at - 3000);
}

/* A count that stops says so, and the tasks of the other shard are counted all the same. */
static void test_counts_are_bounded(void **state)
{
    Db *db = db_of(state);
    static const DbSql fill = {"WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT "
                               "i + 1 FROM n WHERE i < $1)"
                               " INSERT INTO task (bucket, role, key, due_at, payload, version, "
                               "owner, generation, claimed_at, attempts,"
                               " deaths, created_at, last_error)"
                               " SELECT 2 * (i % 500), 'work', 'k' || i, CASE WHEN i % 2 = 0 THEN "
                               "1 ELSE $2 END, '', 1, 0, 0, 0, 0, 0, 1, ''"
                               " FROM n",
                               NULL};
    put_table(db);
    test_exec(db, &fill, DB_ARGS(db_int(2 * REPORT_COUNT_MAX), db_int(NEVER_DUE)));
    test_add(db, "work", 1, "other", 1);
    g_autoptr(StatusReport) exact = status_of(db);
    assert_int_equal(shard_at(exact, 0)->due.count, REPORT_COUNT_MAX);
    assert_false(shard_at(exact, 0)->due.more || shard_at(exact, 0)->waiting.more);
    test_add(db, "work", 0, "one more", 1);
    test_add(db, "work", 0, "and later", NEVER_DUE);
    g_autoptr(StatusReport) more = status_of(db);
    const ShardReport *full = shard_at(more, 0);
    assert_int_equal(full->due.count, REPORT_COUNT_MAX);
    assert_int_equal(full->waiting.count, REPORT_COUNT_MAX);
    assert_true(full->due.more && full->running.more && full->waiting.more);
    assert_int_equal(shard_at(more, 1)->due.count, 1);
    assert_false(shard_at(more, 1)->due.more);
}

static void test_load_and_rounds(void **state)
{
    Db *db = db_of(state);
    static const DbSql load = {"INSERT INTO load_sample (minute, node, role, shard, done, failed, "
                               "retried, dead, busy_us, bytes)"
                               " VALUES (rota_now() / 60000 - $1, $2, 'work', 1, 5, 1, 0, 0, 0, 0)",
                               NULL};
    static const DbSql round = {"INSERT INTO round (role, unit, shard, shards, last_slot, "
                                "last_started_at, last_done_at, last_result)"
                                " VALUES ('work', $1, 1, 2, 0, $2, $3, $1)",
                                NULL};
    put_table(db);
    test_exec(db, &load, DB_ARGS(db_int(0), db_int(1)));
    test_exec(db, &load, DB_ARGS(db_int(0), db_int(2)));
    test_exec(db, &load, DB_ARGS(db_int(30), db_int(2)));
    test_exec(db, &load, DB_ARGS(db_int(61), db_int(2)));
    test_exec(db, &round, DB_ARGS(db_text("runs"), db_int(900), db_int(0)));
    test_exec(db, &round, DB_ARGS(db_text("ended"), db_int(500), db_int(600)));
    g_autoptr(StatusReport) report = status_of(db);
    const ShardReport *shard = shard_at(report, 0);
    assert_int_equal(shard->done_hour, 15);
    assert_int_equal(shard->failed_hour, 3);
    assert_int_equal(shard->round_started_at, 900);
    assert_int_equal(shard->round_done_at, 600);
    assert_string_equal(shard->round_result, "ended");
}

/* ---- lists */

static char *list(Db *db, const char *role, int state, unsigned limit)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = report_tasks(db, &set, &(TaskFilter){role, state, limit}, &error);
    assert_no_error(error);
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < found->len; i++) {
        const TaskReport *task = g_ptr_array_index(found, i);
        g_string_append_printf(text, "%s%s=%s", i ? " " : "", task->id,
                               task_state_name(task->state));
    }
    return g_string_free(text, FALSE);
}

static void test_lists(void **state)
{
    static const struct {
        const char *role;
        int state;
        unsigned limit;
        const char *want;
    } cases[] = {
        {NULL, -1, 50,
         "work:g=dead work:a=due other:b=running work:c=due work:d=due later:e=waiting "
         "work:f=waiting"},
        {NULL, -1, 3, "work:g=dead work:a=due other:b=running"},
        {NULL, TASK_STATE_DUE, 50, "work:a=due work:c=due work:d=due"},
        {NULL, TASK_STATE_DUE, 1, "work:a=due"},
        {NULL, TASK_STATE_WAITING, 50, "later:e=waiting work:f=waiting"},
        {NULL, TASK_STATE_RUNNING, 50, "other:b=running"},
        {NULL, TASK_STATE_DEAD, 50, "work:g=dead"},
        {"work", -1, 2, "work:g=dead work:a=due"},
        {"other", -1, 50, "other:b=running"},
        {"nothing", -1, 50, ""},
        {"later", TASK_STATE_DEAD, 50, ""},
    };
    Db *db = db_of(state);
    test_member(db, 1);
    put_table(db);
    test_add(db, "work", 700, "a", 1000);
    test_add(db, "other", 3, "b", 2000);
    test_add(db, "work", 700, "c", 3000);
    test_add(db, "work", 5, "d", 4000);
    test_add(db, "later", 1, "e", NEVER_DUE);
    test_add(db, "work", 700, "f", NEVER_DUE + 1);
    hold(db, "b", 1);
    bury(db, 9, "work", "g");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = list(db, cases[i].role, cases[i].state, cases[i].limit);
        assert_string_equal(got, cases[i].want);
    }
}

/* The oldest of many, wherever they lie: what the shortcut by heads must not miss. */
static void test_the_oldest_of_many(void **state)
{
    Db *db = db_of(state);
    Rand chance;
    rand_init(&chance, 5);
    g_autoptr(GArray) dues = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < 300; i++) {
        char key[8];
        int64_t due = 1 + (int64_t)rand_below(&chance, 200);
        g_snprintf(key, sizeof key, "%u", i);
        test_add(db, "work", (unsigned)rand_below(&chance, 100), key, due);
        g_array_append_val(dues, due);
    }
    for (unsigned limit = 1; limit <= 300; limit += 23) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) found = report_tasks(db, &set, &(TaskFilter){NULL, -1, limit}, &error);
        assert_no_error(error);
        assert_int_equal(found->len, limit);
        unsigned below = 0;
        int64_t last = ((TaskReport *)g_ptr_array_index(found, limit - 1))->due_at;
        for (unsigned i = 0; i < dues->len; i++)
            below += g_array_index(dues, int64_t, i) < last;
        assert_true(below < limit);
        for (unsigned i = 0; i + 1 < limit; i++)
            assert_true(((TaskReport *)g_ptr_array_index(found, i))->due_at <=
                        ((TaskReport *)g_ptr_array_index(found, i + 1))->due_at);
    }
}

/* ---- one task */

static void test_find_by_id(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    test_member(db, 1);
    put_table(db);
    test_add(db, "work", 1023, "a:b", 1000);
    bury(db, 1023, "work", "a:b");
    hold(db, "a:b", 1);
    g_autoptr(GPtrArray) both = report_task(db, &set, "labour:a:b", &error);
    assert_no_error(error);
    assert_int_equal(both->len, 2);
    const TaskReport *task = g_ptr_array_index(both, 0), *dead = g_ptr_array_index(both, 1);
    assert_string_equal(task->id, "work:a:b");
    assert_string_equal(task->key, "a:b");
    assert_int_equal(task->node, 1);
    assert_int_equal(task->shard, 2);
    assert_int_equal(task->state, TASK_STATE_RUNNING);
    assert_int_equal(dead->state, TASK_STATE_DEAD);
    assert_int_equal(dead->attempts, 3);
    assert_string_equal(dead->error, "no such thing");
    assert_null(report_task(db, &set, "work:zzz", &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    static const char *const wrong[] = {"work", "work:", ":a", "", "\xff:a"};
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_clear_error(&error);
        assert_null(report_task(db, &set, wrong[i], &error));
        assert_int_equal(error_kind(error), ERROR_REJECT);
    }
}

static char *why(Db *db, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) lines = report_why(db, &set, id, &error);
    assert_no_error(error);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static void test_why(void **state)
{
    static const DbSql fail_it = {
        "UPDATE task SET attempts = 2, deaths = 2, last_error = 'the disk is gone' WHERE key = $1",
        NULL};
    static const struct {
        const char *id;
        const char *want[4];
    } cases[] = {
        {"work:held", {"Node 1 has held it", "shard 1 of 2, which node 1,2 may do", "working: 1."}},
        {"work:due", {"nobody holds it", "when a lane of work is free"}},
        {"work:uncovered", {"shard 2 of 2", "the shard is uncovered", "nobody holds it"}},
        {"work:failed", {"2 runs have failed", "the disk is gone", "2 nodes died", "runs alone"}},
        {"work:dead", {"dead letter: node 2", "rota tasks retry work:dead", "no such thing"}},
        {"rounds:round//1", {"is a round for shard 1 of 1", "says that no node does rounds"}},
        {"later:x", {"does not do later yet", "which every node may do"}},
        {"other:y", {"does not know the role other"}},
    };
    Db *db = db_of(state);
    test_member(db, 1);
    put_table(db);
    test_add(db, "work", 0, "held", 1000);
    test_add(db, "work", 2, "due", 1000);
    test_add(db, "work", 1, "uncovered", 1000);
    test_add(db, "work", 4, "failed", NEVER_DUE);
    test_add(db, "later", 4, "x", 1);
    test_add(db, "other", 4, "y", 1);
    g_autoptr(GError) error = NULL;
    TaskNew round = {"rounds", 0, "round//1", "shard 1 of 1 unit ", 0};
    test_begin(db);
    task_add(db, &round, &error);
    assert_no_error(error);
    test_commit(db);
    hold(db, "held", 1);
    bury(db, 6, "work", "dead");
    test_exec(db, &fail_it, DB_ARGS(db_text("failed")));
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = why(db, cases[i].id);
        for (unsigned w = 0; w < 4 && cases[i].want[w]; w++)
            if (!strstr(got, cases[i].want[w]))
                fail_msg("%s: \"%s\" is not in: %s", cases[i].id, cases[i].want[w], got);
    }
    g_autofree char *late = why(db, "work:failed");
    assert_non_null(strstr(late, "the pause after a failure"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_store),
        cmocka_unit_test(test_coverage_and_counts),
        cmocka_unit_test(test_lag_is_not_of_what_runs),
        cmocka_unit_test(test_counts_are_bounded),
        cmocka_unit_test(test_load_and_rounds),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_the_oldest_of_many),
        cmocka_unit_test(test_find_by_id),
        cmocka_unit_test(test_why),
    };
    return test_on_both_stores("report", tests, G_N_ELEMENTS(tests));
}
