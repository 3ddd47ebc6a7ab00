/* icalendar_split_fuzz: any bytes as a file of calendars.
 *
 * Besides memory errors it looks for broken promises: the calendars that are found lie in the file
 * one after the other; what is split once stays as it is when it is split again.
 */
#include <stdint.h>

#include "base/must.h"
#include "content/icalendar_split.h"

static void check_whole(GBytes *object)
{
    gsize size;
    const char *data = g_bytes_get_data(object, &size);
    g_auto(IcalendarSplit) again = icalendar_split(data, size);
    MUST(again.objects->len <= 1 || size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *at = (const char *)bytes, *end = at + size, *before, *begin;
    size_t found;
    for (before = at; (begin = icalendar_split_next(&at, end, &found)); before = at) {
        MUST(begin >= before && found > 0 && begin + found <= at && at <= end);
        g_auto(IcalendarSplit) split = icalendar_split(begin, found);
        for (guint i = 0; i < split.objects->len; i++)
            check_whole(split.objects->pdata[i]);
    }
    return 0;
}
