/* itip_attend: what an organizer sends, and what becomes of it in an attendee's calendar.
 *
 * How it fits: itip.c calls these for REQUEST, PUBLISH, CANCEL and DECLINECOUNTER (RFC 5546
 * sections 3.2.1 to 3.2.8 and those of to-dos and journals, which are the same). A stored object is
 * changed item by item: an instance that is newer than the message stays.
 *
 * A new organizer is taken from the old one alone. Failures: none; each outcome says why.
 */
#include <string.h>

#include "content/itip_private.h"

bool itip_is_from_organizer(ItipWork *work)
{
    const char *claimed = itip_organizer(work->message);
    const char *organizer = work->stored ? itip_organizer(work->stored) : claimed;
    if (!*claimed)
        return itip_end(work, ITIP_REFUSED, "it names no organizer");
    if (itip_is_own(&work->ask->own, organizer))
        return itip_end(work, ITIP_IGNORED, "this account is the organizer");
    if (!itip_speaks_for(work, organizer, "ORGANIZER"))
        return itip_end(work, ITIP_REFUSED, "it is from %.100s, the organizer is %.100s",
                        work->ask->sender, *organizer ? organizer : "nobody");
    return true;
}

/* An attendee hands his invitation on to us (RFC 5546 section 3.2.2.3). */
static bool is_delegated(const ItipWork *work)
{
    const ItipObject *message = work->message;
    const char *organizer = itip_organizer(message), *sender = work->ask->sender;
    if (work->stored && (strcmp(itip_organizer(work->stored), organizer) != 0 ||
                         !itip_attendee(itip_item(work->stored, 0), sender)))
        return false;
    for (guint i = 0; i < message->parts->len; i++) {
        const IcalendarAttendee *own = itip_own_attendee(itip_item(message, i), &work->ask->own);
        const ItipLine *line =
            own ? itip_person_find(itip_part(message, i), "ATTENDEE", own->address) : NULL;
        g_autofree char *from = line ? itip_line_parameter(line, "DELEGATED-FROM") : NULL;
        g_autofree char *address = icalendar_address(from ? from : "");
        if (*organizer && *address && strcmp(address, sender) == 0 &&
            itip_attendee(itip_item(message, i), sender))
            return true;
    }
    return false;
}

static void remove_alarms(ItipPart *part)
{
    for (guint i = part->parts->len; i-- > 0;)
        if (strcmp(((ItipPart *)part->parts->pdata[i])->name, "VALARM") == 0)
            g_ptr_array_remove_index(part->parts, i);
}

void itip_carry_over(const ItipWork *work, ItipPart *part, const ItipPart *had,
                     const IcalendarAttendee *had_own, bool same_times)
{
    remove_alarms(part);
    for (guint i = 0; i < part->lines->len; i++) {
        ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, "ATTENDEE") != 0)
            continue;
        g_autofree char *address = icalendar_address(itip_line_value(line));
        if (!itip_is_own(&work->ask->own, address))
            continue;
        bool keep = had_own && same_times && *had_own->status;
        itip_line_set_parameter(line, "PARTSTAT", keep ? had_own->status : "NEEDS-ACTION");
    }
    if (!had)
        return;
    const ItipLine *transp = itip_line_find(had, "TRANSP");
    itip_lines_remove(part, "TRANSP");
    if (transp)
        itip_line_add_copy(part, transp);
    for (guint i = 0; i < had->parts->len; i++)
        if (strcmp(((const ItipPart *)had->parts->pdata[i])->name, "VALARM") == 0)
            g_ptr_array_add(part->parts, itip_part_copy(had->parts->pdata[i]));
}

/* What stands in the stored object for an item of the message: itself, or for a new override the
 * series. False: nothing. */
static bool find_stored(const ItipWork *work, const IcalendarItem *item, guint *ret, bool *ret_same)
{
    g_autofree char *key = itip_key(item);
    *ret_same = work->stored && itip_find(work->stored, key, ret);
    if (*ret_same || !work->stored || !work->stored->facts->has_master)
        return *ret_same;
    *ret = 0;
    return true;
}

static bool is_fresh(const ItipWork *work, const IcalendarItem *item)
{
    guint at;
    bool same;
    if (!find_stored(work, item, &at, &same))
        return true;
    const IcalendarItem *had = itip_item(work->stored, at);
    return same ? itip_compare(item, had) > 0 : item->sequence >= had->sequence;
}

/* A new override moves nothing if it starts where the series would. */
static bool override_same(const ItipWork *work, const IcalendarItem *item)
{
    const IcalendarItem *series = itip_item(work->stored, 0);
    const Zone *utc = zone_utc();
    return icalendar_utc(&item->start, utc) == icalendar_utc(&item->recurrence, utc) &&
           item->length.days == series->length.days &&
           item->length.seconds == series->length.seconds;
}

static void replace_part(ItipPart *root, ItipPart *old, ItipPart *take_new)
{
    guint at;
    if (old && g_ptr_array_find(root->parts, old, &at)) {
        itip_part_free(old); /* its place is taken over, so the array must not free it */
        root->parts->pdata[at] = take_new;
    } else {
        g_ptr_array_add(root->parts, take_new);
    }
}

void itip_add_zones(ItipPart *root, const ItipPart *from)
{
    for (guint i = 0; i < from->parts->len; i++) {
        const ItipPart *zone = from->parts->pdata[i];
        const ItipLine *id = itip_line_find(zone, "TZID");
        bool there = strcmp(zone->name, "VTIMEZONE") != 0 || !id;
        for (guint k = 0; k < root->parts->len && !there; k++) {
            const ItipPart *own = root->parts->pdata[k];
            const ItipLine *own_id = itip_line_find(own, "TZID");
            there = strcmp(own->name, "VTIMEZONE") == 0 && own_id &&
                    strcmp(itip_line_value(own_id), itip_line_value(id)) == 0;
        }
        if (!there)
            g_ptr_array_insert(root->parts, 0, itip_part_copy(zone));
    }
}

/* The series is new: overrides that are not newer than it, and not in the message, are gone. */
static void drop_older_overrides(const ItipWork *work, const IcalendarItem *series)
{
    ItipObject *stored = work->stored;
    for (guint i = stored->facts->has_master; i < stored->parts->len; i++) {
        g_autofree char *key = itip_key(itip_item(stored, i));
        guint at;
        if (itip_find(work->message, key, &at) || itip_compare(itip_item(stored, i), series) > 0)
            continue;
        g_ptr_array_remove(stored->root->parts, itip_part(stored, i));
        stored->parts->pdata[i] = NULL;
    }
}

static void update_item(ItipWork *work, guint index)
{
    const IcalendarItem *item = itip_item(work->message, index);
    ItipObject *stored = work->stored;
    ItipPart *part = itip_part_copy(itip_part(work->message, index));
    guint at = 0;
    bool same, found = find_stored(work, item, &at, &same);
    ItipPart *had = found ? itip_part(stored, at) : NULL;
    const IcalendarAttendee *own =
        found ? itip_own_attendee(itip_item(stored, at), &work->ask->own) : NULL;
    bool times = found && (same ? itip_same_times(stored, at, work->message, index)
                                : override_same(work, item));
    itip_carry_over(work, part, had, own, times);
    if (item->recurrence.set)
        itip_include(stored, item);
    replace_part(stored->root, same ? had : NULL, part);
    if (same)
        stored->parts->pdata[at] = part;
}

static void update(ItipWork *work)
{
    const ItipObject *message = work->message;
    guint fresh = 0;
    g_autofree bool *take = g_new0(bool, message->parts->len);
    for (guint i = 0; i < message->parts->len; i++)
        fresh += take[i] = is_fresh(work, itip_item(message, i));
    if (!fresh) {
        itip_end(work, ITIP_IGNORED, "the calendar has this, or a newer one");
        return;
    }
    if (take[0] && message->facts->has_master)
        drop_older_overrides(work, itip_item(message, 0));
    for (guint i = 0; i < message->parts->len; i++)
        if (take[i])
            update_item(work, i);
    itip_add_zones(work->stored->root, message->root);
    work->decision->object = itip_part_format(work->stored->root);
    itip_end(work, ITIP_UPDATED, "%u of %u components are newer", fresh, message->parts->len);
}

static void add(ItipWork *work)
{
    g_autoptr(ItipPart) root = itip_part_copy(work->message->root);
    itip_lines_remove(root, "METHOD");
    for (guint i = 0; i < root->parts->len; i++)
        if (icalendar_kind_of_name(((ItipPart *)root->parts->pdata[i])->name))
            itip_carry_over(work, root->parts->pdata[i], NULL, NULL, false);
    work->decision->object = itip_part_format(root);
    itip_end(work, ITIP_ADDED, "%s", "");
}

bool itip_has_starts(ItipWork *work)
{
    for (guint i = 0; i < work->message->parts->len; i++) {
        const IcalendarItem *item = itip_item(work->message, i);
        if (item->kind == ICALENDAR_EVENT && !item->start.set)
            return itip_end(work, ITIP_REFUSED, "an event in it has no start");
    }
    return true;
}

static bool is_invited(ItipWork *work)
{
    for (guint i = 0; i < work->message->parts->len; i++)
        if (itip_own_attendee(itip_item(work->message, i), &work->ask->own))
            return true;
    return itip_end(work, ITIP_IGNORED, "this account is not among the attendees");
}

void itip_decide_request(ItipWork *work)
{
    bool publish = work->decision->method == ITIP_PUBLISH;
    if (!itip_has_starts(work) ||
        (!itip_is_from_organizer(work) &&
         (publish || work->decision->outcome == ITIP_IGNORED || !is_delegated(work))))
        return;
    if (itip_is_own(&work->ask->own, itip_organizer(work->message))) {
        itip_end(work, ITIP_REFUSED, "it makes this account the organizer");
    } else if (publish && !work->stored) {
        itip_end(work, ITIP_NOTED, "published events are added by hand alone");
    } else if (!publish && !is_invited(work)) {
        return;
    } else if (work->stored) {
        update(work);
    } else if (!work->ask->auto_add) {
        itip_end(work, ITIP_NOTED, "calendar.scheduling.inbound.auto-add is off");
    } else {
        add(work);
    }
}

/* ---- CANCEL */

static void mark_cancelled(ItipPart *part, const IcalendarItem *by)
{
    g_autofree char *sequence = g_strdup_printf("%" G_GINT64_FORMAT, by->sequence);
    itip_line_set(part, "STATUS", "CANCELLED");
    itip_line_set(part, "SEQUENCE", sequence);
    if (by->stamp) {
        g_autofree char *stamp = itip_utc_format(by->stamp);
        itip_line_set(part, "DTSTAMP", stamp);
    }
}

/* True: something was changed. */
static bool cancel_all(ItipWork *work, const IcalendarItem *item)
{
    const ItipObject *stored = work->stored;
    bool any = false;
    for (guint i = 0; i < stored->parts->len; i++) {
        const IcalendarItem *had = itip_item(stored, i);
        if (item->sequence < had->sequence || had->is_cancelled)
            continue;
        mark_cancelled(itip_part(stored, i), item);
        any = true;
    }
    return any;
}

static bool cancel_instance(ItipWork *work, const IcalendarItem *item)
{
    ItipObject *stored = work->stored;
    g_autofree char *key = itip_key(item);
    bool any = false;
    guint at;
    if (item->and_future && stored->facts->has_master) {
        int64_t from = icalendar_utc(&item->recurrence, zone_utc());
        if (item->sequence < itip_item(stored, 0)->sequence)
            return false;
        for (guint i = 1; i < stored->parts->len; i++)
            if (icalendar_utc(&itip_item(stored, i)->recurrence, zone_utc()) >= from)
                mark_cancelled(itip_part(stored, i), item);
        itip_end_before(stored, item);
        return true;
    }
    if (itip_find(stored, key, &at)) {
        const IcalendarItem *had = itip_item(stored, at);
        any = item->sequence >= had->sequence && !had->is_cancelled;
        if (any)
            mark_cancelled(itip_part(stored, at), item);
        return any;
    }
    if (!stored->facts->has_master || item->sequence < itip_item(stored, 0)->sequence ||
        !itip_has_instance(stored, item, work->ask->expansions_max))
        return false;
    g_autofree char *excepted = itip_instance_line(stored, item, "EXDATE");
    itip_line_add(itip_part(stored, 0), excepted);
    return true;
}

/* Some are no longer invited, and we are not among them. */
static bool is_of_others(const ItipWork *work, guint index)
{
    const IcalendarItem *item = itip_item(work->message, index);
    return item->attendees->len > 0 && !item->is_cancelled &&
           !itip_own_attendee(item, &work->ask->own);
}

void itip_decide_cancel(ItipWork *work)
{
    if (!work->stored) {
        itip_end(work, ITIP_IGNORED, "the calendar has no such event");
        return;
    }
    if (!itip_is_from_organizer(work))
        return;
    unsigned done = 0, others = 0;
    for (guint i = 0; i < work->message->parts->len; i++) {
        const IcalendarItem *item = itip_item(work->message, i);
        if (is_of_others(work, i))
            others++;
        else
            done += item->recurrence.set ? cancel_instance(work, item) : cancel_all(work, item);
    }
    if (!done) {
        itip_end(work, ITIP_IGNORED,
                 others ? "it cancels the invitation of others"
                        : "what it cancels is not there, is cancelled, or is newer");
        return;
    }
    work->decision->object = itip_part_format(work->stored->root);
    itip_end(work, ITIP_CANCELLED, "%s", "");
}

void itip_decide_decline_counter(ItipWork *work)
{
    if (!work->stored)
        itip_end(work, ITIP_IGNORED, "the calendar has no such event");
    else if (itip_is_from_organizer(work))
        itip_end(work, ITIP_NOTED, "the organizer keeps to what is in the calendar");
}
