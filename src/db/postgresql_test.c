/* postgresql: what only a server can do: go away, before, in and after a statement or a commit. */
#include "support.h"

#include "base/error.h"
#include "base/limits.h"
#include "db/driver.h"

static const DbSql own_pid = {.sql = "SELECT pg_backend_pid()"};
/* With a time-out it waits for the end of the process: then its socket is closed. */
static const DbSql terminate = {
    .sql = "SELECT count(*) FROM pg_terminate_backend(CAST($1 AS INTEGER), 20000) AS t WHERE t"};
static const DbSql is_at = {.sql = "SELECT count(*) FROM pg_stat_activity"
                                   " WHERE pid = $1 AND state = 'active' AND query LIKE $2"};
static const DbSql grow_epoch = {.sql = "UPDATE cluster SET epoch = epoch + 1"};
static const DbSql get_epoch = {.sql = "SELECT epoch FROM cluster"};
static const DbSql sleeps = {.sql = "SELECT 1 FROM pg_sleep(25)"};

static bool is_postgresql(void **state)
{
    const TestStore *store = *state;
    return store->config.kind == DB_POSTGRESQL;
}

static int64_t ask(Db *db, const DbSql *sql, const DbValue *args, unsigned count)
{
    int64_t value = -1;
    g_autoptr(GError) error = NULL;
    db_query_int(db, sql, args, count, &value, &error);
    assert_no_error(error);
    return value;
}

static int64_t ask_alone(Db *db, const DbSql *sql, const DbValue *args, unsigned count)
{
    assert_true(db_begin(db, DB_READ, NULL));
    int64_t value = ask(db, sql, args, count);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    return value;
}

/* Ends a backend, and waits until it has gone. */
static void kill_backend(Db *killer, int64_t pid)
{
    assert_int_equal(ask_alone(killer, &terminate, DB_ARGS(db_int(pid))), 1);
}

static void lost_between_transactions_connects_anew(void **state)
{
    if (!is_postgresql(state))
        return;
    TestStore *store = *state;
    g_autoptr(Db) killer = test_store_open(store);
    int64_t pid = ask_alone(store->db, &own_pid, DB_NO_ARGS);
    assert_int_equal(ask_alone(store->db, &get_epoch, DB_NO_ARGS), 0);
    kill_backend(killer, pid);
    assert_int_equal(ask_alone(store->db, &get_epoch, DB_NO_ARGS), 0); /* prepared anew, too */
    assert_true(ask_alone(store->db, &own_pid, DB_NO_ARGS) != pid);
}

/* What a stopped process has locked, the server frees by itself. */
static void a_transaction_that_rests_is_ended(void **state)
{
    static const DbSql idle = {.sql = "SELECT CAST(setting AS BIGINT) FROM pg_settings"
                                      " WHERE name = 'idle_in_transaction_session_timeout'"};
    if (!is_postgresql(state))
        return;
    const TestStore *store = *state;
    assert_int_equal(ask_alone(store->db, &idle, DB_NO_ARGS), DB_IDLE_SECONDS * 1000);
    DbConfig config = store->config;
    config.statement_seconds = 1;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) resting = db_open(&config, &error);
    assert_no_error(error);
    static const DbSql locks = {.sql = "UPDATE cluster SET epoch = epoch WHERE id = 1"};
    assert_true(db_begin(resting, DB_WRITE, &error));
    assert_int_equal(db_exec(resting, &locks, DB_NO_ARGS, &error), 1);
    assert_true(db_begin(store->db, DB_WRITE, &error));
    assert_int_equal(db_exec(store->db, &locks, DB_NO_ARGS, &error), 1); /* waits for a second */
    assert_int_equal(db_commit(store->db, &error), DB_DONE);
    assert_no_error(error);
    assert_int_not_equal(db_commit(resting, NULL), DB_DONE);
}

static void lost_in_a_transaction_is_not_done(void **state)
{
    if (!is_postgresql(state))
        return;
    TestStore *store = *state;
    g_autoptr(Db) killer = test_store_open(store);
    for (unsigned by_commit = 0; by_commit < 2; by_commit++) {
        g_autoptr(GError) error = NULL;
        assert_true(db_begin(store->db, DB_WRITE, NULL));
        int64_t pid = ask(store->db, &own_pid, DB_NO_ARGS);
        assert_int_equal(db_exec(store->db, &grow_epoch, DB_NO_ARGS, NULL), 1);
        kill_backend(killer, pid);
        if (!by_commit) {
            assert_int_equal(db_exec(store->db, &grow_epoch, DB_NO_ARGS, &error), -1);
            assert_int_equal(error_kind(error), ERROR_RETRY);
            g_clear_error(&error);
        }
        assert_int_equal(db_commit(store->db, &error), DB_NOT_DONE);
        assert_int_equal(error_kind(error), ERROR_RETRY);
        assert_int_equal(ask_alone(store->db, &get_epoch, DB_NO_ARGS), 0);
    }
}

typedef struct {
    const TestStore *store;
    int64_t pid;
    const char *query; /* LIKE pattern of the moment to strike */
} Killer;

static void *strike(void *data)
{
    Killer *killer = data;
    g_autoptr(Db) db = test_store_open(killer->store);
    while (ask_alone(db, &is_at, DB_ARGS(db_int(killer->pid), db_text(killer->query))) == 0)
        g_thread_yield();
    kill_backend(db, killer->pid);
    return NULL;
}

static void lost_in_a_statement_is_not_done(void **state)
{
    if (!is_postgresql(state))
        return;
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    Killer killer = {store, ask(store->db, &own_pid, DB_NO_ARGS), "%pg_sleep%"};
    assert_int_equal(db_exec(store->db, &grow_epoch, DB_NO_ARGS, NULL), 1);
    GThread *thread = g_thread_new("killer", strike, &killer);
    assert_int_equal(db_exec(store->db, &sleeps, DB_NO_ARGS, &error), -1);
    g_thread_join(thread);
    assert_int_equal(error_kind(error), ERROR_RETRY);
    db_rollback(store->db);
    assert_int_equal(ask_alone(store->db, &get_epoch, DB_NO_ARGS), 0);
}

static void lost_in_the_commit_is_unknown(void **state)
{
    if (!is_postgresql(state))
        return;
    /* a trigger that sleeps in the commit gives time to strike in the middle of it */
    static const char *const slow_commit[] = {
        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(25); "
        "RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER nap AFTER UPDATE ON cluster DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION nap()",
    };
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(slow_commit); i++)
        assert_true(db_run_text(store->db, slow_commit[i], NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    Killer killer = {store, ask(store->db, &own_pid, DB_NO_ARGS), "COMMIT%"};
    assert_int_equal(db_exec(store->db, &grow_epoch, DB_NO_ARGS, NULL), 1);
    GThread *thread = g_thread_new("killer", strike, &killer);
    assert_int_equal(db_commit(store->db, &error), DB_UNKNOWN);
    g_thread_join(thread);
    assert_int_equal(error_kind(error), ERROR_UNKNOWN);
    assert_false(db_in_transaction(store->db));
    assert_int_equal(ask_alone(store->db, &get_epoch, DB_NO_ARGS), 0);
}

/* A commit may also be answered with no: here by a deferred constraint. */
static void commit_may_be_refused(void **state)
{
    if (!is_postgresql(state))
        return;
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_run_text(
        store->db, "CREATE TABLE late (n BIGINT UNIQUE DEFERRABLE INITIALLY DEFERRED)", NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_run_text(store->db, "INSERT INTO late VALUES (1), (1)", NULL));
    assert_int_equal(db_commit(store->db, &error), DB_NOT_DONE);
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    assert_int_equal(ask_alone(store->db, &get_epoch, DB_NO_ARGS), 0);
}

/* An old snapshot updates a row that has moved on. */
static void serialisation_failure_is_retry(void **state)
{
    if (!is_postgresql(state))
        return;
    TestStore *store = *state;
    g_autoptr(Db) other = test_store_open(store);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_run_text(store->db, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", NULL));
    assert_int_equal(ask(store->db, &get_epoch, DB_NO_ARGS), 0);
    assert_true(db_begin(other, DB_WRITE, NULL));
    assert_int_equal(db_exec(other, &grow_epoch, DB_NO_ARGS, NULL), 1);
    assert_int_equal(db_commit(other, NULL), DB_DONE);
    assert_int_equal(db_exec(store->db, &grow_epoch, DB_NO_ARGS, &error), -1);
    assert_int_equal(error_kind(error), ERROR_RETRY);
    db_rollback(store->db);
}

static void listener_comes_back(void **state)
{
    if (!is_postgresql(state))
        return;
    TestStore *store = *state;
    g_autoptr(Db) listener = test_store_open(store);
    g_autofree char *word = NULL;
    int64_t pid = ask_alone(listener, &own_pid, DB_NO_ARGS);
    assert_true(db_listen(listener, 0, &word, NULL));
    kill_backend(store->db, pid);
    while (!db_listen(listener, 0, &word, NULL)) /* at most once */
        assert_null(word);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_notify(store->db, "again", NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    assert_true(db_listen(listener, 20000, &word, NULL));
    assert_string_equal(word, "again");
}

static void schema_change_is_retry(void **state)
{
    if (!is_postgresql(state))
        return;
    static const DbSql all = {.sql = "SELECT * FROM cluster"};
    TestStore *store = *state;
    g_autoptr(Db) other = test_store_open(store);
    g_autoptr(GError) error = NULL;
    ask_alone(store->db, &all, DB_NO_ARGS);
    assert_true(db_begin(other, DB_WRITE, NULL));
    assert_true(db_run_text(other, "ALTER TABLE cluster ADD COLUMN more BIGINT", NULL));
    assert_int_equal(db_commit(other, NULL), DB_DONE);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_int_equal(db_exec(store->db, &all, DB_NO_ARGS, &error), -1);
    assert_int_equal(error_kind(error), ERROR_RETRY);
    db_rollback(store->db);
    ask_alone(store->db, &all, DB_NO_ARGS);
}

static void wrong_servers_are_told_apart(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    DbConfig nobody = {.kind = DB_POSTGRESQL, .url = "host=/nonexistent port=1 dbname=x"};
    assert_null(db_open(&nobody, &error));
    assert_int_equal(error_kind(error), ERROR_RETRY);
    g_clear_error(&error);
    DbConfig wrong = {.kind = DB_POSTGRESQL, .url = "host=localhost colour=blue"};
    assert_null(db_open(&wrong, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_between_transactions_connects_anew),
        cmocka_unit_test(a_transaction_that_rests_is_ended),
        cmocka_unit_test(lost_in_a_transaction_is_not_done),
        cmocka_unit_test(lost_in_a_statement_is_not_done),
        cmocka_unit_test(lost_in_the_commit_is_unknown),
        cmocka_unit_test(commit_may_be_refused),
        cmocka_unit_test(serialisation_failure_is_retry),
        cmocka_unit_test(listener_comes_back),
        cmocka_unit_test(schema_change_is_retry),
        cmocka_unit_test(wrong_servers_are_told_apart),
    };
    return test_on_both_stores("postgresql", tests, G_N_ELEMENTS(tests));
}
