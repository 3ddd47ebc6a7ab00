/* roster_test.h: what the tests of this folder share: fake members and tasks, each made in a
 * transaction of its own.
 */
#ifndef ROTA_ROSTER_ROSTER_TEST_H
#define ROTA_ROSTER_ROSTER_TEST_H

#include "support.h"

#include "base/error.h"
#include "base/limits.h"
#include "roster/task.h"

static inline void test_begin(Db *db)
{
    g_autoptr(GError) error = NULL;
    if (!db_begin(db, DB_WRITE, &error))
        fail_msg("begin: %s", error->message);
}

static inline void test_commit(Db *db)
{
    g_autoptr(GError) error = NULL;
    if (db_commit(db, &error) != DB_DONE)
        fail_msg("commit: %s", error->message);
}

static inline int64_t test_exec(Db *db, const DbSql *sql, const DbValue *args, unsigned count)
{
    g_autoptr(GError) error = NULL;
    test_begin(db);
    int64_t rows = db_exec(db, sql, args, count, &error);
    assert_no_error(error);
    test_commit(db);
    return rows;
}

static inline int64_t test_int(Db *db, const DbSql *sql, const DbValue *args, unsigned count)
{
    g_autoptr(GError) error = NULL;
    int64_t value = -1;
    test_begin(db);
    db_query_int(db, sql, args, count, &value, &error);
    assert_no_error(error);
    db_rollback(db);
    return value;
}

/* A living member row with that incarnation; node = incarnation. */
static inline void test_member(Db *db, int64_t incarnation)
{
    static const DbSql sql = {
        "INSERT INTO member (node, incarnation, host, pid, version, started_at, lease_until, state,"
        " wish, proposed_table, proposed_digest, health)"
        " VALUES ($1, $2, 'h', 1, '', 0, rota_now() + 3600000, 'up', '', '', '', '')",
        NULL};
    static const DbSql number = {
        "UPDATE cluster SET incarnations = $1 WHERE incarnations < $1 AND id = 1", NULL};
    test_exec(db, &number, DB_ARGS(db_int(incarnation)));
    test_exec(db, &sql, DB_ARGS(db_int(incarnation), db_int(incarnation)));
}

/* As if its lease had run out and someone had seen it. */
static inline void test_member_dies(Db *db, int64_t incarnation)
{
    static const DbSql sql = {"DELETE FROM member WHERE incarnation = $1", NULL};
    assert_int_equal(test_exec(db, &sql, DB_ARGS(db_int(incarnation))), 1);
}

/* A due time that is past is one of a task that has waited since then. */
static inline void test_add(Db *db, const char *role, unsigned bucket, const char *key,
                            int64_t due_at)
{
    static const DbSql waited = {"UPDATE task SET due_at = $4 WHERE role = $1 AND bucket = $2"
                                 " AND key = $3 AND due_at > $4 AND $4 > 0",
                                 NULL};
    g_autoptr(GError) error = NULL;
    test_begin(db);
    TaskNew task = {.role = role, .bucket = bucket, .key = key, .due_at = due_at};
    task_add(db, &task, &error);
    assert_no_error(error);
    db_exec(db, &waited, DB_ARGS(db_text(role), db_int(bucket), db_text(key), db_int(due_at)),
            &error);
    assert_no_error(error);
    test_commit(db);
}

static inline int64_t test_count(Db *db, const char *table)
{
    static const DbSql task = {"SELECT count(*) FROM task", NULL};
    static const DbSql dead = {"SELECT count(*) FROM dead_letter", NULL};
    return test_int(db, *table == 't' ? &task : &dead, DB_NO_ARGS);
}

#endif
