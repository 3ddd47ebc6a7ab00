/* calendar_object: what is in a calendar, read.
 *
 * How it fits: CalDAV lists, finds and synchronises; iMIP looks for a UID; calendar-alerts reads
 * one object at a time. Writing is calendar_store.c's. Failures: the store's, ERROR_GONE.
 */
#include "model/calendar_object.h"

#include "base/error.h"

#define FACTS                                                                                      \
    "id, calendar, name, uid, etag, kind, size, recurs, first_at, last_at, schedule_tag, "         \
    "changed_seq, modified_at, alerted_at, alert_at"
#define DATA_COLUMN 15

void calendar_object_free(CalendarObject *object)
{
    if (!object)
        return;
    g_free(object->name);
    g_free(object->uid);
    g_free(object->etag);
    if (object->data)
        g_bytes_unref(object->data);
    g_free(object);
}

Icalendar *calendar_object_parse(const CalendarObject *object)
{
    size_t size;
    const void *bytes = g_bytes_get_data(object->data, &size);
    return icalendar_parse(bytes, size, &icalendar_stored, NULL);
}

static CalendarObject *read_row(DbRows *rows, int64_t account, bool with_data)
{
    CalendarObject *object = g_new0(CalendarObject, 1);
    object->account = account;
    object->id = db_rows_int(rows, 0);
    object->calendar = db_rows_int(rows, 1);
    object->name = g_strdup(db_rows_text(rows, 2));
    object->uid = g_strdup(db_rows_text(rows, 3));
    object->etag = g_strdup(db_rows_text(rows, 4));
    object->kind = (IcalendarKind)db_rows_int(rows, 5);
    object->size = db_rows_int(rows, 6);
    object->recurs = db_rows_int(rows, 7) != 0;
    object->first_at = db_rows_int(rows, 8);
    object->last_at = db_rows_int(rows, 9);
    object->schedule_tag = db_rows_int(rows, 10);
    object->changed_seq = db_rows_int(rows, 11);
    object->modified_at = db_rows_int(rows, 12);
    object->alerted_at = db_rows_int(rows, 13);
    object->alert_at = db_rows_int(rows, 14);
    if (with_data) {
        size_t size;
        const void *data = db_rows_bytes(rows, DATA_COLUMN, &size);
        object->data = g_bytes_new(data, size);
    }
    return object;
}

static CalendarObject *read_one(DbRows *rows, int64_t account, GError **error)
{
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step > 0)
        return read_row(rows, account, true);
    if (step == 0)
        fail(error, ERROR_GONE, "there is no such object in the calendar");
    return NULL;
}

CalendarObject *calendar_object_find(Db *db, int64_t account, int64_t calendar, const char *name,
                                     GError **error)
{
    static const DbSql sql = {"SELECT " FACTS ", data FROM calendar_object WHERE account = $1 AND "
                              "calendar = $2 AND name = $3",
                              NULL};
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_int(calendar), db_text(name)), error);
    return read_one(rows, account, error);
}

CalendarObject *calendar_object_get(Db *db, int64_t account, int64_t id, GError **error)
{
    static const DbSql sql = {"SELECT " FACTS ", data, mailed_at, shown_at FROM calendar_object "
                              "WHERE account = $1 AND id = $2",
                              NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(id)), error);
    CalendarObject *object = read_one(rows, account, error);
    if (object) {
        object->mailed_at = db_rows_int(rows, DATA_COLUMN + 1);
        object->shown_at = db_rows_int(rows, DATA_COLUMN + 2);
    }
    return object;
}

static GPtrArray *read_all(DbRows *rows, int64_t account, bool with_data, GError **error)
{
    g_autoptr(GPtrArray) list =
        g_ptr_array_new_with_free_func((GDestroyNotify)calendar_object_free);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(list, read_row(rows, account, with_data));
    return step < 0 ? NULL : g_steal_pointer(&list);
}

GPtrArray *calendar_object_by_uid(Db *db, int64_t account, const char *uid, GError **error)
{
    /* SQLite would walk all of the account's, which are in the order of their ids. */
    static const DbSql sql = {"SELECT " FACTS ", data FROM calendar_object INDEXED BY "
                              "calendar_object_uid WHERE account = $1 AND uid = $2 ORDER BY id "
                              "LIMIT 100",
                              "SELECT " FACTS ", data FROM calendar_object WHERE account = $1 AND "
                              "uid = $2 ORDER BY id LIMIT 100"};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_text(uid)), error);
    return read_all(rows, account, true, error);
}

GPtrArray *calendar_object_list(Db *db, int64_t account, const CalendarAsk *ask, GError **error)
{
    /* With a range the index over the ends is walked, without one that over the ids. */
    static const DbSql all = {"SELECT " FACTS " FROM calendar_object WHERE account = $1 AND "
                              "calendar = $2 AND id > $3 ORDER BY id LIMIT $4",
                              NULL};
    static const DbSql all_data = {"SELECT " FACTS ", data FROM calendar_object WHERE account = $1 "
                                   "AND calendar = $2 AND id > $3 ORDER BY id LIMIT $4",
                                   NULL};
    static const DbSql some = {"SELECT " FACTS " FROM calendar_object WHERE account = $1 AND "
                               "calendar = $2 AND last_at >= $5 AND first_at < $6 AND id > $3 "
                               "ORDER BY id LIMIT $4",
                               NULL};
    static const DbSql some_data = {"SELECT " FACTS ", data FROM calendar_object WHERE account = "
                                    "$1 AND calendar = $2 AND last_at >= $5 AND first_at < $6 AND "
                                    "id > $3 ORDER BY id LIMIT $4",
                                    NULL};
    bool range = ask->from != INT64_MIN || ask->to != INT64_MAX;
    const DbSql *sql =
        range ? (ask->with_data ? &some_data : &some) : (ask->with_data ? &all_data : &all);
    const DbValue args[] = {db_int(account),    db_int(ask->calendar), db_int(ask->after),
                            db_int(ask->limit), db_int(ask->from),     db_int(ask->to)};
    g_autoptr(DbRows) rows = db_query(db, sql, args, range ? 6 : 4, error);
    return read_all(rows, account, ask->with_data, error);
}

static void change_free(gpointer data)
{
    CalendarChange *change = data;
    g_free(change->name);
    g_free(change->etag);
    g_free(change);
}

GPtrArray *calendar_object_changes(Db *db, int64_t account, int64_t calendar, int64_t since,
                                   unsigned limit, GError **error)
{
    static const DbSql sql = {
        "SELECT changed_seq AS seq, name, etag, 0 FROM calendar_object WHERE account = $1 AND "
        "calendar = $2 AND changed_seq > $3 UNION ALL SELECT seq, name, '', 1 FROM calendar_gone "
        "WHERE account = $1 AND calendar = $2 AND seq > $3 AND $3 > 0 ORDER BY seq LIMIT $4",
        NULL};
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(change_free);
    g_autoptr(DbRows) rows = db_query(
        db, &sql, DB_ARGS(db_int(account), db_int(calendar), db_int(since), db_int(limit)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        CalendarChange *change = g_new0(CalendarChange, 1);
        change->seq = db_rows_int(rows, 0);
        change->name = g_strdup(db_rows_text(rows, 1));
        change->gone = db_rows_int(rows, 3) != 0;
        change->etag = change->gone ? NULL : g_strdup(db_rows_text(rows, 2));
        g_ptr_array_add(list, change);
    }
    return step < 0 ? NULL : g_steal_pointer(&list);
}
