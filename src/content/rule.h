/* rule.h: a recurrence rule (RFC 5545 section 3.3.10), and the walk through its instances.
 *
 * Pure arithmetic on wall times (civil.h): a rule knows no zone, and a gap or an overlap of
 * daylight saving is its caller's. Bounded: a walk tries RULE_STEPS_MAX days and periods and then
 * says that it was cut, however dense, sparse or impossible the rule is. Not a set: DTSTART, RDATE
 * and EXDATE are recurrence.h's. One thread for each walk; a rule may be shared.
 *
 * Calling sequence: rule_parse; rule_walk_begin, rule_walk_seek (or not), rule_walk_next*.
 */
#ifndef ROTA_CONTENT_RULE_H
#define ROTA_CONTENT_RULE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits_calendar.h"

typedef enum {
    RULE_SECONDLY,
    RULE_MINUTELY,
    RULE_HOURLY,
    RULE_DAILY,
    RULE_WEEKLY,
    RULE_MONTHLY,
    RULE_YEARLY,
} RuleFrequency;

typedef struct {
    int weekday, nth; /* 0 Monday; the nth of the month or year, -1 the last */
} RuleNth;

/* Bit n of a set: the number n is in it. An empty one: that part is not there. */
typedef struct {
    RuleFrequency frequency;
    int64_t interval; /* >= 1 */
    int64_t count;    /* 0: none */
    bool has_until, until_is_date, until_is_utc;
    int64_t until;  /* wall time as written; a date: its last second */
    int week_start; /* 0 Monday */
    uint64_t seconds, minutes;
    uint32_t hours, months, weekdays;         /* weekdays: bit 0 Monday */
    uint32_t month_days, month_days_back;     /* back: -1 is bit 1 */
    uint64_t weeks, weeks_back;               /* likewise */
    uint64_t year_days[6], year_days_back[6]; /* likewise */
    RuleNth nths[RULE_LIST_MAX];
    int positions[RULE_LIST_MAX];
    unsigned nth_count, position_count;
} Rule;

/* Reads "FREQ=WEEKLY;BYDAY=MO". ERROR_REJECT: not a rule, or one that this does not do (RSCALE of
 * another calendar than the Gregorian, SKIP). Unknown X- parts are passed over. */
bool rule_parse(const char *text, Rule *ret, GError **error);

typedef struct {
    Rule rule; /* with what DTSTART says of it */
    int64_t start, until, floor;
    int64_t period; /* number of the year, month, week's first day, day, hour, minute or second */
    int64_t given;
    unsigned steps;
    bool ended, cut, filled;
    /* of the period */
    int64_t first_day;
    uint16_t days[371]; /* a year of 53 weeks */
    uint8_t hours[24], minutes[60], seconds[60];
    unsigned day_count, hour_count, minute_count, second_count;
    int64_t at, element_count;
    int64_t places[RULE_LIST_MAX]; /* of BYSETPOS, in order */
    unsigned place_count;
} RuleWalk;

typedef struct {
    int64_t start; /* DTSTART, in the years that civil.h knows */
    int64_t until; /* the last wall time, in the zone of `start`; INT64_MAX: none */
    bool is_date;  /* BYHOUR, BYMINUTE and BYSECOND are passed over */
} RuleStart;
void rule_walk_begin(RuleWalk *walk, const Rule *rule, const RuleStart *from);
/* Before the first next: instances before `from` are of no interest. A rule without COUNT jumps,
 * one with it counts. */
void rule_walk_seek(RuleWalk *walk, int64_t from);
/* The next instance, later than the one before. False: there is none, or rule_walk_is_cut. */
bool rule_walk_next(RuleWalk *walk, int64_t *ret_time);
bool rule_walk_is_cut(const RuleWalk *walk);

#endif
