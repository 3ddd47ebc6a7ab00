/* calendar_store: what is in a calendar, written.
 *
 * How it fits: CalDAV, the import and iMIP put and remove; nobody else writes calendar_object. The
 * account's row is locked first, so that preconditions, quota and the UID's uniqueness are judged
 * on what is there at the commit; two clients that write one object: the second finds the first's
 * etag, and its If-Match does not hold.
 *
 * An alarm that lies before the write never rings, but for one that was due and has not been sent
 * yet. Failures: the store's; what does not go by the rules is an end of its own (CalendarEnd).
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "model/account.h"
#include "model/calendar_object.h"
#include "model/change.h"
#include "roster/task.h"

static char *alert_key(int64_t account, int64_t object)
{
    return g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT, account, object);
}

bool calendar_alert_parse_key(const char *key, int64_t *ret_account, int64_t *ret_object)
{
    g_auto(GStrv) parts = g_strsplit(key, ".", 3);
    guint64 account = 0, object = 0;
    if (g_strv_length(parts) != 2 ||
        !g_ascii_string_to_unsigned(parts[0], 10, 1, INT64_MAX, &account, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 1, INT64_MAX, &object, NULL))
        return false;
    *ret_account = (int64_t)account;
    *ret_object = (int64_t)object;
    return true;
}

int64_t calendar_alert_due_at(int64_t alert_at, int64_t now)
{
    return alert_at - now > 2 * ALARM_LOOK_AGAIN_MS ? alert_at - ALARM_LOOK_AGAIN_MS : alert_at;
}

void calendar_wake(void)
{
    task_wake(CALENDAR_ALERTS_ROLE);
    change_wake();
}

static bool add_alert(Db *db, int64_t account, int64_t object, int64_t due_at, GError **error)
{
    char account_key[ACCOUNT_KEY_BYTES];
    g_autofree char *key = alert_key(account, object);
    TaskNew task = {.role = CALENDAR_ALERTS_ROLE,
                    .bucket = account_bucket(account, account_key),
                    .key = key,
                    .due_at = due_at};
    return task_add(db, &task, error) && task_announce(db, CALENDAR_ALERTS_ROLE, error);
}

/* What is there of that name. */
typedef struct {
    bool there;
    int64_t id, size, schedule_tag, alerted_at, alert_at;
    char *etag, *uid;
} Old;

static void old_clear(Old *old)
{
    g_free(old->etag);
    g_free(old->uid);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Old, old_clear)

/* Locks the account; *ret_there: the calendar is still there. */
static bool read_old(Db *db, const Calendar *calendar, const char *name, Old *ret, bool *ret_there,
                     GError **error)
{
    static const DbSql sql = {
        "SELECT coalesce(o.id, 0), o.size, o.schedule_tag, o.alerted_at, o.alert_at, o.etag, o.uid"
        " FROM calendar c LEFT JOIN calendar_object o ON o.account = $1 AND o.calendar = $2"
        " AND o.name = $3 WHERE c.account = $1 AND c.id = $2",
        NULL};
    if (!account_lock_row(db, calendar->account, error))
        return false;
    g_autoptr(DbRows) rows = db_query(
        db, &sql, DB_ARGS(db_int(calendar->account), db_int(calendar->id), db_text(name)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    *ret_there = step > 0;
    ret->there = step > 0 && db_rows_int(rows, 0) > 0;
    if (!ret->there)
        return true;
    ret->id = db_rows_int(rows, 0);
    ret->size = db_rows_int(rows, 1);
    ret->schedule_tag = db_rows_int(rows, 2);
    ret->alerted_at = db_rows_int(rows, 3);
    ret->alert_at = db_rows_int(rows, 4);
    ret->etag = g_strdup(db_rows_text(rows, 5));
    ret->uid = g_strdup(db_rows_text(rows, 6));
    return true;
}

static bool names(const char *const *tags, const Old *old)
{
    return old->there && (g_strv_contains(tags, "*") || g_strv_contains(tags, old->etag));
}

static bool meets(const Old *old, const CalendarMatch *match)
{
    g_autofree char *tag = g_strdup_printf("%" G_GINT64_FORMAT, old->schedule_tag);
    if (match->if_none && names(match->if_none, old))
        return false;
    if (match->schedule_tag && (!old->there || strcmp(match->schedule_tag, tag) != 0))
        return false;
    return !match->if_match || names(match->if_match, old);
}

typedef struct {
    const Calendar *calendar;
    const CalendarDraft *draft;
    const Old *old;
} Write;

/* Quota, the calendar's room, and the UID; *ret stays as it is where all is well. */
static bool check_room(Db *db, const Write *write, CalendarPut *put, CalendarEnd *ret,
                       GError **error)
{
    const Calendar *calendar = write->calendar;
    const CalendarDraft *draft = write->draft;
    const Old *old = write->old;
    /* An account that has not given out so many numbers has not so many objects. */
    static const DbSql figures = {
        "SELECT CASE WHEN quota_bytes > 0 AND used_bytes + $2 > quota_bytes "
        "THEN 1 ELSE 0 END, next_calendar FROM account WHERE id = $1",
        NULL};
    static const DbSql uid = {
        "SELECT name FROM calendar_object INDEXED BY calendar_object_uid WHERE account = $1 AND "
        "uid = $2 AND calendar = $3 AND name <> $4 LIMIT 1",
        "SELECT name FROM calendar_object WHERE account = $1 AND uid = $2 AND "
        "calendar = $3 AND name <> $4 LIMIT 1"};
    static const DbSql room = {
        "SELECT 1 FROM calendar_object WHERE account = $1 AND calendar = $2 LIMIT 1 OFFSET $3",
        NULL};
    int64_t full = 0, more = (int64_t)g_bytes_get_size(draft->data) - old->size;
    if (old->there && strcmp(old->uid, draft->object->uid) != 0)
        *ret = CALENDAR_UID_TAKEN;
    g_autoptr(DbRows) rows =
        db_query(db, &uid,
                 DB_ARGS(db_int(calendar->account), db_text(draft->object->uid),
                         db_int(calendar->id), db_text(put->name)),
                 error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    if (step > 0) {
        put->ret_taken = g_strdup(db_rows_text(rows, 0));
        *ret = CALENDAR_UID_TAKEN;
    }
    g_clear_pointer(&rows, db_rows_free);
    if (old->there && more <= 0)
        return true;
    rows = db_query(db, &figures, DB_ARGS(db_int(calendar->account), db_int(more)), error);
    step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    if (step > 0 && more > 0 && db_rows_int(rows, 0) != 0)
        *ret = CALENDAR_OVER_QUOTA;
    if (old->there || step == 0 || db_rows_int(rows, 1) <= CALENDAR_OBJECTS_MAX)
        return true;
    g_clear_pointer(&rows, db_rows_free);
    int got = db_query_int(
        db, &room,
        DB_ARGS(db_int(calendar->account), db_int(calendar->id), db_int(CALENDAR_OBJECTS_MAX - 1)),
        &full, error);
    if (got > 0)
        *ret = CALENDAR_FULL;
    return got >= 0;
}

static bool count_bytes(Db *db, int64_t account, int64_t more, GError **error)
{
    static const DbSql sql = {"UPDATE account SET used_bytes = used_bytes + $2 WHERE id = $1",
                              NULL};
    return more == 0 || db_exec(db, &sql, DB_ARGS(db_int(account), db_int(more)), error) >= 0;
}

static bool touch(Db *db, const Calendar *calendar, int64_t seq, GError **error)
{
    static const DbSql sql = {"UPDATE calendar SET changed_seq = $3 WHERE account = $1 AND id = $2",
                              NULL};
    return db_exec(db, &sql, DB_ARGS(db_int(calendar->account), db_int(calendar->id), db_int(seq)),
                   error) >= 0;
}

static bool write_row(Db *db, const Calendar *calendar, const Old *old, CalendarPut *put,
                      const CalendarDraft *draft, GError **error)
{
    /* And counts its bytes. */
    static const DbSql number = {
        "UPDATE account SET next_calendar = next_calendar + 1, used_bytes = used_bytes + $2"
        " WHERE id = $1 RETURNING next_calendar - 1",
        NULL};
    static const DbSql insert = {
        "INSERT INTO calendar_object (account, calendar, id, name, uid, etag, kind, size, recurs, "
        "first_at, last_at, schedule_tag, changed_seq, modified_at, alerted_at, alert_at, data) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        NULL};
    static const DbSql update = {
        "UPDATE calendar_object SET name = $4, uid = $5, etag = $6, kind = $7, size = $8, recurs = "
        "$9, first_at = $10, last_at = $11, schedule_tag = $12, changed_seq = $13, modified_at = "
        "$14, alerted_at = $15, alert_at = $16, data = $17 WHERE account = $1 AND calendar = $2 "
        "AND id = $3",
        NULL};
    size_t size;
    const void *data = g_bytes_get_data(draft->data, &size);
    int64_t id = old->id, account = calendar->account;
    if (!old->there &&
        db_query_int(db, &number, DB_ARGS(db_int(account), db_int((int64_t)size)), &id, error) < 0)
        return false;
    int64_t seq = change_append(db, account, CHANGE_EVENT, id,
                                old->there ? CHANGE_UPDATED : CHANGE_CREATED, error);
    if (seq < 0)
        return false;
    /* One that was due, and is not sent yet, still rings. */
    bool pending = old->there && old->alert_at > 0 && old->alert_at <= draft->now;
    int64_t alerted = pending ? old->alerted_at : draft->now;
    int64_t due = pending ? old->alert_at : draft->alert_at;
    if (put->pending_since && (!pending || put->pending_since < alerted)) {
        alerted = put->pending_since;
        due = draft->now;
    }
    put->ret_schedule_tag = old->schedule_tag + !put->keep_schedule_tag;
    const DbValue args[] = {db_int(account),
                            db_int(calendar->id),
                            db_int(id),
                            db_text(put->name),
                            db_text(draft->object->uid),
                            db_text(draft->etag),
                            db_int(draft->object->kind),
                            db_int((int64_t)size),
                            db_int(draft->recurs),
                            db_int(draft->first_at),
                            db_int(draft->last_at),
                            db_int(put->ret_schedule_tag),
                            db_int(seq),
                            db_int(draft->now),
                            db_int(alerted),
                            db_int(due),
                            db_bytes(data, size)};
    return db_exec(db, old->there ? &update : &insert, args, G_N_ELEMENTS(args), error) > 0 &&
           touch(db, calendar, seq, error) &&
           (!old->there || count_bytes(db, account, (int64_t)size - old->size, error)) &&
           (due == 0 || add_alert(db, account, id, calendar_alert_due_at(due, draft->now), error));
}

bool calendar_object_put(Db *db, const Calendar *calendar, CalendarPut *put,
                         const CalendarDraft *draft, CalendarEnd *ret, GError **error)
{
    g_auto(Old) old = {0};
    bool there;
    put->ret_taken = NULL;
    if (strlen(put->name) > CALENDAR_TEXT_BYTES_MAX)
        return fail(error, ERROR_REJECT, "an object's name is longer than %d bytes",
                    CALENDAR_TEXT_BYTES_MAX);
    if (!read_old(db, calendar, put->name, &old, &there, error))
        return false;
    CalendarEnd end = old.there ? CALENDAR_UPDATED : CALENDAR_CREATED;
    const Write write = {calendar, draft, &old};
    if (!there)
        end = CALENDAR_MISSING;
    else if (!meets(&old, &put->match))
        end = CALENDAR_UNMET;
    else if (!check_room(db, &write, put, &end, error))
        return false;
    if ((end == CALENDAR_CREATED || end == CALENDAR_UPDATED) &&
        !write_row(db, calendar, &old, put, draft, error))
        return false;
    *ret = end;
    return true;
}

bool calendar_object_remove(Db *db, const Calendar *calendar, const char *name,
                            const CalendarMatch *match, CalendarEnd *ret, GError **error)
{
    static const DbSql sql = {"DELETE FROM calendar_object WHERE account = $1 AND id = $2", NULL};
    static const DbSql alerts = {"DELETE FROM calendar_alert WHERE account = $1 AND object = $2",
                                 NULL};
    static const DbSql gone = {
        "INSERT INTO calendar_gone (account, calendar, seq, name) VALUES ($1, $2, $3, $4)", NULL};
    g_auto(Old) old = {0};
    int64_t account = calendar->account;
    bool there;
    if (!read_old(db, calendar, name, &old, &there, error))
        return false;
    *ret = !there || !old.there ? CALENDAR_MISSING : CALENDAR_UPDATED;
    if (*ret == CALENDAR_UPDATED && match && !meets(&old, match))
        *ret = CALENDAR_UNMET;
    if (*ret != CALENDAR_UPDATED)
        return true;
    int64_t seq = change_append(db, account, CHANGE_EVENT, old.id, CHANGE_DESTROYED, error);
    return seq >= 0 && db_exec(db, &sql, DB_ARGS(db_int(account), db_int(old.id)), error) >= 0 &&
           db_exec(db, &alerts, DB_ARGS(db_int(account), db_int(old.id)), error) >= 0 &&
           db_exec(db, &gone,
                   DB_ARGS(db_int(account), db_int(calendar->id), db_int(seq), db_text(name)),
                   error) >= 0 &&
           touch(db, calendar, seq, error) && count_bytes(db, account, -old.size, error);
}
