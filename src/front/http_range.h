/* http_range.h: a part of an answer's bytes (RFC 9110, 14): for downloads that go on where they
 * broke, and players that jump.
 *
 * Any thread.
 */
#ifndef ROTA_FRONT_HTTP_RANGE_H
#define ROTA_FRONT_HTTP_RANGE_H

#include "front/http.h"

typedef enum {
    HTTP_RANGE_NONE, /* no range, none that is understood, or several: all of it */
    HTTP_RANGE_PART,
    HTTP_RANGE_OUTSIDE, /* it begins after the end */
} HttpRange;
/* Of a Range field, for `size` bytes. Pure. */
HttpRange http_range_parse(const char *field, size_t size, size_t *ret_first, size_t *ret_length);

/* Where a GET asks for a part of a whole answer's bytes, the answer becomes that: 206, or 416. */
void http_range_apply(HttpCall *call);

#endif
