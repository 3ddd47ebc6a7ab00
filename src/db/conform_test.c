/* The conformance suite: what db.h promises of one handle, on each driver, and on each through the
 * fault door. Several handles: handles_test.c.
 */
#include "support.h"

#include <string.h>

#include "base/error.h"
#include "db/driver.h"
#include "db/fault.h"
#include "db/set.h"

static const DbSql insert_row = {
    .sql = "INSERT INTO conform (id, n, t, b, r) VALUES ($1, $2, $3, $4, $5)"};
static const DbSql insert_id = {.sql = "INSERT INTO conform (id) VALUES ($1)"};
static const DbSql insert_number = {.sql = "INSERT INTO conform (id, n) VALUES ($1, $2)"};
static const DbSql read_row = {.sql = "SELECT n, t, b, r FROM conform WHERE id = $1"};
static const DbSql count_rows = {.sql = "SELECT count(*) FROM conform"};

static Db *with_table(void **state)
{
    TestStore *store = *state;
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    assert_true(db_run_text(
        store->db,
        "CREATE TABLE conform (id BIGINT PRIMARY KEY NOT NULL, n BIGINT CHECK (n <> 13),"
        " t TEXT, b BYTEA, r DOUBLE PRECISION)",
        NULL));
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
    return store->db;
}

static void begin(Db *db)
{
    GError *error = NULL;
    if (!db_begin(db, DB_WRITE, &error))
        fail_msg("%s", error->message);
}

static void commit(Db *db)
{
    GError *error = NULL;
    if (db_commit(db, &error) != DB_DONE)
        fail_msg("%s", error->message);
    assert_false(db_in_transaction(db));
}

static int64_t number(Db *db, const DbSql *sql)
{
    g_autoptr(GError) error = NULL;
    int64_t value = -77;
    db_query_int(db, sql, DB_NO_ARGS, &value, &error);
    assert_no_error(error);
    return value;
}

static int64_t rows_there(Db *db)
{
    begin(db);
    int64_t rows = number(db, &count_rows);
    commit(db);
    return rows;
}

static void assert_kind(GError **error, ErrorKind kind)
{
    assert_non_null(*error);
    if (error_kind(*error) != kind)
        fail_msg("got %s (%s), want %s", error_kind_name(error_kind(*error)), (*error)->message,
                 error_kind_name(kind));
    g_clear_error(error);
}

/* ---- transactions */

static void transaction_is_done_or_dropped(void **state)
{
    Db *db = with_table(state);
    begin(db);
    assert_true(db_in_transaction(db));
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(1)), NULL), 1);
    commit(db);
    assert_int_equal(rows_there(db), 1);
    {
        begin(db);
        g_auto(DbScope) scope = db_scope(db);
        assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(2)), NULL), 1);
    }
    assert_false(db_in_transaction(db));
    assert_int_equal(rows_there(db), 1);
    db_rollback(db); /* nothing open is fine */
    assert_true(db_begin(db, DB_WRITE_LAZY, NULL));
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(3)), NULL), 1);
    commit(db);
    assert_int_equal(rows_there(db), 2);
}

static bool fence_passes(Db *db, void *data, GError **error)
{
    int64_t count = 0;
    (*(int *)data)++;
    return db_query_int(db, &count_rows, DB_NO_ARGS, &count, error) == 1;
}

static bool fence_refuses(Db *db, void *data, GError **error)
{
    (void)db;
    (*(int *)data)++;
    return fail(error, ERROR_CONFLICT, "the task has moved on");
}

static bool fence_swallows(Db *db, void *data, GError **error)
{
    (void)error;
    (*(int *)data)++;
    db_exec(db, &insert_id, DB_ARGS(db_int(1)), NULL); /* fails: it is there */
    return true;
}

static void fence_decides_the_commit(void **state)
{
    Db *db = with_table(state);
    int asked = 0;
    g_autoptr(GError) error = NULL;
    static const DbFence refusing[] = {fence_refuses, fence_swallows};
    for (unsigned i = 0; i < G_N_ELEMENTS(refusing); i++) {
        begin(db);
        assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(1)), NULL), 1);
        db_set_fence(db, refusing[i], &asked);
        assert_int_equal(db_commit(db, &error), DB_NOT_DONE);
        assert_kind(&error, ERROR_CONFLICT);
        assert_int_equal(asked, i + 1);
        assert_int_equal(rows_there(db), 0); /* and the fence is forgotten */
    }
    begin(db);
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(1)), NULL), 1);
    db_set_fence(db, fence_passes, &asked);
    commit(db);
    assert_int_equal(asked, 3);
    assert_int_equal(rows_there(db), 1);
}

static void savepoint_takes_back_its_part(void **state)
{
    Db *db = with_table(state);
    g_autoptr(GError) error = NULL;
    begin(db);
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(1)), NULL), 1);
    assert_true(db_savepoint_begin(db, NULL));
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(2)), NULL), 1);
    assert_true(db_savepoint_rollback(db, NULL));
    assert_true(db_savepoint_begin(db, NULL)); /* empty ones */
    assert_true(db_savepoint_rollback(db, NULL));
    assert_true(db_savepoint_begin(db, NULL));
    assert_true(db_savepoint_release(db, NULL));
    assert_true(db_savepoint_begin(db, NULL));
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(3)), NULL), 1);
    assert_true(db_savepoint_release(db, NULL));
    /* a failure inside is mended by the rollback, and only by it */
    assert_true(db_savepoint_begin(db, NULL));
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(1)), &error), -1);
    assert_kind(&error, ERROR_CONFLICT);
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(4)), &error), -1);
    assert_kind(&error, ERROR_CONFLICT);
    assert_true(db_savepoint_rollback(db, &error));
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(5)), &error), 1);
    commit(db);
    assert_int_equal(rows_there(db), 3);
}

static void constraint_ends_the_transaction(void **state)
{
    static const struct {
        const char *name;
        DbValue id, number;
    } rows[] = {
        {"check", {.type = DB_VALUE_INT, .integer = 9}, {.type = DB_VALUE_INT, .integer = 13}},
        {"unique", {.type = DB_VALUE_INT, .integer = 7}, {.type = DB_VALUE_INT, .integer = 1}},
        {"not null", {.type = DB_VALUE_NULL}, {.type = DB_VALUE_INT, .integer = 1}},
    };
    Db *db = with_table(state);
    begin(db);
    assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(7)), NULL), 1);
    commit(db);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        begin(db);
        assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(8)), NULL), 1);
        if (db_exec(db, &insert_number, DB_ARGS(rows[i].id, rows[i].number), &error) != -1)
            fail_msg("%s: let through", rows[i].name);
        assert_kind(&error, ERROR_CONFLICT);
        /* each further call fails the same way */
        assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(10)), &error), -1);
        assert_kind(&error, ERROR_CONFLICT);
        assert_null(db_query(db, &count_rows, DB_NO_ARGS, &error));
        assert_kind(&error, ERROR_CONFLICT);
        assert_int_equal(db_commit(db, &error), DB_NOT_DONE);
        assert_kind(&error, ERROR_CONFLICT);
        assert_int_equal(rows_there(db), 1);
    }
}

static void wrong_statement_is_rejected(void **state)
{
    static const DbSql no_table = {.sql = "SELECT 1 FROM there_is_no_such_table"};
    static const DbSql no_sql = {.sql = "SELEKT 1"};
    Db *db = with_table(state);
    const DbSql *sqls[] = {&no_table, &no_sql, &no_table};
    for (unsigned i = 0; i < G_N_ELEMENTS(sqls); i++) {
        g_autoptr(GError) error = NULL;
        begin(db);
        assert_null(db_query(db, sqls[i], DB_NO_ARGS, &error));
        assert_kind(&error, ERROR_REJECT);
        db_rollback(db);
    }
    assert_int_equal(rows_there(db), 0);
}

static void read_transaction_refuses_writes(void **state)
{
    Db *db = with_table(state);
    g_autoptr(GError) error = NULL;
    for (unsigned round = 0; round < 2; round++) { /* freshly prepared, and known */
        assert_true(db_begin(db, DB_READ, NULL));
        assert_int_equal(number(db, &count_rows), 0);
        assert_int_equal(db_exec(db, &insert_id, DB_ARGS(db_int(1)), &error), -1);
        assert_kind(&error, ERROR_REJECT);
        assert_int_equal(db_commit(db, &error), DB_NOT_DONE);
        assert_kind(&error, ERROR_REJECT);
    }
    assert_int_equal(rows_there(db), 0);
}

/* ---- values */

static void values_come_back_as_they_went(void **state)
{
    static const int64_t integers[] = {0, 1, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    static const double reals[] = {0.0, -1.5, 1e300, -1e-300, 0.1};
    static const char *const texts[] = {
        "", "a", "it's; \"x\" $1 \\", "z\xc3\xbcrich \xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x93\xac"};
    static const char bytes[] = "\0\1\xff NUL\0 inside\0";
    Db *db = with_table(state);
    begin(db);
    for (int64_t i = 0; i < 7; i++) {
        size_t size = i < 6 ? (size_t)i * 2 : sizeof bytes;
        assert_int_equal(db_exec(db, &insert_row,
                                 DB_ARGS(db_int(i), db_int(integers[i]), db_text(texts[i % 5]),
                                         db_bytes(bytes, size), db_real(reals[i % 5])),
                                 NULL),
                         1);
    }
    commit(db);
    begin(db);
    for (int64_t i = 0; i < 7; i++) {
        g_autoptr(DbRows) rows = db_query(db, &read_row, DB_ARGS(db_int(i)), NULL);
        assert_int_equal(db_rows_next(rows, NULL), 1);
        assert_true(db_rows_int(rows, 0) == integers[i]);
        assert_string_equal(db_rows_text(rows, 1), texts[i % 5]);
        size_t size = 99, want = i < 6 ? (size_t)i * 2 : sizeof bytes;
        const void *got = db_rows_bytes(rows, 2, &size);
        assert_int_equal(size, want);
        assert_non_null(got);
        assert_memory_equal(got, bytes, want);
        double real = db_rows_real(rows, 3);
        assert_memory_equal(&real, &reals[i % 5], sizeof real);
        assert_false(db_rows_is_null(rows, 0));
        assert_int_equal(db_rows_next(rows, NULL), 0);
        assert_int_equal(db_rows_next(rows, NULL), 0); /* the end stays the end */
    }
    commit(db);
}

static void nulls_come_and_go(void **state)
{
    Db *db = with_table(state);
    begin(db);
    /* the types of the parameters are open in the first call, and known later */
    assert_int_equal(db_exec(db, &insert_row,
                             DB_ARGS(db_int(1), db_null(), db_text(NULL), db_null(), db_null()),
                             NULL),
                     1);
    assert_int_equal(
        db_exec(db, &insert_row,
                DB_ARGS(db_int(2), db_int(INT64_MAX), db_null(), db_bytes("x", 1), db_null()),
                NULL),
        1);
    assert_int_equal(db_exec(db, &insert_row,
                             DB_ARGS(db_int(3), db_int(5), db_text("t"), db_null(), db_real(2.5)),
                             NULL),
                     1);
    for (int64_t i = 1; i <= 3; i++) {
        g_autoptr(DbRows) rows = db_query(db, &read_row, DB_ARGS(db_int(i)), NULL);
        assert_int_equal(db_rows_next(rows, NULL), 1);
        assert_int_equal(db_rows_is_null(rows, 0), i == 1);
        assert_int_equal(db_rows_is_null(rows, 1), i != 3);
        assert_int_equal(db_rows_is_null(rows, 2), i != 2);
        assert_int_equal(db_rows_is_null(rows, 3), i != 3);
    }
    g_autoptr(DbRows) rows = db_query(db, &read_row, DB_ARGS(db_int(1)), NULL);
    assert_int_equal(db_rows_next(rows, NULL), 1);
    size_t size = 99;
    assert_int_equal(db_rows_int(rows, 0), 0);
    assert_null(db_rows_text(rows, 1));
    assert_null(db_rows_bytes(rows, 2, &size));
    assert_int_equal(size, 0);
    assert_true(db_rows_real(rows, 3) == 0.0);
    g_clear_pointer(&rows, db_rows_free);
    /* left to itself, PostgreSQL takes this one for an int4 */
    static const DbSql next = {.sql = "SELECT $1 + 1"};
    int64_t sum = 0;
    assert_int_equal(db_query_int(db, &next, DB_ARGS(db_null()), &sum, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(db_query_int(db, &next, DB_ARGS(db_int(INT64_MAX - 2)), &sum, NULL), 1);
        assert_true(sum == INT64_MAX - 1);
    }
    static const DbSql null_int = {.sql = "SELECT n FROM conform WHERE id = $1"};
    int64_t value = -5;
    assert_int_equal(db_query_int(db, &null_int, DB_ARGS(db_int(1)), &value, NULL), 0);
    assert_int_equal(db_query_int(db, &null_int, DB_ARGS(db_int(99)), &value, NULL), 0);
    assert_int_equal(value, -5);
    assert_int_equal(db_query_int(db, &null_int, DB_ARGS(db_int(3)), &value, NULL), 1);
    assert_int_equal(value, 5);
    commit(db);
}

static void big_values_are_whole(void **state)
{
    enum { SIZE = 20 * 1024 * 1024 };
    Db *db = with_table(state);
    g_autofree uint8_t *bytes = g_malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 65536);
    begin(db);
    assert_int_equal(
        db_exec(db, &insert_row,
                DB_ARGS(db_int(1), db_null(), db_null(), db_bytes(bytes, SIZE), db_null()), NULL),
        1);
    commit(db);
    begin(db);
    g_autoptr(DbRows) rows = db_query(db, &read_row, DB_ARGS(db_int(1)), NULL);
    assert_int_equal(db_rows_next(rows, NULL), 1);
    size_t size = 0;
    const void *got = db_rows_bytes(rows, 2, &size);
    assert_int_equal(size, SIZE);
    assert_int_equal(memcmp(got, bytes, SIZE), 0);
    g_clear_pointer(&rows, db_rows_free);
    commit(db);
}

static void wrong_text_is_rejected(void **state)
{
    static const char *const texts[] = {"\xff", "a\xc3", "\xed\xa0\x80"};
    Db *db = with_table(state);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        begin(db);
        assert_int_equal(
            db_exec(db, &insert_row,
                    DB_ARGS(db_int(1), db_null(), db_text(texts[i]), db_null(), db_null()), &error),
            -1);
        assert_kind(&error, ERROR_REJECT);
        db_rollback(db);
    }
}

static void parameters_go_by_number(void **state)
{
    static const DbSql turned = {.sql = "SELECT $3 - $1 * $2 + $3",
                                 .postgresql = "SELECT $3 - $1 * $2 + $3 + 0 * $4"};
    static const DbSql sums = {.sql = "SELECT sum(n), count(*) > 1, 7, avg(r) FROM conform",
                               .postgresql =
                                   "SELECT sum(n), count(*) > 1, 7, avg(n / 2.0) FROM conform"};
    Db *db = with_table(state);
    begin(db);
    int64_t value = 0;
    assert_int_equal(db_query_int(db, &turned,
                                  DB_ARGS(db_int(2), db_int(3), db_int(100), db_int(1)), &value,
                                  NULL),
                     1);
    assert_int_equal(value, 194);
    for (int64_t i = 1; i <= 4; i++)
        db_exec(db, &insert_row,
                DB_ARGS(db_int(i), db_int(i * 300000001), db_null(), db_null(),
                        db_real((double)(i * 300000001) / 2)),
                NULL);
    /* what SQL makes out of our types: numeric, bool, int4 on PostgreSQL */
    g_autoptr(DbRows) rows = db_query(db, &sums, DB_NO_ARGS, NULL);
    assert_int_equal(db_rows_next(rows, NULL), 1);
    assert_int_equal(db_rows_int(rows, 0), 3000000010);
    assert_int_equal(db_rows_int(rows, 1), 1);
    assert_int_equal(db_rows_int(rows, 2), 7);
    assert_float_equal(db_rows_real(rows, 3), 375000001.25, 1e-6);
    g_clear_pointer(&rows, db_rows_free);
    commit(db);
}

static void changed_rows_are_counted(void **state)
{
    static const DbSql update = {.sql = "UPDATE conform SET n = coalesce(n, 0) + 1 WHERE id <= $1"};
    static const DbSql again = {.sql =
                                    "INSERT INTO conform (id) VALUES ($1) ON CONFLICT DO NOTHING"};
    static const DbSql erase = {.sql = "DELETE FROM conform WHERE id > $1 RETURNING id"};
    static const DbSql select = {.sql = "SELECT id FROM conform"};
    Db *db = with_table(state);
    begin(db);
    for (int64_t i = 1; i <= 5; i++)
        assert_int_equal(db_exec(db, &again, DB_ARGS(db_int(i)), NULL), 1);
    assert_int_equal(db_exec(db, &again, DB_ARGS(db_int(3)), NULL), 0);
    assert_int_equal(db_exec(db, &update, DB_ARGS(db_int(4)), NULL), 4);
    assert_int_equal(db_exec(db, &update, DB_ARGS(db_int(0)), NULL), 0);
    assert_int_equal(db_exec(db, &erase, DB_ARGS(db_int(2)), NULL), 3);
    assert_int_equal(db_exec(db, &erase, DB_ARGS(db_int(2)), NULL), 0);
    assert_int_equal(db_exec(db, &select, DB_NO_ARGS, NULL), 2);
    commit(db);
}

static void many_go_at_once(void **state)
{
    static const DbSql upsert = {
        .sql = "INSERT INTO conform (id, n) VALUES ($1, $2) ON CONFLICT DO NOTHING"};
    enum { ROWS = 1000 };
    Db *db = with_table(state);
    g_autofree DbValue *args = g_new0(DbValue, ROWS * 2);
    g_autofree int64_t *changed = g_new0(int64_t, ROWS);
    for (unsigned i = 0; i < ROWS; i++) {
        args[i * 2] = db_int(i / 2); /* each twice */
        args[i * 2 + 1] = i % 8 < 4 ? db_int(i) : db_null();
    }
    begin(db);
    assert_true(db_exec_many(db, &upsert, args, 2, ROWS, changed, NULL));
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(changed[i], i % 2 == 0);
    assert_true(db_exec_many(db, &upsert, args, 2, 0, changed, NULL));
    commit(db);
    assert_int_equal(rows_there(db), ROWS / 2);
    /* one in the middle fails: all are gone */
    for (unsigned i = 0; i < ROWS; i++) {
        args[i * 2] = db_int(i == 700 ? 5 : 5000 + i);
        args[i * 2 + 1] = db_int(1);
    }
    g_autoptr(GError) error = NULL;
    begin(db);
    assert_false(db_exec_many(db, &insert_number, args, 2, ROWS, changed, &error));
    assert_kind(&error, ERROR_CONFLICT);
    assert_int_equal(db_commit(db, &error), DB_NOT_DONE);
    assert_kind(&error, ERROR_CONFLICT);
    assert_int_equal(rows_there(db), ROWS / 2);
}

static void a_set_goes_as_one(void **state)
{
    static const DbSql insert = {
        "INSERT INTO conform (id, t, n) VALUES ($1, $2, 7) ON CONFLICT DO NOTHING",
        "INSERT INTO conform (id, t, n) SELECT new.id, new.t, 7 FROM unnest($1, $2) AS new(id, t)"
        " ON CONFLICT DO NOTHING RETURNING 1",
    };
    static const DbSql update = {
        "UPDATE conform SET n = n + 7 WHERE id = $1 AND t = $2",
        "UPDATE conform SET n = conform.n + 7 FROM unnest($1, $2) WITH ORDINALITY AS"
        " new(id, t, number) WHERE conform.id = new.id AND conform.t = new.t"
        " RETURNING new.number",
    };
    static const DbSql sum = {.sql = "SELECT sum(n) FROM conform"};
    enum { ROWS = 1000 };
    Db *db = with_table(state);
    g_autofree DbValue *args = g_new0(DbValue, ROWS * 2);
    g_autofree int64_t *changed = g_new0(int64_t, ROWS);
    for (unsigned i = 0; i < ROWS; i++) {
        args[i * 2] = db_int((int64_t)i - 500);
        args[i * 2 + 1] = db_text(i % 2 ? "" : "h\xc3\xa9, \"{}\\");
    }
    begin(db);
    assert_true(db_exec_set(db, &insert, &(DbTuples){args, 2, ROWS, NULL}, NULL));
    for (unsigned i = 0; i < ROWS; i += 3)
        args[i * 2 + 1] = db_text("another");
    assert_true(db_exec_set(db, &update, &(DbTuples){args, 2, ROWS, changed}, NULL));
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(changed[i], i % 3 != 0);
    assert_true(db_exec_set(db, &update, &(DbTuples){args, 2, 0, changed}, NULL));
    commit(db);
    begin(db);
    assert_int_equal(number(db, &sum), 7 * ROWS + 7 * (ROWS - (ROWS + 2) / 3));
    commit(db);
}

static void store_has_a_clock(void **state)
{
    static const DbSql now = {.sql = "SELECT rota_now()"};
    Db *db = with_table(state);
    begin(db);
    int64_t before = g_get_real_time() / 1000;
    int64_t value = number(db, &now);
    int64_t after = g_get_real_time() / 1000;
    assert_in_range(value, before - 1, after + 1);
    commit(db);
}

static void rollback_ends_rows_that_are_open(void **state)
{
    Db *db = with_table(state);
    g_autoptr(GError) error = NULL;
    begin(db);
    for (int64_t i = 0; i < 3; i++)
        db_exec(db, &insert_id, DB_ARGS(db_int(i)), NULL);
    static const DbSql ids = {.sql = "SELECT id FROM conform"};
    DbRows *rows = db_query(db, &ids, DB_NO_ARGS, NULL);
    assert_int_equal(db_rows_next(rows, NULL), 1);
    db_rollback(db);
    assert_int_equal(db_rows_next(rows, &error), -1);
    assert_kind(&error, ERROR_REJECT);
    db_rows_free(rows);
    assert_int_equal(rows_there(db), 0);
}

/* ---- each of them again through the fault door, whose plan is peace */

static void through_fault_door(CMUnitTestFunction body, void **state)
{
    TestStore *store = *state;
    TestStore behind_fault = *store;
    g_autoptr(Db) door = db_open_fault(store->db, NULL, NULL);
    behind_fault.db = door;
    void *inner = &behind_fault;
    body(&inner);
}

#define TESTS(X)                                                                                   \
    X(transaction_is_done_or_dropped)                                                              \
    X(fence_decides_the_commit)                                                                    \
    X(savepoint_takes_back_its_part)                                                               \
    X(constraint_ends_the_transaction)                                                             \
    X(wrong_statement_is_rejected)                                                                 \
    X(read_transaction_refuses_writes)                                                             \
    X(values_come_back_as_they_went)                                                               \
    X(nulls_come_and_go)                                                                           \
    X(big_values_are_whole)                                                                        \
    X(wrong_text_is_rejected)                                                                      \
    X(parameters_go_by_number)                                                                     \
    X(changed_rows_are_counted)                                                                    \
    X(many_go_at_once)                                                                             \
    X(a_set_goes_as_one)                                                                           \
    X(store_has_a_clock)                                                                           \
    X(rollback_ends_rows_that_are_open)

#define FAULT_TWIN(test)                                                                           \
    static void test##_by_fault_door(void **state)                                                 \
    {                                                                                              \
        through_fault_door(test, state);                                                           \
    }
TESTS(FAULT_TWIN)

#define LINES(test) cmocka_unit_test(test), cmocka_unit_test(test##_by_fault_door),

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(LINES)};
    return test_on_both_stores("conform", tests, G_N_ELEMENTS(tests));
}
