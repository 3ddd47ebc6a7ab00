/* What goes out with the next statement (db_exec_later): in order, at no cost of its own, and no
 * failure is lost. On both stores; SQLite does it at once. */
#include "support.h"

#include "base/error.h"
#include "db/driver.h"
#include "db/fault.h"
#include "db/set.h"

static const DbSql create = {.sql = "CREATE TABLE later (id BIGINT PRIMARY KEY, name TEXT)"};
static const DbSql insert = {.sql = "INSERT INTO later (id, name) VALUES ($1, $2)"};
static const DbSql insert_set = {.sql = "INSERT INTO later (id, name) VALUES ($1, $2)",
                                 .postgresql =
                                     "INSERT INTO later (id, name) SELECT * FROM unnest($1, $2)"};
static const DbSql rename_all = {.sql = "UPDATE later SET name = 'x'"};
static const DbSql remove_all = {.sql = "DELETE FROM later"};
static const DbSql wrong = {.sql = "INSERT INTO nowhere (id) VALUES ($1)"};
static const DbSql count = {.sql = "SELECT count(*) FROM later"};
static const DbSql named = {.sql = "SELECT count(*) FROM later WHERE name = 'x'"};

static Db *with_table(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(db_run_text(db, create.sql, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    return db;
}

static int64_t number(Db *db, const DbSql *sql)
{
    int64_t value = -1;
    g_autoptr(GError) error = NULL;
    db_query_int(db, sql, DB_NO_ARGS, &value, &error);
    assert_no_error(error);
    return value;
}

static int64_t rows_there(Db *db)
{
    assert_true(db_begin(db, DB_READ, NULL));
    int64_t rows = number(db, &count);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    return rows;
}

static bool add(Db *db, int64_t id, const char *name, GError **error)
{
    return db_exec_later(db, &insert, DB_ARGS(db_int(id), db_text(name)), 1, error);
}

static void order_is_kept(void **state)
{
    Db *db = with_table(state);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(add(db, 1, "a", &error));
    assert_true(add(db, 2, NULL, &error)); /* of another type */
    assert_int_equal(number(db, &count), 2);
    assert_true(add(db, 3, "c", &error));
    assert_int_equal(db_exec(db, &rename_all, DB_NO_ARGS, &error), 3);
    assert_true(add(db, 4, "d", &error));
    assert_int_equal(number(db, &named), 3);
    assert_int_equal(db_commit(db, &error), DB_DONE);
    assert_int_equal(rows_there(db), 4);
}

static void all_cost_one_round_trip(void **state)
{
    Db *db = with_table(state);
    g_autoptr(GError) error = NULL;
    DbValue tuples[] = {db_int(10), db_text("k"), db_int(11), db_text("l")};
    for (int64_t turn = 1; turn < 3; turn++) {
        uint64_t before = db_counts(db).round_trips;
        assert_true(db_begin(db, DB_WRITE, NULL));
        assert_true(add(db, turn, "a", &error));
        assert_true(add(db, turn + 100, "b", &error));
        tuples[0].integer += turn * 1000;
        tuples[2].integer += turn * 1000;
        assert_true(db_exec_set_later(db, &insert_set, &(DbTuples){tuples, 2, 2, NULL}, &error));
        assert_int_equal(db_commit(db, &error), DB_DONE);
        if (db_kind(db) == DB_POSTGRESQL)
            assert_int_equal(db_counts(db).round_trips - before, 1);
        assert_int_equal(rows_there(db), turn * 4);
    }
}

/* At the latest by the next statement, or by the commit; what came with it is taken back. */
static void failure_shows(void **state)
{
    Db *db = with_table(state);
    for (unsigned by_commit = 0; by_commit < 2; by_commit++) {
        g_autoptr(GError) error = NULL;
        assert_true(db_begin(db, DB_WRITE, NULL));
        g_auto(DbScope) scope = db_scope(db);
        bool good = add(db, 1, "a", &error) && add(db, 1, "again", &error);
        good = good && (by_commit ? db_commit(db, &error) == DB_DONE
                                  : db_exec(db, &rename_all, DB_NO_ARGS, &error) >= 0);
        assert_false(good);
        assert_int_equal(error_kind(error), ERROR_CONFLICT);
        if (!by_commit) { /* and it is not forgotten */
            g_clear_error(&error);
            assert_int_equal(db_commit(db, &error), DB_NOT_DONE);
            assert_int_equal(error_kind(error), ERROR_CONFLICT);
        }
    }
    assert_int_equal(rows_there(db), 0);
}

/* The statements that it kept from being prepared are prepared later. */
static void wrong_one_harms_no_other(void **state)
{
    Db *db = with_table(state);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, NULL));
    bool good = db_exec_later(db, &wrong, DB_ARGS(db_int(1)), 1, &error) &&
                add(db, 1, "a", &error) && db_commit(db, &error) == DB_DONE;
    assert_false(good);
    assert_int_equal(error_kind(error), ERROR_REJECT);
    db_rollback(db);
    g_clear_error(&error);
    for (int64_t id = 1; id < 3; id++) {
        assert_true(db_begin(db, DB_WRITE, NULL));
        assert_true(add(db, id, "a", &error));
        assert_int_equal(db_commit(db, &error), DB_DONE);
    }
    assert_int_equal(rows_there(db), 2);
}

static void rollback_takes_it_back(void **state)
{
    Db *db = with_table(state);
    for (unsigned fails = 0; fails < 2; fails++) {
        assert_true(db_begin(db, DB_WRITE, NULL));
        assert_true(add(db, 1, "a", NULL));
        if (fails)
            add(db, 1, "a", NULL);
        db_rollback(db);
        assert_int_equal(rows_there(db), 0);
    }
}

/* A savepoint is no way past a failure of what came before it, and keeps what did not fail. */
static void savepoint_comes_after_it(void **state)
{
    Db *db = with_table(state);
    for (unsigned fails = 0; fails < 2; fails++) {
        g_autoptr(GError) error = NULL;
        assert_true(db_begin(db, DB_WRITE, NULL));
        g_auto(DbScope) scope = db_scope(db);
        bool begun = add(db, 1, "a", &error) && (!fails || add(db, 1, "again", &error)) &&
                     db_savepoint_begin(db, &error);
        if (fails) {
            assert_false(begun);
            assert_int_equal(error_kind(error), ERROR_CONFLICT);
            continue;
        }
        assert_true(begun);
        assert_true(db_exec(db, &insert, DB_ARGS(db_int(1), db_text("b")), &error) < 0);
        assert_int_equal(error_kind(error), ERROR_CONFLICT);
        assert_true(db_savepoint_rollback(db, NULL));
        assert_true(db_exec(db, &remove_all, DB_NO_ARGS, NULL) == 1);
        assert_int_equal(db_commit(db, NULL), DB_DONE);
    }
    assert_int_equal(rows_there(db), 0);
}

static void fault_door_lets_it_through(void **state)
{
    TestStore *store = *state;
    Db *db = with_table(state);
    g_autoptr(Db) door = db_open_fault(store->db, NULL, NULL);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(door, DB_WRITE, NULL));
    assert_true(add(door, 1, "a", &error));
    assert_int_equal(number(door, &count), 1);
    assert_true(add(door, 2, "a", &error));
    assert_int_equal(db_commit(door, &error), DB_DONE);
    assert_int_equal(rows_there(db), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(all_cost_one_round_trip),
        cmocka_unit_test(failure_shows),
        cmocka_unit_test(wrong_one_harms_no_other),
        cmocka_unit_test(rollback_takes_it_back),
        cmocka_unit_test(savepoint_comes_after_it),
        cmocka_unit_test(fault_door_lets_it_through),
    };
    return test_on_both_stores("later", tests, G_N_ELEMENTS(tests));
}
