/* imip: the mail that carries an invitation, an answer or a cancellation.
 *
 * How it fits: duty/imip_processing.c sends what is made here. Everything that an event says is a
 * stranger's text for the reader: it goes into headers encoded (RFC 2047) and on one line, into
 * HTML escaped, and into parts as base64, so that no line of it can become mail syntax.
 *
 * Failures: none. Known weak point: the text is English.
 */
#include "content/imip.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits_imip.h"
#include "content/civil.h"

#include "content/itip_private.h"
#include "content/mail_text.h"

static void append_address(GString *out, const char *header, const char *name, const char *address)
{
    g_autofree char *line = mail_text_line(name, IMIP_SUBJECT_BYTES_MAX);
    g_autofree char *plain = mail_text_line(address, IMIP_SUBJECT_BYTES_MAX);
    g_string_append_printf(out, "%s: ", header);
    if (*line) {
        mail_text_add_words(out, line, true);
        g_string_append_printf(out, "\r\n <%s>\r\n", plain);
    } else {
        g_string_append_printf(out, "<%s>\r\n", plain);
    }
}

/* ---- what people read */

static const char *title_of(const ImipMail *mail)
{
    const IcalendarItem *first = itip_item(mail->object, 0);
    switch (mail->method) {
    case ITIP_REQUEST:
        return first->sequence > 0 ? "Updated invitation" : "Invitation";
    case ITIP_CANCEL:
        return "Cancelled";
    case ITIP_REPLY: {
        const IcalendarAttendee *own = itip_attendee(first, mail->from);
        const char *status = own ? own->status : "";
        return strcmp(status, "ACCEPTED") == 0    ? "Accepted"
               : strcmp(status, "DECLINED") == 0  ? "Declined"
               : strcmp(status, "TENTATIVE") == 0 ? "Tentative"
               : strcmp(status, "DELEGATED") == 0 ? "Delegated"
                                                  : "Answer";
    }
    case ITIP_COUNTER:
        return "New time proposed";
    case ITIP_DECLINECOUNTER:
        return "Proposal declined";
    case ITIP_REFRESH:
        return "Asked for";
    case ITIP_ADD:
    case ITIP_PUBLISH:
    case ITIP_NONE:
        return "Event";
    }
    return "Event";
}

/* "Invitation: Plan", before it is encoded. */
static char *subject_of(const ImipMail *mail)
{
    const char *summary = itip_item(mail->object, 0)->summary;
    g_autofree char *line =
        mail_text_line(*summary ? summary : "(no title)", IMIP_SUBJECT_BYTES_MAX);
    return g_strdup_printf("%s: %s", title_of(mail), line);
}

static void append_wall(GString *out, int64_t wall, bool is_date)
{
    int64_t day = civil_floor(wall, CIVIL_DAY), second = wall - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    g_string_append_printf(out, "%s %d %s %d", mail_text_weekday(day), date.day,
                           mail_text_month(date.month), date.year);
    if (!is_date)
        g_string_append_printf(out, " %02d:%02d", (int)(second / 3600), (int)(second / 60 % 60));
}

static char *when_of(const IcalendarItem *item)
{
    const IcalendarTime *start = item->start.set ? &item->start : &item->recurrence;
    GString *out = g_string_new(NULL);
    if (!start->set)
        return g_string_free(out, FALSE);
    append_wall(out, start->wall, start->is_date);
    if (item->start.set && !start->is_date && (item->length.days || item->length.seconds)) {
        const Zone *zone = start->zone ? start->zone : zone_utc();
        g_string_append(out, " to ");
        append_wall(out, zone_to_wall(zone, icalendar_later(start->wall, zone, &item->length)),
                    false);
    }
    if (start->zone && !start->is_date) {
        g_autofree char *zone = mail_text_line(zone_name(start->zone), 100);
        g_string_append_printf(out, " (%s)", zone);
    }
    if (item->rules->len)
        g_string_append(out, ", repeated");
    return g_string_free(out, FALSE);
}

typedef struct {
    GString *text, *html;
} Pair;

static void add_row(Pair *pair, const char *label, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    if (!*valid || pair->text->len > IMIP_TEXT_BYTES_MAX)
        return;
    g_autofree char *escaped = g_markup_escape_text(valid, -1);
    g_string_append_printf(pair->text, "%s: %s\r\n", label, valid);
    g_string_append_printf(pair->html, "<tr><td><b>%s</b></td><td>%s</td></tr>\r\n", label,
                           escaped);
}

static void add_people(Pair *pair, const IcalendarItem *item)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < item->attendees->len && i < IMIP_NAMES_MAX; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        g_autofree char *name = mail_text_line(*attendee->name ? attendee->name : attendee->address,
                                               IMIP_SUBJECT_BYTES_MAX);
        g_string_append_printf(names, "%s%s", i ? ", " : "", name);
    }
    if (item->attendees->len > IMIP_NAMES_MAX)
        g_string_append_printf(names, " and %u more", item->attendees->len - IMIP_NAMES_MAX);
    add_row(pair, "Attendees", names->str);
    g_string_free(names, TRUE);
}

static Pair describe(const ImipMail *mail)
{
    Pair pair = {g_string_new(NULL), g_string_new("<!DOCTYPE html><html><body><table>\r\n")};
    const IcalendarItem *item = itip_item(mail->object, 0);
    g_autofree char *subject = subject_of(mail), *when = when_of(item);
    g_autofree char *where = mail_text_line(item->location, IMIP_SUBJECT_BYTES_MAX);
    g_autofree char *title = g_markup_escape_text(subject, -1);
    g_string_append_printf(pair.text, "%s\r\n\r\n", subject);
    g_string_append_printf(pair.html, "<caption>%s</caption>\r\n", title);
    add_row(&pair, "When", when);
    add_row(&pair, "Where", where);
    if (item->organizer)
        add_row(&pair, "Organizer",
                *item->organizer->name ? item->organizer->name : item->organizer->address);
    if (mail->method != ITIP_REPLY && mail->method != ITIP_CANCEL)
        add_people(&pair, item);
    if (item->text && mail->method == ITIP_REQUEST)
        add_row(&pair, "About", item->text);
    g_string_append(pair.html, "</table></body></html>\r\n");
    return pair;
}

/* ---- the mail */

GBytes *imip_format(const ImipMail *mail)
{
    GString *out = g_string_new(NULL);
    g_autofree char *subject = subject_of(mail);
    gsize size;
    const char *calendar = g_bytes_get_data(mail->calendar, &size);
    Digest digest = digest_of(mail->message_id, strlen(mail->message_id));
    g_autofree char *hex = digest_format(&digest);
    g_autofree char *boundary = g_strdup_printf("=_%.40s", hex); /* '_' is in no base64 */
    g_autofree char *type = g_strdup_printf(
        "text/calendar; charset=UTF-8; method=%s;\r\n component=%s", itip_method_name(mail->method),
        icalendar_kind_name(itip_object_facts(mail->object)->kind));
    Pair pair = describe(mail);
    append_address(out, "From", mail->from_name, mail->from);
    append_address(out, "To", "", mail->to);
    g_string_append(out, "Subject: ");
    mail_text_add_words(out, subject, false);
    g_string_append(out, "\r\n");
    mail_text_add_date(out, mail->date);
    g_string_append_printf(out,
                           "Message-ID: <%s>\r\nMIME-Version: 1.0\r\n"
                           "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
                           mail->message_id, boundary);
    mail_text_add_part(out, boundary, "text/plain; charset=UTF-8", pair.text->str, pair.text->len);
    mail_text_add_part(out, boundary, "text/html; charset=UTF-8", pair.html->str, pair.html->len);
    mail_text_add_part(out, boundary, type, calendar, size);
    g_string_append_printf(out, "--%s--\r\n", boundary);
    g_string_free(pair.text, TRUE);
    g_string_free(pair.html, TRUE);
    return g_string_free_to_bytes(out);
}
