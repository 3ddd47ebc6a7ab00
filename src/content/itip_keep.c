/* itip_keep: a client's new version of a meeting that it made before answers came (RFC 6638 section
 * 3.2.10).
 *
 * How it fits: a PUT with If-Schedule-Tag-Match says "unless more than answers has changed": the
 * answers that the calendar has are then the newer ones, and stay. For each attendee that both
 * versions have in the same component, with the same times, the stored line is kept. Where the
 * times are others, everybody is asked anew, and what the client wrote holds. Failures: none.
 */
#include <string.h>

#include "content/itip_private.h"

/* An answer and what came of the mail that asked for it. */
static bool same_answer(const ItipLine *a, const ItipLine *b)
{
    static const char *const names[] = {"PARTSTAT", "SCHEDULE-STATUS"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *one = itip_line_parameter(a, names[i]);
        g_autofree char *other = itip_line_parameter(b, names[i]);
        if (g_strcmp0(one, other) != 0)
            return false;
    }
    return true;
}

static bool keep_answers(const ItipPart *stored, ItipPart *part, const ItipOwn *own)
{
    bool changed = false;
    for (guint i = 0; i < part->lines->len; i++) {
        ItipLine *line = part->lines->pdata[i];
        if (strcmp(line->name, "ATTENDEE") != 0)
            continue;
        g_autofree char *address = icalendar_address(itip_line_value(line));
        const ItipLine *was = itip_person_find(stored, "ATTENDEE", address);
        if (!was || itip_is_own(own, address) || same_answer(was, line))
            continue;
        g_autofree char *answer = itip_line_parameter(was, "PARTSTAT");
        g_autofree char *status = itip_line_parameter(was, "SCHEDULE-STATUS");
        itip_line_set_parameter(line, "PARTSTAT", answer);
        itip_line_set_parameter(line, "SCHEDULE-STATUS", status);
        changed = true;
    }
    return changed;
}

GBytes *itip_keep_answers(const ItipObject *stored, ItipObject *next, const ItipOwn *own)
{
    bool changed = false;
    if (!itip_is_own(own, itip_organizer(next)))
        return NULL;
    for (guint i = 0; i < next->facts->items->len; i++) {
        g_autofree char *key = itip_key(itip_item(next, i));
        guint at;
        if (itip_find(stored, key, &at) && itip_same_times(stored, at, next, i))
            changed |= keep_answers(itip_part(stored, at), itip_part(next, i), own);
    }
    return changed ? itip_part_format(next->root) : NULL;
}
