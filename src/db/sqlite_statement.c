/* sqlite_statement: statements and rows of the SQLite driver.
 *
 * Statements are prepared once per handle and found by their DbSql's address. Parameters are
 * SQLite's named ones: "$2" is bound by its name, since SQLite numbers names in the order in which
 * they come. Values are borrowed, not copied, for the length of the call.
 *
 * Failures: SQLite's, see sqlite_fail; a text that is not UTF-8, which SQLite itself would keep.
 * Known weak point: a query's arguments must outlive its rows. And SQLite's columns hold what was
 * put in: a file that somebody else wrote to can hold a text where a number should be, which reads
 * as our own bug and stops the program.
 */
#include "db/sqlite_private.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"

static void statement_free(void *data)
{
    Statement *statement = data;
    sqlite3_finalize(statement->stmt);
    g_free(statement->places);
    g_free(statement);
}

static bool counts_changes(const char *sql)
{
    static const char *const words[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"};
    sql += strspn(sql, " \t\n(");
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strncasecmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    }
    return false;
}

static Statement *prepare(SqliteDb *db, const char *sql, unsigned count, unsigned flags,
                          GError **error)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    int code = sqlite3_prepare_v3(db->sqlite, sql, -1, flags, &stmt, &tail);
    if (code != SQLITE_OK) {
        sqlite_fail(db, code, sql, error);
        return NULL;
    }
    MUST(stmt);
    MUST(tail[strspn(tail, " \t\n;")] == '\0'); /* one statement each */
    Statement *statement = g_new0(Statement, 1);
    statement->stmt = stmt;
    statement->count = count;
    statement->places = g_new0(int, count + 1);
    int used = 0;
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        g_snprintf(name, sizeof name, "$%u", i + 1);
        statement->places[i] = sqlite3_bind_parameter_index(stmt, name);
        used += statement->places[i] > 0;
    }
    MUST(used == sqlite3_bind_parameter_count(stmt)); /* each $n has its value */
    statement->writes = !sqlite3_stmt_readonly(stmt);
    statement->counts = statement->writes && counts_changes(sql);
    return statement;
}

static Statement *find_statement(SqliteDb *db, const DbSql *sql, unsigned count, GError **error)
{
    Statement *statement = g_hash_table_lookup(db->statements, sql);
    if (!statement) {
        statement = prepare(db, sql->sql, count, SQLITE_PREPARE_PERSISTENT, error);
        if (!statement)
            return NULL;
        g_hash_table_insert(db->statements, (void *)(uintptr_t)sql, statement);
    }
    MUST(statement->count == count);
    if (statement->writes && db->base.mode == DB_READ) {
        fail(error, ERROR_REJECT, "store \"%s\": a write in a read-only transaction: %.200s",
             db->path, sql->sql);
        return NULL;
    }
    return statement;
}

static bool bind_one(SqliteDb *db, sqlite3_stmt *stmt, int place, const DbValue *value,
                     GError **error)
{
    int code = SQLITE_OK;
    switch (value->type) {
    case DB_VALUE_NULL:
        code = sqlite3_bind_null(stmt, place);
        break;
    case DB_VALUE_INT:
        code = sqlite3_bind_int64(stmt, place, value->integer);
        break;
    case DB_VALUE_REAL:
        code = sqlite3_bind_double(stmt, place, value->real);
        break;
    case DB_VALUE_BYTES:
        code = sqlite3_bind_blob64(stmt, place, value->data, value->size, SQLITE_STATIC);
        break;
    case DB_VALUE_TEXT:
        /* SQLite would keep anything; PostgreSQL refuses this, and so does rota. */
        if (!g_utf8_validate_len(value->data, value->size, NULL))
            return fail(error, ERROR_REJECT, "store \"%s\": a text is not UTF-8", db->path);
        code =
            sqlite3_bind_text64(stmt, place, value->data, value->size, SQLITE_STATIC, SQLITE_UTF8);
        break;
    }
    return code == SQLITE_OK || sqlite_fail(db, code, sqlite3_sql(stmt), error);
}

static bool bind(SqliteDb *db, const Statement *statement, const DbValue *args, GError **error)
{
    for (unsigned i = 0; i < statement->count; i++) {
        int place = statement->places[i];
        if (place > 0 && !bind_one(db, statement->stmt, place, &args[i], error))
            return false;
    }
    db->deadline = 0;
    db->base.counts.statements++;
    return true;
}

/* Runs a bound statement to its end. */
static int64_t run(SqliteDb *db, const Statement *statement, GError **error)
{
    int64_t rows = 0;
    int code;
    while ((code = sqlite3_step(statement->stmt)) == SQLITE_ROW)
        rows++;
    if (code != SQLITE_DONE) {
        sqlite_fail(db, code, sqlite3_sql(statement->stmt), error);
        rows = -1;
    } else if (statement->counts && sqlite3_column_count(statement->stmt) == 0) {
        rows = sqlite3_changes64(db->sqlite);
    }
    sqlite3_reset(statement->stmt);
    return rows;
}

int64_t sqlite_exec(Db *base, const DbSql *sql, const DbValue *args, unsigned count, GError **error)
{
    SqliteDb *db = (SqliteDb *)base;
    Statement *statement = find_statement(db, sql, count, error);
    if (!statement || !bind(db, statement, args, error))
        return -1;
    return run(db, statement, error);
}

bool sqlite_exec_many(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    SqliteDb *db = (SqliteDb *)base;
    Statement *statement = find_statement(db, sql, tuples->width, error);
    if (!statement)
        return false;
    for (unsigned i = 0; i < tuples->rows; i++) {
        const DbValue *args = tuples->args + (size_t)i * tuples->width;
        int64_t changed = bind(db, statement, args, error) ? run(db, statement, error) : -1;
        if (changed < 0)
            return false;
        if (tuples->ret_changed)
            tuples->ret_changed[i] = changed;
    }
    return true;
}

bool sqlite_run_text(Db *base, const char *sql, GError **error)
{
    SqliteDb *db = (SqliteDb *)base;
    Statement *statement = prepare(db, sql, 0, 0, error);
    if (!statement)
        return false;
    bool done = bind(db, statement, NULL, error) && run(db, statement, error) >= 0;
    statement_free(statement);
    return done;
}

GHashTable *sqlite_statements_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, statement_free);
}

/* ---- rows */

static int rows_next(DbRows *base, GError **error)
{
    SqliteRows *rows = (SqliteRows *)base;
    SqliteDb *db = (SqliteDb *)((char *)rows - offsetof(SqliteDb, rows));
    MUST(rows->statement);
    if (rows->ended) /* SQLite would begin again */
        return 0;
    int code = sqlite3_step(rows->statement->stmt);
    if (code == SQLITE_ROW)
        return 1;
    rows->ended = true;
    if (code == SQLITE_DONE)
        return 0;
    sqlite_fail(db, code, sqlite3_sql(rows->statement->stmt), error);
    return -1;
}

/* The statement of a row that is being read; a wrong column is our bug. */
static sqlite3_stmt *row_at(DbRows *base, unsigned column)
{
    SqliteRows *rows = (SqliteRows *)base;
    MUST(rows->statement);
    MUST(column < (unsigned)sqlite3_data_count(rows->statement->stmt));
    return rows->statement->stmt;
}

/* The same, for a value of one of two types or NULL; to read another is our bug, which PostgreSQL
 * would not forgive. */
static sqlite3_stmt *row_of(DbRows *base, unsigned column, int type, int or_type)
{
    sqlite3_stmt *stmt = row_at(base, column);
    int found = sqlite3_column_type(stmt, (int)column);
    MUST(found == type || found == or_type || found == SQLITE_NULL);
    return stmt;
}

static int64_t rows_int(DbRows *rows, unsigned column)
{
    sqlite3_stmt *stmt = row_of(rows, column, SQLITE_INTEGER, SQLITE_INTEGER);
    return sqlite3_column_int64(stmt, (int)column);
}

static double rows_real(DbRows *rows, unsigned column)
{
    sqlite3_stmt *stmt = row_of(rows, column, SQLITE_FLOAT, SQLITE_INTEGER);
    return sqlite3_column_double(stmt, (int)column);
}

static const char *rows_text(DbRows *rows, unsigned column)
{
    sqlite3_stmt *stmt = row_of(rows, column, SQLITE_TEXT, SQLITE_TEXT);
    return (const char *)sqlite3_column_text(stmt, (int)column);
}

static const void *rows_bytes(DbRows *rows, unsigned column, size_t *ret_size)
{
    sqlite3_stmt *stmt = row_of(rows, column, SQLITE_BLOB, SQLITE_TEXT);
    bool null = sqlite3_column_type(stmt, (int)column) == SQLITE_NULL;
    const void *bytes = sqlite3_column_blob(stmt, (int)column);
    *ret_size = (size_t)sqlite3_column_bytes(stmt, (int)column);
    return null ? NULL : bytes ? bytes : "";
}

static bool rows_is_null(DbRows *rows, unsigned column)
{
    return sqlite3_column_type(row_at(rows, column), (int)column) == SQLITE_NULL;
}

static void rows_free(DbRows *base)
{
    SqliteRows *rows = (SqliteRows *)base;
    if (rows->statement)
        sqlite3_reset(rows->statement->stmt);
    rows->statement = NULL;
}

static const DbRowsDriver rows_driver = {
    .next = rows_next,
    .get_int = rows_int,
    .get_real = rows_real,
    .get_text = rows_text,
    .get_bytes = rows_bytes,
    .is_null = rows_is_null,
    .free = rows_free,
};

DbRows *sqlite_query(Db *base, const DbSql *sql, const DbValue *args, unsigned count,
                     GError **error)
{
    SqliteDb *db = (SqliteDb *)base;
    Statement *statement = find_statement(db, sql, count, error);
    if (!statement || !bind(db, statement, args, error))
        return NULL;
    db->rows = (SqliteRows){.base = {.driver = &rows_driver}, .statement = statement};
    return &db->rows.base;
}
