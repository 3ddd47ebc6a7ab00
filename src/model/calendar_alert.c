/* calendar_alert: the outbox of alarms.
 *
 * How it fits: duty/calendar_alerts.c alone. Failures: the store's.
 */
#include "model/calendar_alert.h"

#include "model/change.h"

bool calendar_alert_note(Db *db, const CalendarObject *object, const char *ring, int64_t *ret_tries,
                         GError **error)
{
    static const DbSql sql = {
        "INSERT INTO calendar_alert (account, object, ring, noted_at, tries) VALUES ($1, $2, $3, "
        "rota_now(), 1) ON CONFLICT (account, object, ring) DO UPDATE SET tries = "
        "calendar_alert.tries + 1 RETURNING tries",
        NULL};
    return db_query_int(db, &sql,
                        DB_ARGS(db_int(object->account), db_int(object->id), db_text(ring)),
                        ret_tries, error) > 0;
}

bool calendar_alert_end(Db *db, const CalendarObject *object, int64_t alerted_at, int64_t alert_at,
                        bool *ret_same, GError **error)
{
    static const DbSql end = {"UPDATE calendar_object SET alerted_at = $3, alert_at = $4 WHERE "
                              "account = $1 AND id = $2 AND changed_seq = $5",
                              NULL};
    static const DbSql gone = {"DELETE FROM calendar_alert WHERE account = $1 AND object = $2",
                               NULL};
    int64_t set = db_exec(db, &end,
                          DB_ARGS(db_int(object->account), db_int(object->id), db_int(alerted_at),
                                  db_int(alert_at), db_int(object->changed_seq)),
                          error);
    *ret_same = set > 0;
    return set == 0 ||
           (set > 0 &&
            db_exec(db, &gone, DB_ARGS(db_int(object->account), db_int(object->id)), error) >= 0);
}

bool calendar_alert_show(Db *db, const CalendarObject *object, GError **error)
{
    return change_append(db, object->account, CHANGE_ALERT, object->id, CHANGE_CREATED, error) >= 0;
}
