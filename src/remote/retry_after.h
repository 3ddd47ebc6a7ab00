/* retry_after.h: the header Retry-After (RFC 9110 §10.2.3) as a wait. Pure; any thread.
 */
#ifndef ROTA_REMOTE_RETRY_AFTER_H
#define ROTA_REMOTE_RETRY_AFTER_H

#include <stdint.h>

/* In ms, at most FETCH_RETRY_AFTER_MAX_S; 0: it is past, or it is neither a number of seconds nor a
 * date. `value` may be NULL: there is no such header. `now_ms`: since 1970. */
int64_t retry_after_ms(const char *value, int64_t now_ms);

#endif
