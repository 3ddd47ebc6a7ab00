/* fault: a door around a Db that fails when it is told to.
 *
 * It is a driver whose store is another handle's driver, so all that db.c promises holds for it as
 * well. It notes in the handle behind whether a transaction is open, so that two doors which use it
 * at once are found out.
 *
 * Failures: those of the plan, and those of the store behind.
 * Known weak point: a fault in db_exec_many comes before its first tuple, never between two.
 */
#include "db/fault.h"

#include "base/error.h"
#include "base/must.h"
#include "db/driver.h"

typedef struct {
    Db base;
    Db *behind; /* borrowed */
    FaultPlan plan;
    void *data;
    uint64_t calls;
    bool open; /* our transaction is open behind */
} FaultDb;

static Fault ask(FaultDb *db, FaultPoint point)
{
    db->calls++;
    return db->plan ? db->plan(point, db->calls, db->data) : FAULT_NONE;
}

static void leave(FaultDb *db)
{
    db->open = false;
    db->behind->state = DB_STATE_IDLE;
}

static void rollback(Db *base)
{
    FaultDb *db = (FaultDb *)base;
    if (!db->open)
        return;
    db->behind->driver->rollback(db->behind);
    leave(db);
}

static bool begin(Db *base, DbMode mode, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    if (ask(db, FAULT_POINT_BEGIN) != FAULT_NONE)
        return fail(error, ERROR_RETRY, "fault %" G_GUINT64_FORMAT ": no connection", db->calls);
    MUST(db->behind->state == DB_STATE_IDLE);
    if (!db->behind->driver->begin(db->behind, mode, error))
        return false;
    db->behind->state = DB_STATE_OPEN;
    db->behind->mode = mode;
    db->open = true;
    return true;
}

static DbOutcome commit_behind(FaultDb *db, GError **error)
{
    DbOutcome outcome = db->behind->driver->commit(db->behind, error);
    if (outcome != DB_DONE)
        db->behind->driver->rollback(db->behind);
    leave(db);
    return outcome;
}

static DbOutcome commit(Db *base, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    DbOutcome outcome = DB_NOT_DONE;
    switch (ask(db, FAULT_POINT_COMMIT)) {
    case FAULT_NONE:
        return commit_behind(db, error);
    case FAULT_RETRY:
        rollback(base);
        fail(error, ERROR_RETRY, "fault %" G_GUINT64_FORMAT ": not committed", db->calls);
        return DB_NOT_DONE;
    case FAULT_UNKNOWN_DONE:
        outcome = commit_behind(db, error);
        if (outcome != DB_DONE)
            return outcome;
        break;
    case FAULT_UNKNOWN_NOT_DONE:
        rollback(base);
        break;
    }
    fail(error, ERROR_UNKNOWN, "fault %" G_GUINT64_FORMAT ": connection lost in commit", db->calls);
    return DB_UNKNOWN;
}

/* True if a statement may go through. */
static bool pass(FaultDb *db, GError **error)
{
    db->base.counts.statements++;
    if (ask(db, FAULT_POINT_STATEMENT) == FAULT_NONE)
        return true;
    return fail(error, ERROR_RETRY, "fault %" G_GUINT64_FORMAT ": connection lost", db->calls);
}

static bool savepoint(Db *base, DbSavepoint step, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db->behind->driver->savepoint(db->behind, step, error);
}

static int64_t exec(Db *base, const DbSql *sql, const DbValue *args, unsigned count, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) ? db->behind->driver->exec(db->behind, sql, args, count, error) : -1;
}

static bool exec_many(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db->behind->driver->exec_many(db->behind, sql, tuples, error);
}

static bool exec_set(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db_run_set(db->behind, sql, tuples, error);
}

static bool exec_later(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db_run_later(db->behind, sql, tuples, error);
}

static bool exec_set_later(Db *base, const DbSql *sql, const DbTuples *tuples, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db_run_set_later(db->behind, sql, tuples, error);
}

static DbRows *query(Db *base, const DbSql *sql, const DbValue *args, unsigned count,
                     GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) ? db->behind->driver->query(db->behind, sql, args, count, error) : NULL;
}

static bool run_text(Db *base, const char *sql, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db->behind->driver->run_text(db->behind, sql, error);
}

static bool notify(Db *base, const char *word, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) && db->behind->driver->notify(db->behind, word, error);
}

static bool listen_for(Db *base, int timeout_ms, char **ret_word, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return db->behind->driver->listen(db->behind, timeout_ms, ret_word, error);
}

static bool is_wanted(Db *base)
{
    return db_is_wanted(((FaultDb *)base)->behind);
}

static bool give_back_pages(Db *base, int64_t max_pages, int64_t *ret_pages, GError **error)
{
    FaultDb *db = (FaultDb *)base;
    return pass(db, error) &&
           db->behind->driver->give_back_pages(db->behind, max_pages, ret_pages, error);
}

static void close_door(Db *base)
{
    g_free(base);
}

static const DbDriver driver = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .savepoint = savepoint,
    .exec = exec,
    .exec_many = exec_many,
    .exec_set = exec_set,
    .exec_later = exec_later,
    .exec_set_later = exec_set_later,
    .query = query,
    .run_text = run_text,
    .notify = notify,
    .listen = listen_for,
    .give_back_pages = give_back_pages,
    .is_wanted = is_wanted,
    .close = close_door,
};

Db *db_open_fault(Db *behind, FaultPlan plan, void *data)
{
    FaultDb *db = g_new0(FaultDb, 1);
    db->base.driver = &driver;
    db->base.kind = behind->kind;
    db->behind = behind;
    db->plan = plan;
    db->data = data;
    return &db->base;
}

Fault fault_plan_at(FaultPoint point, uint64_t call, void *fault_at)
{
    (void)point;
    FaultAt *at = fault_at;
    if (call != at->number)
        return FAULT_NONE;
    at->met = true;
    return at->fault;
}
