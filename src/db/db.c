/* db: the door itself: the state of a transaction, the same for all drivers.
 *
 * A driver (driver.h) speaks to one kind of store. What must be the same everywhere is here: that
 * every statement runs in a transaction, that a failed statement ends it (or, inside a savepoint,
 * waits for the savepoint's rollback), that the fence is asked before the commit, and that rows are
 * freed before the next statement.
 *
 * Failures: those of the drivers, passed on. Breaking the calling sequence of db.h is our own bug,
 * and a MUST. Known weak point: the trouble that ended a transaction is repeated word for word by
 * each further call, so a log may show it twice.
 */
#include "db/db.h"

#include <stdatomic.h>

#include "base/error.h"
#include "base/must.h"
#include "db/driver.h"

DbValue db_null(void)
{
    return (DbValue){.type = DB_VALUE_NULL};
}

DbValue db_int(int64_t value)
{
    return (DbValue){.type = DB_VALUE_INT, .integer = value};
}

DbValue db_real(double value)
{
    return (DbValue){.type = DB_VALUE_REAL, .real = value};
}

DbValue db_text(const char *text)
{
    if (!text)
        return db_null();
    return (DbValue){.type = DB_VALUE_TEXT, .data = text, .size = strlen(text)};
}

DbValue db_bytes(const void *bytes, size_t size)
{
    return (DbValue){.type = DB_VALUE_BYTES, .data = size > 0 ? bytes : "", .size = size};
}

/* Of this process, over all handles. */
static _Atomic uint64_t all_statements;

static void count_statements(uint64_t count)
{
    atomic_fetch_add_explicit(&all_statements, count, memory_order_relaxed);
}

uint64_t db_statements_of_process(void)
{
    return all_statements;
}

Db *db_open(const DbConfig *config, GError **error)
{
    return config->kind == DB_SQLITE ? sqlite_open(config, error) : postgresql_open(config, error);
}

void db_close(Db *db)
{
    if (!db)
        return;
    db_rollback(db);
    MUST(!db->rows);
    db->driver->close(db);
}

DbKind db_kind(const Db *db)
{
    return db->kind;
}

DbCounts db_counts(const Db *db)
{
    return db->counts;
}

char *db_quote_name(const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, "\"", -1);
    g_autofree char *joined = g_strjoinv("\"\"", parts);
    return g_strdup_printf("\"%s\"", joined);
}

bool db_in_transaction(const Db *db)
{
    return db->state != DB_STATE_IDLE;
}

static void forget_transaction(Db *db)
{
    db->state = DB_STATE_IDLE;
    db->in_savepoint = false;
    db->fence = NULL;
    db->fence_data = NULL;
    db_tell_forget(db);
    g_clear_error(&db->trouble);
}

/* Notes why the transaction cannot go on, and tells the caller. Always false. */
static bool break_transaction(Db *db, GError *trouble, GError **error)
{
    MUST(trouble);
    MUST(!db->trouble);
    db->trouble = trouble;
    ErrorKind kind = error_kind(trouble);
    bool mendable = db->in_savepoint && (kind == ERROR_CONFLICT || kind == ERROR_REJECT);
    if (mendable) {
        db->state = DB_STATE_BROKEN;
    } else {
        db->driver->rollback(db);
        db->state = DB_STATE_OVER;
    }
    if (error)
        *error = g_error_copy(trouble);
    return false;
}

/* True when a statement may run now. */
static bool ready(Db *db, GError **error)
{
    MUST(db->state != DB_STATE_IDLE);
    MUST(!db->rows);
    if (db->state == DB_STATE_OPEN)
        return true;
    if (error)
        *error = g_error_copy(db->trouble);
    return false;
}

bool db_begin(Db *db, DbMode mode, GError **error)
{
    MUST(db->state == DB_STATE_IDLE);
    MUST(!db->rows);
    if (!db->driver->begin(db, mode, error))
        return false;
    db->state = DB_STATE_OPEN;
    db->mode = mode;
    db->counts.transactions++;
    return true;
}

DbOutcome db_commit(Db *db, GError **error)
{
    if (!ready(db, error)) {
        db_rollback(db);
        return DB_NOT_DONE;
    }
    MUST(!db->in_savepoint);
    DbFence fence = db->fence;
    db->fence = NULL; /* the fence's own statements are not fenced */
    if (fence) {
        g_autoptr(GError) refusal = NULL;
        if (!fence(db, db->fence_data, &refusal)) {
            MUST(refusal);
            g_propagate_error(error, g_steal_pointer(&refusal));
            db_rollback(db);
            return DB_NOT_DONE;
        }
        if (!ready(db, error)) { /* a fence that swallows a failure still does not let it through */
            db_rollback(db);
            return DB_NOT_DONE;
        }
    }
    DbOutcome outcome = db->driver->commit(db, error);
    if (outcome != DB_DONE)
        db->driver->rollback(db);
    if (outcome != DB_NOT_DONE)
        db_tell_committed(db);
    forget_transaction(db);
    return outcome;
}

void db_rollback(Db *db)
{
    if (db->state == DB_STATE_IDLE)
        return;
    if (db->state != DB_STATE_OVER)
        db->driver->rollback(db);
    forget_transaction(db);
}

DbScope db_scope(Db *db)
{
    return db;
}

void db_scope_end(DbScope db)
{
    if (db)
        db_rollback(db);
}

void db_set_fence(Db *db, DbFence fence, void *data)
{
    MUST(db->state != DB_STATE_IDLE);
    MUST(!db->fence);
    db->fence = fence;
    db->fence_data = data;
}

bool db_savepoint_begin(Db *db, GError **error)
{
    MUST(!db->in_savepoint);
    if (!ready(db, error))
        return false;
    GError *trouble = NULL;
    if (!db->driver->savepoint(db, DB_SAVEPOINT_BEGIN, &trouble))
        return break_transaction(db, trouble, error);
    db->in_savepoint = true;
    return true;
}

bool db_savepoint_release(Db *db, GError **error)
{
    if (!ready(db, error))
        return false;
    MUST(db->in_savepoint);
    db->in_savepoint = false;
    GError *trouble = NULL;
    if (!db->driver->savepoint(db, DB_SAVEPOINT_RELEASE, &trouble))
        return break_transaction(db, trouble, error);
    return true;
}

bool db_savepoint_rollback(Db *db, GError **error)
{
    MUST(!db->rows);
    if (db->state == DB_STATE_BROKEN) {
        db->state = DB_STATE_OPEN;
        g_clear_error(&db->trouble);
    }
    if (!ready(db, error))
        return false;
    MUST(db->in_savepoint);
    db->in_savepoint = false;
    GError *trouble = NULL;
    if (!db->driver->savepoint(db, DB_SAVEPOINT_ROLLBACK, &trouble))
        return break_transaction(db, trouble, error);
    return true;
}

int64_t db_exec(Db *db, const DbSql *sql, const DbValue *args, unsigned count, GError **error)
{
    if (!ready(db, error))
        return -1;
    count_statements(1);
    GError *trouble = NULL;
    int64_t changed = db->driver->exec(db, sql, args, count, &trouble);
    if (changed < 0)
        break_transaction(db, trouble, error);
    return changed;
}

/* A driver's way to run a statement for all tuples, or what stands for it. */
typedef bool (*RunTuples)(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error);

static bool run_many(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    return db->driver->exec_many(db, sql, tuples, error);
}

bool db_run_set(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    return (db->driver->exec_set ? db->driver->exec_set : run_many)(db, sql, tuples, error);
}

bool db_run_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    return (db->driver->exec_later ? db->driver->exec_later : run_many)(db, sql, tuples, error);
}

bool db_run_set_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    RunTuples run = db->driver->exec_set_later ? db->driver->exec_set_later : db_run_set;
    return run(db, sql, tuples, error);
}

/* `each`: a statement is counted for each tuple. */
static bool run_tuples(Db *db, const DbSql *sql, const DbTuples *tuples, RunTuples run, bool each,
                       GError **error)
{
    if (!ready(db, error))
        return false;
    count_statements(each ? tuples->rows : tuples->rows > 0);
    GError *trouble = NULL;
    return tuples->rows == 0 || run(db, sql, tuples, &trouble) ||
           break_transaction(db, trouble, error);
}

bool db_exec_many(Db *db, const DbSql *sql, const DbValue *args, unsigned width, unsigned rows,
                  int64_t *ret_changed, GError **error)
{
    return run_tuples(db, sql, &(DbTuples){args, width, rows, ret_changed}, run_many, true, error);
}

bool db_exec_later(Db *db, const DbSql *sql, const DbValue *args, unsigned width, unsigned rows,
                   GError **error)
{
    MUST(!db->in_savepoint);
    return run_tuples(db, sql, &(DbTuples){args, width, rows, NULL}, db_run_later, true, error);
}

bool db_exec_set(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    MUST(sql->sql && sql->postgresql && tuples->width > 0);
    return run_tuples(db, sql, tuples, db_run_set, false, error);
}

bool db_exec_set_later(Db *db, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    MUST(sql->sql && sql->postgresql && tuples->width > 0 && !tuples->ret_changed);
    MUST(!db->in_savepoint);
    return run_tuples(db, sql, tuples, db_run_set_later, false, error);
}

bool db_run_text(Db *db, const char *sql, GError **error)
{
    if (!ready(db, error))
        return false;
    GError *trouble = NULL;
    if (!db->driver->run_text(db, sql, &trouble))
        return break_transaction(db, trouble, error);
    return true;
}

DbRows *db_query(Db *db, const DbSql *sql, const DbValue *args, unsigned count, GError **error)
{
    if (!ready(db, error))
        return NULL;
    count_statements(1);
    GError *trouble = NULL;
    DbRows *rows = db->driver->query(db, sql, args, count, &trouble);
    if (!rows) {
        break_transaction(db, trouble, error);
        return NULL;
    }
    rows->db = db;
    db->rows = rows;
    return rows; /* cppcheck-suppress returnDanglingLifetime; it takes a column for &trouble */
}

int db_rows_next(DbRows *rows, GError **error)
{
    Db *db = rows->db;
    if (db->state != DB_STATE_OPEN) {
        if (db->trouble && error)
            *error = g_error_copy(db->trouble);
        else if (!db->trouble)
            fail(error, ERROR_REJECT, "the transaction of these rows has ended");
        return -1;
    }
    GError *trouble = NULL;
    int step = rows->driver->next(rows, &trouble);
    if (step < 0)
        break_transaction(db, trouble, error);
    return step;
}

int64_t db_rows_int(DbRows *rows, unsigned column)
{
    return rows->driver->get_int(rows, column);
}

double db_rows_real(DbRows *rows, unsigned column)
{
    return rows->driver->get_real(rows, column);
}

const char *db_rows_text(DbRows *rows, unsigned column)
{
    return rows->driver->get_text(rows, column);
}

const void *db_rows_bytes(DbRows *rows, unsigned column, size_t *ret_size)
{
    return rows->driver->get_bytes(rows, column, ret_size);
}

bool db_rows_is_null(DbRows *rows, unsigned column)
{
    return rows->driver->is_null(rows, column);
}

void db_rows_free(DbRows *rows)
{
    if (!rows)
        return;
    rows->db->rows = NULL;
    rows->driver->free(rows);
}

int db_query_int(Db *db, const DbSql *sql, const DbValue *args, unsigned count, int64_t *ret_value,
                 GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, sql, args, count, error);
    if (!rows)
        return -1;
    int step = db_rows_next(rows, error);
    if (step <= 0)
        return step;
    if (db_rows_is_null(rows, 0))
        return 0;
    *ret_value = db_rows_int(rows, 0);
    return 1;
}

bool db_notify(Db *db, const char *word, GError **error)
{
    if (!ready(db, error))
        return false;
    GError *trouble = NULL;
    if (!db->driver->notify(db, word, &trouble))
        return break_transaction(db, trouble, error);
    return true;
}

bool db_listen(Db *db, int timeout_ms, char **ret_word, GError **error)
{
    MUST(db->state == DB_STATE_IDLE);
    return db->driver->listen(db, timeout_ms, ret_word, error);
}

bool db_is_wanted(Db *db)
{
    return db->state == DB_STATE_OPEN && db->driver->is_wanted && db->driver->is_wanted(db);
}

bool db_give_back_pages(Db *db, int64_t max_pages, int64_t *ret_pages, GError **error)
{
    if (!ready(db, error))
        return false;
    GError *trouble = NULL;
    if (!db->driver->give_back_pages(db, max_pages, ret_pages, &trouble))
        return break_transaction(db, trouble, error);
    return true;
}
