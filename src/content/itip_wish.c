/* itip_wish: messages that no change of a calendar means (RFC 5546 sections 3.2.1, 3.2.4, 3.2.6,
 * 3.2.8).
 *
 * How it fits: duty/imip_take.c answers a REFRESH, a stale COUNTER and an ADD to what is not there
 * with these; `rota imip send` sends them for a person. What a change means is itip_send.c's and
 * itip_answer.c's: they send no ADD (a REQUEST says the same, and every program reads it).
 *
 * Failures: ERROR_REJECT with the reason.
 */
#include <string.h>

#include "base/error.h"

#include "content/itip_private.h"

typedef struct {
    const ItipWish *wish;
    ItipDraft draft;
} Making;

static bool is_ours(const ItipWish *wish, GError **error)
{
    const char *organizer = itip_organizer(wish->object);
    return itip_is_own(&wish->own, organizer) ||
           fail(error, ERROR_REJECT, "the organizer is %.100s, and he alone may send a %s",
                *organizer ? organizer : "nobody", itip_method_name(wish->method));
}

static unsigned recipient_count(const ItipWish *wish)
{
    return wish->recipients ? g_strv_length((char **)(uintptr_t)wish->recipients) : 0;
}

/* Ended for those who were named. Takes root. */
static ItipMessage *end(const Making *making, ItipPart *root, const IcalendarItem *first,
                        int64_t sequence)
{
    ItipMessage *message = itip_draft_end(&making->draft, root, first, MAX(sequence, 0));
    for (unsigned i = 0; i < recipient_count(making->wish); i++)
        g_ptr_array_add(message->recipients, g_strdup(making->wish->recipients[i]));
    return message;
}

static void set_from(ItipMessage *message, const char *address)
{
    g_free(message->from);
    message->from = g_strdup(address);
}

/* The item of the instance that is wished, the first where all is. */
static bool find_item(const ItipWish *wish, guint *ret, GError **error)
{
    *ret = 0;
    return !*wish->recurrence || itip_find(wish->object, wish->recurrence, ret) ||
           fail(error, ERROR_REJECT, "the event has no instance of %.40s of its own",
                wish->recurrence);
}

/* One recipient, who is among the attendees of an item that is wished. */
static bool has_attendee(const ItipWish *wish, GError **error)
{
    if (recipient_count(wish) != 1)
        return fail(error, ERROR_REJECT, "a %s goes to one attendee",
                    itip_method_name(wish->method));
    for (guint i = 0; i < wish->object->parts->len; i++)
        if (itip_attendee(itip_item(wish->object, i), wish->recipients[0]))
            return true;
    return fail(error, ERROR_REJECT, "%.100s is not among the attendees", wish->recipients[0]);
}

static ItipMessage *publish(const Making *making, GError **error)
{
    const ItipWish *wish = making->wish;
    const ItipObject *object = wish->object;
    guint at = 0;
    bool nobodys = !*itip_organizer(object);
    if ((!nobodys && !is_ours(wish, error)) || !find_item(wish, &at, error))
        return NULL;
    if (!recipient_count(wish)) {
        fail(error, ERROR_REJECT, "a PUBLISH needs somebody to go to");
        return NULL;
    }
    ItipPart *root = itip_draft_root(&making->draft);
    g_autofree char *own = g_strdup_printf("ORGANIZER:mailto:%s", wish->own.addresses[0]);
    guint end_at = *wish->recurrence ? at + 1 : object->parts->len;
    for (guint i = at; i < end_at; i++) {
        ItipPart *part = itip_draft_whole(&making->draft, i, itip_item(object, i)->sequence);
        itip_lines_remove(part, "ATTENDEE");
        if (nobodys)
            itip_line_add(part, own);
        g_ptr_array_add(root->parts, part);
    }
    const IcalendarItem *first = itip_item(object, at);
    ItipMessage *message = end(making, root, first, first->sequence);
    if (nobodys)
        set_from(message, wish->own.addresses[0]);
    return message;
}

static ItipMessage *request(const Making *making, GError **error)
{
    const ItipWish *wish = making->wish;
    const IcalendarItem *first = NULL;
    ItipPart *root = NULL;
    if (!is_ours(wish, error) || !has_attendee(wish, error))
        return NULL;
    for (guint i = 0; i < wish->object->parts->len; i++) {
        const IcalendarItem *item = itip_item(wish->object, i);
        if (item->is_cancelled || !itip_attendee(item, wish->recipients[0]))
            continue;
        first = first ? first : item;
        root = root ? root : itip_draft_root(&making->draft);
        g_ptr_array_add(root->parts, itip_draft_whole(&making->draft, i, item->sequence));
    }
    if (root)
        return end(making, root, first, first->sequence);
    fail(error, ERROR_REJECT, "all that %.100s was invited to is cancelled", wish->recipients[0]);
    return NULL;
}

/* The instance as a component without a RECURRENCE-ID; NULL: neither an override nor an RDATE. */
static ItipPart *added_part(const Making *making, const IcalendarItem **ret_item)
{
    const ItipObject *object = making->wish->object;
    const IcalendarItem *series = itip_item(object, 0);
    const char *key = making->wish->recurrence;
    ItipPart *part = NULL;
    guint at;
    *ret_item = series;
    if (*key && itip_find(object, key, &at)) {
        *ret_item = itip_item(object, at);
        part = itip_part_copy(itip_part(object, at));
    }
    for (guint i = 0; !part && i < series->dates->len; i++) {
        IcalendarItem named = *series;
        named.recurrence = g_array_index(series->dates, IcalendarDate, i).start;
        g_autofree char *own = itip_key(&named);
        if (strcmp(own, key) == 0)
            part = itip_override_new(object, &named);
    }
    if (part)
        itip_lines_remove(part, "RECURRENCE-ID");
    return part;
}

static ItipMessage *add(const Making *making, GError **error)
{
    const ItipWish *wish = making->wish;
    const IcalendarItem *item;
    if (!is_ours(wish, error))
        return NULL;
    ItipPart *part = wish->object->facts->has_master ? added_part(making, &item) : NULL;
    if (!part) {
        fail(error, ERROR_REJECT, "the series has no RDATE or override at \"%.40s\"",
             wish->recurrence);
        return NULL;
    }
    /* RFC 5546 section 3.2.4: more than 0 */
    int64_t sequence = MAX(MAX(item->sequence, itip_item(wish->object, 0)->sequence), 1);
    ItipPart *root = itip_draft_root(&making->draft);
    itip_draft_strip(&making->draft, part, sequence);
    g_ptr_array_add(root->parts, part);
    ItipMessage *message = end(making, root, item, sequence);
    for (guint i = 0; i < item->attendees->len && !recipient_count(wish); i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        if (!itip_is_own(&wish->own, attendee->address) && itip_is_address(attendee->address))
            g_ptr_array_add(message->recipients, g_strdup(attendee->address));
    }
    if (message->recipients->len)
        return message;
    itip_message_free(message);
    fail(error, ERROR_REJECT, "nobody else is invited to it");
    return NULL;
}

static ItipMessage *refresh(const Making *making, GError **error)
{
    const ItipWish *wish = making->wish;
    const char *organizer = itip_organizer(wish->object);
    guint at;
    if (!find_item(wish, &at, error))
        return NULL;
    const IcalendarItem *item = itip_item(wish->object, at);
    const IcalendarAttendee *own = itip_own_attendee(item, &wish->own);
    const ItipLine *line =
        own ? itip_person_find(itip_part(wish->object, at), "ATTENDEE", own->address) : NULL;
    if (!line || itip_is_own(&wish->own, organizer) || !itip_is_address(organizer)) {
        fail(error, ERROR_REJECT, "a REFRESH is an attendee's, to an organizer with an address");
        return NULL;
    }
    ItipPart *root = itip_draft_root(&making->draft);
    ItipPart *part = itip_draft_name(&making->draft, at, -1);
    if (!*wish->recurrence) /* of all, whatever we have of it */
        itip_lines_remove(part, "RECURRENCE-ID");
    itip_draft_add_person(part, line);
    g_ptr_array_add(root->parts, part);
    IcalendarItem named = *item;
    named.recurrence.set &= *wish->recurrence != '\0';
    ItipMessage *message = itip_draft_end(&making->draft, root, &named, item->sequence);
    g_ptr_array_add(message->recipients, g_strdup(organizer));
    set_from(message, own->address);
    return message;
}

/* The instance may be one of the series' own, with no item of its own. */
static ItipPart *declined_part(const Making *making, IcalendarItem *ret, GError **error)
{
    const ItipWish *wish = making->wish;
    guint at = 0;
    bool own = !*wish->recurrence || itip_find(wish->object, wish->recurrence, &at);
    *ret = *itip_item(wish->object, at);
    if (!own && !itip_key_parse(wish->recurrence, &ret->recurrence)) {
        fail(error, ERROR_REJECT, "\"%.40s\" names no instance", wish->recurrence);
        return NULL;
    }
    ItipPart *part = itip_draft_name(&making->draft, at, ret->sequence);
    if (!own) {
        g_autofree char *line = itip_instance_line(wish->object, ret, "RECURRENCE-ID");
        itip_line_add(part, line);
    }
    const ItipLine *person =
        itip_person_find(itip_part(wish->object, at), "ATTENDEE", wish->recipients[0]);
    if (person)
        itip_draft_add_person(part, person);
    return part;
}

static ItipMessage *decline(const Making *making, GError **error)
{
    const ItipWish *wish = making->wish;
    IcalendarItem item;
    if (!is_ours(wish, error) || !has_attendee(wish, error))
        return NULL;
    ItipPart *part = declined_part(making, &item, error);
    if (!part)
        return NULL;
    if (wish->comment) {
        g_autofree char *comment = g_strdup_printf("COMMENT:%s", wish->comment);
        itip_line_add(part, comment);
    }
    ItipPart *root = itip_draft_root(&making->draft);
    g_ptr_array_add(root->parts, part);
    return end(making, root, &item, item.sequence);
}

ItipMessage *itip_wish(const ItipWish *wish, GError **error)
{
    const Making making = {wish, {wish->object, wish->method, wish->now}};
    for (unsigned i = 0; i < recipient_count(wish); i++)
        if (!itip_is_address(wish->recipients[i])) {
            fail(error, ERROR_REJECT, "\"%.100s\" is no address", wish->recipients[i]);
            return NULL;
        }
    switch (wish->method) {
    case ITIP_PUBLISH:
        return publish(&making, error);
    case ITIP_REQUEST:
        return request(&making, error);
    case ITIP_ADD:
        return add(&making, error);
    case ITIP_REFRESH:
        return refresh(&making, error);
    case ITIP_DECLINECOUNTER:
        return decline(&making, error);
    case ITIP_REPLY:
    case ITIP_CANCEL:
    case ITIP_COUNTER:
    case ITIP_NONE:
        break;
    }
    fail(error, ERROR_REJECT, "a %s is sent by a change of the calendar alone",
         itip_method_name(wish->method));
    return NULL;
}

char *itip_escape(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *at = valid; *at; at++) {
        if (strchr("\\;,", *at))
            g_string_append_c(out, '\\');
        if (*at == '\n')
            g_string_append(out, "\\n");
        else if ((guchar)*at >= ' ' || *at == '\t')
            g_string_append_c(out, *at);
    }
    return g_string_free(out, FALSE);
}
