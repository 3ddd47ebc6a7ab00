/* itip_answer: what an attendee's change means for the organizer (RFC 5546 section 3.2.3; RFC 6638
 * section 3.2.2).
 *
 * How it fits: itip_message.c calls this with the object before and after. An answer that changed
 * (PARTSTAT), an instance that was taken out (EXDATE: declined), and an object that was removed
 * (declined) make one REPLY; another time makes a COUNTER; a delegate that was named gets the
 * REQUEST. An object that only came, with no answer in it, makes nothing.
 *
 * Failures: none.
 */
#include <string.h>

#include "content/itip_private.h"

typedef struct {
    const ItipChange *change;
    ItipDraft draft;
    ItipPart *root; /* NULL: nothing to say yet */
    IcalendarItem first;
    const char *answer, *from; /* borrowed or static */
} Answer;

static bool is_served(const ItipObject *object)
{
    const char *agent = itip_item(object, 0)->organizer->agent;
    return itip_is_address(itip_organizer(object)) && (!*agent || strcmp(agent, "SERVER") == 0);
}

/* Our line of an item, with that answer. */
static void add_answer(Answer *answer, guint index, const char *status, const char *instance,
                       const IcalendarItem *named)
{
    const ItipDraft *draft = &answer->draft;
    const IcalendarItem *item = itip_item(draft->object, index);
    const IcalendarAttendee *own = itip_own_attendee(item, &answer->change->own);
    const ItipLine *line =
        own ? itip_person_find(itip_part(draft->object, index), "ATTENDEE", own->address) : NULL;
    if (!line)
        return;
    if (!answer->root) {
        answer->root = itip_draft_root(draft);
        answer->first = *named;
        answer->answer = status;
        answer->from = own->address;
    }
    ItipPart *part = itip_draft_bare(draft, index, item->sequence);
    itip_draft_add_person(part, line);
    ItipLine *made = part->lines->pdata[part->lines->len - 1];
    itip_line_set_parameter(made, "PARTSTAT", status);
    itip_line_set_parameter(made, "RSVP", NULL);
    if (instance) {
        static const char *const times[] = {"DTSTART", "DTEND", "DUE", "DURATION"};
        for (unsigned i = 0; i < G_N_ELEMENTS(times); i++)
            itip_lines_remove(part, times[i]);
        itip_line_add(part, instance);
    }
    itip_line_add(part, "REQUEST-STATUS:2.0;Success");
    g_ptr_array_add(answer->root->parts, part);
}

static const char *status_of(const ItipObject *object, guint index, const ItipOwn *own)
{
    const IcalendarAttendee *attendee = itip_own_attendee(itip_item(object, index), own);
    return attendee && *attendee->status ? attendee->status : "NEEDS-ACTION";
}

/* What we had said before about an item after. */
static const char *status_before(const ItipChange *change, const IcalendarItem *item)
{
    g_autofree char *key = itip_key(item);
    guint at = 0;
    if (!change->before)
        return "NEEDS-ACTION";
    if (itip_find(change->before, key, &at) || change->before->facts->has_master)
        return status_of(change->before, at, &change->own);
    return "NEEDS-ACTION";
}

static void answer_excepted(Answer *answer)
{
    const ItipChange *change = answer->change;
    if (!change->before || !change->before->facts->has_master || !change->after->facts->has_master)
        return;
    const IcalendarItem *was = itip_item(change->before, 0), *is = itip_item(change->after, 0);
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < was->excepted->len; i++) {
        IcalendarItem named = {.recurrence = g_array_index(was->excepted, IcalendarTime, i)};
        g_hash_table_add(known, itip_key(&named));
    }
    if (strcmp(status_of(change->after, 0, &change->own), "DECLINED") == 0)
        return;
    for (guint i = 0; i < is->excepted->len; i++) {
        IcalendarItem named = *is;
        named.recurrence = g_array_index(is->excepted, IcalendarTime, i);
        if (!g_hash_table_add(known, itip_key(&named)))
            continue;
        g_autofree char *line = itip_instance_line(change->after, &named, "RECURRENCE-ID");
        add_answer(answer, 0, "DECLINED", line, &named);
    }
}

static void set_from(ItipMessage *message, const char *address)
{
    g_free(message->from);
    message->from = g_strdup(address);
}

static void end_answer(Answer *answer, GPtrArray *messages)
{
    if (!answer->root)
        return;
    ItipMessage *message =
        itip_draft_end(&answer->draft, answer->root, &answer->first, answer->first.sequence);
    g_free(message->answer);
    message->answer = g_strdup(answer->answer);
    set_from(message, answer->from);
    g_ptr_array_add(message->recipients, g_strdup(itip_organizer(answer->draft.object)));
    g_ptr_array_add(messages, message);
}

/* Times that only an organizer may set were changed with no new version: a proposal. */
static void propose(const ItipChange *change, guint index, GPtrArray *messages)
{
    const IcalendarItem *item = itip_item(change->after, index);
    g_autofree char *key = itip_key(item);
    guint at;
    if (!change->before || !itip_find(change->before, key, &at) ||
        itip_item(change->before, at)->sequence != item->sequence ||
        itip_same_times(change->before, at, change->after, index))
        return;
    ItipDraft draft = {change->after, ITIP_COUNTER, change->now};
    ItipPart *root = itip_draft_root(&draft);
    g_ptr_array_add(root->parts, itip_draft_whole(&draft, index, item->sequence));
    ItipMessage *message = itip_draft_end(&draft, root, item, item->sequence);
    g_ptr_array_add(message->recipients, g_strdup(itip_organizer(change->after)));
    set_from(message, itip_own_attendee(item, &change->own)->address);
    g_ptr_array_add(messages, message);
}

/* The invitation goes on to whom we named. */
static void delegate(const ItipChange *change, guint index, GPtrArray *messages)
{
    const IcalendarItem *item = itip_item(change->after, index);
    const IcalendarAttendee *own = itip_own_attendee(item, &change->own);
    const ItipLine *line =
        itip_person_find(itip_part(change->after, index), "ATTENDEE", own->address);
    g_autofree char *to = line ? itip_line_parameter(line, "DELEGATED-TO") : NULL;
    g_autofree char *address = icalendar_address(to ? to : "");
    if (!itip_is_address(address) || itip_is_own(&change->own, address) ||
        strcmp(address, itip_organizer(change->after)) == 0)
        return;
    ItipDraft draft = {change->after, ITIP_REQUEST, change->now};
    ItipPart *root = itip_draft_root(&draft);
    ItipPart *part = itip_draft_whole(&draft, index, item->sequence);
    if (!itip_person_find(part, "ATTENDEE", address)) {
        g_autofree char *content = g_strdup_printf(
            "ATTENDEE;RSVP=TRUE;DELEGATED-FROM=\"mailto:%s\":mailto:%s", own->address, address);
        itip_line_add(part, content);
    }
    g_ptr_array_add(root->parts, part);
    ItipMessage *message = itip_draft_end(&draft, root, item, item->sequence);
    g_ptr_array_add(message->recipients, g_steal_pointer(&address));
    set_from(message, own->address);
    g_ptr_array_add(messages, message);
}

static void changes_after(Answer *answer, GPtrArray *messages)
{
    const ItipChange *change = answer->change;
    for (guint i = 0; i < change->after->parts->len; i++) {
        const IcalendarItem *item = itip_item(change->after, i);
        const char *status = status_of(change->after, i, &change->own);
        if (!itip_own_attendee(item, &change->own) || item->is_cancelled)
            continue;
        propose(change, i, messages);
        if (strcmp(status, "NEEDS-ACTION") == 0 || strcmp(status, status_before(change, item)) == 0)
            continue;
        add_answer(answer, i, status, NULL, item);
        if (strcmp(status, "DELEGATED") == 0)
            delegate(change, i, messages);
    }
    answer_excepted(answer);
}

void itip_changes_of_attendee(const ItipChange *change, GPtrArray *messages)
{
    const ItipObject *object = change->after ? change->after : change->before;
    Answer answer = {.change = change, .draft = {object, ITIP_REPLY, change->now}};
    if (!is_served(object))
        return;
    if (change->after) {
        changes_after(&answer, messages);
    } else {
        for (guint i = 0; i < object->parts->len; i++) {
            const IcalendarItem *item = itip_item(object, i);
            if (item->is_cancelled || (i > 0 && object->facts->has_master) ||
                strcmp(status_of(object, i, &change->own), "DECLINED") == 0)
                continue;
            add_answer(&answer, i, "DECLINED", NULL, item);
        }
    }
    end_answer(&answer, messages);
}
