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

#include "content/civil.h"

#define WORD_BYTES 42 /* of text in one encoded word of a header */

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

static void put_words(GString *out, const char *text)
{
    for (const char *at = text; *at;) {
        const char *end = at;
        while (*end && end + g_utf8_skip[(guchar)*end] - at <= WORD_BYTES)
            end += g_utf8_skip[(guchar)*end];
        g_autofree char *word = g_base64_encode((const guchar *)at, (gsize)(end - at));
        g_string_append_printf(out, "%s=?UTF-8?B?%s?=", at == text ? "" : "\r\n ", word);
        at = end;
    }
}

static void put_part(GString *out, const char *boundary, const char *type, const char *text)
{
    g_string_append_printf(out,
                           "--%s\r\nContent-Type: %s; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: base64\r\n\r\n",
                           boundary, type);
    g_autofree char *code = g_base64_encode((const guchar *)text, strlen(text));
    for (size_t at = 0, size = strlen(code); at < size; at += 76)
        g_string_append_printf(out, "%.76s\r\n", code + at);
}

static char *format_wall(int64_t wall, const Zone *zone)
{
    static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};
    int64_t day = civil_floor(wall, CIVIL_DAY), of_day = wall - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    g_autofree char *text = g_strdup_printf("%s, %04d-%02d-%02d", days[civil_weekday(day)],
                                            date.year, date.month, date.day);
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
    g_autofree char *subject = g_strdup_printf("Reminder: %s", title);
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(ask->now);
    g_autofree char *date = g_date_time_format(now, "%a, %d %b %Y %H:%M:%S +0000");
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
    put_words(out, subject);
    g_string_append_printf(out,
                           "\r\nDate: %s\r\nMessage-ID: <%s.%s%s>\r\nAuto-Submitted: "
                           "auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: "
                           "multipart/alternative; boundary=\"%s\"\r\n\r\n",
                           date, ring, ask->key, domain ? domain : "@localhost", ring);
    put_part(out, ring, "text/plain", text->str);
    put_part(out, ring, "text/html", html->str);
    g_string_append_printf(out, "--%s--\r\n", ring);
    return g_string_free(out, FALSE);
}
