/* retry_after: see retry_after.h. Dates in the three forms of HTTP are libcurl's to read; it takes
 * some more forms, which do no harm. Failures: none; what cannot be read asks for no wait. */
#include "remote/retry_after.h"

#include <curl/curl.h>
#include <glib.h>
#include <string.h>

#include "base/limits_remote.h"

int64_t retry_after_ms(const char *value, int64_t now_ms)
{
    if (!value)
        return 0;
    int64_t most = (int64_t)FETCH_RETRY_AFTER_MAX_S * 1000, wait;
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && value[digits + strspn(value + digits, " \t")] == '\0') {
        guint64 seconds = g_ascii_strtoull(value, NULL, 10); /* the largest, if it is larger */
        return (int64_t)MIN(seconds, FETCH_RETRY_AFTER_MAX_S) * 1000;
    }
    int64_t date_s = curl_getdate(value, NULL);
    if (date_s < 0 || date_s > now_ms / 1000 + FETCH_RETRY_AFTER_MAX_S)
        return date_s < 0 ? 0 : most;
    wait = date_s * 1000 - now_ms;
    return MAX(wait, 0);
}
