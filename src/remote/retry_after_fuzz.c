/* retry_after_fuzz: any text as Retry-After: the wait is from 0 to the longest. */
#include <stddef.h>
#include <stdint.h>

#include "base/limits_remote.h"
#include "base/must.h"
#include "remote/retry_after.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autofree char *text = g_strndup((const char *)bytes, size);
    for (int64_t now = 0; now <= INT64_C(1) << 44; now = now * 2 + 1000) {
        int64_t wait = retry_after_ms(text, now);
        MUST(wait >= 0 && wait <= (int64_t)FETCH_RETRY_AFTER_MAX_S * 1000);
    }
    return 0;
}
