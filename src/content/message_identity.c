/* message_identity: the digest by which a second copy of a message is known.
 *
 * How it fits: model/letter.c makes the delivery key of it. The header is copied without the fields
 * of the way and digested, the rest is digested where it lies, so that a large message costs no
 * copy.
 *
 * Failures: none; what is no header is content. Known weak point: a list that adds a footer or a
 * tag makes another message of it, so that its copy and the direct one are both kept. That is the
 * side to be wrong on: nothing is lost.
 */
#include <stdbool.h>
#include <string.h>

#include <glib.h>

#include "content/message_identity.h"

static bool of_the_way(const char *line, size_t size)
{
    static const char *const names[] = {"Received",      "Return-Path",  "Delivered-To",
                                        "X-Original-To", "Received-SPF", "Authentication-Results"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        size_t length = strlen(names[i]);
        if (size > length && line[length] == ':' &&
            g_ascii_strncasecmp(line, names[i], length) == 0)
            return true;
    }
    return false;
}

Digest message_identity(const void *bytes, size_t size)
{
    const char *at = bytes, *end = at + size;
    g_autoptr(GString) header = g_string_new(NULL);
    bool leave_out = false;
    while (at < end && *at != '\n' && *at != '\r') {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        if (*at != ' ' && *at != '\t')
            leave_out = of_the_way(at, (size_t)(next - at));
        if (!leave_out)
            g_string_append_len(header, at, next - at);
        at = next;
    }
    Digest both[2] = {digest_of(header->str, header->len), digest_of(at, (size_t)(end - at))};
    return digest_of(both, sizeof both);
}
