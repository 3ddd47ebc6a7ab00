/* task_test: the queue's promises, on both stores. */
#include "roster_test.h"

#include "roster/task.h"
#include "roster/task_marks.h"

#define BATCH 100

static unsigned cursors[8];
/* All tests are run a second time with it: on PostgreSQL claims go by floors then. */
static bool by_floors;
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};

static TaskMarks *marks;

static TaskClaimed claim_as(Db *db, TaskClaimAsk ask)
{
    g_autoptr(GError) error = NULL;
    TaskClaimed claimed = {0};
    ask.role = ask.role ? ask.role : "r";
    ask.shard = ask.shard ? ask.shard : 1;
    ask.shards = ask.shards ? ask.shards : 1;
    ask.batch = ask.batch ? ask.batch : BATCH;
    ask.marks = marks;
    if (!ask.cursor) {
        cursors[0] = 0;
        ask.cursor = &cursors[0];
    }
    test_begin(db);
    if (!task_claim(db, &ask, &claimed, &error))
        fail_msg("claim: %s", error->message);
    test_commit(db);
    return claimed;
}

static TaskClaim *claim(Db *db, int64_t owner)
{
    return claim_as(db, (TaskClaimAsk){.owner = owner}).claim;
}

static bool end_all(Db *db, const TaskClaim *held, TaskEnd end, GError **error)
{
    TaskEnd ends[TASK_BATCH_MAX];
    for (unsigned i = 0; i < held->tasks->len; i++)
        ends[i] = end;
    test_begin(db);
    if (!task_end(db, held, ends, 7, error)) {
        db_rollback(db);
        return false;
    }
    test_commit(db);
    return true;
}

static const Task *task_of(const TaskClaim *held, unsigned index)
{
    assert_non_null(held);
    assert_true(index < held->tasks->len);
    return &g_array_index(held->tasks, Task, index);
}

/* Of a test's store, which has just been made. */
static Db *db_of(void **state)
{
    g_clear_pointer(&marks, task_marks_free);
    if (by_floors) {
        marks = task_marks_new(clock_real());
        while (!task_marks_are_used(marks))
            task_marks_note(marks, 1, task_marks_begin(marks) - G_USEC_PER_SEC);
    }
    return ((TestStore *)*state)->db;
}

static void test_done_is_removed(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    test_add(db, "r", 3, "a", 0);
    g_autoptr(TaskClaim) held = claim(db, 1);
    assert_string_equal(task_of(held, 0)->key, "a");
    assert_null(claim(db, 1));
    g_autoptr(GError) error = NULL;
    assert_true(end_all(db, held, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(test_count(db, "task"), 0);
}

static void test_merge(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    test_member(db, 1);
    const int64_t soon = test_int(db, &SQL_NOW, DB_NO_ARGS) + 50;
    TaskNew tasks[] = {
        {.role = "r", .bucket = 3, .key = "a", .payload = "one", .due_at = soon + 50000},
        {.role = "r", .bucket = 3, .key = "a", .payload = "", .due_at = soon},
        {.role = "r", .bucket = 3, .key = "a", .payload = "two", .due_at = soon + 60000},
    };
    test_begin(db);
    assert_true(task_add_many(db, tasks, 2, &error));
    assert_true(task_add(db, &tasks[2], &error));
    test_commit(db);
    assert_int_equal(test_count(db, "task"), 1);
    g_autoptr(TaskClaim) held = NULL;
    while (!(held = claim(db, 1)))
        g_usleep(1000);
    assert_string_equal(task_of(held, 0)->payload, "two");
    assert_int_equal(task_of(held, 0)->due_at, soon);
    assert_int_equal(task_of(held, 0)->version, 3);
}

/* Floors rest on it: see task_marks.h. */
static void test_no_due_time_is_past(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    static const DbSql due = {"SELECT due_at FROM task", NULL};
    const int64_t before = test_int(db, &SQL_NOW, DB_NO_ARGS);
    const TaskNew task = {.role = "r", .bucket = 3, .key = "a", .due_at = 1000};
    test_member(db, 1);
    for (unsigned merges = 0; merges < 2; merges++) {
        test_begin(db);
        assert_true(task_add(db, &task, &error));
        test_commit(db);
        assert_true(test_int(db, &due, DB_NO_ARGS) >= before);
    }
    g_autoptr(TaskClaim) held = claim(db, 1);
    assert_true(end_all(db, held, (TaskEnd){.kind = TASK_AGAIN, .due_at = 1000}, &error));
    assert_true(test_int(db, &due, DB_NO_ARGS) >= before);
}

/* A server that dies takes lazy transactions back while their owner lives on: the end of a task may
 * not be among them, what a checkpoint commits may. Found by tests/faults. */
static void test_the_end_of_a_task_is_durable(void **state)
{
    const TestStore *store = *state;
    if (store->config.kind != DB_POSTGRESQL)
        return;
    static const DbSql is_durable = {
        "SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN 0 ELSE 1 END", NULL};
    static const TaskEnd done = {.kind = TASK_DONE};
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    int64_t durable;
    test_member(db, 1);
    test_add(db, "r", 1, "a", 1);
    g_autoptr(TaskClaim) held = claim(db, 1);
    assert_true(db_begin(db, DB_WRITE_LAZY, &error));
    assert_true(task_fence(db, held, &error));
    assert_int_equal(db_query_int(db, &is_durable, DB_NO_ARGS, &durable, &error), 1);
    assert_int_equal(durable, 0);
    assert_true(task_end(db, held, &done, 1, &error));
    assert_int_equal(db_query_int(db, &is_durable, DB_NO_ARGS, &durable, &error), 1);
    assert_int_equal(durable, 1);
    test_commit(db);
}

/* Two deliveries, or a delivery and the end of a batch, that lock the same tasks in two orders wait
 * for each other. New rows lie in the order in which they were written. Found by tests/faults. */
static void test_many_are_locked_in_one_order(void **state)
{
    const TestStore *store = *state;
    if (store->config.kind != DB_POSTGRESQL)
        return;
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    static const TaskNew tasks[] = {{.role = "r", .bucket = 7, .key = "a"},
                                    {.role = "r", .bucket = 3, .key = "c"},
                                    {.role = "r", .bucket = 3, .key = "b"},
                                    {.role = "q", .bucket = 3, .key = "b"}};
    test_begin(db);
    assert_true(task_add_many(db, tasks, G_N_ELEMENTS(tasks), &error));
    test_commit(db);
    static const DbSql orderly = {
        "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY ctid) AS laid,"
        " row_number() OVER (ORDER BY bucket, key, role) AS sorted FROM task) x"
        " WHERE laid = sorted",
        NULL};
    assert_int_equal(test_int(db, &orderly, DB_NO_ARGS), 4);
}

static void test_enqueue_during_run_runs_again(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    static const TaskEnd ends[] = {
        {.kind = TASK_DONE},
        {.kind = TASK_AGAIN, .due_at = INT64_MAX / 2},
        {.kind = TASK_FAILED, .error = "e", .bury = true},
    };
    test_member(db, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        test_add(db, "r", 3, "a", 0);
        g_autoptr(TaskClaim) held = claim(db, 1);
        test_add(db, "r", 3, "a", 0);
        assert_true(end_all(db, held, ends[i], &error));
        g_autoptr(TaskClaim) again = claim(db, 1);
        assert_string_equal(task_of(again, 0)->key, "a");
        assert_true(end_all(db, again, (TaskEnd){.kind = TASK_DONE}, &error));
        assert_int_equal(test_count(db, "task"), 0);
    }
}

static void test_two_living_never_hold_one(void **state)
{
    TestStore *store = *state;
    g_autoptr(Db) other = test_store_open(store);
    test_member(store->db, 1);
    test_member(store->db, 2);
    for (unsigned i = 0; i < 50; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        test_add(store->db, "r", i % 7, key, 0);
    }
    g_autoptr(TaskClaim) one = claim_as(store->db, (TaskClaimAsk){.owner = 1, .batch = 20}).claim;
    g_autoptr(TaskClaim) two = claim_as(other, (TaskClaimAsk){.owner = 2, .batch = 40}).claim;
    assert_int_equal(one->tasks->len, 20);
    assert_int_equal(two->tasks->len, 30);
    for (unsigned i = 0; i < one->tasks->len; i++)
        for (unsigned j = 0; j < two->tasks->len; j++)
            assert_string_not_equal(task_of(one, i)->key, task_of(two, j)->key);
}

/* PostgreSQL: the other's claim is open, not committed: its rows are skipped, not waited for. */
static void test_claim_skips_locked(void **state)
{
    TestStore *store = *state;
    if (store->config.kind != DB_POSTGRESQL)
        return;
    g_autoptr(Db) other = test_store_open(store);
    g_autoptr(GError) error = NULL;
    db_of(state);
    test_member(store->db, 1);
    test_member(store->db, 2);
    test_add(store->db, "r", 1, "a", 1);
    test_add(store->db, "r", 1, "b", 2);
    unsigned cursor = 0;
    TaskClaimAsk ask = {
        .role = "r", .shard = 1, .shards = 1, .owner = 1, .batch = 1, .cursor = &cursor};
    TaskClaimed claimed;
    test_begin(store->db);
    assert_true(task_claim(store->db, &ask, &claimed, &error));
    g_autoptr(TaskClaim) two = claim(other, 2);
    assert_int_equal(two->tasks->len, 1);
    assert_string_equal(task_of(two, 0)->key, "b");
    test_commit(store->db);
    task_claim_free(claimed.claim);
}

static void test_dead_owner_frees_and_fence_holds(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    test_member(db, 1);
    test_member(db, 2);
    test_add(db, "r", 3, "a", 0);
    g_autoptr(TaskClaim) old = claim(db, 1);
    assert_null(claim(db, 2));
    test_member_dies(db, 1);
    /* Past its lease, and nobody has taken the task yet: still refused. */
    assert_false(end_all(db, old, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    g_clear_error(&error);
    g_autoptr(TaskClaim) new = claim(db, 2);
    assert_int_equal(task_of(new, 0)->deaths, 1);
    assert_false(end_all(db, old, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    g_clear_error(&error);
    assert_true(end_all(db, new, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(test_count(db, "task"), 0);
}

/* The generation guards even where the owner is the same: a lane that was too late for its own
 * node's other lane. */
static void test_generation_is_part_of_the_fence(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    test_member(db, 1);
    test_add(db, "r", 3, "a", 0);
    g_autoptr(TaskClaim) old = claim(db, 1);
    assert_true(end_all(db, old, (TaskEnd){.kind = TASK_GIVEN_BACK}, &error));
    /* Given back, it has the same generation still, but no owner. */
    assert_false(end_all(db, old, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    g_clear_error(&error);
    g_autoptr(TaskClaim) new = claim_as(db, (TaskClaimAsk){.owner = 1, .lane = 5}).claim;
    assert_false(end_all(db, old, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    g_clear_error(&error);
    test_begin(db);
    assert_false(task_fence(db, old, &error));
    db_rollback(db);
    g_clear_error(&error);
    test_begin(db);
    assert_true(task_fence(db, new, &error));
    assert_true(task_verify(db, old, &error));
    assert_true(task_verify(db, new, &error));
    db_rollback(db);
    assert_int_equal(old->tasks->len, 0);
    assert_int_equal(new->tasks->len, 1);
    assert_int_equal(task_of(new, 0)->attempts, 0);
}

/* A lane whose claim was rolled back, without its hearing of it, does not take the claim that
 * another lane of its node made next for its own. */
static void test_lost_claim_is_not_the_other_lanes(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    unsigned cursor = 0;
    TaskClaimed lost = {0};
    TaskClaimAsk ask = {.role = "r",
                        .shard = 1,
                        .shards = 1,
                        .batch = BATCH,
                        .owner = 1,
                        .lane = 4,
                        .cursor = &cursor};
    test_member(db, 1);
    test_add(db, "r", 3, "a", 0);
    test_begin(db);
    assert_true(task_claim(db, &ask, &lost, &error));
    db_rollback(db);
    g_autoptr(TaskClaim) other = claim_as(db, (TaskClaimAsk){.owner = 1, .lane = 5}).claim;
    assert_int_equal(other->tasks->len, 1);
    test_begin(db);
    assert_true(task_verify(db, lost.claim, &error));
    db_rollback(db);
    assert_int_equal(lost.claim->tasks->len, 0);
    task_claim_free(lost.claim);
}

static void test_only_own_shard(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    for (unsigned bucket = 0; bucket < 60; bucket++) {
        g_autofree char *key = g_strdup_printf("k%u", bucket);
        test_add(db, "r", bucket * 17, key, 0);
    }
    unsigned seen = 0;
    for (unsigned shard = 1; shard <= 3; shard++) {
        for (;;) {
            g_autoptr(TaskClaim) held = claim_as(db, (TaskClaimAsk){.owner = 1,
                                                                    .shard = shard,
                                                                    .shards = 3,
                                                                    .batch = 7,
                                                                    .cursor = &cursors[shard]})
                                            .claim;
            if (!held)
                break;
            for (unsigned i = 0; i < held->tasks->len; i++, seen++)
                assert_int_equal(task_of(held, i)->bucket % 3 + 1, shard);
        }
    }
    assert_int_equal(seen, 60);
}

static void test_oldest_first_and_not_before_due(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    int64_t now = test_int(db, &SQL_NOW, DB_NO_ARGS);
    test_add(db, "r", 3, "later", now + 3600000);
    test_add(db, "r", 3, "second", now - 100);
    test_add(db, "r", 3, "first", now - 200);
    test_add(db, "other", 3, "x", now - 300);
    g_autoptr(TaskClaim) held = claim(db, 1);
    assert_int_equal(held->tasks->len, 2);
    assert_string_equal(task_of(held, 0)->key, "first");
    assert_string_equal(task_of(held, 1)->key, "second");
    TaskClaimed none = claim_as(db, (TaskClaimAsk){.owner = 1});
    assert_null(none.claim);
    assert_int_equal(none.next_due_at, now + 3600000);
    assert_in_range(none.now, now, now + 60000);
}

static void test_stale_table_claims_nothing(void **state)
{
    Db *db = db_of(state);
    static const DbSql adopt = {"UPDATE cluster SET epoch = 5 WHERE id = 1", NULL};
    test_member(db, 1);
    test_add(db, "r", 3, "a", 0);
    test_exec(db, &adopt, DB_NO_ARGS);
    TaskClaimed stale = claim_as(db, (TaskClaimAsk){.owner = 1, .epoch = 4});
    assert_null(stale.claim);
    assert_true(stale.stale);
    TaskClaimed good = claim_as(db, (TaskClaimAsk){.owner = 1, .epoch = 5});
    g_autoptr(TaskClaim) held = good.claim;
    assert_int_equal(held->tasks->len, 1);
}

static void test_failure_backs_off_then_is_buried(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    static const DbSql letter = {
        "SELECT attempts FROM dead_letter WHERE last_error = 'why' AND node = 7", NULL};
    test_member(db, 1);
    test_add(db, "r", 3, "a", 0);
    g_autoptr(TaskClaim) first = claim(db, 1);
    assert_true(end_all(db, first, (TaskEnd){.kind = TASK_FAILED, .error = "e", .due_at = 3600000},
                        &error));
    TaskClaimed none = claim_as(db, (TaskClaimAsk){.owner = 1});
    assert_null(none.claim);
    assert_true(none.next_due_at > none.now + 3000000);
    static const DbSql hurry = {"UPDATE task SET due_at = rota_now()", NULL};
    test_exec(db, &hurry, DB_NO_ARGS);
    g_autoptr(TaskClaim) second = claim(db, 1);
    assert_int_equal(task_of(second, 0)->attempts, 1);
    assert_true(
        end_all(db, second, (TaskEnd){.kind = TASK_FAILED, .error = "why", .bury = true}, &error));
    assert_int_equal(test_count(db, "task"), 0);
    assert_int_equal(test_int(db, &letter, DB_NO_ARGS), 2);
}

/* Three incarnations die with the task: the second death makes it a suspect, the third buries it.
 * Innocent tasks of its batch get through. */
static void test_poison_is_buried_alone(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    for (int64_t life = 1; life <= 6; life++)
        test_member(db, life);
    test_add(db, "r", 3, "poison", 1);
    test_add(db, "r", 3, "x", 2);
    for (int64_t life = 1; life <= 2; life++) {
        g_autoptr(TaskClaim) held =
            claim_as(db, (TaskClaimAsk){.owner = life, .suspects = true}).claim;
        assert_int_equal(held->tasks->len, 2);
        test_member_dies(db, life);
    }
    assert_null(claim_as(db, (TaskClaimAsk){.owner = 3}).claim);
    g_autoptr(TaskClaim) alone = claim_as(db, (TaskClaimAsk){.owner = 3, .suspects = true}).claim;
    assert_int_equal(alone->tasks->len, 1);
    assert_string_equal(task_of(alone, 0)->key, "poison");
    test_member_dies(db, 3);
    g_autoptr(TaskClaim) last =
        claim_as(db, (TaskClaimAsk){.owner = 4, .suspects = true, .node = 4}).claim;
    assert_int_equal(last->buried->len, 1);
    assert_int_equal(test_count(db, "dead"), 1);
    assert_string_equal(task_of(last, 0)->key, "x");
    assert_true(end_all(db, last, (TaskEnd){.kind = TASK_DONE}, &error));
    assert_int_equal(test_count(db, "task"), 0);
}

static void test_remove(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    test_member(db, 1);
    test_add(db, "r", 3, "a", 0);
    for (unsigned round = 0; round < 2; round++) {
        bool removed;
        if (round == 0)
            task_claim_free(claim(db, 1));
        else
            test_member_dies(db, 1);
        test_begin(db);
        assert_true(task_remove(db, "r", 3, "a", &removed, &error));
        test_commit(db);
        assert_int_equal(removed, round == 1);
    }
}

static void test_backoff(void **state)
{
    (void)state;
    Rand rand;
    rand_init(&rand, 1);
    static const struct {
        unsigned attempts;
        int64_t least, most;
    } cases[] = {
        {1, 500, 1000}, {2, 1000, 2000}, {5, 8000, 16000}, {8, 30000, 60000}, {4000, 30000, 60000},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++)
        for (unsigned n = 0; n < 100; n++)
            assert_in_range(task_backoff_ms(cases[i].attempts, 1000, 60000, &rand), cases[i].least,
                            cases[i].most);
}

/* What was done lies below the floors, what comes is above them. */
static void test_floors_hide_nothing(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 40; i++) {
            g_autofree char *key = g_strdup_printf("k%u", i);
            test_add(db, "r", i % 4 * 100, key, 0);
        }
        g_autoptr(TaskClaim) held = claim(db, 1);
        assert_int_equal(held->tasks->len, 40);
        assert_true(end_all(db, held, (TaskEnd){.kind = TASK_DONE}, NULL));
        assert_null(claim(db, 1));
        g_usleep(TASK_MARK_LOOK_MS / 4 * 1000);
    }
}

/* The work of a claim: statements do not grow with the number of tasks that are not for it. */
static void test_claim_is_few_statements(void **state)
{
    Db *db = db_of(state);
    test_member(db, 1);
    uint64_t before = db_counts(db).statements;
    assert_null(claim(db, 1));
    bool floors = by_floors && db_kind(db) == DB_POSTGRESQL;
    assert_in_range(db_counts(db).statements - before, 1, floors ? 5 : 2);
    for (unsigned i = 0; i < 300; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        test_add(db, "r", i, key, 0);
    }
    before = db_counts(db).statements;
    g_autoptr(TaskClaim) held = claim(db, 1);
    assert_int_equal(held->tasks->len, 100);
    /* one; where it costs no round trip, the choice and a write for each task */
    uint64_t most = db_kind(db) == DB_SQLITE ? 101 : floors ? 4 : 1;
    assert_in_range(db_counts(db).statements - before, 1, most);
}

/* All that follows claims by floors, or not. */
static void by_floors_not(void **state)
{
    (void)state;
    by_floors = false;
}

static void by_floors_too(void **state)
{
    (void)state;
    by_floors = true;
}

/* clang-format off */
#define ALL \
    cmocka_unit_test(test_done_is_removed), \
    cmocka_unit_test(test_merge), \
    cmocka_unit_test(test_the_end_of_a_task_is_durable), \
    cmocka_unit_test(test_many_are_locked_in_one_order), \
    cmocka_unit_test(test_enqueue_during_run_runs_again), \
    cmocka_unit_test(test_two_living_never_hold_one), \
    cmocka_unit_test(test_claim_skips_locked), \
    cmocka_unit_test(test_dead_owner_frees_and_fence_holds), \
    cmocka_unit_test(test_generation_is_part_of_the_fence), \
    cmocka_unit_test(test_lost_claim_is_not_the_other_lanes), \
    cmocka_unit_test(test_only_own_shard), \
    cmocka_unit_test(test_no_due_time_is_past), \
    cmocka_unit_test(test_oldest_first_and_not_before_due), \
    cmocka_unit_test(test_stale_table_claims_nothing), \
    cmocka_unit_test(test_failure_backs_off_then_is_buried), \
    cmocka_unit_test(test_poison_is_buried_alone), \
    cmocka_unit_test(test_remove), \
    cmocka_unit_test(test_backoff), \
    cmocka_unit_test(test_floors_hide_nothing), \
    cmocka_unit_test(test_claim_is_few_statements)
/* clang-format on */

int main(void)
{
    /* In one group, since each prints its own plan. */
    static const struct CMUnitTest tests[] = {cmocka_unit_test(by_floors_not), ALL,
                                              cmocka_unit_test(by_floors_too), ALL};
    int failed = test_on_both_stores("task", tests, G_N_ELEMENTS(tests));
    g_clear_pointer(&marks, task_marks_free);
    return failed;
}
