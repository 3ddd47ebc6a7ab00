/* acme_problem.h: the problem documents of a CA (RFC 8555 6.7, RFC 7807): hostile, bounded by
 * base/limits_acme.h. Pure; any thread. The caller frees what is given.
 */
#ifndef ROTA_CONTENT_ACME_PROBLEM_H
#define ROTA_CONTENT_ACME_PROBLEM_H

#include <stddef.h>

/* A problem document (RFC 7807) as it came, or, where it is none, the beginning of what came as a
 * JSON text of ours; never NULL, valid UTF-8, at most ACME_PROBLEM_BYTES_MAX. */
char *acme_problem_format(int status, const char *text, size_t size);
/* The last word of its type ("badNonce", "rateLimited"), "" if it has none. */
char *acme_problem_type(const char *problem);
/* One line for people: "rateLimited: too many certificates …". */
char *acme_problem_line(const char *problem);

#endif
