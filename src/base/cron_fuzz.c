/* cron_fuzz: any text is refused or has slots that only go forward, in a zone with clock changes
 * too; durations and sizes read back. */
#include <stddef.h>
#include <stdint.h>

#include "base/cron.h"
#include "base/must.h"
#include "base/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static GTimeZone *zone;
    if (!zone)
        zone = g_time_zone_new_identifier("America/St_Johns");
    int64_t after = 0, value;
    if (size < 4)
        return 0;
    for (unsigned i = 0; i < 4; i++)
        after = after << 8 | bytes[i];
    after *= 1000;
    g_autofree char *text = g_strndup((const char *)bytes + 4, size - 4);
    if (units_parse_duration(text, &value, NULL)) {
        g_autofree char *again = units_format_duration(value);
        int64_t same = -1;
        MUST(units_parse_duration(again, &same, NULL) && same == value);
    }
    if (units_parse_size(text, &value, NULL))
        MUST(value >= 0);
    g_autoptr(CronSchedule) schedule = cron_parse(text, NULL);
    if (!schedule)
        return 0;
    for (unsigned i = 0; i < 3 && after != INT64_MAX; i++) {
        int64_t next = cron_next(schedule, after, i == 2 ? NULL : zone);
        MUST(next > after && next - after <= (int64_t)CRON_DAYS_MAX * 86400000);
        after = next;
    }
    return 0;
}
