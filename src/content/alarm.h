/* alarm.h: when an object's alarms ring (RFC 5545 section 3.6.6, RFC 9074).
 *
 * Each VALARM of each instance: relative to its start or end, or absolute (once for its component),
 * with REPEAT and DURATION. None of a cancelled or completed component, none where the person has
 * declined, none that was acknowledged (ACKNOWLEDGED, X-MOZ-LASTACK). A snoozed alarm is one of its
 * own, absolute, beside the acknowledged one that it puts off. A day of a TRIGGER is a day on the
 * calendar, an hour is an hour. Pure; bounded as recurrence.h. Times are UTC seconds since 1970.
 */
#ifndef ROTA_CONTENT_ALARM_H
#define ROTA_CONTENT_ALARM_H

#include "content/recurrence.h"

/* How an alarm goes out: by mail (EMAIL), or to be shown (DISPLAY, AUDIO). */
typedef enum { ALARM_MAILED, ALARM_SHOWN, ALARM_WAYS } AlarmWay;
AlarmWay alarm_way(const IcalendarAlarm *alarm);

typedef struct {
    int64_t at;
    const IcalendarAlarm *alarm; /* borrowed from the object */
    unsigned repeat;             /* 0: the first of its repetitions */
    Instance instance;           /* what it is about; of an absolute one the component's own */
    bool is_over;                /* its instance ended before the asker's `now` */
} AlarmRing;

typedef struct {
    const Zone *floating;            /* not NULL */
    const char *const *addresses;    /* the person's, lower case, ended by NULL; NULL: nobody's */
    int64_t after, now;              /* what rings after the one, and not after the other, is due */
    int64_t quiet_until[ALARM_WAYS]; /* what would go out before is no `next` */
    unsigned max;                    /* instances; 0: RECURRENCE_EXPANSIONS_MAX */
} AlarmAsk;

typedef struct {
    GArray *due;  /* of AlarmRing, by time */
    int64_t next; /* the earliest after `now`; INT64_MAX: none */
    bool cut;     /* there may be more than was looked at */
} AlarmAnswer;
void alarm_answer_clear(AlarmAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AlarmAnswer, alarm_answer_clear)

/* An object without alarms costs nothing. The answer borrows from the object. */
AlarmAnswer alarm_find(const Icalendar *object, const AlarmAsk *ask);
bool alarm_has_any(const Icalendar *object);

/* Leaves of what is due that which is still to go out: nothing late of an event that is over; of an
 * alarm's repetitions that were missed together the last; and of each way nothing that is due less
 * than `interval` after the one before. */
typedef struct {
    int64_t now, interval;    /* seconds */
    int64_t last[ALARM_WAYS]; /* when the last that went out was due; moved on */
} AlarmChoice;
void alarm_choose(AlarmAnswer *answer, AlarmChoice *choice);

#endif
