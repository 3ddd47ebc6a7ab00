/* calendar_draft: bytes of a client made ready to be stored, outside any transaction.
 *
 * How it fits: a door makes it, calendar_store.c writes it. The bounds of a series and its next
 * alarm are reckoned here, which may take milliseconds. Failures: ERROR_REJECT for what is no
 * object that may be stored.
 */
#include "base/hash.h"
#include "base/limits_calendar.h"
#include "content/alarm.h"
#include "model/calendar_object.h"

/* Seconds as ms, with the ends that mean "none". */
static int64_t to_ms(int64_t seconds)
{
    if (seconds == INT64_MIN || seconds == INT64_MAX)
        return seconds;
    return seconds * 1000;
}

CalendarDraft *calendar_draft_new(GBytes *data, const CalendarDraftAsk *ask, GError **error)
{
    size_t size;
    const void *bytes = g_bytes_get_data(data, &size);
    int64_t most = ask->limits.bytes_max ? ask->limits.bytes_max : CALENDAR_OBJECT_BYTES_MAX;
    Icalendar *object = ask->facts && (int64_t)size <= most ? g_steal_pointer(ask->facts) : NULL;
    if (!object)
        object = icalendar_parse(bytes, size, &ask->limits, error);
    if (!object)
        return NULL;
    if (!icalendar_is_storable(object, error)) {
        icalendar_free(object);
        return NULL;
    }
    CalendarDraft *draft = g_new0(CalendarDraft, 1);
    Digest digest = digest_of(bytes, size);
    g_autofree char *hex = digest_format(&digest);
    RecurrenceBounds bounds = recurrence_bounds(object, ask->expansions);
    int64_t now = ask->now / 1000;
    AlarmAsk alarms = {.floating = ask->zone, .after = now, .now = now, .max = ask->expansions};
    g_auto(AlarmAnswer) next = alarm_find(object, &alarms);
    draft->data = g_bytes_ref(data);
    draft->etag = g_strndup(hex, 32);
    draft->object = object;
    draft->recurs = bounds.recurs;
    draft->first_at = to_ms(bounds.first);
    draft->last_at = to_ms(bounds.last);
    draft->alert_at = next.next == INT64_MAX ? 0 : next.next * 1000;
    if (!draft->alert_at && next.cut) /* look again when the series has moved on */
        draft->alert_at = ask->now + INT64_C(86400000);
    draft->now = ask->now;
    return draft;
}

void calendar_draft_free(CalendarDraft *draft)
{
    if (!draft)
        return;
    g_bytes_unref(draft->data);
    g_free(draft->etag);
    icalendar_free(draft->object);
    g_free(draft);
}
