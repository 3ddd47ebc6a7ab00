/* Several handles on one store, on both stores: who waits for whom, who sees what, and what is
 * counted. */
#include "support.h"

#include <stdatomic.h>

#include "base/error.h"
#include "db/driver.h"
#include "db/migrate.h"
#include "db/tell.h"

static const DbSql set_epoch = {.sql = "UPDATE cluster SET epoch = $1"};
static const DbSql get_epoch = {.sql = "SELECT epoch FROM cluster"};
static const DbSql grow_epoch = {.sql = "UPDATE cluster SET epoch = epoch + 1"};

static int64_t read_epoch(Db *db)
{
    int64_t epoch = -1;
    g_autoptr(GError) error = NULL;
    assert_int_equal(db_query_int(db, &get_epoch, DB_NO_ARGS, &epoch, &error), 1);
    return epoch;
}

static void write_epoch(Db *db, int64_t epoch)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_int_equal(db_exec(db, &set_epoch, DB_ARGS(db_int(epoch)), NULL), 1);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void reader_keeps_its_snapshot(void **state)
{
    TestStore *store = *state;
    g_autoptr(Db) reader = test_store_open(store);
    write_epoch(store->db, 1);
    assert_true(db_begin(reader, DB_READ, NULL));
    assert_int_equal(read_epoch(reader), 1);
    write_epoch(store->db, 2); /* is not held up by the reader */
    assert_int_equal(read_epoch(reader), 1);
    assert_int_equal(db_commit(reader, NULL), DB_DONE);
    assert_true(db_begin(reader, DB_READ, NULL));
    assert_int_equal(read_epoch(reader), 2);
    assert_int_equal(db_commit(reader, NULL), DB_DONE);
}

static void hear(const char *word, void *data)
{
    g_string_append_printf(data, "%s,", word);
}

static void a_commit_tells(void **state)
{
    TestStore *store = *state;
    g_autoptr(GString) heard = g_string_new(NULL);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    db_tell(store->db, "nobody hears it");
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    db_set_hearer(hear, heard);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    db_tell(store->db, "account:1");
    db_tell(store->db, "account:1");
    assert_string_equal(heard->str, "");
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    assert_string_equal(heard->str, "account:1,");
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    db_tell(store->db, "account:2");
    db_rollback(store->db);
    write_epoch(store->db, 3); /* and it is forgotten */
    assert_string_equal(heard->str, "account:1,");
    db_set_hearer(NULL, NULL);
}

static void uncommitted_is_not_seen(void **state)
{
    TestStore *store = *state;
    g_autoptr(Db) reader = test_store_open(store);
    write_epoch(store->db, 1);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_int_equal(db_exec(store->db, &set_epoch, DB_ARGS(db_int(2)), NULL), 1);
    assert_true(db_begin(reader, DB_READ, NULL)); /* and a writer does not hold up a reader */
    assert_int_equal(read_epoch(reader), 1);
    assert_int_equal(db_commit(reader, NULL), DB_DONE);
    db_rollback(store->db);
}

typedef struct {
    const TestStore *store;
    atomic_bool started, released;
    bool saw_released;
    bool ok;
} Second;

static void *second_writer(void *data)
{
    Second *second = data;
    g_autoptr(Db) db = test_store_open(second->store);
    atomic_store(&second->started, true);
    second->ok = db_begin(db, DB_WRITE, NULL) && db_exec(db, &grow_epoch, DB_NO_ARGS, NULL) == 1;
    second->saw_released = atomic_load(&second->released);
    second->ok = db_commit(db, NULL) == DB_DONE && second->ok;
    return NULL;
}

static void writer_waits_for_writer(void **state)
{
    TestStore *store = *state;
    Second second = {.store = store};
    write_epoch(store->db, 10);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_int_equal(db_exec(store->db, &set_epoch, DB_ARGS(db_int(20)), NULL), 1);
    GThread *thread = g_thread_new("second", second_writer, &second);
    while (!atomic_load(&second.started))
        g_thread_yield();
    atomic_store(&second.released, true);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    g_thread_join(thread);
    assert_true(second.ok);
    assert_true(second.saw_released);
    assert_true(db_begin(store->db, DB_READ, NULL));
    assert_int_equal(read_epoch(store->db), 21);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
}

enum { THREADS = 4, TURNS = 100 };

static void *count_up(void *data)
{
    const TestStore *store = data;
    TestStore mine = *store;
    static atomic_uint number;
    mine.config.background = atomic_fetch_add(&number, 1) % 2;
    g_autoptr(Db) db = test_store_open(&mine);
    unsigned done = 0;
    for (unsigned i = 0; i < TURNS; i++) {
        g_autoptr(GError) error = NULL;
        if (!db_begin(db, i % 3 ? DB_WRITE : DB_WRITE_LAZY, &error))
            continue;
        if (db_exec(db, &grow_epoch, DB_NO_ARGS, &error) == 1 && db_commit(db, &error) == DB_DONE)
            done++;
        else
            db_rollback(db);
    }
    return GUINT_TO_POINTER(done);
}

static void no_update_is_lost(void **state)
{
    TestStore *store = *state;
    write_epoch(store->db, 0);
    GThread *threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("count", count_up, store);
    unsigned done = 0;
    for (unsigned i = 0; i < THREADS; i++)
        done += GPOINTER_TO_UINT(g_thread_join(threads[i]));
    assert_int_equal(done, THREADS * TURNS);
    assert_true(db_begin(store->db, DB_READ, NULL));
    assert_int_equal(read_epoch(store->db), done);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
}

static void statement_ends_in_time(void **state)
{
    static const DbSql endless = {
        .sql =
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c",
        .postgresql = "SELECT 1::BIGINT FROM pg_sleep(60)"};
    TestStore *store = *state;
    TestStore hasty = *store;
    hasty.config.statement_seconds = 1;
    g_autoptr(Db) db = test_store_open(&hasty);
    for (unsigned i = 0; i < 2; i++) { /* with db_exec and with db_query */
        g_autoptr(GError) error = NULL;
        int64_t value = 0;
        assert_true(db_begin(db, DB_WRITE, NULL));
        assert_int_equal(i == 0 ? db_exec(db, &endless, DB_NO_ARGS, &error)
                                : db_query_int(db, &endless, DB_NO_ARGS, &value, &error),
                         -1);
        assert_int_equal(error_kind(error), ERROR_RETRY);
        assert_int_equal(db_commit(db, NULL), DB_NOT_DONE);
    }
    write_epoch(db, 3); /* the handle is as good as before */
}

static void wake_ups_arrive(void **state)
{
    TestStore *store = *state;
    g_autoptr(Db) listener = test_store_open(store);
    g_autofree char *word = NULL;
    assert_true(db_listen(listener, 0, &word, NULL));
    assert_null(word);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_notify(store->db, "nobody hears this", NULL));
    db_rollback(store->db);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_notify(store->db, "it's due", NULL));
    assert_true(db_notify(store->db, "it's due", NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    bool heard = store->config.kind == DB_POSTGRESQL;
    assert_true(db_listen(listener, heard ? 20000 : 1, &word, NULL));
    assert_int_equal(word != NULL, heard);
    if (heard)
        assert_string_equal(word, "it's due");
    g_clear_pointer(&word, g_free);
    assert_true(db_listen(listener, 20, &word, NULL));
    assert_null(word);
}

static void costs_are_counted(void **state)
{
    TestStore *store = *state;
    DbValue args[100];
    for (unsigned i = 0; i < G_N_ELEMENTS(args); i++)
        args[i] = db_int(i);
    DbCounts before = db_counts(store->db);
    assert_true(db_begin(store->db, DB_WRITE_LAZY, NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE); /* an empty one */
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_int_equal(db_exec(store->db, &grow_epoch, DB_NO_ARGS, NULL), 1);
    assert_int_equal(read_epoch(store->db), 1);
    assert_true(db_exec_many(store->db, &set_epoch, args, 1, 100, NULL, NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    DbCounts after = db_counts(store->db);
    assert_int_equal(after.transactions - before.transactions, 2);
    assert_int_equal(after.statements - before.statements, 102);
    /* BEGIN, preparing and the many cost no round trip of their own */
    assert_int_equal(after.round_trips - before.round_trips,
                     store->config.kind == DB_POSTGRESQL ? 4 : 0);
}

/* ---- the schema, by several at once */

static void *upgrade(void *data)
{
    g_autoptr(Db) db = test_store_open(data);
    unsigned applied = 0;
    g_autoptr(GError) error = NULL;
    if (!migrate_upgrade(db, &applied, &error)) {
        print_error("%s\n", error->message);
        return GUINT_TO_POINTER(1000);
    }
    return GUINT_TO_POINTER(applied);
}

static void upgrades_at_once_are_one(void **state)
{
    TestStore *store = *state;
    TestStore fresh = *store;
    g_autofree char *path = NULL;
    if (store->config.kind == DB_SQLITE) {
        path = g_strconcat(store->config.path, "-fresh", NULL);
        fresh.config.path = path;
    } else {
        g_autofree char *drop = g_strdup_printf("DROP SCHEMA %s CASCADE", store->config.schema);
        g_autofree char *create = g_strdup_printf("CREATE SCHEMA %s", store->config.schema);
        assert_true(db_begin(store->db, DB_WRITE, NULL));
        assert_true(db_run_text(store->db, drop, NULL));
        assert_true(db_run_text(store->db, create, NULL));
        assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    }
    GThread *threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("upgrade", upgrade, &fresh);
    unsigned applied = 0;
    for (unsigned i = 0; i < THREADS; i++)
        applied += GPOINTER_TO_UINT(g_thread_join(threads[i]));
    assert_int_equal(applied, migrate_newest());
    g_autoptr(Db) db = test_store_open(&fresh);
    unsigned version = 0;
    assert_true(migrate_version(db, &version, NULL));
    assert_int_equal(version, migrate_newest());
    if (path) {
        g_clear_pointer(&db, db_close);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_keeps_its_snapshot),
        cmocka_unit_test(uncommitted_is_not_seen),
        cmocka_unit_test(a_commit_tells),
        cmocka_unit_test(writer_waits_for_writer),
        cmocka_unit_test(no_update_is_lost),
        cmocka_unit_test(statement_ends_in_time),
        cmocka_unit_test(wake_ups_arrive),
        cmocka_unit_test(costs_are_counted),
        cmocka_unit_test(upgrades_at_once_are_one),
    };
    return test_on_both_stores("handles", tests, G_N_ELEMENTS(tests));
}
