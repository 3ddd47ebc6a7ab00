/* alerts.h: an object of a calendar whose alarms may be due: read, reckoned, and what is shown of
 * it. Private to calendar_alerts.c.
 */
#ifndef ROTA_DUTY_ALERTS_H
#define ROTA_DUTY_ALERTS_H

#include "content/reminder.h"
#include "duty/duty.h"
#include "model/calendar_alert.h"

typedef struct {
    unsigned task; /* its number in the run */
    int64_t account, id, now;
    CalendarObject *object; /* NULL: it is gone, or cannot be read, and nothing is to be done */
    Icalendar *parsed;
    const Zone *zone;
    char *address; /* of the person */
    GPtrArray *addresses;
    AlarmAnswer answer;       /* what is to go out now */
    int64_t next;             /* ms; 0: none */
    int64_t last[ALARM_WAYS]; /* seconds */
    bool changes;             /* there is something to write */
    bool stays, same, ended;  /* the account, the object; it is through */
} Alerts;

/* Task number `index`, in the open transaction. */
Alerts *alerts_read(Run *run, unsigned index, int64_t now, GError **error);
void alerts_free(gpointer data);
/* What is due, and what is next. Needs no store. */
void alerts_find(Alerts *alerts, const DutySettings *settings);
/* (tx) What is to be shown, as a change and for devices. */
bool alerts_show(Db *db, const Alerts *alerts, GError **error);
CalendarAlertMark alerts_mark(const Alerts *alerts);

#endif
