/* icalendar.h: from the bytes of an iCalendar object (RFC 5545) to facts that borrow nothing.
 *
 * The bytes themselves are never changed here: what a client stores comes back as it was. Bounded:
 * bytes, lines, components, depth, dates, attendees, alarms; over a limit the object is refused,
 * and the error says which. Same bytes, same facts on every machine with the same tzdata. libical
 * reads the text and its names stay in icalendar*.c; recurrence and zones are ours (rule.h,
 * zone.h).
 *
 * An object has a UID and items of one kind: the series ("master") and its overrides, or overrides
 * alone. Immutable once parsed; any thread.
 */
#ifndef ROTA_CONTENT_ICALENDAR_H
#define ROTA_CONTENT_ICALENDAR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/rule.h"
#include "content/zone.h"

typedef enum {
    ICALENDAR_EVENT = 1,
    ICALENDAR_TODO = 2,
    ICALENDAR_JOURNAL = 4,
    ICALENDAR_FREEBUSY = 8
} IcalendarKind;

typedef struct {
    bool set, is_date;
    int64_t wall;     /* civil.h; for UTC the time itself */
    const Zone *zone; /* borrowed from the object; NULL: floating, or a zone that nobody knows */
} IcalendarTime;

/* A nominal part, days on the calendar, and an exact one; both with the sign. */
typedef struct {
    int64_t days, seconds;
} IcalendarSpan;

typedef struct {
    IcalendarTime start;
    bool has_length; /* RDATE;VALUE=PERIOD */
    IcalendarSpan length;
} IcalendarDate;

typedef struct {
    char *address;                      /* lower case, without mailto: */
    char *name, *status, *role, *agent; /* CN, PARTSTAT, ROLE, SCHEDULE-AGENT; "" where not said */
    bool reply_wanted;
} IcalendarAttendee;

typedef enum { ALARM_DISPLAY, ALARM_EMAIL, ALARM_AUDIO } AlarmAction;
typedef struct {
    AlarmAction action;
    bool is_absolute, of_end;
    int64_t at;            /* absolute: UTC */
    IcalendarSpan trigger; /* else */
    unsigned repeats;      /* beside the first */
    IcalendarSpan pause;
    bool is_acknowledged;
    int64_t acknowledged; /* UTC: what is not later has been seen */
    char *uid, *snoozes;  /* snoozes: the UID of the alarm that this one puts off, RFC 9074 */
    char *summary, *text;
} IcalendarAlarm;

typedef struct {
    IcalendarKind kind;
    IcalendarTime start;
    IcalendarSpan length;     /* to DTEND or DUE, or DURATION; else a day for a date, and nothing */
    IcalendarTime recurrence; /* RECURRENCE-ID */
    bool and_future;          /* RANGE=THISANDFUTURE */
    bool is_cancelled, is_transparent, is_completed;
    int64_t sequence, stamp;              /* stamp: DTSTAMP, UTC; 0: none */
    int64_t seen;                         /* X-MOZ-LASTACK, UTC; INT64_MIN: none */
    char *summary, *location, *text;      /* "" where not said */
    IcalendarAttendee *organizer;         /* NULL: none */
    GPtrArray *attendees;                 /* of IcalendarAttendee */
    GPtrArray *alarms;                    /* of IcalendarAlarm */
    GArray *rules, *dates, *excepted;     /* of Rule, IcalendarDate, IcalendarTime */
    struct icalcomponent_impl *component; /* in the object's root; for content/ alone */
} IcalendarItem;

typedef struct {
    char *uid, *method; /* method: upper case, "" none */
    IcalendarKind kind;
    GPtrArray *items; /* of IcalendarItem; the master first, where there is one */
    bool has_master;
    char *unread;                    /* what was not understood and passed over; NULL: all was */
    GHashTable *zones;               /* private */
    struct icalcomponent_impl *root; /* libical's tree, for content/ alone */
} Icalendar;

typedef struct {
    int64_t bytes_max;      /* calendar.max-size; 0: CALENDAR_OBJECT_BYTES_MAX */
    unsigned attendees_max; /* calendar.max-attendees-per-instance; 0: CALENDAR_ATTENDEES_MAX */
} IcalendarLimits;
/* Of what is stored: it was within the limits of its day, whatever they are now. */
extern const IcalendarLimits icalendar_stored;

/* `limits` may be NULL. ERROR_REJECT: not iCalendar, more than one UID or kind of component, no
 * component at all, or over a limit. A METHOD is no reason (see icalendar_is_storable). */
Icalendar *icalendar_parse(const void *bytes, size_t size, const IcalendarLimits *limits,
                           GError **error);
void icalendar_free(Icalendar *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Icalendar, icalendar_free)

/* What RFC 4791 section 4.1 asks of an object that a client stores: no METHOD, an event, to-do or
 * journal. ERROR_REJECT. */
bool icalendar_is_storable(const Icalendar *object, GError **error);

/* UTC; `floating` (not NULL) is the zone of what has none. */
int64_t icalendar_utc(const IcalendarTime *time, const Zone *floating);
/* A wall time in a zone and a span later: first the days on the calendar, then the seconds. UTC. */
int64_t icalendar_later(int64_t wall, const Zone *zone, const IcalendarSpan *span);
/* "mailto:Ada@Example.ORG" is "ada@example.org"; the caller frees it. */
char *icalendar_address(const char *uri);
/* VEVENT, VTODO, VJOURNAL, VFREEBUSY; static. And back, 0: it is none of them. */
const char *icalendar_kind_name(IcalendarKind kind);
IcalendarKind icalendar_kind_of_name(const char *name);

#endif
