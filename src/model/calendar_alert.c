/* calendar_alert: the ledger of alarms.
 *
 * How it fits: duty/calendar_alerts.c writes it; app/cmd_calendar.c asks what comes. Failures: the
 * store's.
 */
#include "model/calendar_alert.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "base/text.h"
#include "model/change.h"

GArray *calendar_alert_coming(Db *db, int64_t account, unsigned limit, GError **error)
{
    static const DbSql sql = {"SELECT id FROM calendar_object WHERE account = $1 AND alert_at > 0 "
                              "ORDER BY alert_at, id LIMIT $2",
                              NULL};
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(limit)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t id = db_rows_int(rows, 0);
        g_array_append_val(ids, id);
    }
    return step < 0 ? NULL : g_steal_pointer(&ids);
}

bool calendar_alert_person(Db *db, int64_t account, int64_t calendar, char **ret_address,
                           char **ret_zone, GError **error)
{
    static const DbSql sql = {
        "SELECT a.address, c.zone FROM account a JOIN calendar c ON c.account "
        "= a.id WHERE a.id = $1 AND c.account = $1 AND c.id = $2 AND "
        "a.deleted_at = 0",
        NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(calendar)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step <= 0)
        return step == 0 && fail(error, ERROR_GONE, "there is no such calendar");
    *ret_address = g_strdup(db_rows_text(rows, 0));
    *ret_zone = g_strdup(db_rows_text(rows, 1));
    return true;
}

bool calendar_alert_note(Db *db, const CalendarAlert *alerts, unsigned count, bool *ret_noted,
                         GError **error)
{
    static const DbSql sql = {
        "INSERT INTO calendar_alert (account, object, ring, noted_at, tries, state, due_at) VALUES "
        "($1, $2, $3, rota_now(), 1, 1, $4) ON CONFLICT (account, object, ring) DO UPDATE SET "
        "tries = calendar_alert.tries + 1, noted_at = rota_now(), state = 1, uncertain = "
        "calendar_alert.uncertain + CASE WHEN calendar_alert.state = 1 THEN 1 ELSE 0 END WHERE "
        "calendar_alert.state < 2",
        NULL};
    g_autofree DbValue *args = g_new(DbValue, 4 * (size_t)count);
    g_autofree int64_t *changed = g_new0(int64_t, count);
    for (unsigned i = 0; i < count; i++) {
        const DbValue row[] = {db_int(alerts[i].account), db_int(alerts[i].object),
                               db_text(alerts[i].ring), db_int(alerts[i].due_at)};
        memcpy(args + 4 * (size_t)i, row, sizeof row);
    }
    if (!db_exec_many(db, &sql, args, 4, count, changed, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        ret_noted[i] = changed[i] > 0;
    return true;
}

bool calendar_alert_end(Db *db, const CalendarAlert *alerts, unsigned count, GError **error)
{
    static const DbSql sql = {"UPDATE calendar_alert SET state = $4, error = $5, ended_at = "
                              "rota_now() WHERE account = $1 AND object = $2 AND ring = $3 AND "
                              "state = 1",
                              NULL};
    g_autofree DbValue *args = g_new(DbValue, 5 * (size_t)count);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < count; i++) {
        char *text = text_cut(alerts[i].error, ALERT_ERROR_LETTERS_MAX);
        g_ptr_array_add(texts, text);
        const DbValue row[] = {db_int(alerts[i].account), db_int(alerts[i].object),
                               db_text(alerts[i].ring), db_int(alerts[i].state), db_text(text)};
        memcpy(args + 5 * (size_t)i, row, sizeof row);
    }
    return db_exec_many(db, &sql, args, 5, count, NULL, error);
}

bool calendar_alert_show(Db *db, const CalendarAlert *alert, const char *text, int64_t expires_at,
                         GError **error)
{
    static const DbSql note = {
        "INSERT INTO calendar_alert (account, object, ring, noted_at, tries, state, due_at, "
        "ended_at) VALUES ($1, $2, $3, rota_now(), 1, 2, $4, rota_now()) ON CONFLICT (account, "
        "object, ring) DO NOTHING",
        NULL};
    /* Types stand between spaces; none at all is one space. */
    static const DbSql push = {
        "INSERT INTO push_alert (account, subscription, object, ring, text, made_at, expires_at, "
        "sending_at, next_at) SELECT account, id, $2, $3, $4, rota_now(), $5, 0, 0 FROM "
        "push_subscription WHERE account = $1 AND stage = 2 AND expires_at > rota_now() AND (types "
        "= '' OR types LIKE '% CalendarAlert %')",
        NULL};
    int64_t noted = db_exec(db, &note,
                            DB_ARGS(db_int(alert->account), db_int(alert->object),
                                    db_text(alert->ring), db_int(alert->due_at)),
                            error);
    if (noted <= 0)
        return noted == 0;
    return change_append(db, alert->account, CHANGE_ALERT, alert->object, CHANGE_CREATED, error) >=
               0 &&
           db_exec(db, &push,
                   DB_ARGS(db_int(alert->account), db_int(alert->object), db_text(alert->ring),
                           db_text(text), db_int(expires_at)),
                   error) >= 0;
}

bool calendar_alert_mark(Db *db, CalendarAlertMark *marks, unsigned count, GError **error)
{
    static const DbSql sql = {
        "UPDATE calendar_object SET alerted_at = $3, alert_at = $4, mailed_at = $6, shown_at = $7 "
        "WHERE account = $1 AND id = $2 AND changed_seq = $5",
        NULL};
    g_autofree DbValue *args = g_new(DbValue, 7 * (size_t)count);
    g_autofree int64_t *changed = g_new0(int64_t, count);
    for (unsigned i = 0; i < count; i++) {
        const CalendarAlertMark *mark = &marks[i];
        const DbValue row[] = {db_int(mark->object->account),
                               db_int(mark->object->id),
                               db_int(mark->alerted_at),
                               db_int(mark->alert_at),
                               db_int(mark->object->changed_seq),
                               db_int(mark->mailed_at),
                               db_int(mark->shown_at)};
        memcpy(args + 7 * (size_t)i, row, sizeof row);
    }
    if (!db_exec_many(db, &sql, args, 7, count, changed, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        marks[i].ret_same = changed[i] > 0;
    return true;
}
