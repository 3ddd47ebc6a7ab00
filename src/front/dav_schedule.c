/* dav_schedule: what a change of an event with an organizer has to keep to, and what comes of it
 * (RFC 6638 section 3).
 *
 * How it fits: PUT and DELETE come by here in their transaction, before the object is written. The
 * invitations, answers and cancellations that a change means are written by model/imip_out.c in the
 * same transaction and sent by imip-processing. An event without an organizer costs a look at what
 * is there.
 *
 * Failures: 403 with a named condition: same-organizer-in-all-components,
 * unique-scheduling-object-resource, allowed-organizer-scheduling-object-change,
 * allowed-attendee-scheduling-object-change; the store's. Known weak point: an attendee may change
 * the times of his copy: that goes out as a COUNTER.
 */
#include <string.h>

#include "base/error.h"
#include "model/account.h"
#include "model/invitation.h"

#include "front/dav.h"
#include "front/dav_xml.h"

/* While one change is looked at. */
typedef struct {
    Dav *dav;
    ItipOwn own;
    const Icalendar *before, *after; /* NULL: was not there; goes */
} Change;

/* The first organizer's address; "": it has none. */
static const char *organizer_of(const Icalendar *object)
{
    for (unsigned i = 0; object && i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        if (item->organizer)
            return item->organizer->address;
    }
    return "";
}

/* It is a scheduling object of the person: they organize it, or are invited (section 3.1). */
static bool is_scheduling(const ItipOwn *own, const Icalendar *object)
{
    const char *organizer = organizer_of(object);
    if (*organizer && itip_is_own(own, organizer))
        return true;
    for (unsigned i = 0; *organizer && i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        for (unsigned k = 0; k < item->attendees->len; k++)
            if (itip_is_own(own, ((IcalendarAttendee *)item->attendees->pdata[k])->address))
                return true;
    }
    return false;
}

static bool check_same_organizer(const Change *change)
{
    const char *organizer = organizer_of(change->after);
    for (unsigned i = 0; i < change->after->items->len; i++) {
        const IcalendarItem *item = change->after->items->pdata[i];
        if (item->organizer && strcmp(item->organizer->address, organizer) == 0)
            continue;
        dav_refuse(change->dav, 403, "C:same-organizer-in-all-components",
                   "one event has one organizer in all its components");
        return false;
    }
    return true;
}

static bool check_organizer_stays(const Change *change)
{
    const char *was = organizer_of(change->before), *is = organizer_of(change->after);
    bool own = itip_is_own(&change->own, was);
    if (!*was || strcmp(was, is) == 0 || (own && !*is))
        return true;
    dav_refuse(change->dav, 403,
               own ? "C:allowed-organizer-scheduling-object-change"
                   : "C:allowed-attendee-scheduling-object-change",
               own ? "the organizer of an event stays who they are"
                   : "who is invited cannot change the organizer");
    return false;
}

static bool refuse_twin(const Change *change, const CalendarObject *twin, GError **error)
{
    Dav *dav = change->dav;
    g_autoptr(Calendar) calendar =
        calendar_get(dav->call->db, dav->call->account, twin->calendar, error);
    if (!calendar)
        return false;
    g_autofree char *path = dav_path(dav, DAV_OBJECT, calendar->name, twin->name);
    g_autofree char *detail = g_strdup_printf("the event is in another calendar: %s", path);
    dav_refuse(dav, 403, "C:unique-scheduling-object-resource", detail);
    return false;
}

/* No other calendar of the person's has it: two copies would be answered for twice. */
static bool check_unique(const Change *change, GError **error)
{
    const Dav *dav = change->dav;
    g_autoptr(GPtrArray) all =
        calendar_object_by_uid(dav->call->db, dav->call->account, change->after->uid, error);
    if (!all)
        return false;
    for (unsigned i = 0; i < all->len; i++) {
        const CalendarObject *each = all->pdata[i];
        if (each->calendar == dav->calendar->id)
            continue; /* there is no-uid-conflict for that */
        g_autoptr(Icalendar) parsed = calendar_object_parse(each);
        if (parsed && is_scheduling(&change->own, parsed))
            return refuse_twin(change, each, error);
    }
    return true;
}

static bool check(const Change *change, GError **error)
{
    if (change->before && change->after && is_scheduling(&change->own, change->before) &&
        !check_organizer_stays(change))
        return false;
    if (!change->after || !is_scheduling(&change->own, change->after))
        return true;
    return check_same_organizer(change) && (change->before || check_unique(change, error));
}

/* Whether the bytes may have an organizer: cheaper than to read them. */
static bool mentions_organizer(GBytes *bytes)
{
    static const char word[] = "organizer";
    gsize size, have = 0;
    const char *text = g_bytes_get_data(bytes, &size);
    for (gsize i = 0; i < size && have < sizeof word - 1; i++) {
        if (g_ascii_isspace(text[i])) /* a line may be folded anywhere */
            continue;
        have =
            g_ascii_tolower(text[i]) == word[have] ? have + 1 : g_ascii_tolower(text[i]) == word[0];
    }
    return have == sizeof word - 1;
}

/* "Schedule-Reply: F": who deletes an invitation does not want it answered (section 8.1). */
static bool is_silent(const Change *change)
{
    const char *reply = dav_field(change->dav->call, "Schedule-Reply");
    return !change->after && reply && (*reply == 'F' || *reply == 'f') &&
           !itip_is_own(&change->own, organizer_of(change->before));
}

bool dav_schedule_change(Dav *dav, const CalendarDraft *after, GError **error)
{
    g_autoptr(GError) why = NULL;
    Db *db = dav->call->db;
    int64_t account = dav->call->account;
    if (!dav->settings->scheduling)
        return true;
    if (!account_lock_row(db, account, error))
        return false;
    g_autoptr(CalendarObject) had =
        calendar_object_find(db, account, dav->calendar->id, dav->object_name, &why);
    if (!had && error_kind(why) != ERROR_GONE) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    bool was = had && mentions_organizer(had->data);
    if (!was && (!after || !*organizer_of(after->object)))
        return true;
    g_autoptr(GPtrArray) own = imip_addresses(db, account, error);
    g_autoptr(Icalendar) before = had ? calendar_object_parse(had) : NULL;
    if (!own)
        return false;
    Change change = {.dav = dav,
                     .own = {(const char *const *)own->pdata, own->len},
                     .before = before,
                     .after = after ? after->object : NULL};
    if (!check(&change, error))
        return false;
    /* Without an organizer it is nobody's meeting any more: for others it goes. */
    bool stays = after && *organizer_of(after->object);
    return is_silent(&change) ||
           imip_change(db, dav->calendar, dav->object_name, stays ? after->data : NULL, error);
}

static ItipObject *parse_lines(GBytes *bytes)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    return itip_object_parse(data, size, &icalendar_stored, NULL);
}

bool dav_schedule_merge(Dav *dav, const CalendarMatch *match, CalendarDraft **draft,
                        bool *ret_merged, GError **error)
{
    g_autoptr(GError) why = NULL;
    Db *db = dav->call->db;
    int64_t account = dav->call->account;
    *ret_merged = false;
    if (!dav->settings->scheduling || !match->schedule_tag || !*organizer_of((*draft)->object))
        return true;
    if (!account_lock_row(db, account, error))
        return false;
    g_autoptr(CalendarObject) had =
        calendar_object_find(db, account, dav->calendar->id, dav->object_name, &why);
    if (!had && error_kind(why) != ERROR_GONE)
        g_propagate_error(error, g_steal_pointer(&why));
    g_autoptr(GPtrArray) own = had ? imip_addresses(db, account, error) : NULL;
    if (!own)
        return !*error; /* nothing is there: the tag does not hold */
    g_autoptr(ItipObject) stored = parse_lines(had->data);
    g_autoptr(ItipObject) next = parse_lines((*draft)->data);
    ItipOwn mine = {(const char *const *)own->pdata, own->len};
    g_autoptr(GBytes) merged = stored && next ? itip_keep_answers(stored, next, &mine) : NULL;
    if (!merged)
        return true;
    const Zone *zone = dav_zone(dav);
    CalendarDraftAsk ask = {.limits = icalendar_stored,
                            .expansions = dav->settings->expansions,
                            .zone = zone,
                            .now = clock_wall_ms(dav->call->house->clock)};
    CalendarDraft *made = calendar_draft_new(merged, &ask, error);
    zone_unref(zone);
    if (!made)
        return false;
    calendar_draft_free(*draft);
    *draft = made;
    *ret_merged = true;
    return true;
}
