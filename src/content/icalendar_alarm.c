/* icalendar_alarm: the VALARMs of a component, read from libical's tree.
 *
 * How it fits: icalendar_item.c asks for them, alarm.c reckons when they ring. What is no alarm by
 * the clock is passed over: ACTION NONE and unknown ones, PROXIMITY (RFC 9074 section 8), a
 * TRIGGER that cannot be read. Failures: more than ALARMS_MAX of them.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_calendar.h"

#include "content/icalendar_private.h"

void icalendar_alarm_free(IcalendarAlarm *alarm)
{
    g_free(alarm->uid);
    g_free(alarm->snoozes);
    g_free(alarm->summary);
    g_free(alarm->text);
    g_free(alarm);
}

static bool read_action(icalcomponent *component, AlarmAction *ret)
{
    g_autofree char *word = icalendar_text(component, "ACTION", true);
    static const char *const words[] = {"DISPLAY", "EMAIL", "AUDIO"};
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(word, words[i]) == 0) {
            *ret = (AlarmAction)i;
            return true;
        }
    }
    return false;
}

static bool read_trigger(IcalendarReader *reader, icalcomponent *component, IcalendarAlarm *alarm)
{
    icalproperty *property = icalcomponent_get_first_property(component, ICAL_TRIGGER_PROPERTY);
    if (!property)
        return false;
    struct icaltriggertype value = icalproperty_get_trigger(property);
    g_autofree char *related = icalendar_parameter(property, "RELATED");
    IcalendarTime time;
    alarm->is_absolute = !icaltime_is_null_time(value.time);
    alarm->of_end = g_ascii_strcasecmp(related, "END") == 0;
    if (!alarm->is_absolute)
        return icalendar_read_span(&value.duration, &alarm->trigger);
    if (!icalendar_read_time(reader, property, &value.time, &time) || time.is_date)
        return false;
    alarm->at = icalendar_utc(&time, zone_utc());
    return true;
}

/* REPEAT and DURATION come together or not at all. */
static void read_repeats(icalcomponent *component, IcalendarAlarm *alarm)
{
    icalproperty *repeat = icalcomponent_get_first_property(component, ICAL_REPEAT_PROPERTY);
    icalproperty *pause = icalcomponent_get_first_property(component, ICAL_DURATION_PROPERTY);
    if (!repeat || !pause)
        return;
    struct icaldurationtype value = icalproperty_get_duration(pause);
    int count = icalproperty_get_repeat(repeat);
    if (count <= 0 || !icalendar_read_span(&value, &alarm->pause) ||
        alarm->pause.days * 86400 + alarm->pause.seconds <= 0)
        return;
    alarm->repeats = (unsigned)MIN(count, ALARM_REPEATS_MAX);
}

static void read_acknowledged(IcalendarReader *reader, icalcomponent *component,
                              IcalendarAlarm *alarm)
{
    icalproperty *property = icalendar_property(component, "ACKNOWLEDGED");
    icalvalue *value = property ? icalproperty_get_value(property) : NULL;
    IcalendarTime time;
    if (!value || icalvalue_isa(value) != ICAL_DATETIME_VALUE)
        return;
    struct icaltimetype at = icalvalue_get_datetime(value);
    if (!icalendar_read_time(reader, property, &at, &time))
        return;
    alarm->is_acknowledged = true;
    alarm->acknowledged = icalendar_utc(&time, zone_utc());
}

static char *read_snoozes(icalcomponent *component)
{
    icalproperty *each = icalcomponent_get_first_property(component, ICAL_RELATEDTO_PROPERTY);
    for (; each; each = icalcomponent_get_next_property(component, ICAL_RELATEDTO_PROPERTY)) {
        g_autofree char *type = icalendar_parameter(each, "RELTYPE");
        if (g_ascii_strcasecmp(type, "SNOOZE") == 0)
            return g_utf8_make_valid(icalproperty_get_relatedto(each), -1);
    }
    return g_strdup("");
}

/* PROXIMITY is newer than libical 3: it stands in what that says it could not read. */
static bool is_by_place(icalcomponent *component)
{
    icalproperty *each = icalcomponent_get_first_property(component, ICAL_XLICERROR_PROPERTY);
    for (; each; each = icalcomponent_get_next_property(component, ICAL_XLICERROR_PROPERTY)) {
        const char *text = icalproperty_get_xlicerror(each);
        if (text && g_str_has_suffix(text, ": PROXIMITY"))
            return true;
    }
    return icalendar_property(component, "PROXIMITY") != NULL;
}

bool icalendar_read_alarms(IcalendarReader *reader, icalcomponent *component, IcalendarItem *item,
                           GError **error)
{
    icalcomponent *each = icalcomponent_get_first_component(component, ICAL_VALARM_COMPONENT);
    for (; each; each = icalcomponent_get_next_component(component, ICAL_VALARM_COMPONENT)) {
        IcalendarAlarm *alarm = g_new0(IcalendarAlarm, 1);
        if (!read_action(each, &alarm->action) || is_by_place(each) ||
            !read_trigger(reader, each, alarm)) {
            icalendar_alarm_free(alarm);
            continue;
        }
        read_repeats(each, alarm);
        read_acknowledged(reader, each, alarm);
        alarm->uid = icalendar_text(each, "UID", true);
        alarm->snoozes = read_snoozes(each);
        alarm->summary = icalendar_text(each, "SUMMARY", true);
        alarm->text = icalendar_text(each, "DESCRIPTION", true);
        g_ptr_array_add(item->alarms, alarm);
        if (item->alarms->len > ALARMS_MAX)
            return fail(error, ERROR_REJECT, "a component has more than %d alarms", ALARMS_MAX);
    }
    return true;
}
