/* reminder: the mail that reminds a person of an event.
 *
 * How it fits: duty/calendar_alerts.c sends it. Times are in the person's zone, and in the
 * event's own where that is another, by their names; what an event says is text from outside, and
 * is encoded in the header and escaped in HTML. It goes to the person alone, whatever ATTENDEEs an
 * alarm has: else whoever can write a calendar could send mail to anybody. Failures: none. Known
 * weak point: English alone.
 */
#include "content/reminder.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits_imip.h"

#include "content/civil.h"
#include "content/mail_text.h"

char *reminder_ring(const AlarmRing *ring)
{
    g_autofree char *text = g_strdup_printf(
        "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %d %u %s", ring->at, ring->instance.recurrence,
        (int)ring->alarm->action, ring->repeat, ring->alarm->uid);
    Digest digest = digest_of(text, strlen(text));
    char *hex = digest_format(&digest);
    hex[32] = '\0';
    return hex;
}

static char *format_wall(int64_t wall, const Zone *zone)
{
    int64_t day = civil_floor(wall, CIVIL_DAY), of_day = wall - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    g_autofree char *text = g_strdup_printf("%s, %04d-%02d-%02d", mail_text_weekday(day), date.year,
                                            date.month, date.day);
    if (!zone)
        return g_steal_pointer(&text);
    return g_strdup_printf("%s, %02d:%02d (%s)", text, (int)(of_day / 3600),
                           (int)(of_day / 60 % 60), zone_name(zone));
}

/* In the person's zone, and in the event's where that is another place's. */
static char *format_when(const Instance *instance, const Zone *person)
{
    if (instance->timeless)
        return g_strdup("no fixed time");
    if (instance->item->start.is_date)
        return format_wall(instance->wall, NULL);
    g_autofree char *own = format_wall(zone_to_wall(person, instance->start), person);
    const char *name = zone_name(instance->zone);
    if (instance->zone == zone_utc() || strcmp(name, zone_name(person)) == 0)
        return g_steal_pointer(&own);
    g_autofree char *there = format_wall(instance->wall, instance->zone);
    return g_strdup_printf("%s; there %s", own, there);
}

static void put_line(GString *text, GString *html, const char *name, const char *value)
{
    if (!*value)
        return;
    g_autofree char *escaped = g_markup_escape_text(value, -1);
    g_string_append_printf(text, "%s: %s\r\n", name, value);
    g_string_append_printf(html, "<tr><th align=\"left\">%s</th><td>%s</td></tr>\r\n", name,
                           escaped);
}

char *reminder_format(const ReminderAsk *ask)
{
    const Instance *instance = &ask->ring->instance;
    const IcalendarItem *item = instance->item;
    const char *title = *item->summary ? item->summary : "An event";
    g_autofree char *ring = reminder_ring(ask->ring);
    g_autofree char *when = format_when(instance, ask->zone);
    g_autofree char *line = mail_text_line(title, IMIP_SUBJECT_BYTES_MAX);
    g_autofree char *subject = g_strdup_printf("Reminder: %s", line);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) html = g_string_new("<html><body><table>\r\n");
    const char *domain = strrchr(ask->address, '@');
    put_line(text, html, "What", title);
    put_line(text, html, "When", when);
    put_line(text, html, "Where", item->location);
    put_line(text, html, "About", *ask->ring->alarm->text ? ask->ring->alarm->text : item->text);
    g_string_append(html, "</table></body></html>\r\n");
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "From: <%s>\r\nTo: <%s>\r\nSubject: ", ask->address, ask->address);
    mail_text_add_words(out, subject, false);
    g_string_append(out, "\r\n");
    mail_text_add_date(out, ask->now);
    g_string_append_printf(out,
                           "Message-ID: <%s.%s%s>\r\nAuto-Submitted: "
                           "auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: "
                           "multipart/alternative; boundary=\"%s\"\r\n\r\n",
                           ring, ask->key, domain ? domain : "@localhost", ring);
    mail_text_add_part(out, ring, "text/plain; charset=utf-8", text->str, text->len);
    mail_text_add_part(out, ring, "text/html; charset=utf-8", html->str, html->len);
    g_string_append_printf(out, "--%s--\r\n", ring);
    return g_string_free(out, FALSE);
}
