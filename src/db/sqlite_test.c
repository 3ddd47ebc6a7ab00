/* sqlite: what only a file can do: be private, full, damaged, given back in parts; and the fair
 * turn to write. */
#include "support.h"

#include <stdatomic.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/limits.h"
#include "db/driver.h"
#include "db/migrate.h"
#include "db/writer_lock.h"

static const DbSql add_blob = {.sql = "INSERT INTO blob (digest, size, codec, touched_at, data)"
                                      " VALUES ($1, 0, 0, 0, zeroblob($2))"};
static const DbSql drop_blobs = {.sql = "DELETE FROM blob"};

static bool is_sqlite(void **state)
{
    const TestStore *store = *state;
    return store->config.kind == DB_SQLITE;
}

static int64_t add_blobs(Db *db, unsigned count, GError **error)
{
    for (unsigned i = 0; i < count; i++) {
        if (db_exec(db, &add_blob, DB_ARGS(db_bytes(&i, sizeof i), db_int(100000)), error) < 0)
            return -1;
    }
    return count;
}

static void file_is_private(void **state)
{
    if (!is_sqlite(state))
        return;
    TestStore *store = *state;
    struct stat info;
    assert_int_equal(stat(store->config.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void clock_can_be_handed_in(void **state)
{
    if (!is_sqlite(state))
        return;
    static const DbSql now = {.sql = "SELECT rota_now()"};
    ClockManual manual;
    clock_manual_init(&manual, 5000);
    DbConfig config = {.kind = DB_SQLITE, .path = ":memory:", .clock = &manual.clock};
    g_autoptr(Db) db = db_open(&config, NULL);
    assert_non_null(db);
    int64_t value = 0;
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_int_equal(db_query_int(db, &now, DB_NO_ARGS, &value, NULL), 1);
    assert_int_equal(value, 5000);
    clock_manual_advance(&manual, 250000);
    assert_int_equal(db_query_int(db, &now, DB_NO_ARGS, &value, NULL), 1);
    assert_int_equal(value, 5250);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void full_store_says_so(void **state)
{
    if (!is_sqlite(state))
        return;
    TestStore *store = *state;
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_run_text(store->db, "PRAGMA max_page_count = 200", NULL));
    assert_int_equal(add_blobs(store->db, 100, &error), -1);
    assert_int_equal(error_kind(error), ERROR_RETRY);
    assert_non_null(strstr(error->message, "full"));
    assert_int_equal(db_commit(store->db, NULL), DB_NOT_DONE);
    assert_true(db_begin(store->db, DB_WRITE, NULL)); /* what fits goes on */
    assert_int_equal(add_blobs(store->db, 1, NULL), 1);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
}

static void damaged_file_is_rejected(void **state)
{
    if (!is_sqlite(state))
        return;
    TestStore *store = *state;
    g_autofree char *path = g_strconcat(store->config.path, "-damaged", NULL);
    g_autofree char *noise = g_strnfill(100000, 'x');
    assert_true(g_file_set_contents(path, noise, 100000, NULL));
    TestStore damaged = *store;
    damaged.config.path = path;
    g_autoptr(GError) error = NULL;
    assert_null(db_open(&damaged.config, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    unlink(path);
    g_clear_error(&error);
    damaged.config.path = "/nonexistent/folder/store.db";
    assert_null(db_open(&damaged.config, &error));
    assert_int_equal(error_kind(error), ERROR_RETRY);
}

static void pages_are_given_back(void **state)
{
    TestStore *store = *state;
    if (!is_sqlite(state)) { /* there is nothing to do, and it says so */
        int64_t none = 99;
        assert_true(db_begin(store->db, DB_WRITE, NULL));
        assert_true(db_give_back_pages(store->db, 10, &none, NULL));
        assert_int_equal(none, 0);
        assert_int_equal(db_commit(store->db, NULL), DB_DONE);
        return;
    }
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_int_equal(add_blobs(store->db, 40, NULL), 40);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_int_equal(db_exec(store->db, &drop_blobs, DB_NO_ARGS, NULL), 40);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    int64_t pages = 0, rest = 0, none = 99;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_give_back_pages(store->db, 10, &pages, NULL));
    assert_int_equal(pages, 10);
    assert_true(db_give_back_pages(store->db, 100000, &rest, NULL));
    assert_true(rest > 900);
    assert_true(db_give_back_pages(store->db, 100000, &none, NULL));
    assert_int_equal(none, 0);
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
}

static void log_does_not_grow_for_ever(void **state)
{
    if (!is_sqlite(state))
        return;
    TestStore *store = *state;
    g_autofree char *log = g_strconcat(store->config.path, "-wal", NULL);
    struct stat info;
    int64_t largest = 0;
    for (unsigned i = 0; i < 60; i++) { /* 60 times 2 MB */
        assert_true(db_begin(store->db, DB_WRITE_LAZY, NULL));
        assert_int_equal(add_blobs(store->db, 20, NULL), 20);
        assert_int_equal(db_exec(store->db, &drop_blobs, DB_NO_ARGS, NULL), 20);
        assert_int_equal(db_commit(store->db, NULL), DB_DONE);
        assert_int_equal(stat(log, &info), 0);
        largest = MAX(largest, info.st_size);
    }
    assert_in_range(largest, 1024 * 1024, 24 * 1024 * 1024);
}

/* ---- the turn to write */

typedef struct {
    WriterLock *lock;
    bool background;
    char name;
    GString *order; /* under the turn */
} Queued;

static void *queue_up(void *data)
{
    Queued *queued = data;
    if (!writer_lock_take(queued->lock, queued->background, 60000))
        return NULL;
    g_string_append_c(queued->order, queued->name);
    writer_lock_give(queued->lock);
    return data;
}

static void turns_are_fair(void **state)
{
    (void)state;
    g_autoptr(GString) order = g_string_new(NULL);
    WriterLock *lock = writer_lock_ref(1, 1);
    assert_ptr_equal(writer_lock_ref(1, 1), lock);
    writer_lock_unref(lock);
    assert_true(writer_lock_take(lock, true, 1000)); /* it shall not hand over to its like */
    assert_false(writer_lock_take(lock, false, 1));  /* time is over */
    Queued queued[5];
    GThread *threads[5];
    for (unsigned i = 0; i < 5; i++) { /* background first, then people, as they come */
        queued[i] = (Queued){lock, i < 2, (char)('a' + i), order};
        threads[i] = g_thread_new("queued", queue_up, &queued[i]);
        while (writer_lock_waiting(lock) <= i)
            g_thread_yield();
    }
    int64_t begun = clock_monotonic_us(clock_real());
    writer_lock_give(lock);
    for (unsigned i = 0; i < 5; i++)
        assert_non_null(g_thread_join(threads[i]));
    /* on a machine that stood still meanwhile, background work had waited long enough */
    if (clock_monotonic_us(clock_real()) - begun < WRITER_YIELD_MS * 500)
        assert_string_equal(order->str, "cdeab");
    assert_int_equal(order->len, 5);
    writer_lock_unref(lock);
}

static void background_is_not_starved(void **state)
{
    (void)state;
    g_autoptr(GString) order = g_string_new(NULL);
    WriterLock *lock = writer_lock_ref(1, 2);
    assert_true(writer_lock_take(lock, false, 1000));
    Queued queued[2] = {{lock, true, 'b', order}, {lock, false, 'p', order}};
    GThread *threads[2];
    for (unsigned i = 0; i < 2; i++) {
        threads[i] = g_thread_new("queued", queue_up, &queued[i]);
        while (writer_lock_waiting(lock) <= i)
            g_thread_yield();
    }
    int64_t begun = clock_monotonic_us(clock_real());
    while (clock_monotonic_us(clock_real()) - begun < WRITER_YIELD_MS * 1000)
        g_thread_yield();
    writer_lock_give(lock);
    for (unsigned i = 0; i < 2; i++)
        assert_non_null(g_thread_join(threads[i]));
    assert_string_equal(order->str, "bp");
    writer_lock_unref(lock);
}

static void background_waits_until_people_are_quiet(void **state)
{
    (void)state;
    WriterLock *lock = writer_lock_ref(1, 3);
    assert_true(writer_lock_take(lock, true, 0)); /* nobody has written: at once */
    writer_lock_give(lock);
    assert_true(writer_lock_take(lock, false, 0));
    writer_lock_give(lock);
    int64_t given = clock_monotonic_us(clock_real());
    assert_false(writer_lock_take(lock, true, 0));
    assert_true(writer_lock_take(lock, true, 60000));
    assert_true(clock_monotonic_us(clock_real()) - given >= WRITER_QUIET_MS * 1000 - 500);
    writer_lock_give(lock);
    writer_lock_unref(lock);
}

static void people_write(WriterLock *lock)
{
    for (unsigned i = 0; i < WRITER_BUSY_TURNS; i++) {
        assert_true(writer_lock_take(lock, false, 60000));
        writer_lock_give(lock);
    }
}

static void hold_in_background(WriterLock *lock, int64_t us)
{
    assert_true(writer_lock_take(lock, true, 60000));
    for (int64_t begun = clock_monotonic_us(clock_real());
         clock_monotonic_us(clock_real()) - begun < us;)
        g_thread_yield();
    writer_lock_give(lock);
}

/* Alone it need not rest; beside people as long as it worked, many times over. */
static void background_rests_while_people_write(void **state)
{
    (void)state;
    WriterLock *lock = writer_lock_ref(1, 4);
    hold_in_background(lock, 10000);
    assert_true(writer_lock_take(lock, true, 0));
    writer_lock_give(lock);
    people_write(lock);
    hold_in_background(lock, 10000);
    int64_t given = clock_monotonic_us(clock_real());
    people_write(lock);
    assert_true(writer_lock_take(lock, true, 60000));
    assert_true(clock_monotonic_us(clock_real()) - given >= 900000);
    writer_lock_give(lock);
    writer_lock_unref(lock);
}

static void *write_once(void *data)
{
    Db *db = data;
    bool good = db_begin(db, DB_WRITE, NULL);
    db_rollback(db);
    return good ? data : NULL;
}

static void background_hears_that_it_is_wanted(void **state)
{
    TestStore *store = *state;
    if (store->config.kind != DB_SQLITE)
        return;
    DbConfig config = store->config;
    config.background = true;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) background = db_open(&config, &error);
    assert_no_error(error);
    assert_false(db_is_wanted(background));
    assert_true(db_begin(background, DB_WRITE, NULL));
    assert_false(db_is_wanted(background));
    GThread *thread = g_thread_new("people", write_once, store->db);
    while (!db_is_wanted(background))
        g_thread_yield();
    db_rollback(background);
    assert_non_null(g_thread_join(thread));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_private),
        cmocka_unit_test(clock_can_be_handed_in),
        cmocka_unit_test(full_store_says_so),
        cmocka_unit_test(damaged_file_is_rejected),
        cmocka_unit_test(pages_are_given_back),
        cmocka_unit_test(log_does_not_grow_for_ever),
        cmocka_unit_test(turns_are_fair),
        cmocka_unit_test(background_is_not_starved),
        cmocka_unit_test(background_waits_until_people_are_quiet),
        cmocka_unit_test(background_rests_while_people_write),
        cmocka_unit_test(background_hears_that_it_is_wanted),
    };
    return test_on_both_stores("sqlite", tests, G_N_ELEMENTS(tests));
}
