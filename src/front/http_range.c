/* http_range: a part of an answer's bytes.
 *
 * How it fits: front/http.c applies it after each route; it is for answers of http_answer_bytes.
 * Failures: what is no range is as if it were not there, as RFC 9110 wants it. Known weak point:
 * several ranges in one request get the whole, which the RFC allows; no client of mail asks so.
 */
#include "front/http_range.h"

#include <string.h>

/* Digits up to `end`; false: none, others, or too many. */
static bool read_number(const char **at, guint64 *ret)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 18)
        return false;
    *ret = g_ascii_strtoull(*at, NULL, 10);
    *at += digits;
    return true;
}

HttpRange http_range_parse(const char *field, size_t size, size_t *ret_first, size_t *ret_length)
{
    guint64 first = 0, last = 0;
    const char *at = field + strlen("bytes=");
    if (g_ascii_strncasecmp(field, "bytes=", strlen("bytes=")) != 0)
        return HTTP_RANGE_NONE;
    bool has_first = read_number(&at, &first);
    if (*at++ != '-')
        return HTTP_RANGE_NONE;
    bool has_last = read_number(&at, &last);
    if (*at != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
        return HTTP_RANGE_NONE;
    if (!has_first) { /* "-500": the last 500 */
        if (last == 0 || size == 0)
            return HTTP_RANGE_OUTSIDE;
        *ret_length = MIN(last, size);
        *ret_first = size - *ret_length;
        return HTTP_RANGE_PART;
    }
    if (first >= size)
        return HTTP_RANGE_OUTSIDE;
    *ret_first = first;
    *ret_length = has_last ? MIN(last - first + 1, size - first) : size - first;
    return HTTP_RANGE_PART;
}

static const char *find_answer_header(const HttpAnswer *answer, const char *name)
{
    for (unsigned i = 0; i < answer->headers->len; i += 2)
        if (g_ascii_strcasecmp(g_ptr_array_index(answer->headers, i), name) == 0)
            return g_ptr_array_index(answer->headers, i + 1);
    return NULL;
}

/* If-Range: the part only of the very thing that the client has the rest of. A date, or a weak tag,
 * proves nothing. */
static bool is_same_thing(const HttpCall *call)
{
    const char *wanted = call->request->header("If-Range", call->request->data);
    const char *tag = find_answer_header(call->answer, "ETag");
    return !wanted || (wanted[0] == '"' && tag && strcmp(wanted, tag) == 0);
}

void http_range_apply(HttpCall *call)
{
    HttpAnswer *answer = call->answer;
    size_t first = 0, length = 0;
    if (!answer->bytes || answer->status != 200)
        return;
    size_t size = g_bytes_get_size(answer->bytes);
    const char *field = call->request->header("Range", call->request->data);
    http_answer_set_header(answer, "Accept-Ranges", "bytes");
    if (!field || strcmp(call->request->method, "GET") != 0 || !is_same_thing(call))
        return;
    switch (http_range_parse(field, size, &first, &length)) {
    case HTTP_RANGE_NONE:
        return;
    case HTTP_RANGE_PART: {
        g_autofree char *where =
            g_strdup_printf("bytes %zu-%zu/%zu", first, first + length - 1, size);
        GBytes *part = g_bytes_new_from_bytes(answer->bytes, first, length);
        http_answer_bytes(answer, answer->type, part);
        answer->status = 206;
        http_answer_set_header(answer, "Content-Range", where);
        return;
    }
    case HTTP_RANGE_OUTSIDE: {
        g_autofree char *where = g_strdup_printf("bytes */%zu", size);
        http_answer_problem(answer, 416, "there are %zu bytes of it", size);
        http_answer_set_header(answer, "Content-Range", where);
        return;
    }
    }
}
