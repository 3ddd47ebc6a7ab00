/* default_alarm: the alarms of events that come without one.
 *
 * How it fits: programs put the default alarm into the events that they make, since it is theirs;
 * an invitation that comes by mail is put into the calendar by imip-processing, and gets it there.
 * What a client stores is never touched. Failures: none; what cannot be read is no alarm. An alarm
 * of ACTION:NONE is added as any other, and rings nowhere.
 */
#include "content/default_alarm.h"

#include <string.h>

#include "content/icalendar.h"
#include "content/itip_text.h"

/* The text in a VCALENDAR, so that it can be read; NULL: it is none. */
static ItipPart *parse_alarms(const char *text)
{
    g_autofree char *whole = g_strdup_printf("BEGIN:VCALENDAR\r\n%s\r\nEND:VCALENDAR\r\n", text);
    return itip_part_parse(whole, strlen(whole));
}

bool default_alarm_is_valid(const char *text)
{
    g_autoptr(ItipPart) alarms = parse_alarms(text);
    if (!alarms || alarms->lines->len)
        return false;
    for (guint i = 0; i < alarms->parts->len; i++)
        if (strcmp(((const ItipPart *)alarms->parts->pdata[i])->name, "VALARM") != 0)
            return false;
    g_autofree char *event = g_strdup_printf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n"
                                             "UID:a\r\nDTSTART:20260101T000000Z\r\n%s\r\n"
                                             "END:VEVENT\r\nEND:VCALENDAR\r\n",
                                             text);
    g_autoptr(Icalendar) parsed = icalendar_parse(event, strlen(event), NULL, NULL);
    return parsed != NULL;
}

static bool has_alarm(const ItipPart *event)
{
    for (guint i = 0; i < event->parts->len; i++)
        if (strcmp(((const ItipPart *)event->parts->pdata[i])->name, "VALARM") == 0)
            return true;
    return false;
}

/* "DTSTART;VALUE=DATE:20260301", or without the parameter. */
static bool is_dated(const ItipPart *event)
{
    const ItipLine *start = itip_line_find(event, "DTSTART");
    return start && !strchr(itip_line_value(start), 'T');
}

GBytes *default_alarm_add(GBytes *object, const char *timed, const char *dated)
{
    gsize size;
    const char *bytes = g_bytes_get_data(object, &size);
    bool added = false;
    g_autoptr(ItipPart) root = itip_part_parse(bytes, size);
    for (guint i = 0; root && i < root->parts->len; i++) {
        ItipPart *event = root->parts->pdata[i];
        if (strcmp(event->name, "VEVENT") != 0 || has_alarm(event))
            continue;
        g_autoptr(ItipPart) alarms = parse_alarms(is_dated(event) ? dated : timed);
        for (guint k = 0; alarms && k < alarms->parts->len; k++, added = true)
            g_ptr_array_add(event->parts, itip_part_copy(alarms->parts->pdata[k]));
    }
    return added ? itip_part_format(root) : NULL;
}
