/* task_admin_test: what retry and drop do, and what they leave alone, on both stores. */
#include "roster_test.h"

#include "roster/task_admin.h"

static const RoleSet no_roles = {NULL, 0};

static Db *db_of(void **state)
{
    return ((TestStore *)*state)->db;
}

static void bury(Db *db, unsigned bucket, const char *role, const char *key, const char *payload)
{
    static const DbSql sql = {"INSERT INTO dead_letter (bucket, role, key, payload, attempts, "
                              "deaths, created_at, buried_at, last_error, node)"
                              " VALUES ($1, $2, $3, $4, 3, 3, 5, rota_now(), 'why', 2)",
                              NULL};
    test_exec(db, &sql, DB_ARGS(db_int(bucket), db_text(role), db_text(key), db_text(payload)));
}

static int64_t ask(Db *db, const char *key, unsigned what)
{
    static const DbSql questions[] = {
        {"SELECT attempts + deaths FROM task WHERE key = $1", NULL},
        {"SELECT version FROM task WHERE key = $1", NULL},
        {"SELECT CASE WHEN due_at <= rota_now() THEN 1 ELSE 0 END FROM task WHERE key = $1", NULL},
        {"SELECT CASE WHEN payload = 'new' THEN 1 ELSE 0 END FROM task WHERE key = $1", NULL},
        {"SELECT created_at FROM task WHERE key = $1", NULL},
    };
    return test_int(db, &questions[what], DB_ARGS(db_text(key)));
}
enum { TROUBLE, VERSION, IS_DUE, IS_NEW, CREATED };

static void must(Db *db, bool (*verb)(Db *, const RoleSet *, const char *, TaskWas *, GError **),
                 const char *id, TaskWas want)
{
    g_autoptr(GError) error = NULL;
    TaskWas was;
    verb(db, &no_roles, id, &was, &error);
    assert_no_error(error);
    assert_int_equal(was, want);
}

static ErrorKind refusal(Db *db,
                         bool (*verb)(Db *, const RoleSet *, const char *, TaskWas *, GError **),
                         const char *id)
{
    g_autoptr(GError) error = NULL;
    TaskWas was;
    assert_false(verb(db, &no_roles, id, &was, &error));
    assert_false(db_in_transaction(db));
    return error_kind(error);
}

static void test_retry_a_dead_letter(void **state)
{
    Db *db = db_of(state);
    bury(db, 900, "r", "a", "old");
    must(db, task_retry, "r:a", TASK_WAS_DEAD);
    assert_int_equal(test_count(db, "dead"), 0);
    assert_int_equal(ask(db, "a", TROUBLE), 0);
    assert_int_equal(ask(db, "a", IS_DUE), 1);
    assert_int_equal(ask(db, "a", CREATED), 5);
    assert_int_equal(refusal(db, task_retry, "r:b"), ERROR_GONE);
    assert_int_equal(refusal(db, task_retry, "nothing"), ERROR_REJECT);
}

/* Asked for again meanwhile: one task, with the newer payload, that runs once more. */
static void test_retry_meets_a_living_one(void **state)
{
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    TaskNew task = {"r", 900, "a", "new", INT64_C(32503680000000)};
    test_begin(db);
    task_add(db, &task, &error);
    assert_no_error(error);
    test_commit(db);
    bury(db, 900, "r", "a", "old");
    must(db, task_retry, "r:a", TASK_WAS_DEAD);
    assert_int_equal(test_count(db, "task"), 1);
    assert_int_equal(test_count(db, "dead"), 0);
    assert_int_equal(ask(db, "a", IS_DUE), 1);
    assert_int_equal(ask(db, "a", VERSION), 2);
    assert_int_equal(ask(db, "a", IS_NEW), 1);
}

static void test_a_task_that_waits(void **state)
{
    Db *db = db_of(state);
    test_add(db, "r", 3, "a", INT64_C(32503680000000));
    assert_int_equal(ask(db, "a", IS_DUE), 0);
    must(db, task_retry, "r:a", TASK_WAS_WAITING);
    assert_int_equal(ask(db, "a", IS_DUE), 1);
    must(db, task_drop, "r:a", TASK_WAS_WAITING);
    assert_int_equal(test_count(db, "task"), 0);
}

static void test_what_runs_is_left_alone(void **state)
{
    static const DbSql take = {"UPDATE task SET owner = $1", NULL};
    Db *db = db_of(state);
    test_member(db, 4);
    test_add(db, "r", 3, "a", INT64_C(32503680000000));
    test_exec(db, &take, DB_ARGS(db_int(4)));
    assert_int_equal(refusal(db, task_retry, "r:a"), ERROR_CONFLICT);
    assert_int_equal(refusal(db, task_drop, "r:a"), ERROR_CONFLICT);
    assert_int_equal(ask(db, "a", IS_DUE), 0);
    test_member_dies(db, 4);
    must(db, task_retry, "r:a", TASK_WAS_WAITING);
    must(db, task_drop, "r:a", TASK_WAS_WAITING);
}

static void test_drop_means_the_dead_letter_first(void **state)
{
    Db *db = db_of(state);
    bury(db, 3, "r", "a", "");
    test_add(db, "r", 3, "a", 0);
    must(db, task_drop, "r:a", TASK_WAS_DEAD);
    assert_int_equal(test_count(db, "dead"), 0);
    assert_int_equal(test_count(db, "task"), 1);
    must(db, task_drop, "r:a", TASK_WAS_WAITING);
    assert_int_equal(refusal(db, task_drop, "r:a"), ERROR_GONE);
}

static int64_t walk(Db *db, TaskVerb verb)
{
    g_autoptr(GError) error = NULL;
    DeadWalk walk = {0};
    unsigned steps = 0;
    while (!walk.over) {
        dead_letters_step(db, "r", verb, &walk, &error);
        assert_no_error(error);
        assert_true(++steps < 10);
    }
    return walk.count;
}

static void test_all_of_a_role(void **state)
{
    static const DbSql fill = {"WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT "
                               "i + 1 FROM n WHERE i < $1)"
                               " INSERT INTO dead_letter (bucket, role, key, payload, attempts, "
                               "deaths, created_at, buried_at, last_error, node)"
                               " SELECT i % 3, CASE WHEN i % 10 = 0 THEN 'other' ELSE 'r' END, 'k' "
                               "|| i, '', 1, 0, 1, 1, '', 1 FROM n",
                               NULL};
    Db *db = db_of(state);
    g_autoptr(GError) error = NULL;
    test_exec(db, &fill, DB_ARGS(db_int(4000)));
    assert_int_equal(dead_letters_count(db, "r", &error), 3600);
    assert_int_equal(walk(db, VERB_RETRY), 3600);
    assert_int_equal(test_count(db, "dead"), 400);
    assert_int_equal(test_count(db, "task"), 3600);
    assert_int_equal(walk(db, VERB_RETRY), 0);
    bury(db, 1, "r", "again", "");
    assert_int_equal(walk(db, VERB_DROP), 1);
    assert_int_equal(test_count(db, "dead"), 400);
    assert_int_equal(test_count(db, "task"), 3600);
}

/* What fails again during the walk waits for the next one: the walk ends. */
static void test_the_walk_ends(void **state)
{
    Db *db = db_of(state);
    static const DbSql later = {
        "UPDATE dead_letter SET buried_at = rota_now() + 60000 WHERE key = 'new'", NULL};
    bury(db, 1, "r", "old", "");
    bury(db, 2, "r", "new", "");
    test_exec(db, &later, DB_NO_ARGS);
    assert_int_equal(walk(db, VERB_DROP), 1);
    assert_int_equal(test_count(db, "dead"), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_a_dead_letter),
        cmocka_unit_test(test_retry_meets_a_living_one),
        cmocka_unit_test(test_a_task_that_waits),
        cmocka_unit_test(test_what_runs_is_left_alone),
        cmocka_unit_test(test_drop_means_the_dead_letter_first),
        cmocka_unit_test(test_all_of_a_role),
        cmocka_unit_test(test_the_walk_ends),
    };
    return test_on_both_stores("task_admin", tests, G_N_ELEMENTS(tests));
}
