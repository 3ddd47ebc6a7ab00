/* calendar_alert.h: what came of each alarm (the ledger), and how far an object's have rung. All
 * (tx).
 *
 * calendar_alert_note is committed before a mail is sent: what is on its way is known to whoever
 * comes after a crash, who sends it again with the same Message-ID, and it is counted (uncertain).
 * What was sent, shown, or refused for good is never noted again. Rows stay until
 * storage.history-retention, or as long as their object.
 */
#ifndef ROTA_MODEL_CALENDAR_ALERT_H
#define ROTA_MODEL_CALENDAR_ALERT_H

#include "model/calendar_object.h"

typedef enum { ALERT_WAITS, ALERT_UNDER_WAY, ALERT_SENT, ALERT_REFUSED } CalendarAlertState;

typedef struct {
    int64_t account, object;
    const char *ring; /* which alarm of which instance, and when: one text for each of an object */
    int64_t due_at;   /* ms */
    CalendarAlertState state;
    const char *error; /* "": none; cut to ALERT_ERROR_LETTERS_MAX */
} CalendarAlert;

/* The objects of an account that ring next, the earliest first, at most `limit`: GArray of int64.
 */
GArray *calendar_alert_coming(Db *db, int64_t account, unsigned limit, GError **error);

/* Of a living person: the address, and the zone of a calendar ("": it has none). ERROR_GONE. The
 * texts are the caller's. */
bool calendar_alert_person(Db *db, int64_t account, int64_t calendar, char **ret_address,
                           char **ret_zone, GError **error);

/* They are under way; ret_noted[i] is false where that one has its end already. */
bool calendar_alert_note(Db *db, const CalendarAlert *alerts, unsigned count, bool *ret_noted,
                         GError **error);
/* What came of what was noted. */
bool calendar_alert_end(Db *db, const CalendarAlert *alerts, unsigned count, GError **error);

/* An alarm is to be shown: whoever listens to the account's changes hears of it, and each device
 * that asks for CalendarAlert is pushed `text` until `expires_at`. Nothing where it was before. */
bool calendar_alert_show(Db *db, const CalendarAlert *alert, const char *text, int64_t expires_at,
                         GError **error);

/* Alarms of an object up to `alerted_at` have rung, the next is at `alert_at` (ms; 0: none), and
 * the last that went out were due at these times. ret_same is false where the object was changed
 * since it was read: look again. */
typedef struct {
    const CalendarObject *object;
    int64_t alerted_at, alert_at, mailed_at, shown_at;
    bool ret_same;
} CalendarAlertMark;
bool calendar_alert_mark(Db *db, CalendarAlertMark *marks, unsigned count, GError **error);

#endif
