/* itip_organize: what attendees send, and what becomes of it in the organizer's calendar.
 *
 * How it fits: itip.c calls these for REPLY, COUNTER and REFRESH (RFC 5546 sections 3.2.3, 3.2.6,
 * 3.2.7). An answer changes the line of its attendee and nothing else: PARTSTAT, whom he delegates
 * to, and in SCHEDULE-STATUS how it went (RFC 6638 section 3.2.9). An answer for one instance of a
 * series makes an override of it, one for an instance and all that follow an override for these.
 *
 * Who is not among the attendees is not let in by an answer; a delegate is, by the answer of the
 * attendee who delegates to him. Failures: none; each outcome says why.
 */
#include <string.h>

#include "content/itip_private.h"

static bool is_ours(ItipWork *work)
{
    if (!work->stored)
        return itip_end(work, ITIP_IGNORED, "the calendar has no such event");
    if (!itip_is_own(&work->ask->own, itip_organizer(work->stored)))
        return itip_end(work, ITIP_REFUSED, "this account is not the organizer");
    return true;
}

static bool is_status(const char *status)
{
    static const char *const known[] = {"NEEDS-ACTION", "ACCEPTED",  "DECLINED",  "TENTATIVE",
                                        "DELEGATED",    "COMPLETED", "IN-PROCESS"};
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (strcmp(status, known[i]) == 0)
            return true;
    return false;
}

/* The delegate that the answer names is an attendee from now on. */
static void add_delegate(ItipPart *part, const ItipLine *answer, const char *attendee)
{
    g_autofree char *to = itip_line_parameter(answer, "DELEGATED-TO");
    g_autofree char *address = icalendar_address(to ? to : "");
    if (!*address || strpbrk(address, "\"\r\n ") || itip_person_find(part, "ATTENDEE", address))
        return;
    g_autofree char *content = g_strdup_printf(
        "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;DELEGATED-FROM=\"mailto:%s\":mailto:%s", attendee,
        address);
    itip_line_add(part, content);
}

/* "2.0;Success" is "2.0". */
static char *reply_status(const ItipPart *part)
{
    const ItipLine *line = itip_line_find(part, "REQUEST-STATUS");
    const char *value = line ? itip_line_value(line) : "2.0";
    size_t size = strspn(value, "0123456789.");
    return size && size < 16 ? g_strndup(value, size) : g_strdup("2.0");
}

/* RFC 5546 section 3.6: classes 3 and 5 say that it went wrong. */
static bool is_failure(const ItipPart *message)
{
    g_autofree char *status = reply_status(message);
    return *status == '3' || *status == '5';
}

static bool answer_part(ItipPart *part, const ItipPart *message, const IcalendarAttendee *attendee)
{
    ItipLine *line = itip_person_find(part, "ATTENDEE", attendee->address);
    const ItipLine *answer = itip_person_find(message, "ATTENDEE", attendee->address);
    if (!line || !answer)
        return false;
    g_autofree char *status = reply_status(message);
    g_autofree char *to = itip_line_parameter(answer, "DELEGATED-TO");
    if (*attendee->status) { /* else there is no answer: it went wrong */
        itip_line_set_parameter(line, "PARTSTAT", attendee->status);
        itip_line_set_parameter(line, "RSVP", NULL);
    }
    itip_line_set_parameter(line, "SCHEDULE-STATUS", status);
    if (strcmp(attendee->status, "DELEGATED") == 0 && to)
        itip_line_set_parameter(line, "DELEGATED-TO", to);
    if (strcmp(attendee->status, "DELEGATED") == 0)
        add_delegate(part, answer, attendee->address);
    return true;
}

/* The overrides of instances that come later hear it too. */
static void answer_later(ItipWork *work, guint index)
{
    const IcalendarItem *item = itip_item(work->message, index);
    const ItipObject *stored = work->stored;
    int64_t from = icalendar_utc(&item->recurrence, zone_utc());
    for (guint i = stored->facts->has_master; i < stored->parts->len; i++)
        if (icalendar_utc(&itip_item(stored, i)->recurrence, zone_utc()) > from)
            answer_part(itip_part(stored, i), itip_part(work->message, index),
                        item->attendees->pdata[0]);
}

/* One item of an answer. True: it is in the stored object now. */
static bool answer_item(ItipWork *work, guint index)
{
    const IcalendarItem *item = itip_item(work->message, index);
    const IcalendarAttendee *attendee = item->attendees->pdata[0];
    ItipObject *stored = work->stored;
    g_autofree char *key = itip_key(item);
    guint at = 0;
    bool found = itip_find(stored, key, &at);
    if (!found &&
        (!stored->facts->has_master || !itip_has_instance(stored, item, work->ask->expansions_max)))
        return itip_end(work, ITIP_IGNORED, "the event has no instance of %s", key);
    const IcalendarItem *had = itip_item(stored, at);
    if (!itip_attendee(had, attendee->address))
        return itip_end(work, ITIP_REFUSED, "%.100s is not among the attendees", attendee->address);
    if (item->sequence < had->sequence)
        return itip_end(work, ITIP_IGNORED, "it answers an older version, SEQUENCE %d of %d",
                        (int)item->sequence, (int)had->sequence);
    if (item->and_future)
        answer_later(work, index);
    if (found)
        return answer_part(itip_part(stored, at), itip_part(work->message, index), attendee);
    ItipPart *part = itip_override_new(stored, item);
    if (item->and_future)
        itip_line_set_parameter(itip_line_find(part, "RECURRENCE-ID"), "RANGE", "THISANDFUTURE");
    g_ptr_array_add(stored->root->parts, part);
    return answer_part(part, itip_part(work->message, index), attendee);
}

/* One attendee, the sender, in each item, with an answer that there is. */
static bool is_answer(ItipWork *work)
{
    const char *first = NULL;
    for (guint i = 0; i < work->message->parts->len; i++) {
        const IcalendarItem *item = itip_item(work->message, i);
        if (item->attendees->len != 1)
            return itip_end(work, ITIP_REFUSED, "an answer is one attendee's, this has %u",
                            item->attendees->len);
        const IcalendarAttendee *attendee = item->attendees->pdata[0];
        first = first ? first : attendee->address;
        if (strcmp(attendee->address, first) != 0 ||
            !itip_speaks_for(work, attendee->address, "ATTENDEE"))
            return itip_end(work, ITIP_REFUSED, "it is from %.100s, the answer of %.100s",
                            work->ask->sender, attendee->address);
        bool failed = !*attendee->status && is_failure(itip_part(work->message, i));
        if (!failed && !is_status(attendee->status))
            return itip_end(work, ITIP_REFUSED, "it has no answer that is known (PARTSTAT)");
    }
    return true;
}

void itip_decide_reply(ItipWork *work)
{
    if (!is_ours(work) || !is_answer(work))
        return;
    unsigned done = 0;
    for (guint i = 0; i < work->message->parts->len; i++)
        done += answer_item(work, i);
    if (!done)
        return;
    const IcalendarAttendee *attendee = itip_item(work->message, 0)->attendees->pdata[0];
    work->decision->object = itip_part_format(work->stored->root);
    itip_end(work, ITIP_ANSWERED, "%.100s: %s", attendee->address,
             *attendee->status ? attendee->status : "could not take it");
}

/* A proposal for what is not so any more: declined, and the organizer need not look. */
static bool is_stale(ItipWork *work)
{
    const IcalendarItem *item = itip_item(work->message, 0);
    g_autofree char *key = itip_key(item);
    guint at = 0;
    itip_find(work->stored, key, &at);
    const IcalendarItem *had = itip_item(work->stored, at);
    if (had->is_cancelled)
        return !itip_end(work, ITIP_DECLINED, "it is cancelled");
    if (item->sequence < had->sequence)
        return !itip_end(work, ITIP_DECLINED, "it is about an older version, SEQUENCE %d of %d",
                         (int)item->sequence, (int)had->sequence);
    return false;
}

void itip_decide_question(ItipWork *work)
{
    bool counter = work->decision->method == ITIP_COUNTER;
    if (!is_ours(work))
        return;
    for (guint i = 0; i < work->stored->parts->len; i++) {
        const IcalendarItem *had = itip_item(work->stored, i);
        for (guint k = 0; k < had->attendees->len; k++) {
            const IcalendarAttendee *attendee = had->attendees->pdata[k];
            if (!itip_attendee(itip_item(work->message, 0), attendee->address) ||
                !itip_speaks_for(work, attendee->address, "ATTENDEE"))
                continue;
            work->decision->person = g_strdup(attendee->address);
            if (!counter)
                itip_end(work, ITIP_RESENT, "%.100s asks for the event", attendee->address);
            else if (!is_stale(work))
                itip_end(work, ITIP_NOTED, "%.100s proposes other times: the organizer decides",
                         attendee->address);
            return;
        }
    }
    itip_end(work, ITIP_REFUSED, "%.100s is not among the attendees", work->ask->sender);
}
