/* icalendar_item: one event, to-do, journal or free-busy time, read from libical's tree.
 *
 * How it fits: icalendar.c hands it each component. Failures: an event without a start, an override
 * whose RECURRENCE-ID cannot be read, and lists over their limit are refused; other values that
 * cannot be read are passed over and noted, as people's programs do.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"

#include "content/civil.h"

#include "content/icalendar_private.h"

static void attendee_free(IcalendarAttendee *attendee)
{
    if (!attendee)
        return;
    g_free(attendee->address);
    g_free(attendee->name);
    g_free(attendee->status);
    g_free(attendee->role);
    g_free(attendee->agent);
    g_free(attendee);
}

void icalendar_item_free(IcalendarItem *item)
{
    if (!item)
        return;
    g_free(item->summary);
    g_free(item->location);
    g_free(item->text);
    attendee_free(item->organizer);
    g_ptr_array_unref(item->attendees);
    g_ptr_array_unref(item->alarms);
    g_array_unref(item->rules);
    g_array_unref(item->dates);
    g_array_unref(item->excepted);
    g_free(item);
}

static char *upper(char *take)
{
    char *text = g_ascii_strup(take, -1);
    g_free(take);
    return text;
}

static IcalendarAttendee *read_attendee(icalproperty *property)
{
    char *uri = icalproperty_get_value_as_string_r(property);
    IcalendarAttendee *attendee = g_new0(IcalendarAttendee, 1);
    attendee->address = icalendar_address(uri);
    icalmemory_free_buffer(uri);
    attendee->name = icalendar_parameter(property, "CN");
    attendee->status = upper(icalendar_parameter(property, "PARTSTAT"));
    attendee->role = upper(icalendar_parameter(property, "ROLE"));
    attendee->agent = upper(icalendar_parameter(property, "SCHEDULE-AGENT"));
    g_autofree char *rsvp = icalendar_parameter(property, "RSVP");
    attendee->reply_wanted = g_ascii_strcasecmp(rsvp, "TRUE") == 0;
    return attendee;
}

static bool read_people(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item,
                        GError **error)
{
    unsigned most =
        reader->limits->attendees_max ? reader->limits->attendees_max : CALENDAR_ATTENDEES_MAX;
    icalproperty *organizer = icalcomponent_get_first_property(component, ICAL_ORGANIZER_PROPERTY);
    if (organizer)
        item->organizer = read_attendee(organizer);
    icalproperty *each = icalcomponent_get_first_property(component, ICAL_ATTENDEE_PROPERTY);
    for (; each; each = icalcomponent_get_next_property(component, ICAL_ATTENDEE_PROPERTY)) {
        if (item->attendees->len == most)
            return fail(error, ERROR_REJECT, "a component has more than %u attendees", most);
        g_ptr_array_add(item->attendees, read_attendee(each));
    }
    return true;
}

static bool read_rules(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item,
                       GError **error)
{
    icalproperty *each = icalcomponent_get_first_property(component, ICAL_RRULE_PROPERTY);
    for (; each; each = icalcomponent_get_next_property(component, ICAL_RRULE_PROPERTY)) {
        g_autoptr(GError) why = NULL;
        Rule rule;
        char *text = icalproperty_get_value_as_string_r(each);
        bool right = rule_parse(text ? text : "", &rule, &why);
        icalmemory_free_buffer(text);
        if (!right) {
            icalendar_note(reader, "%s", why->message);
            continue;
        }
        if (item->rules->len == RECURRENCE_RULES_MAX)
            return fail(error, ERROR_REJECT, "a component has more than %d RRULEs",
                        RECURRENCE_RULES_MAX);
        g_array_append_val(item->rules, rule);
    }
    return true;
}

/* RDATE: a time, or a period. */
static bool read_date(IcalendarReader *reader, icalproperty *property, IcalendarDate *ret)
{
    struct icaldatetimeperiodtype value = icalproperty_get_rdate(property);
    bool period = !icalperiodtype_is_null_period(value.period);
    *ret = (IcalendarDate){.has_length = period};
    if (!icalendar_read_time(reader, property, period ? &value.period.start : &value.time,
                             &ret->start))
        return false;
    if (!period)
        return true;
    if (icaltime_is_null_time(value.period.end))
        return icalendar_read_span(&value.period.duration, &ret->length);
    IcalendarTime end;
    if (!icalendar_read_time(reader, property, &value.period.end, &end))
        return false;
    ret->length.seconds = end.wall - ret->start.wall;
    return true;
}

static bool read_dates(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item,
                       GError **error)
{
    icalproperty *each = icalcomponent_get_first_property(component, ICAL_RDATE_PROPERTY);
    for (; each; each = icalcomponent_get_next_property(component, ICAL_RDATE_PROPERTY)) {
        IcalendarDate date;
        if (read_date(reader, each, &date))
            g_array_append_val(item->dates, date);
    }
    each = icalcomponent_get_first_property(component, ICAL_EXDATE_PROPERTY);
    for (; each; each = icalcomponent_get_next_property(component, ICAL_EXDATE_PROPERTY)) {
        IcalendarTime time;
        struct icaltimetype value = icalproperty_get_exdate(each);
        if (icalendar_read_time(reader, each, &value, &time))
            g_array_append_val(item->excepted, time);
    }
    if (item->dates->len > RECURRENCE_DATES_MAX || item->excepted->len > RECURRENCE_DATES_MAX)
        return fail(error, ERROR_REJECT, "a component has more than %d RDATEs or EXDATEs",
                    RECURRENCE_DATES_MAX);
    return true;
}

/* A time property by its kind; `set` stays false where it is not there or cannot be read. */
static void read_one(IcalendarReader *reader, icalcomponent *component, icalproperty_kind kind,
                     IcalendarTime *ret)
{
    icalproperty *property = icalcomponent_get_first_property(component, kind);
    icalvalue *value = property ? icalproperty_get_value(property) : NULL;
    icalvalue_kind is = value ? icalvalue_isa(value) : ICAL_NO_VALUE;
    struct icaltimetype time;
    if (is == ICAL_DATE_VALUE)
        time = icalvalue_get_date(value);
    else if (is == ICAL_DATETIME_VALUE)
        time = icalvalue_get_datetime(value);
    else if (is == ICAL_DATETIMEDATE_VALUE)
        time = icalvalue_get_datetimedate(value);
    else
        return;
    if (!icalendar_read_time(reader, property, &time, ret))
        icalendar_note(reader, "%s is no date that there is",
                       icalproperty_get_property_name(property));
}

/* DTEND or DUE, DURATION, or what RFC 5545 says where neither is there. */
static void read_length(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item)
{
    IcalendarTime end = {0};
    read_one(reader, component,
             item->kind == ICALENDAR_TODO ? ICAL_DUE_PROPERTY : ICAL_DTEND_PROPERTY, &end);
    icalproperty *length = icalcomponent_get_first_property(component, ICAL_DURATION_PROPERTY);
    if (item->kind == ICALENDAR_TODO && !item->start.set)
        item->start = end;
    item->length = (IcalendarSpan){.days = item->start.is_date && item->kind == ICALENDAR_EVENT};
    if (end.set && end.is_date && item->start.is_date) {
        item->length.days = MAX((end.wall - item->start.wall) / CIVIL_DAY, 0);
    } else if (end.set) {
        const Zone *utc = zone_utc();
        int64_t seconds = icalendar_utc(&end, utc) - icalendar_utc(&item->start, utc);
        item->length = (IcalendarSpan){.seconds = MAX(seconds, 0)};
    } else if (length) {
        struct icaldurationtype value = icalproperty_get_duration(length);
        IcalendarSpan span;
        if (icalendar_read_span(&value, &span) && span.days >= 0 && span.seconds >= 0)
            item->length = span;
    }
}

static void read_words(icalcomponent *component, IcalendarItem *item)
{
    g_autofree char *status = icalendar_text(component, "STATUS", true);
    g_autofree char *transparent = icalendar_text(component, "TRANSP", true);
    icalproperty *sequence = icalcomponent_get_first_property(component, ICAL_SEQUENCE_PROPERTY);
    item->summary = icalendar_text(component, "SUMMARY", true);
    item->location = icalendar_text(component, "LOCATION", true);
    item->text = icalendar_text(component, "DESCRIPTION", true);
    item->is_cancelled = g_ascii_strcasecmp(status, "CANCELLED") == 0;
    item->is_completed = g_ascii_strcasecmp(status, "COMPLETED") == 0 ||
                         icalcomponent_get_first_property(component, ICAL_COMPLETED_PROPERTY);
    item->is_transparent = g_ascii_strcasecmp(transparent, "TRANSPARENT") == 0;
    item->sequence = sequence ? icalproperty_get_sequence(sequence) : 0;
}

/* "20260101T090000Z" of a property that libical keeps as text. */
static int64_t read_seen(icalcomponent *component)
{
    g_autofree char *text = icalendar_text(component, "X-MOZ-LASTACK", true);
    struct icaltimetype time = *text ? icaltime_from_string(text) : icaltime_null_time();
    if (!icaltime_is_utc(time) ||
        !civil_is_valid(time.year, time.month, time.day, time.hour, time.minute, time.second))
        return INT64_MIN;
    return civil_day(time.year, time.month, time.day) * CIVIL_DAY + time.hour * 3600 +
           time.minute * 60 + time.second;
}

static bool read_times(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item,
                       GError **error)
{
    IcalendarTime stamp = {0};
    read_one(reader, component, ICAL_DTSTART_PROPERTY, &item->start);
    read_one(reader, component, ICAL_RECURRENCEID_PROPERTY, &item->recurrence);
    read_one(reader, component, ICAL_DTSTAMP_PROPERTY, &stamp);
    item->stamp = stamp.set ? stamp.wall : 0;
    read_length(reader, component, item);
    bool free_of_time = item->kind != ICALENDAR_EVENT || *reader->object->method;
    if (!item->start.set && !free_of_time)
        return fail(error, ERROR_REJECT, "an event has no DTSTART that can be read");
    icalproperty *recurrence =
        icalcomponent_get_first_property(component, ICAL_RECURRENCEID_PROPERTY);
    if (recurrence && !item->recurrence.set)
        return fail(error, ERROR_REJECT, "a RECURRENCE-ID cannot be read");
    g_autofree char *range = recurrence ? icalendar_parameter(recurrence, "RANGE") : g_strdup("");
    item->and_future = g_ascii_strcasecmp(range, "THISANDFUTURE") == 0;
    return true;
}

IcalendarItem *icalendar_read_item(IcalendarReader *reader, icalcomponent *component,
                                   IcalendarKind kind, GError **error)
{
    IcalendarItem *item = g_new0(IcalendarItem, 1);
    item->kind = kind;
    item->component = component;
    item->attendees = g_ptr_array_new_with_free_func((GDestroyNotify)attendee_free);
    item->alarms = g_ptr_array_new_with_free_func((GDestroyNotify)icalendar_alarm_free);
    item->rules = g_array_new(FALSE, FALSE, sizeof(Rule));
    item->dates = g_array_new(FALSE, FALSE, sizeof(IcalendarDate));
    item->excepted = g_array_new(FALSE, FALSE, sizeof(IcalendarTime));
    read_words(component, item);
    item->seen = read_seen(component);
    if (icalcomponent_get_first_property(component, ICAL_XLICERROR_PROPERTY))
        icalendar_note(reader, "a property has a value that cannot be read");
    if (read_times(reader, component, item, error) && read_people(reader, component, item, error) &&
        read_rules(reader, component, item, error) && read_dates(reader, component, item, error) &&
        icalendar_read_alarms(reader, component, item, error))
        return item;
    icalendar_item_free(item);
    return NULL;
}
