/* envelope.h: whom a mail is from and to, and what it answers, as JSON with JMAP's names (RFC 8621
 * §4.1.3): from, sender, to, cc, bcc, replyTo, references, inReplyTo. An email's row holds it, so
 * that a list of emails is shown without their bytes. Pure; any thread.
 */
#ifndef ROTA_CONTENT_ENVELOPE_H
#define ROTA_CONTENT_ENVELOPE_H

#include <jansson.h>

#include "content/message.h"

/* An object, the caller's; what the mail does not have is null. */
json_t *envelope_json(const Message *message);
/* The same as text for the row; "" where it is longer than ENVELOPE_BYTES_MAX: then whoever asks
 * reads the bytes. Caller frees. */
char *envelope_text(const Message *message);

#endif
