/* itip_add: instances that an organizer adds to a series.
 *
 * How it fits: itip.c calls this for ADD (RFC 5546 section 3.2.4). What is added is taken as if the
 * series had an RDATE for it, with an override of its own, since it may have another length, place
 * or text. A rule of its own (section 4.4.7) is written out, instance by instance: a second RRULE
 * is read by few programs, and its instances could not differ from the others. So it has to end.
 *
 * Whoever has instances alone and not the series asks the organizer for it: REFRESH.
 *
 * Failures: none; each outcome says why. Known weak point: several VEVENTs in one ADD are two
 * components of one UID, and refused where they are read.
 */
#include "base/limits_imip.h"
#include "content/recurrence.h"

#include "content/itip_private.h"

/* One that is not there yet. */
static bool add_instance(ItipWork *work, const IcalendarItem *named, bool expanded)
{
    const ItipObject *message = work->message;
    ItipObject *stored = work->stored;
    ItipPart *series = itip_part(stored, 0);
    g_autofree char *key = itip_key(named);
    guint at;
    if (itip_find(stored, key, &at) || itip_has_instance(stored, named, work->ask->expansions_max))
        return false;
    ItipPart *part =
        expanded ? itip_override_new(message, named) : itip_part_copy(itip_part(message, 0));
    g_autofree char *instance = itip_instance_line(stored, named, "RECURRENCE-ID");
    g_autofree char *date = itip_instance_line(stored, named, "RDATE");
    itip_carry_over(work, part, series, NULL, false);
    itip_lines_remove(part, "RECURRENCE-ID");
    itip_line_add(part, instance);
    itip_line_add(series, date);
    g_ptr_array_add(stored->root->parts, part);
    return true;
}

/* All that the message's component stands for. */
static unsigned add_instances(ItipWork *work, const GArray *instances)
{
    const IcalendarItem *item = itip_item(work->message, 0);
    bool expanded = item->rules->len || item->dates->len;
    unsigned done = 0;
    for (guint i = 0; i < instances->len; i++) {
        const Instance *instance = &g_array_index(instances, Instance, i);
        IcalendarItem named = *item; /* an instance is known by its start */
        named.recurrence = item->start;
        named.recurrence.wall = instance->wall;
        done += add_instance(work, &named, expanded);
    }
    return done;
}

static bool may_add(ItipWork *work)
{
    const IcalendarItem *item = itip_item(work->message, 0);
    if (!itip_has_starts(work))
        return false;
    if (!work->stored)
        return itip_end(work, ITIP_IGNORED, "the calendar has no event that it could be added to");
    if (!itip_is_from_organizer(work))
        return false;
    if (work->message->parts->len != 1 || item->recurrence.set)
        return itip_end(work, ITIP_REFUSED, "an ADD has one component, which is no instance yet");
    if (!work->stored->facts->has_master) {
        work->decision->person = g_strdup(itip_organizer(work->stored));
        return itip_end(work, ITIP_ASKED, "the series is not here: its organizer is asked for it");
    }
    return item->sequence >= itip_item(work->stored, 0)->sequence ||
           itip_end(work, ITIP_IGNORED, "the calendar has this, or a newer one");
}

void itip_decide_add(ItipWork *work)
{
    const IcalendarItem *item = itip_item(work->message, 0);
    bool cut = false;
    if (!may_add(work))
        return;
    RecurrenceAsk ask = {.floating = zone_utc(), .from = INT64_MIN, .max = ITIP_INSTANCES_MAX + 1};
    g_autoptr(GArray) instances = recurrence_between(work->message->facts, &ask, INT64_MAX, &cut);
    if (cut || instances->len > ITIP_INSTANCES_MAX) {
        itip_end(work, ITIP_REFUSED, "it adds more than %d instances", ITIP_INSTANCES_MAX);
        return;
    }
    unsigned done = add_instances(work, instances);
    if (!done) {
        itip_end(work, ITIP_IGNORED, "the calendar has this, or a newer one");
        return;
    }
    g_autofree char *sequence = g_strdup_printf("%" G_GINT64_FORMAT, item->sequence);
    itip_line_set(itip_part(work->stored, 0), "SEQUENCE", sequence);
    itip_add_zones(work->stored->root, work->message->root);
    work->decision->object = itip_part_format(work->stored->root);
    itip_end(work, ITIP_UPDATED, "%u instances are new", done);
}
