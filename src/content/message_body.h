/* message_body.h: the parts of a mail as a tree, for who shows it part by part (RFC 8621 §4.1.4).
 *
 * content/message.h has what all else needs. Never fails for bad mail: it gives the best reading.
 * Bounded in parts and depth as there; what is over is left out. Any thread, after
 * message_library_init.
 */
#ifndef ROTA_CONTENT_MESSAGE_BODY_H
#define ROTA_CONTENT_MESSAGE_BODY_H

#include <glib.h>

typedef struct MessagePart MessagePart;
struct MessagePart {
    char *id;   /* "1", "2", …, in the order of the mail; NULL: a multipart */
    char *type; /* "text/plain", lower case */
    /* As the mail names them; NULL: it does not. */
    char *name, *charset, *disposition, *content_id, *language, *location;
    GBytes *bytes;       /* decoded from the transfer encoding; NULL: a multipart */
    GPtrArray *children; /* of MessagePart; NULL: it is no multipart */
};
void message_part_free(MessagePart *part);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MessagePart, message_part_free)

/* The root; NULL: it is no mail at all. `bytes` is borrowed for the call. */
MessagePart *message_body_parse(const void *bytes, size_t size);
/* The part of that id, borrowed; NULL: there is none. */
const MessagePart *message_part_find(const MessagePart *root, const char *id);
/* A text part's text in UTF-8 with \n as line ends; the caller's. */
char *message_part_text(const MessagePart *part);

#endif
