/* recurrence.h: the instances of an object: DTSTART, RRULE and RDATE without EXDATE, with overrides
 * and THISANDFUTURE in their place (RFC 5545 section 3.8.5).
 *
 * Bounded by the number of instances (calendar.max-recurrence-expansions) and by RULE_STEPS_MAX for
 * each rule, and for what is passed over; a walk that was cut says so. Times are UTC seconds since
 * 1970. One thread a walk; the object is borrowed and may be shared.
 *
 * Calling sequence: recurrence_new, recurrence_next*, recurrence_free.
 */
#ifndef ROTA_CONTENT_RECURRENCE_H
#define ROTA_CONTENT_RECURRENCE_H

#include "content/icalendar.h"

typedef struct {
    const IcalendarItem *item; /* the series, or the override that stands here; borrowed */
    bool timeless;             /* a to-do or journal without a time: the rest is 0 */
    bool in_order;             /* later ones with this mark do not start (much) earlier */
    int64_t recurrence;        /* the start that the series alone gives: RECURRENCE-ID */
    int64_t start, end;
    int64_t wall, end_wall; /* in the zone */
    const Zone *zone;       /* borrowed; for a floating one the asker's */
} Instance;

typedef struct {
    const Zone *floating; /* of what has no zone; borrowed; not NULL */
    int64_t from;         /* an instance that starts before is of no interest; overrides come all */
    unsigned max;         /* instances; 0: RECURRENCE_EXPANSIONS_MAX */
} RecurrenceAsk;

typedef struct RecurrenceWalk RecurrenceWalk;
RecurrenceWalk *recurrence_new(const Icalendar *object, const RecurrenceAsk *ask);
void recurrence_free(RecurrenceWalk *walk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RecurrenceWalk, recurrence_free)
/* Overrides first, in the order of the file; then the others by their start, marked `in_order`:
 * within two days, since an override for all that follows may shift them. */
bool recurrence_next(RecurrenceWalk *walk, Instance *ret);
bool recurrence_is_cut(const RecurrenceWalk *walk);

/* The longest that one instance is, and the furthest that THISANDFUTURE shifts one. */
int64_t recurrence_reach(const Icalendar *object);

/* Those that overlap [from, to) as RFC 4791 section 9.9 has it, by start: GArray of Instance.
 * *ret_cut (may be NULL). */
GArray *recurrence_between(const Icalendar *object, const RecurrenceAsk *ask, int64_t to,
                           bool *ret_cut);

/* For an index: no instance is outside, in whatever zone floating times are read. INT64_MIN and
 * INT64_MAX: it has no end on that side. */
typedef struct {
    int64_t first, last;
    bool recurs;
} RecurrenceBounds;
RecurrenceBounds recurrence_bounds(const Icalendar *object, unsigned max);

#endif
