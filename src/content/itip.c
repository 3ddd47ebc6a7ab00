/* itip: a message about an event is weighed against what the calendar holds.
 *
 * How it fits: duty/imip_processing.c parses the part of a mail, looks for its UID in the account's
 * calendars, and does what is decided here; itip_attend.c has the methods that come to an attendee,
 * itip_organize.c those that come to an organizer. The tree of lines (itip_text.h) is what is
 * changed; the facts (icalendar.h) are what is judged by. An object that the two read differently
 * is refused.
 *
 * Failures: none of ours; each outcome says why. Known weak point: the sender is who the mail's
 * From says. Whoever lets mail in (the MTA before us) decides whether that is believed: DMARC is
 * its work.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_imip.h"
#include "base/must.h"

#include "content/itip_private.h"

static const char *const method_names[] = {[ITIP_NONE] = "",
                                           [ITIP_PUBLISH] = "PUBLISH",
                                           [ITIP_REQUEST] = "REQUEST",
                                           [ITIP_REPLY] = "REPLY",
                                           [ITIP_ADD] = "ADD",
                                           [ITIP_CANCEL] = "CANCEL",
                                           [ITIP_REFRESH] = "REFRESH",
                                           [ITIP_COUNTER] = "COUNTER",
                                           [ITIP_DECLINECOUNTER] = "DECLINECOUNTER"};

const char *itip_method_name(ItipMethod method)
{
    MUST(method < G_N_ELEMENTS(method_names));
    return method_names[method];
}

ItipMethod itip_method_of_name(const char *name)
{
    for (unsigned i = 1; i < G_N_ELEMENTS(method_names); i++)
        if (g_ascii_strcasecmp(name, method_names[i]) == 0)
            return (ItipMethod)i;
    return ITIP_NONE;
}

const char *itip_outcome_name(ItipOutcome outcome)
{
    switch (outcome) {
    case ITIP_ADDED:
        return "added";
    case ITIP_UPDATED:
        return "updated";
    case ITIP_CANCELLED:
        return "cancelled";
    case ITIP_ANSWERED:
        return "answered";
    case ITIP_NOTED:
        return "noted";
    case ITIP_RESENT:
        return "resent";
    case ITIP_ASKED:
        return "asked";
    case ITIP_DECLINED:
        return "declined";
    case ITIP_IGNORED:
        return "ignored";
    case ITIP_REFUSED:
        return "refused";
    }
    return "";
}

/* "ada+work@example.org" is ada@example.org's. */
static bool is_detail_of(const char *address, const char *plain)
{
    const char *plus = strchr(address, '+'), *at = strrchr(address, '@');
    size_t local = plus ? (size_t)(plus - address) : 0;
    return local && at && plus < at && strncmp(address, plain, local) == 0 &&
           strcmp(plain + local, at) == 0;
}

bool itip_is_own(const ItipOwn *own, const char *address)
{
    for (unsigned i = 0; i < own->count; i++)
        if (strcmp(own->addresses[i], address) == 0 || is_detail_of(address, own->addresses[i]))
            return true;
    return false;
}

/* ---- objects */

/* Which component of the lines is which item of the facts: the series is the first item, the
 * others are in the order of the file. False: the two do not agree. */
static bool pair_parts(ItipObject *object)
{
    const Icalendar *facts = object->facts;
    guint next = facts->has_master;
    g_ptr_array_set_size(object->parts, (gint)facts->items->len);
    for (guint i = 0; i < object->root->parts->len; i++) {
        ItipPart *part = object->root->parts->pdata[i];
        if (icalendar_kind_of_name(part->name) != facts->kind)
            continue;
        guint place = itip_line_find(part, "RECURRENCE-ID") ? next++ : 0;
        if (place >= facts->items->len || object->parts->pdata[place])
            return false;
        object->parts->pdata[place] = part;
    }
    return next == facts->items->len && object->parts->pdata[0];
}

ItipObject *itip_object_parse(const void *bytes, size_t size, const IcalendarLimits *limits,
                              GError **error)
{
    Icalendar *facts = icalendar_parse(bytes, size, limits, error);
    if (!facts)
        return NULL;
    g_autoptr(ItipObject) object = g_new0(ItipObject, 1);
    object->facts = facts;
    object->root = itip_part_parse(bytes, size);
    object->parts = g_ptr_array_new();
    object->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = facts->items->len; i-- > 0;)
        g_hash_table_insert(object->places, itip_key(facts->items->pdata[i]),
                            GUINT_TO_POINTER(i + 1));
    if (object->root && pair_parts(object))
        return g_steal_pointer(&object);
    fail(error, ERROR_REJECT, "a calendar object can be read in two ways");
    return NULL;
}

void itip_object_free(ItipObject *object)
{
    if (!object)
        return;
    icalendar_free(object->facts);
    itip_part_free(object->root);
    g_ptr_array_unref(object->parts);
    g_hash_table_unref(object->places);
    g_free(object);
}

Icalendar *itip_object_take_added(ItipObject *message, const ItipOwn *own)
{
    Icalendar *facts = g_steal_pointer(&message->facts);
    g_free(facts->method);
    facts->method = g_strdup("");
    for (guint i = 0; i < facts->items->len; i++) {
        const IcalendarItem *item = facts->items->pdata[i];
        g_ptr_array_set_size(item->alarms, 0);
        for (guint k = 0; k < item->attendees->len; k++) {
            IcalendarAttendee *attendee = item->attendees->pdata[k];
            if (!itip_is_own(own, attendee->address))
                continue;
            g_free(attendee->status);
            attendee->status = g_strdup("NEEDS-ACTION");
        }
    }
    return facts;
}

const Icalendar *itip_object_facts(const ItipObject *object)
{
    return object->facts;
}

char *itip_object_recurrence(const ItipObject *object)
{
    return itip_key(itip_item(object, 0));
}

const IcalendarItem *itip_item(const ItipObject *object, guint index)
{
    return object->facts->items->pdata[index];
}

ItipPart *itip_part(const ItipObject *object, guint index)
{
    return object->parts->pdata[index];
}

const char *itip_organizer(const ItipObject *object)
{
    const IcalendarItem *first = itip_item(object, 0);
    return first->organizer ? first->organizer->address : "";
}

const IcalendarAttendee *itip_attendee(const IcalendarItem *item, const char *address)
{
    for (guint i = 0; i < item->attendees->len; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        if (strcmp(attendee->address, address) == 0)
            return attendee;
    }
    return NULL;
}

const IcalendarAttendee *itip_own_attendee(const IcalendarItem *item, const ItipOwn *own)
{
    for (guint i = 0; i < item->attendees->len; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        if (itip_is_own(own, attendee->address))
            return attendee;
    }
    return NULL;
}

bool itip_is_address(const char *address)
{
    const char *at = strrchr(address, '@');
    bool plain = true;
    for (const char *letter = address; *letter; letter++)
        plain &= (guchar)*letter > ' ' && !strchr("<>\"\\(),;:", *letter);
    return plain && at && at > address && at[1] && strlen(address) <= IMIP_ADDRESS_BYTES_MAX;
}

bool itip_speaks_for(const ItipWork *work, const char *person, const char *line_name)
{
    const char *sender = work->ask->sender;
    if (!*person || !*sender)
        return false;
    if (strcmp(sender, person) == 0)
        return true;
    const char *domain = strrchr(person, '@'), *own = strrchr(sender, '@');
    const ItipLine *line = itip_person_find(itip_part(work->message, 0), line_name, person);
    g_autofree char *by = line ? itip_line_parameter(line, "SENT-BY") : NULL;
    if (!by || !domain || !own || strcmp(domain, own) != 0)
        return false;
    g_autofree char *address = icalendar_address(by);
    return strcmp(address, sender) == 0;
}

/* ---- the decision */

void itip_decision_free(ItipDecision *decision)
{
    if (!decision)
        return;
    g_free(decision->why);
    g_free(decision->person);
    if (decision->object)
        g_bytes_unref(decision->object);
    g_free(decision);
}

bool itip_end(ItipWork *work, ItipOutcome outcome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_free(work->decision->why);
    work->decision->outcome = outcome;
    work->decision->why = g_strdup_vprintf(format, args);
    va_end(args);
    return false;
}

/* What all methods ask. */
static bool is_sound(ItipWork *work, ItipMethod of_part)
{
    const ItipObject *message = work->message;
    if (work->decision->method == ITIP_NONE)
        return itip_end(work, ITIP_REFUSED, "it has no method that is known");
    if (*work->ask->method && of_part != work->decision->method)
        return itip_end(work, ITIP_REFUSED, "the mail's part says method %.20s, what is in it %s",
                        work->ask->method, itip_method_name(work->decision->method));
    if (message->facts->kind == ICALENDAR_FREEBUSY)
        return itip_end(work, ITIP_NOTED, "free and busy times are not given out by mail");
    for (guint i = 1; i < message->parts->len; i++) {
        const IcalendarItem *item = itip_item(message, i);
        const char *organizer = item->organizer ? item->organizer->address : "";
        if (strcmp(organizer, itip_organizer(message)) != 0)
            return itip_end(work, ITIP_REFUSED, "its instances have two organizers");
    }
    if (g_hash_table_size(message->places) < message->parts->len)
        return itip_end(work, ITIP_REFUSED, "it has one instance twice");
    if (message->parts->len > ITIP_INSTANCES_MAX &&
        (work->decision->method == ITIP_CANCEL || work->decision->method == ITIP_REPLY))
        return itip_end(work, ITIP_REFUSED, "it is about more than %d instances",
                        ITIP_INSTANCES_MAX);
    if (work->stored && work->stored->facts->kind != message->facts->kind)
        return itip_end(work, ITIP_REFUSED, "the calendar has a %s with this UID",
                        icalendar_kind_name(work->stored->facts->kind));
    const IcalendarItem *first = itip_item(message, 0);
    const ItipSeen *seen = &work->ask->seen;
    if (seen->stamp && (first->sequence < seen->sequence ||
                        (first->sequence == seen->sequence && first->stamp < seen->stamp)))
        return itip_end(work, ITIP_IGNORED, "a newer one from this sender has come before");
    if (seen->stamp && first->sequence == seen->sequence && first->stamp == seen->stamp)
        return itip_end(work, ITIP_IGNORED, "it has come before");
    return true;
}

static void dispatch(ItipWork *work)
{
    switch (work->decision->method) {
    case ITIP_NONE:
        return;
    case ITIP_PUBLISH:
    case ITIP_REQUEST:
        itip_decide_request(work);
        return;
    case ITIP_REPLY:
        itip_decide_reply(work);
        return;
    case ITIP_ADD:
        itip_decide_add(work);
        return;
    case ITIP_CANCEL:
        itip_decide_cancel(work);
        return;
    case ITIP_REFRESH:
    case ITIP_COUNTER:
        itip_decide_question(work);
        return;
    case ITIP_DECLINECOUNTER:
        itip_decide_decline_counter(work);
        return;
    }
}

ItipDecision *itip_decide(const ItipObject *message, ItipObject *stored, const ItipAsk *ask)
{
    const IcalendarItem *first = itip_item(message, 0);
    ItipDecision *decision = g_new0(ItipDecision, 1);
    *decision = (ItipDecision){.outcome = ITIP_REFUSED,
                               .method = itip_method_of_name(message->facts->method),
                               .sequence = first->sequence,
                               .stamp = first->stamp,
                               .why = g_strdup("")};
    ItipWork work = {.message = message, .stored = stored, .ask = ask, .decision = decision};
    if (is_sound(&work, itip_method_of_name(ask->method)))
        dispatch(&work);
    return decision;
}
