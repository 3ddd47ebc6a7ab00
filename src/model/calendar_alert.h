/* calendar_alert.h: alarms that are being sent, and how far an object's have rung. All (tx).
 *
 * calendar_alert_note is committed before anything is sent: what is on its way is known to whoever
 * comes after a crash, and is sent again with the same Message-ID, and counted.
 */
#ifndef ROTA_MODEL_CALENDAR_ALERT_H
#define ROTA_MODEL_CALENDAR_ALERT_H

#include "model/calendar_object.h"

/* *ret_tries: 1 the first time; more: it was perhaps sent before. */
bool calendar_alert_note(Db *db, const CalendarObject *object, const char *ring, int64_t *ret_tries,
                         GError **error);
/* Alarms up to `alerted_at` have rung, the next is at `alert_at` (ms; 0: none), and what was noted
 * is done. *ret_same is false where the object was changed since it was read: look again. */
bool calendar_alert_end(Db *db, const CalendarObject *object, int64_t alerted_at, int64_t alert_at,
                        bool *ret_same, GError **error);
/* An alarm is to be shown: whoever listens to the account's changes hears of it. */
bool calendar_alert_show(Db *db, const CalendarObject *object, GError **error);

#endif
