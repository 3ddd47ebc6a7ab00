/* icalendar_fuzz: any bytes are an object or refused; its instances and alarms are bounded, in
 * order and within its bounds. */
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/must.h"
#include "content/alarm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Icalendar) object = icalendar_parse(bytes, size, NULL, &error);
    MUST((object != NULL) == (error == NULL));
    if (!object)
        return 0;
    RecurrenceBounds bounds = recurrence_bounds(object, 50);
    RecurrenceAsk ask = {.floating = zone_utc(), .from = 1700000000, .max = 50};
    g_autoptr(GArray) found = recurrence_between(object, &ask, 1800000000, NULL);
    for (unsigned i = 0; i < found->len; i++) {
        const Instance *instance = &g_array_index(found, Instance, i);
        MUST(instance->end >= instance->start);
        MUST(instance->timeless ||
             (instance->start >= bounds.first && instance->end <= bounds.last));
    }
    AlarmAsk alarms = {.floating = zone_utc(), .after = 1700000000, .now = 1710000000, .max = 50};
    g_auto(AlarmAnswer) answer = alarm_find(object, &alarms);
    MUST(answer.next > alarms.now);
    return 0;
}
