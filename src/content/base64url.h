/* base64url.h: bytes as text for URLs and JSON (RFC 4648 §5): the alphabet with - and _, without
 * padding. Pure; any thread.
 */
#ifndef ROTA_CONTENT_BASE64URL_H
#define ROTA_CONTENT_BASE64URL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of `size` bytes; the caller frees it. */
char *base64url_format(const void *bytes, size_t size);
/* Padding ("=") at the end is allowed, as some senders have it; bits that mean nothing must be 0.
 * False: it is not base64url, or more than `room` bytes. *ret_size bytes are written. */
bool base64url_parse(const char *text, void *bytes, size_t room, size_t *ret_size);

#endif
