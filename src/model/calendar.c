/* calendar: the calendars of an account.
 *
 * How it fits: CalDAV and the command make and list them; iMIP finds the default one. The change
 * number of a calendar is written by calendar_store.c too, with each object. Failures: the store's;
 * ERROR_GONE, ERROR_CONFLICT, ERROR_REJECT as the header says. Known weak point: to destroy a
 * calendar with 100,000 objects is one transaction.
 */
#include "model/calendar.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "content/icalendar.h"
#include "model/account.h"
#include "model/change.h"

#define COLUMNS                                                                                    \
    "id, name, title, color, description, position, kinds, transparent, zone, zone_text, alarms, " \
    "day_alarms, changed_seq"

void calendar_free(Calendar *calendar)
{
    if (!calendar)
        return;
    g_free(calendar->name);
    g_free(calendar->title);
    g_free(calendar->color);
    g_free(calendar->description);
    g_free(calendar->zone);
    g_free(calendar->zone_text);
    g_free(calendar->alarms);
    g_free(calendar->day_alarms);
    g_free(calendar);
}

Calendar *calendar_new(const char *name)
{
    Calendar *calendar = g_new0(Calendar, 1);
    calendar->name = g_strdup(name);
    calendar->title = g_strdup("");
    calendar->color = g_strdup("");
    calendar->description = g_strdup("");
    calendar->zone = g_strdup("");
    calendar->zone_text = g_strdup("");
    calendar->alarms = g_strdup("");
    calendar->day_alarms = g_strdup("");
    calendar->kinds = ICALENDAR_EVENT | ICALENDAR_TODO | ICALENDAR_JOURNAL;
    return calendar;
}

static Calendar *read_row(DbRows *rows, int64_t account)
{
    Calendar *calendar = g_new0(Calendar, 1);
    calendar->account = account;
    calendar->id = db_rows_int(rows, 0);
    calendar->name = g_strdup(db_rows_text(rows, 1));
    calendar->title = g_strdup(db_rows_text(rows, 2));
    calendar->color = g_strdup(db_rows_text(rows, 3));
    calendar->description = g_strdup(db_rows_text(rows, 4));
    calendar->position = db_rows_int(rows, 5);
    calendar->kinds = (unsigned)db_rows_int(rows, 6);
    calendar->transparent = db_rows_int(rows, 7) != 0;
    calendar->zone = g_strdup(db_rows_text(rows, 8));
    calendar->zone_text = g_strdup(db_rows_text(rows, 9));
    calendar->alarms = g_strdup(db_rows_text(rows, 10));
    calendar->day_alarms = g_strdup(db_rows_text(rows, 11));
    calendar->changed_seq = db_rows_int(rows, 12);
    return calendar;
}

GPtrArray *calendar_list(Db *db, int64_t account, GError **error)
{
    static const DbSql sql = {"SELECT " COLUMNS " FROM calendar WHERE account = $1"
                              " ORDER BY position, title, id",
                              NULL};
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)calendar_free);
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(list, read_row(rows, account));
    return step < 0 ? NULL : g_steal_pointer(&list);
}

static Calendar *read_one(Db *db, const DbSql *sql, int64_t account, DbValue key, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, sql, DB_ARGS(db_int(account), key), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step > 0)
        return read_row(rows, account);
    if (step == 0)
        fail(error, ERROR_GONE, "there is no such calendar");
    return NULL;
}

Calendar *calendar_find(Db *db, int64_t account, const char *name, GError **error)
{
    static const DbSql sql = {"SELECT " COLUMNS " FROM calendar WHERE account = $1 AND name = $2",
                              NULL};
    return read_one(db, &sql, account, db_text(name), error);
}

Calendar *calendar_get(Db *db, int64_t account, int64_t id, GError **error)
{
    static const DbSql sql = {"SELECT " COLUMNS " FROM calendar WHERE account = $1 AND id = $2",
                              NULL};
    return read_one(db, &sql, account, db_int(id), error);
}

static bool check_texts(const Calendar *calendar, GError **error)
{
    const char *texts[] = {calendar->name, calendar->title, calendar->color, calendar->description,
                           calendar->zone};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
        if (strlen(texts[i]) > CALENDAR_TEXT_BYTES_MAX)
            return fail(error, ERROR_REJECT, "a text of a calendar is longer than %d bytes",
                        CALENDAR_TEXT_BYTES_MAX);
    const char *objects[] = {calendar->zone_text, calendar->alarms, calendar->day_alarms};
    for (unsigned i = 0; i < G_N_ELEMENTS(objects); i++)
        if (strlen(objects[i]) > CALENDAR_OBJECT_BYTES_MAX / 8)
            return fail(error, ERROR_REJECT,
                        "a calendar's zone or default alarm is over the limit");
    return *calendar->name || fail(error, ERROR_REJECT, "a calendar has no name");
}

bool calendar_add(Db *db, Calendar *calendar, GError **error)
{
    static const DbSql count = {"SELECT count(*) FROM calendar WHERE account = $1", NULL};
    static const DbSql number = {"UPDATE account SET next_calendar = next_calendar + 1 WHERE id = "
                                 "$1 RETURNING next_calendar - 1",
                                 NULL};
    static const DbSql add = {"INSERT INTO calendar (account, " COLUMNS
                              ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
                              "$10, $11, $12, $13, $14) ON CONFLICT (account, name) DO NOTHING",
                              NULL};
    int64_t have = 0, id = 0;
    if (!check_texts(calendar, error) || !account_lock_row(db, calendar->account, error) ||
        db_query_int(db, &count, DB_ARGS(db_int(calendar->account)), &have, error) < 0)
        return false;
    if (have >= CALENDARS_MAX)
        return fail(error, ERROR_REJECT, "an account has at most %d calendars", CALENDARS_MAX);
    if (db_query_int(db, &number, DB_ARGS(db_int(calendar->account)), &id, error) < 0)
        return false;
    int64_t seq = change_append(db, calendar->account, CHANGE_CALENDAR, id, CHANGE_CREATED, error);
    if (seq < 0)
        return false;
    int64_t added = db_exec(
        db, &add,
        DB_ARGS(db_int(calendar->account), db_int(id), db_text(calendar->name),
                db_text(calendar->title), db_text(calendar->color), db_text(calendar->description),
                db_int(calendar->position), db_int(calendar->kinds), db_int(calendar->transparent),
                db_text(calendar->zone), db_text(calendar->zone_text), db_text(calendar->alarms),
                db_text(calendar->day_alarms), db_int(seq)),
        error);
    if (added == 0)
        return fail(error, ERROR_CONFLICT, "there is a calendar \"%s\" already", calendar->name);
    calendar->id = id;
    calendar->changed_seq = seq;
    return added > 0;
}

bool calendar_set(Db *db, Calendar *calendar, GError **error)
{
    static const DbSql sql = {
        "UPDATE calendar SET title = $3, color = $4, description = $5, position = $6, kinds = $7, "
        "transparent = $8, zone = $9, zone_text = $10, alarms = $11, day_alarms = $12, "
        "changed_seq = $13 WHERE account = $1 AND id = $2",
        NULL};
    if (!check_texts(calendar, error) || !account_lock_row(db, calendar->account, error))
        return false;
    int64_t seq =
        change_append(db, calendar->account, CHANGE_CALENDAR, calendar->id, CHANGE_UPDATED, error);
    if (seq < 0)
        return false;
    int64_t set = db_exec(
        db, &sql,
        DB_ARGS(db_int(calendar->account), db_int(calendar->id), db_text(calendar->title),
                db_text(calendar->color), db_text(calendar->description),
                db_int(calendar->position), db_int(calendar->kinds), db_int(calendar->transparent),
                db_text(calendar->zone), db_text(calendar->zone_text), db_text(calendar->alarms),
                db_text(calendar->day_alarms), db_int(seq)),
        error);
    if (set == 0)
        return fail(error, ERROR_GONE, "there is no such calendar");
    calendar->changed_seq = seq;
    return set > 0;
}

bool calendar_destroy(Db *db, int64_t account, int64_t id, GError **error)
{
    static const DbSql bytes = {"UPDATE account SET used_bytes = used_bytes - (SELECT "
                                "coalesce(sum(size), 0) FROM calendar_object WHERE account = $1 "
                                "AND calendar = $2) WHERE id = $1",
                                NULL};
    static const DbSql alerts = {
        "DELETE FROM calendar_alert WHERE account = $1 AND object IN (SELECT id FROM "
        "calendar_object WHERE account = $1 AND calendar = $2)",
        NULL};
    static const DbSql objects = {
        "DELETE FROM calendar_object WHERE account = $1 AND calendar = $2", NULL};
    static const DbSql gone = {"DELETE FROM calendar_gone WHERE account = $1 AND calendar = $2",
                               NULL};
    static const DbSql itself = {"DELETE FROM calendar WHERE account = $1 AND id = $2", NULL};
    if (!account_lock_row(db, account, error))
        return false;
    int64_t there = db_exec(db, &itself, DB_ARGS(db_int(account), db_int(id)), error);
    if (there == 0)
        return fail(error, ERROR_GONE, "there is no such calendar");
    return there > 0 && db_exec(db, &bytes, DB_ARGS(db_int(account), db_int(id)), error) >= 0 &&
           db_exec(db, &alerts, DB_ARGS(db_int(account), db_int(id)), error) >= 0 &&
           db_exec(db, &objects, DB_ARGS(db_int(account), db_int(id)), error) >= 0 &&
           db_exec(db, &gone, DB_ARGS(db_int(account), db_int(id)), error) >= 0 &&
           change_append(db, account, CHANGE_CALENDAR, id, CHANGE_DESTROYED, error) >= 0;
}

bool calendar_ensure(Db *db, int64_t account, bool *ret_made, GError **error)
{
    static const DbSql count = {"SELECT count(*) FROM calendar WHERE account = $1", NULL};
    int64_t have = 0;
    if (!account_lock_row(db, account, error) ||
        db_query_int(db, &count, DB_ARGS(db_int(account)), &have, error) < 0)
        return false;
    if (ret_made)
        *ret_made = have == 0;
    if (have > 0)
        return true;
    g_autoptr(Calendar) calendar = calendar_new(CALENDAR_DEFAULT);
    g_free(calendar->title);
    calendar->title = g_strdup("Calendar");
    calendar->account = account;
    return calendar_add(db, calendar, error);
}

bool calendar_state(Db *db, int64_t account, int64_t *ret_seq, int64_t *ret_floor, GError **error)
{
    static const DbSql sql = {"SELECT change_seq, change_floor FROM account WHERE id = $1", NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step == 0)
        return fail(error, ERROR_GONE, "there is no account %" G_GINT64_FORMAT, account);
    if (step < 0)
        return false;
    *ret_seq = db_rows_int(rows, 0);
    *ret_floor = db_rows_int(rows, 1);
    return true;
}

const Zone *calendar_zone(const Calendar *calendar, const char *otherwise)
{
    const Zone *zone = *calendar->zone ? zone_find(calendar->zone) : NULL;
    if (!zone && otherwise && *otherwise)
        zone = zone_find(otherwise);
    return zone ? zone : zone_utc();
}
