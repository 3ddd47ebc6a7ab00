/* icalendar_expand: instances as text.
 *
 * How it fits: CalDAV's expand and free-busy-query. Failures: none. Known weak point: limits of
 * recurrence (limit-recurrence-set) and partial components are not done: the whole object is given,
 * which section 9.6 allows a client to meet.
 */
#include "content/icalendar_expand.h"

#include <string.h>

#include "content/civil.h"

#include "content/icalendar_private.h"

static void put_utc(GString *out, int64_t time)
{
    int64_t clamped = CLAMP(time, civil_min(), civil_max());
    int64_t day = civil_floor(clamped, CIVIL_DAY), of_day = clamped - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    g_string_append_printf(out, "%04d%02d%02dT%02d%02d%02dZ", date.year, date.month, date.day,
                           (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
}

bool icalendar_parse_utc(const char *text, int64_t *ret)
{
    int year, month, day, hour, minute, second, read = 0;
    if (sscanf(text, "%4d%2d%2dT%2d%2d%2dZ%n", &year, &month, &day, &hour, &minute, &second,
               &read) != 6 ||
        read != 16 || text[16] || !civil_is_valid(year, month, day, hour, minute, second))
        return false;
    *ret = civil_day(year, month, day) * CIVIL_DAY + hour * 3600 + minute * 60 + MIN(second, 59);
    return true;
}

static struct icaltimetype time_of(const Instance *instance, int64_t utc, int64_t wall)
{
    bool date = instance->item->start.is_date;
    int64_t time = date ? wall : utc, day = civil_floor(time, CIVIL_DAY);
    int64_t of_day = time - day * CIVIL_DAY;
    CivilDate civil = civil_date(day);
    struct icaltimetype value = icaltime_null_time();
    value.year = civil.year;
    value.month = civil.month;
    value.day = civil.day;
    value.is_date = date;
    if (!date) {
        value.hour = (int)(of_day / 3600);
        value.minute = (int)(of_day / 60 % 60);
        value.second = (int)(of_day % 60);
        value.zone = icaltimezone_get_utc_timezone();
    }
    return value;
}

static void drop(icalcomponent *component, icalproperty_kind kind)
{
    for (icalproperty *each; (each = icalcomponent_get_first_property(component, kind));) {
        icalcomponent_remove_property(component, each);
        icalproperty_free(each);
    }
}

static icalcomponent *make_instance(const Instance *instance, bool recurs)
{
    static const icalproperty_kind gone[] = {ICAL_DTSTART_PROPERTY,  ICAL_DTEND_PROPERTY,
                                             ICAL_DURATION_PROPERTY, ICAL_RRULE_PROPERTY,
                                             ICAL_RDATE_PROPERTY,    ICAL_EXDATE_PROPERTY,
                                             ICAL_EXRULE_PROPERTY,   ICAL_RECURRENCEID_PROPERTY};
    icalcomponent *copy = icalcomponent_new_clone(instance->item->component);
    for (unsigned i = 0; i < G_N_ELEMENTS(gone); i++)
        drop(copy, gone[i]);
    icalcomponent_add_property(
        copy, icalproperty_new_dtstart(time_of(instance, instance->start, instance->wall)));
    if (instance->end > instance->start && instance->item->kind == ICALENDAR_EVENT)
        icalcomponent_add_property(
            copy, icalproperty_new_dtend(time_of(instance, instance->end, instance->end_wall)));
    if (recurs) {
        int64_t wall = zone_to_wall(instance->zone, instance->recurrence);
        icalcomponent_add_property(
            copy, icalproperty_new_recurrenceid(time_of(instance, instance->recurrence, wall)));
    }
    return copy;
}

char *icalendar_expand(const Icalendar *object, const RecurrenceAsk *ask, int64_t to)
{
    g_autoptr(GArray) found = recurrence_between(object, ask, to, NULL);
    icalcomponent *calendar = icalcomponent_new(ICAL_VCALENDAR_COMPONENT);
    bool recurs = recurrence_bounds(object, 1).recurs;
    icalcomponent_add_property(calendar, icalproperty_new_version("2.0"));
    icalcomponent_add_property(calendar, icalproperty_new_prodid("-//rota//EN"));
    for (unsigned i = 0; i < found->len; i++) {
        const Instance *instance = &g_array_index(found, Instance, i);
        icalcomponent_add_component(
            calendar, instance->timeless ? icalcomponent_new_clone(instance->item->component)
                                         : make_instance(instance, recurs));
    }
    char *text = icalcomponent_as_ical_string_r(calendar);
    char *copy = g_utf8_make_valid(text ? text : "", -1);
    icalmemory_free_buffer(text);
    icalcomponent_free(calendar);
    icalmemory_free_ring();
    return copy;
}

static int compare_busy(gconstpointer a, gconstpointer b)
{
    const BusyTime *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* A value of the asker's: bounded, and on one line. */
static void put_line(GString *out, const char *name, const char *value)
{
    g_string_append_printf(out, "%s:%.*s\r\n", name, (int)strcspn(value, "\r\n"), value);
}

char *icalendar_format_busy(GArray *busy, const BusyHead *head)
{
    int64_t from = head->from, to = head->to;
    GString *out = g_string_new("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//rota//EN\r\n");
    if (head->uid)
        g_string_append(out, "METHOD:REPLY\r\n");
    g_string_append(out, "BEGIN:VFREEBUSY\r\nDTSTAMP:");
    put_utc(out, head->stamp);
    g_string_append(out, "\r\nDTSTART:");
    put_utc(out, from);
    g_string_append(out, "\r\nDTEND:");
    put_utc(out, to);
    g_string_append(out, "\r\n");
    if (head->uid) {
        put_line(out, "UID", head->uid);
        put_line(out, "ORGANIZER:mailto", head->organizer);
        put_line(out, "ATTENDEE:mailto", head->attendee);
    }
    g_array_sort(busy, compare_busy);
    for (unsigned i = 0; i < busy->len;) {
        BusyTime one = g_array_index(busy, BusyTime, i++);
        for (; i < busy->len && g_array_index(busy, BusyTime, i).from <= one.to; i++)
            one.to = MAX(one.to, g_array_index(busy, BusyTime, i).to);
        g_string_append(out, "FREEBUSY:");
        put_utc(out, MAX(one.from, from));
        g_string_append_c(out, '/');
        put_utc(out, MIN(one.to, to));
        g_string_append(out, "\r\n");
    }
    g_string_append(out, "END:VFREEBUSY\r\nEND:VCALENDAR\r\n");
    return g_string_free(out, FALSE);
}
