/* itip_message: an iTIP message in the making.
 *
 * How it fits: itip_send.c (an organizer's) and itip_answer.c (an attendee's) put messages together
 * with these. What goes out has our DTSTAMP, and has not what is the client's own: alarms,
 * SCHEDULE-… parameters, Mozilla's marks.
 *
 * Failures: none.
 */
#include <string.h>

#include "content/itip_private.h"

void itip_message_free(ItipMessage *message)
{
    if (!message)
        return;
    g_free(message->recurrence);
    g_free(message->from);
    g_free(message->answer);
    g_free(message->summary);
    g_ptr_array_unref(message->recipients);
    g_bytes_unref(message->calendar);
    g_free(message);
}

ItipPart *itip_draft_root(const ItipDraft *draft)
{
    ItipPart *root = itip_part_new("VCALENDAR");
    g_autofree char *method = g_strdup_printf("METHOD:%s", itip_method_name(draft->method));
    itip_line_add(root, "VERSION:2.0");
    itip_line_add(root, "PRODID:-//rota//rota//EN");
    itip_line_add(root, method);
    for (guint i = 0; i < draft->object->root->parts->len; i++) {
        const ItipPart *part = draft->object->root->parts->pdata[i];
        if (strcmp(part->name, "VTIMEZONE") == 0)
            g_ptr_array_add(root->parts, itip_part_copy(part));
    }
    return root;
}

static void strip_person(ItipLine *line)
{
    static const char *const own[] = {"SCHEDULE-AGENT", "SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND"};
    for (unsigned i = 0; i < G_N_ELEMENTS(own); i++) {
        g_autofree char *there = itip_line_parameter(line, own[i]);
        if (there)
            itip_line_set_parameter(line, own[i], NULL);
    }
}

void itip_draft_add_person(ItipPart *part, const ItipLine *line)
{
    itip_line_add_copy(part, line);
    strip_person(part->lines->pdata[part->lines->len - 1]);
}

static void stamp(const ItipDraft *draft, ItipPart *part, int64_t sequence)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, sequence);
    g_autofree char *now = itip_utc_format(draft->now);
    itip_line_set(part, "DTSTAMP", now);
    if (sequence >= 0)
        itip_line_set(part, "SEQUENCE", number);
}

void itip_draft_strip(const ItipDraft *draft, ItipPart *part, int64_t sequence)
{
    for (guint i = part->parts->len; i-- > 0;)
        g_ptr_array_remove_index(part->parts, i);
    for (guint i = part->lines->len; i-- > 0;) {
        ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, "ATTENDEE") == 0 || strcmp(line->name, "ORGANIZER") == 0)
            strip_person(line);
        else if (g_str_has_prefix(line->name, "X-MOZ-") ||
                 strcmp(line->name, "REQUEST-STATUS") == 0)
            g_ptr_array_remove_index(part->lines, i);
    }
    stamp(draft, part, sequence);
}

ItipPart *itip_draft_whole(const ItipDraft *draft, guint index, int64_t sequence)
{
    ItipPart *part = itip_part_copy(itip_part(draft->object, index));
    itip_draft_strip(draft, part, sequence);
    return part;
}

ItipPart *itip_draft_name(const ItipDraft *draft, guint index, int64_t sequence)
{
    const ItipPart *whole = itip_part(draft->object, index);
    ItipPart *part = itip_part_new(whole->name);
    for (guint i = 0; i < whole->lines->len; i++) {
        const ItipLine *line = whole->lines->pdata[i];
        if (strcmp(line->name, "ORGANIZER") == 0)
            itip_draft_add_person(part, line);
        else if (strcmp(line->name, "UID") == 0 || strcmp(line->name, "RECURRENCE-ID") == 0)
            itip_line_add_copy(part, line);
    }
    stamp(draft, part, sequence);
    return part;
}

ItipPart *itip_draft_bare(const ItipDraft *draft, guint index, int64_t sequence)
{
    static const char *const kept[] = {"UID",     "DTSTART",  "DTEND",   "DUE",          "DURATION",
                                       "SUMMARY", "LOCATION", "COMMENT", "RECURRENCE-ID"};
    const ItipPart *whole = itip_part(draft->object, index);
    ItipPart *part = itip_part_new(whole->name);
    for (guint i = 0; i < whole->lines->len; i++) {
        const ItipLine *line = whole->lines->pdata[i];
        if (strcmp(line->name, "ORGANIZER") == 0)
            itip_draft_add_person(part, line);
        for (unsigned k = 0; k < G_N_ELEMENTS(kept); k++)
            if (strcmp(line->name, kept[k]) == 0)
                itip_line_add_copy(part, line);
    }
    stamp(draft, part, sequence);
    return part;
}

ItipMessage *itip_draft_end(const ItipDraft *draft, ItipPart *root, const IcalendarItem *first,
                            int64_t sequence)
{
    ItipMessage *message = g_new0(ItipMessage, 1);
    message->method = draft->method;
    message->sequence = sequence;
    message->recurrence = itip_key(first);
    message->recipients = g_ptr_array_new_with_free_func(g_free);
    message->calendar = itip_part_format(root);
    message->from = g_strdup(itip_organizer(draft->object));
    message->answer = g_strdup("");
    message->summary = g_strdup(first->summary);
    itip_part_free(root);
    return message;
}

int64_t itip_draft_sequence(const IcalendarItem *before, int64_t after, bool grows)
{
    return before && grows && after <= before->sequence ? before->sequence + 1 : after;
}

GPtrArray *itip_changes(const ItipChange *change)
{
    GPtrArray *messages = g_ptr_array_new_with_free_func((GDestroyNotify)itip_message_free);
    const ItipObject *object = change->after ? change->after : change->before;
    if (!object || object->facts->kind == ICALENDAR_FREEBUSY)
        return messages;
    const char *organizer = itip_organizer(object);
    if (itip_is_own(&change->own, organizer))
        itip_changes_of_organizer(change, messages);
    else if (*organizer)
        itip_changes_of_attendee(change, messages);
    return messages;
}

GBytes *itip_note_status(ItipObject *stored, const char *address, const char *status)
{
    static const char *const names[] = {"ATTENDEE", "ORGANIZER"};
    bool any = false;
    for (guint i = 0; i < stored->parts->len; i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
            ItipLine *line = itip_person_find(itip_part(stored, i), names[k], address);
            if (line)
                itip_line_set_parameter(line, "SCHEDULE-STATUS", status);
            any |= line != NULL;
        }
    }
    return any ? itip_part_format(stored->root) : NULL;
}
