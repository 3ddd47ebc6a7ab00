/* http_parse.h: what stands in a request's target and header fields, read strictly.
 *
 * Pure functions of text from outside: what is not well-formed is refused, nothing is guessed.
 * Results are UTF-8 without NUL, and the caller's. Any thread.
 */
#ifndef ROTA_FRONT_HTTP_PARSE_H
#define ROTA_FRONT_HTTP_PARSE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* %XX decoded; `plus`: '+' is a space, as forms have it. NULL: a '%' without two hex digits, a
 * NUL, a control character, or no UTF-8. */
char *http_decode(const char *text, size_t size, bool plus);

/* The names and values of "a=1&b=2"; a name without '=' has "". NULL: one cannot be decoded, comes
 * twice, is empty, or there are more than HTTP_QUERY_MAX. */
GHashTable *http_query_parse(const char *query);

/* The path's segments, decoded one by one, so that a "%2F" belongs to its segment: "/api/tasks/a"
 * is
 * {"api", "tasks", "a", NULL}, "/" is {"", NULL}. NULL: it does not begin with '/', has more than
 * HTTP_SEGMENTS_MAX, or one cannot be decoded. */
char **http_path_parse(const char *path, size_t size);

/* The two parts of "Basic BASE64(user:password)" (RFC 7617). False: it is none. */
bool http_basic_parse(const char *field, char **ret_user, char **ret_password);

/* What follows "Bearer " (RFC 6750), borrowed; NULL: it is none, or too long. */
const char *http_bearer_parse(const char *field);

/* Compares without telling by the time how much of them is the same. */
bool http_same_secret(const char *given, const char *secret);

/* The weight, 0 to 1, that an Accept field (RFC 9110, 12.5.1) gives to the media type "a/b"; NULL
 * (no field) gives each 1. What cannot be read counts as not there. */
double http_accept_weight(const char *field, const char *type);

/* The media type of a Content-Type field is `type`, whatever parameters follow. */
bool http_is_type(const char *field, const char *type);

#endif
