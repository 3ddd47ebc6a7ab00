/* message_parts.h: the body of a mail, part by part (RFC 2046), into the Message. Part of
 * content/message; others include message.h.
 */
#ifndef ROTA_CONTENT_MESSAGE_PARTS_H
#define ROTA_CONTENT_MESSAGE_PARTS_H

#include "content/message.h"

/* Fills text, attachments, has_*, parts and defects from a body, given the header fields (GArray of
 * HeaderField) above it. */
void message_parts_read(Message *message, const GArray *fields, const char *body, size_t size);

/* Notes a defect, once. `defect` is static. */
void message_add_defect(Message *message, const char *defect);

#endif
