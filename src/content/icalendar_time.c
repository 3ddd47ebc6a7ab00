/* icalendar_time: dates, times, spans and zones as a file writes them.
 *
 * How it fits: icalendar_item.c reads each property with it. A name of a zone that tzdata knows is
 * tzdata's, whatever the file's VTIMEZONE says: the file was written by the rules of its day, and a
 * meeting at nine stays at nine when a country changes its rules. Only what tzdata does not know is
 * read from the file. Failures: false; times in no year from 1 to 9999.
 */
#include <stdarg.h>

#include "content/civil.h"

#include "content/icalendar_private.h"

#define SPAN_DAYS_MAX                                                                              \
    36600 /* a hundred years: more is a mistake, and sums stay far from overflow */

void icalendar_note(IcalendarReader *reader, const char *format, ...)
{
    va_list args;
    if (reader->object->unread)
        return;
    va_start(args, format);
    reader->object->unread = g_strdup_vprintf(format, args);
    va_end(args);
}

static icalcomponent *find_timezone(icalcomponent *root, const char *name)
{
    icalcomponent *zone = icalcomponent_get_first_component(root, ICAL_VTIMEZONE_COMPONENT);
    for (; zone; zone = icalcomponent_get_next_component(root, ICAL_VTIMEZONE_COMPONENT)) {
        g_autofree char *id = icalendar_text(zone, "TZID", false);
        if (g_strcmp0(id, name) == 0)
            return zone;
    }
    return NULL;
}

/* The zone that the file means by a name; borrowed from the object; NULL: nobody knows it. */
static const Zone *find_zone(IcalendarReader *reader, const char *name)
{
    gpointer found = NULL;
    if (g_hash_table_lookup_extended(reader->object->zones, name, NULL, &found))
        return found;
    const Zone *zone = zone_find(name);
    icalcomponent *component = zone ? NULL : find_timezone(reader->object->root, name);
    if (component) {
        g_autofree char *place = icalendar_text(component, "X-LIC-LOCATION", false);
        zone = *place ? zone_find(place) : NULL;
        if (!zone)
            zone = icalendar_zone_of_component(component, name);
    }
    if (!zone)
        icalendar_note(reader, "the zone \"%.60s\" is not known: its times count as local", name);
    g_hash_table_insert(reader->object->zones, g_strdup(name), (gpointer)(uintptr_t)zone);
    return zone;
}

bool icalendar_read_time(IcalendarReader *reader, icalproperty *property,
                         const struct icaltimetype *value, IcalendarTime *ret)
{
    IcalendarTime time = {.set = true, .is_date = value->is_date};
    int hour = value->is_date ? 0 : value->hour, minute = value->is_date ? 0 : value->minute;
    int second = value->is_date ? 0 : MIN(value->second, 59);
    if (!civil_is_valid(value->year, value->month, value->day, hour, minute, second))
        return false;
    time.wall = civil_day(value->year, value->month, value->day) * CIVIL_DAY + hour * 3600 +
                minute * 60 + second;
    g_autofree char *name = icalendar_parameter(property, "TZID");
    if (!time.is_date && icaltime_is_utc(*value))
        time.zone = zone_utc();
    else if (!time.is_date && *name)
        time.zone = find_zone(reader, name);
    *ret = time;
    return true;
}

bool icalendar_read_span(const struct icaldurationtype *value, IcalendarSpan *ret)
{
    uint64_t days = (uint64_t)value->weeks * 7 + value->days;
    uint64_t seconds =
        (uint64_t)value->hours * 3600 + (uint64_t)value->minutes * 60 + value->seconds;
    if (icaldurationtype_is_bad_duration(*value) || days > SPAN_DAYS_MAX ||
        seconds > (uint64_t)SPAN_DAYS_MAX * CIVIL_DAY)
        return false;
    *ret = (IcalendarSpan){value->is_neg ? -(int64_t)days : (int64_t)days,
                           value->is_neg ? -(int64_t)seconds : (int64_t)seconds};
    return true;
}

int64_t icalendar_utc(const IcalendarTime *time, const Zone *floating)
{
    return zone_to_utc(time->zone ? time->zone : floating, time->wall);
}

int64_t icalendar_later(int64_t wall, const Zone *zone, const IcalendarSpan *span)
{
    return zone_to_utc(zone, wall + span->days * CIVIL_DAY) + span->seconds;
}
