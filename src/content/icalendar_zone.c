/* icalendar_zone: the VTIMEZONE of a file as a table of changes.
 *
 * How it fits: icalendar_time.c asks where tzdata does not know a name. Each STANDARD and DAYLIGHT
 * gives onsets, by its DTSTART, RDATEs and RRULE; their wall times are in the offset before them.
 * Only onsets from 1970 to 2100 count; what is before is the offset from which the first one came.
 * Bounded by ZONE_CHANGES_MAX. Failures: a component without a usable part gives no zone.
 */
#include <string.h>

#include "base/error.h"

#include "content/civil.h"
#include "content/rule.h"

#include "content/icalendar_private.h"

#define YEAR_FIRST 1970
#define YEAR_LAST  2100

static bool read_wall(const struct icaltimetype *value, int64_t *ret)
{
    if (!civil_is_valid(value->year, value->month, value->day, value->hour, value->minute,
                        MIN(value->second, 59)))
        return false;
    *ret = civil_day(value->year, value->month, value->day) * CIVIL_DAY + value->hour * 3600 +
           value->minute * 60 + MIN(value->second, 59);
    return true;
}

static void add_change(GArray *changes, int64_t wall, int from, int to)
{
    ZoneChange change = {.at = wall - from, .offset = to};
    if (changes->len < ZONE_CHANGES_MAX)
        g_array_append_val(changes, change);
}

/* The onsets of a rule. UNTIL is UTC in a VTIMEZONE, and some write it local: a day more or less
 * makes no difference to a rule that comes once a year. */
static void add_rule(GArray *changes, icalproperty *property, int64_t start, int from, int to)
{
    Rule rule;
    RuleWalk walk;
    int64_t wall;
    char *text = icalproperty_get_value_as_string_r(property);
    bool right = text && rule_parse(text, &rule, NULL);
    icalmemory_free_buffer(text);
    if (!right || rule.frequency < RULE_DAILY)
        return;
    RuleStart begin = {.start = start, .until = civil_day(YEAR_LAST, 1, 1) * CIVIL_DAY};
    if (rule.has_until)
        begin.until = MIN(begin.until, rule.until + (rule.until_is_utc ? from : 0));
    rule_walk_begin(&walk, &rule, &begin);
    rule_walk_seek(&walk, civil_day(YEAR_FIRST, 1, 1) * CIVIL_DAY);
    while (changes->len < ZONE_CHANGES_MAX && rule_walk_next(&walk, &wall))
        add_change(changes, wall, from, to);
}

/* One STANDARD or DAYLIGHT; *first_from is the offset before the earliest onset of all. */
static void add_part(GArray *changes, icalcomponent *part, int64_t *first, int64_t *first_from)
{
    icalproperty *start = icalcomponent_get_first_property(part, ICAL_DTSTART_PROPERTY);
    icalproperty *from_ = icalcomponent_get_first_property(part, ICAL_TZOFFSETFROM_PROPERTY);
    icalproperty *to_ = icalcomponent_get_first_property(part, ICAL_TZOFFSETTO_PROPERTY);
    int64_t wall;
    if (!start || !to_)
        return;
    int to = icalproperty_get_tzoffsetto(to_);
    int from = from_ ? icalproperty_get_tzoffsetfrom(from_) : to;
    struct icaltimetype value = icalproperty_get_dtstart(start);
    if (!read_wall(&value, &wall) || ABS(from) > 2 * CIVIL_DAY || ABS(to) > 2 * CIVIL_DAY)
        return;
    if (wall - from < *first) {
        *first = wall - from;
        *first_from = from;
    }
    add_change(changes, wall, from, to);
    icalproperty *property = icalcomponent_get_first_property(part, ICAL_RRULE_PROPERTY);
    for (; property; property = icalcomponent_get_next_property(part, ICAL_RRULE_PROPERTY))
        add_rule(changes, property, wall, from, to);
    property = icalcomponent_get_first_property(part, ICAL_RDATE_PROPERTY);
    for (; property; property = icalcomponent_get_next_property(part, ICAL_RDATE_PROPERTY)) {
        struct icaldatetimeperiodtype date = icalproperty_get_rdate(property);
        if (read_wall(&date.time, &wall))
            add_change(changes, wall, from, to);
    }
}

const Zone *icalendar_zone_of_component(icalcomponent *component, const char *name)
{
    g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(ZoneChange));
    int64_t first = INT64_MAX, before = 0;
    icalcomponent *part = icalcomponent_get_first_component(component, ICAL_ANY_COMPONENT);
    for (; part; part = icalcomponent_get_next_component(component, ICAL_ANY_COMPONENT)) {
        icalcomponent_kind kind = icalcomponent_isa(part);
        if (kind == ICAL_XSTANDARD_COMPONENT || kind == ICAL_XDAYLIGHT_COMPONENT)
            add_part(changes, part, &first, &before);
    }
    if (!changes->len)
        return NULL;
    return zone_new(name, before, (ZoneChange *)(void *)changes->data, changes->len);
}
