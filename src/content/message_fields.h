/* message_fields.h: all header fields of a mail as they stand, for who shows single ones (RFC 8621
 * §4.1.3). Bounded as message.h is. Pure; any thread.
 */
#ifndef ROTA_CONTENT_MESSAGE_FIELDS_H
#define ROTA_CONTENT_MESSAGE_FIELDS_H

#include <glib.h>
#include <stddef.h>

typedef struct {
    char *name;  /* as it is written */
    char *value; /* all after the colon, with its folding, without the last line's end; UTF-8 */
} MessageField;

/* In the order of the mail, GPtrArray of MessageField; the caller's. */
GPtrArray *message_fields_read(const void *bytes, size_t size);

#endif
