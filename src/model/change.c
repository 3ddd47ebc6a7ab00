/* change: the log of what happened to an account's objects.
 *
 * How it fits: each verb of model/ that changes an email or a mailbox appends here; the index, push
 * and JMAP states read. The number comes from the account's row, whose lock the appender
 * then holds until its commit: numbers have no gaps and commit in order.
 *
 * Failures: the store's; ERROR_GONE for an account that is not there, and for a reader that comes
 * after the trim.
 */
#include "model/change.h"

#include <string.h>

#include "base/error.h"
#include "db/tell.h"
#include "model/account.h"
#include "roster/task.h"

#define PUSH_ROLE "push-notifications"

static const DbSql SQL_APPEND = {"INSERT INTO change (account, seq, kind, object, action, at) "
                                 "VALUES ($1, $2, $3, $4, $5, rota_now())",
                                 NULL};

bool change_tell(Db *db, int64_t account, GError **error)
{
    char key[ACCOUNT_KEY_BYTES];
    TaskNew task = {.role = PUSH_ROLE, .bucket = account_bucket(account, key), .key = key};
    return task_add(db, &task, error) && task_announce(db, PUSH_ROLE, error);
}

bool change_is_told(Db *db, int64_t account, bool *ret, GError **error)
{
    static const DbSql sql = {"SELECT subscribers FROM account WHERE id = $1", NULL};
    int64_t subscribers = 0;
    int got = db_query_int(db, &sql, DB_ARGS(db_int(account)), &subscribers, error);
    *ret = subscribers > 0;
    return got >= 0;
}

void change_wake(void)
{
    task_wake(PUSH_ROLE);
}

void change_publish(Db *db, int64_t account)
{
    char topic[sizeof CHANGE_TOPIC + 20];
    g_snprintf(topic, sizeof topic, CHANGE_TOPIC "%" G_GINT64_FORMAT, account);
    db_tell(db, topic);
}

/* Takes the next `count` numbers; the last of them, -1 on error. */
static int64_t take_numbers(Db *db, int64_t account, unsigned count, GError **error)
{
    static const DbSql next = {"UPDATE account SET change_seq = change_seq + $2 WHERE id = $1 "
                               "RETURNING change_seq, subscribers",
                               NULL};
    int64_t seq = -1, subscribers = 0;
    {
        g_autoptr(DbRows) rows =
            db_query(db, &next, DB_ARGS(db_int(account), db_int(count)), error);
        int step = rows ? db_rows_next(rows, error) : -1;
        if (step == 0)
            fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, account);
        if (step <= 0)
            return -1;
        seq = db_rows_int(rows, 0);
        subscribers = db_rows_int(rows, 1);
    }
    change_publish(db, account);
    return subscribers == 0 || change_tell(db, account, error) ? seq : -1;
}

int64_t change_append(Db *db, int64_t account, ChangeKind kind, int64_t object, ChangeAction action,
                      GError **error)
{
    int64_t seq = take_numbers(db, account, 1, error);
    if (seq < 0 ||
        db_exec(db, &SQL_APPEND,
                DB_ARGS(db_int(account), db_int(seq), db_int(kind), db_int(object), db_int(action)),
                error) < 0)
        return -1;
    return seq;
}

int64_t change_append_destroyed(Db *db, int64_t account, const int64_t *emails,
                                const int64_t *threads, unsigned count, GError **error)
{
    static const DbSql append = {"INSERT INTO change (account, seq, kind, object, action, thread, "
                                 "at) VALUES ($1, $2, $3, $4, $5, $6, rota_now())",
                                 NULL};
    int64_t last = take_numbers(db, account, count, error);
    if (last < 0)
        return -1;
    g_autofree DbValue *args = g_new(DbValue, 6 * (size_t)MAX(count, 1));
    for (unsigned i = 0; i < count; i++) {
        DbValue row[] = {db_int(account),   db_int(last - count + 1 + i), db_int(CHANGE_EMAIL),
                         db_int(emails[i]), db_int(CHANGE_DESTROYED),     db_int(threads[i])};
        memcpy(args + 6 * (size_t)i, row, sizeof row);
    }
    return count == 0 || db_exec_many(db, &append, args, 6, count, NULL, error) ? last : -1;
}

GArray *change_read(Db *db, int64_t account, int64_t since, unsigned limit, GError **error)
{
    static const DbSql floor_of = {"SELECT change_floor FROM account WHERE id = $1", NULL};
    static const DbSql read = {
        "SELECT seq, object, kind, action, thread FROM change WHERE account = $1 "
        "AND seq > $2 ORDER BY seq LIMIT $3",
        NULL};
    int64_t floor = 0;
    int got = db_query_int(db, &floor_of, DB_ARGS(db_int(account)), &floor, error);
    if (got < 0)
        return NULL;
    if (got == 0 || since < floor) {
        fail(error, ERROR_GONE,
             "changes of account %" G_GINT64_FORMAT " since %" G_GINT64_FORMAT " are not kept",
             account, since);
        return NULL;
    }
    g_autoptr(DbRows) rows =
        db_query(db, &read, DB_ARGS(db_int(account), db_int(since), db_int(limit)), error);
    g_autoptr(GArray) changes = g_array_new(false, false, sizeof(Change));
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        Change change = {.seq = db_rows_int(rows, 0),
                         .object = db_rows_int(rows, 1),
                         .kind = (ChangeKind)db_rows_int(rows, 2),
                         .action = (ChangeAction)db_rows_int(rows, 3),
                         .thread = db_rows_int(rows, 4)};
        g_array_append_val(changes, change);
    }
    return step < 0 ? NULL : g_steal_pointer(&changes);
}

GArray *change_states(Db *db, const int64_t *accounts, unsigned count, GError **error)
{
    static const DbSql read = {
        "SELECT id, change_seq FROM account WHERE id IN (SELECT value FROM json_each($1))",
        "SELECT id, change_seq FROM account WHERE id = ANY(CAST($1 AS BIGINT[]))"};
    bool braces = db_kind(db) == DB_POSTGRESQL;
    g_autoptr(GString) list = g_string_new(braces ? "{" : "[");
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(list, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", accounts[i]);
    g_string_append_c(list, braces ? '}' : ']');
    g_autoptr(GArray) states = g_array_new(false, false, sizeof(ChangeState));
    g_autoptr(DbRows) rows = db_query(db, &read, DB_ARGS(db_text(list->str)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        ChangeState state = {.account = db_rows_int(rows, 0), .seq = db_rows_int(rows, 1)};
        g_array_append_val(states, state);
    }
    return step < 0 ? NULL : g_steal_pointer(&states);
}

int64_t change_trim(Db *db, int64_t account, int64_t keep, unsigned limit, GError **error)
{
    /* The floor is moved first and by the row's lock, so that a reader never finds a gap it was not
     * told of. */
    static const DbSql move = {"UPDATE account SET change_floor = CASE WHEN change_floor + $3 < "
                               "change_seq - $2 THEN change_floor + $3 "
                               "ELSE change_seq - $2 END WHERE id = $1 AND change_seq - $2 > "
                               "change_floor RETURNING change_floor",
                               NULL};
    static const DbSql remove = {"DELETE FROM change WHERE account = $1 AND seq <= $2", NULL};
    int64_t floor = 0;
    int got = db_query_int(db, &move, DB_ARGS(db_int(account), db_int(keep), db_int(limit)), &floor,
                           error);
    if (got <= 0)
        return got;
    static const DbSql names = {"DELETE FROM calendar_gone WHERE account = $1 AND seq <= $2", NULL};
    if (db_exec(db, &names, DB_ARGS(db_int(account), db_int(floor)), error) < 0)
        return -1;
    return db_exec(db, &remove, DB_ARGS(db_int(account), db_int(floor)), error);
}
