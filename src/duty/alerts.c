/* alerts: see alerts.h. What is pushed is a CalendarAlert as JMAP for calendars has it
 * (draft-ietf-jmap-calendars): who has no JMAP calendar finds the event by its UID.
 *
 * Failures: the store's, and a key that is none; an object that is gone, or that nobody can read,
 * is nothing to do.
 */
#include "duty/alerts.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/limits_calendar.h"
#include "base/limits_push.h"
#include "base/must.h"
#include "content/civil.h"
#include "model/invitation.h"

#define LOOK_LATER_MS INT64_C(86400000) /* at a series that was cut */

void alerts_free(gpointer data)
{
    Alerts *alerts = data;
    if (!alerts)
        return;
    calendar_object_free(alerts->object);
    icalendar_free(alerts->parsed);
    zone_unref(alerts->zone);
    g_free(alerts->address);
    if (alerts->addresses)
        g_ptr_array_unref(alerts->addresses);
    alarm_answer_clear(&alerts->answer);
    g_free(alerts);
}

static bool read_rest(Run *run, Alerts *alerts, GError **error)
{
    const DutySettings *settings = run->settings;
    g_autoptr(Calendar) calendar = calendar_new("");
    g_clear_pointer(&calendar->zone, g_free);
    alerts->object = calendar_object_get(run->db, alerts->account, alerts->id, error);
    if (!alerts->object ||
        !calendar_alert_person(run->db, alerts->account, alerts->object->calendar, &alerts->address,
                               &calendar->zone, error))
        return false;
    alerts->zone = calendar_zone(calendar, settings->time_zone);
    alerts->parsed = calendar_object_parse(alerts->object);
    if (!alerts->parsed)
        g_clear_pointer(&alerts->object, calendar_object_free);
    /* They tell whether the person has declined: of use where somebody is invited. */
    bool guests = false;
    for (unsigned i = 0; alerts->parsed && i < alerts->parsed->items->len; i++)
        guests |= ((const IcalendarItem *)alerts->parsed->items->pdata[i])->attendees->len > 0;
    if (guests && !(alerts->addresses = imip_addresses(run->db, alerts->account, error)))
        return false;
    if (guests)
        g_ptr_array_add(alerts->addresses, NULL);
    return true;
}

Alerts *alerts_read(Run *run, unsigned index, int64_t now, GError **error)
{
    g_autoptr(GError) why = NULL;
    Alerts *alerts = g_new0(Alerts, 1);
    alerts->task = index;
    alerts->now = now;
    alerts->same = alerts->ended = true;
    if (!calendar_alert_parse_key(run->tasks[index].key, &alerts->account, &alerts->id)) {
        fail(error, ERROR_REJECT, "\"%s\" is no object of a calendar", run->tasks[index].key);
        alerts_free(alerts);
        return NULL;
    }
    if (read_rest(run, alerts, &why))
        return alerts;
    if (error_kind(why) == ERROR_GONE) {
        g_clear_pointer(&alerts->object, calendar_object_free);
        return alerts;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    alerts_free(alerts);
    return NULL;
}

/* As soon as the next one may go out: one that comes too near is not woken for. */
static int64_t find_next(const Alerts *alerts, AlarmAsk ask, int64_t interval)
{
    bool waits = false;
    for (unsigned way = 0; interval > 0 && way < ALARM_WAYS; way++) {
        ask.quiet_until[way] = alerts->last[way] + interval;
        waits |= alerts->answer.next < ask.quiet_until[way];
    }
    if (!waits)
        return alerts->answer.next;
    ask.after = ask.now;
    g_auto(AlarmAnswer) answer = alarm_find(alerts->parsed, &ask);
    return answer.next;
}

void alerts_find(Alerts *alerts, const DutySettings *settings)
{
    const CalendarObject *object = alerts->object;
    if (!object)
        return;
    AlarmAsk ask = {.floating = alerts->zone,
                    .addresses =
                        alerts->addresses ? (const char *const *)alerts->addresses->pdata : NULL,
                    .after = object->alerted_at / 1000,
                    .now = alerts->now / 1000,
                    .max = (unsigned)settings->calendar_max_expansions};
    AlarmChoice choice = {
        .now = ask.now,
        .interval = settings->alarm_interval_ms / 1000,
        .last = {
            [ALARM_MAILED] = object->mailed_at / 1000, [ALARM_SHOWN] = object->shown_at / 1000}};
    alerts->answer = alarm_find(alerts->parsed, &ask);
    alerts->changes = alerts->answer.due->len > 0;
    alarm_choose(&alerts->answer, &choice);
    for (unsigned way = 0; way < ALARM_WAYS; way++)
        alerts->last[way] = choice.last[way];
    int64_t next = find_next(alerts, ask, choice.interval);
    alerts->next = next == INT64_MAX ? 0 : next * 1000;
    if (!alerts->next && alerts->answer.cut)
        alerts->next = alerts->now + LOOK_LATER_MS;
    alerts->changes |= alerts->next != object->alert_at;
    alerts->ended = !alerts->changes;
}

CalendarAlertMark alerts_mark(const Alerts *alerts)
{
    return (CalendarAlertMark){.object = alerts->object,
                               .alerted_at = alerts->now,
                               .alert_at = alerts->next,
                               .mailed_at = alerts->last[ALARM_MAILED] * 1000,
                               .shown_at = alerts->last[ALARM_SHOWN] * 1000};
}

/* Of a series: the instance's start as the series alone has it, in its own zone. */
static json_t *recurrence_of(const Alerts *alerts, const AlarmRing *ring)
{
    const IcalendarItem *item = ring->instance.item, *first = alerts->parsed->items->pdata[0];
    if (!first->recurrence.set && !first->rules->len && !first->dates->len)
        return json_null();
    if (ring->alarm->is_absolute && !item->recurrence.set) /* of the whole series */
        return json_null();
    const Zone *zone = first->start.zone ? first->start.zone : alerts->zone;
    int64_t wall = zone_to_wall(zone, ring->instance.recurrence);
    int64_t day = civil_floor(wall, CIVIL_DAY), of_day = wall - day * CIVIL_DAY;
    CivilDate date = civil_date(day);
    g_autofree char *text =
        g_strdup_printf("%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month, date.day,
                        (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
    return json_string(text);
}

/* By its UID, else by its place among the component's. */
static char *alert_id(const AlarmRing *ring)
{
    guint place = 0;
    if (*ring->alarm->uid)
        return g_strdup(ring->alarm->uid);
    g_ptr_array_find(ring->instance.item->alarms, ring->alarm, &place);
    return g_strdup_printf("%u", place + 1);
}

static char *format_push(const Alerts *alerts, const AlarmRing *ring)
{
    g_autofree char *account = g_strdup_printf("a%" G_GINT64_FORMAT, alerts->account);
    g_autofree char *event = g_strdup_printf("%" G_GINT64_FORMAT, alerts->id);
    g_autofree char *alert = alert_id(ring);
    json_t *push =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "@type", "CalendarAlert", "accountId", account,
                  "calendarEventId", event, "uid", alerts->object->uid, "recurrenceId",
                  recurrence_of(alerts, ring), "alertId", alert);
    MUST(push != NULL);
    char *dumped = json_dumps(push, JSON_COMPACT), *text = g_strdup(dumped);
    free(dumped);
    json_decref(push);
    return text;
}

bool alerts_show(Db *db, const Alerts *alerts, GError **error)
{
    for (unsigned i = 0; alerts->answer.due && i < alerts->answer.due->len; i++) {
        const AlarmRing *ring = &g_array_index(alerts->answer.due, AlarmRing, i);
        if (alarm_way(ring->alarm) != ALARM_SHOWN)
            continue;
        g_autofree char *name = reminder_ring(ring);
        g_autofree char *text = format_push(alerts, ring);
        int64_t end = ring->instance.timeless ? 0 : ring->instance.end * 1000;
        CalendarAlert alert = {.account = alerts->account,
                               .object = alerts->id,
                               .ring = name,
                               .due_at = ring->at * 1000};
        if (!calendar_alert_show(
                db, &alert, text,
                CLAMP(end, alerts->now + PUSH_ALERT_MIN_MS, alerts->now + PUSH_ALERT_MAX_MS),
                error))
            return false;
    }
    return true;
}
