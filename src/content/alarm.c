/* alarm: what rings, and what rings next.
 *
 * How it fits: model/calendar.c asks for the next ring when an object is stored, duty/
 * calendar_alerts.c asks what is due. The walk goes over instances in order and ends where none
 * that comes can ring before the best that was found. Failures: none. Known weak points: an object
 * with more instances between two rings than may be expanded is cut, and asked again later.
 */
#include "content/alarm.h"

#include "base/limits_calendar.h"

#include "content/civil.h"

#define SLACK (2 * CIVIL_DAY) /* in_order is in order but for a gap, a shift and a nominal day */

/* From an instance's start to the earliest and the latest that one of its alarms rings. */
typedef struct {
    int64_t before, after;
} Reach;

void alarm_answer_clear(AlarmAnswer *answer)
{
    if (answer->due)
        g_array_unref(answer->due);
    answer->due = NULL;
}

bool alarm_has_any(const Icalendar *object)
{
    for (unsigned i = 0; i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        if (item->alarms->len)
            return true;
    }
    return false;
}

AlarmWay alarm_way(const IcalendarAlarm *alarm)
{
    return alarm->action == ALARM_EMAIL ? ALARM_MAILED : ALARM_SHOWN;
}

static int64_t seconds_of(const IcalendarSpan *span)
{
    return span->days * CIVIL_DAY + span->seconds;
}

static Reach reach_of(const Icalendar *object)
{
    Reach reach = {0};
    int64_t length = recurrence_reach(object);
    for (unsigned i = 0; i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        for (unsigned k = 0; k < item->alarms->len; k++) {
            const IcalendarAlarm *alarm = item->alarms->pdata[k];
            int64_t first = seconds_of(&alarm->trigger);
            int64_t last = first + alarm->repeats * seconds_of(&alarm->pause);
            reach.before = MAX(reach.before, -first);
            reach.after = MAX(reach.after, last + (alarm->of_end ? length : 0));
        }
    }
    reach.before += SLACK + length; /* THISANDFUTURE may bring an instance forward */
    reach.after += SLACK + length;
    return reach;
}

static bool is_declined(const IcalendarItem *item, const char *const *addresses)
{
    for (unsigned i = 0; addresses && i < item->attendees->len; i++) {
        const IcalendarAttendee *attendee = item->attendees->pdata[i];
        if (g_strcmp0(attendee->status, "DECLINED") == 0 &&
            g_strv_contains(addresses, attendee->address))
            return true;
    }
    return false;
}

static bool is_silent(const IcalendarItem *item, const char *const *addresses)
{
    return item->is_cancelled || item->is_completed || is_declined(item, addresses);
}

static void ring(AlarmAnswer *answer, const AlarmAsk *ask, const AlarmRing *one)
{
    if (one->alarm->is_acknowledged && one->at <= one->alarm->acknowledged)
        return;
    if (one->at <= one->instance.item->seen || one->at <= ask->after)
        return;
    if (one->at <= ask->now)
        g_array_append_vals(answer->due, one, 1);
    else if (one->at >= ask->quiet_until[alarm_way(one->alarm)])
        answer->next = MIN(answer->next, one->at);
}

/* Only days go by the wall: an hour after an end in the hour that comes twice is an hour after it.
 */
static int64_t relative_at(const IcalendarAlarm *alarm, const Instance *instance)
{
    if (alarm->trigger.days == 0)
        return (alarm->of_end ? instance->end : instance->start) + alarm->trigger.seconds;
    return icalendar_later(alarm->of_end ? instance->end_wall : instance->wall, instance->zone,
                           &alarm->trigger);
}

static void ring_instance(AlarmAnswer *answer, const AlarmAsk *ask, const Instance *instance,
                          bool absolute)
{
    const IcalendarItem *item = instance->item;
    if (is_silent(item, ask->addresses))
        return;
    for (unsigned i = 0; i < item->alarms->len; i++) {
        const IcalendarAlarm *alarm = item->alarms->pdata[i];
        AlarmRing one = {.alarm = alarm, .instance = *instance};
        if (alarm->is_absolute != absolute || (!absolute && instance->timeless))
            continue;
        if (absolute)
            one.at = alarm->at;
        else
            one.at = relative_at(alarm, instance);
        one.is_over =
            !instance->timeless && instance->end < ask->now && !(absolute && item->rules->len);
        for (one.repeat = 0; one.repeat <= alarm->repeats; one.repeat++) {
            ring(answer, ask, &one);
            one.at += seconds_of(&alarm->pause);
        }
    }
}

/* Absolute alarms belong to the component, not to each of its instances. */
static void ring_absolute(AlarmAnswer *answer, const AlarmAsk *ask, const Icalendar *object)
{
    for (unsigned i = 0; i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        const Zone *zone = item->start.zone ? item->start.zone : ask->floating;
        Instance own = {.item = item, .timeless = !item->start.set, .zone = zone};
        if (item->start.set) {
            own.start = zone_to_utc(zone, item->start.wall);
            own.wall = zone_to_wall(zone, own.start);
            own.end = icalendar_later(own.wall, zone, &item->length);
            own.end_wall = zone_to_wall(zone, own.end);
        }
        own.recurrence =
            item->recurrence.set ? icalendar_utc(&item->recurrence, ask->floating) : own.start;
        ring_instance(answer, ask, &own, true);
    }
}

static int compare_rings(gconstpointer a, gconstpointer b)
{
    const AlarmRing *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* It has an alarm that each of its instances rings. */
static bool rings_relative(const IcalendarItem *item, const AlarmAsk *ask)
{
    if (is_silent(item, ask->addresses))
        return false;
    for (unsigned i = 0; i < item->alarms->len; i++)
        if (!((const IcalendarAlarm *)item->alarms->pdata[i])->is_absolute)
            return true;
    return false;
}

static bool any_rings_relative(const Icalendar *object, const AlarmAsk *ask)
{
    for (unsigned i = 0; i < object->items->len; i++)
        if (rings_relative(object->items->pdata[i], ask))
            return true;
    return false;
}

/* What the series is like in the end: the last THISANDFUTURE, or the series itself. NULL: overrides
 * alone. */
static const IcalendarItem *last_of_series(const Icalendar *object, const Zone *floating)
{
    const IcalendarItem *last = object->has_master ? object->items->pdata[0] : NULL;
    int64_t best = INT64_MIN;
    for (unsigned i = 1; last && i < object->items->len; i++) {
        const IcalendarItem *item = object->items->pdata[i];
        int64_t at = icalendar_utc(&item->recurrence, floating);
        if (item->and_future && item->start.set && at >= best) {
            last = item;
            best = at;
        }
    }
    return last;
}

AlarmAnswer alarm_find(const Icalendar *object, const AlarmAsk *ask)
{
    AlarmAnswer answer = {.due = g_array_new(FALSE, FALSE, sizeof(AlarmRing)), .next = INT64_MAX};
    if (!alarm_has_any(object))
        return answer;
    Reach reach = reach_of(object);
    RecurrenceAsk from = {.floating = ask->floating, .max = ask->max};
    from.from = ask->after > INT64_MIN + reach.after ? ask->after - reach.after : INT64_MIN;
    ring_absolute(&answer, ask, object);
    if (!any_rings_relative(object, ask)) { /* an endless series would be walked for nothing */
        g_array_sort(answer.due, compare_rings);
        return answer;
    }
    g_autoptr(RecurrenceWalk) walk = recurrence_new(object, &from);
    const IcalendarItem *last = last_of_series(object, ask->floating);
    bool ends = last && !rings_relative(last, ask);
    Instance instance;
    while (recurrence_next(walk, &instance)) {
        if (instance.in_order &&
            ((ends && instance.item == last) ||
             (answer.next != INT64_MAX && instance.recurrence - reach.before > answer.next)))
            break;
        ring_instance(&answer, ask, &instance, false);
    }
    answer.cut = recurrence_is_cut(walk);
    g_array_sort(answer.due, compare_rings);
    return answer;
}

static bool is_repeated(const GArray *due, unsigned index)
{
    const AlarmRing *one = &g_array_index(due, AlarmRing, index);
    for (unsigned i = index + 1; one->alarm->repeats && i < due->len; i++) {
        const AlarmRing *other = &g_array_index(due, AlarmRing, i);
        if (other->alarm == one->alarm && other->instance.recurrence == one->instance.recurrence)
            return true;
    }
    return false;
}

void alarm_choose(AlarmAnswer *answer, AlarmChoice *choice)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < answer->due->len; i++) {
        const AlarmRing *one = &g_array_index(answer->due, AlarmRing, i);
        int64_t *last = &choice->last[alarm_way(one->alarm)];
        bool stale = one->is_over && choice->now - one->at >= ALARM_LATE_S;
        bool near = one->at > *last && one->at - *last < choice->interval;
        if (stale || near || is_repeated(answer->due, i))
            continue;
        *last = one->at;
        g_array_index(answer->due, AlarmRing, kept++) = *one;
    }
    g_array_set_size(answer->due, kept);
}
