/* reminder.h: the mail that reminds a person of an event (VALARM, ACTION:EMAIL).
 *
 * Same ring, same bytes but for the Date: a second try has the same Message-ID. Pure; any thread.
 */
#ifndef ROTA_CONTENT_REMINDER_H
#define ROTA_CONTENT_REMINDER_H

#include "content/alarm.h"

/* Which alarm of which instance, and when: one text for each ring of an object. The caller's. */
char *reminder_ring(const AlarmRing *ring);
typedef struct {
    const char *address; /* from and to */
    const char *key;     /* of the object, unique in the store */
    const AlarmRing *ring;
    const Zone *zone; /* the person's */
    int64_t now;      /* UTC seconds */
} ReminderAsk;
/* Text and HTML, with CRLF. The caller's. */
char *reminder_format(const ReminderAsk *ask);

#endif
