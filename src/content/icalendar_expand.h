/* icalendar_expand.h: an object written as its instances (RFC 4791 section 9.6.5), and busy times.
 */
#ifndef ROTA_CONTENT_ICALENDAR_EXPAND_H
#define ROTA_CONTENT_ICALENDAR_EXPAND_H

#include "content/recurrence.h"

/* The instances that overlap [ask->from, to), each a component of its own in UTC, with
 * RECURRENCE-ID and without rules. The caller's. */
char *icalendar_expand(const Icalendar *object, const RecurrenceAsk *ask, int64_t to);

typedef struct {
    int64_t from, to;
} BusyTime;
typedef struct {
    int64_t from, to, stamp;
    const char *uid, *organizer, *attendee; /* whose question it answers: METHOD:REPLY; NULL: a
                                               report's */
} BusyHead;
/* Sorts, joins and writes a VFREEBUSY for [from, to). The caller's. */
char *icalendar_format_busy(GArray *busy, const BusyHead *head);
/* Reads "20260101T090000Z"; false: it is none. */
bool icalendar_parse_utc(const char *text, int64_t *ret);

#endif
