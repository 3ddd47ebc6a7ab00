/* jmap_draft.h: an email that a client describes (RFC 8621 §4.6), as a mail's bytes.
 */
#ifndef ROTA_FRONT_JMAP_DRAFT_H
#define ROTA_FRONT_JMAP_DRAFT_H

#include "content/compose.h"

#include "front/jmap_header.h"
#include "front/jmap_write.h"

/* The header fields of an object, email or part, out of its property `name`: 1 it was one, and is
 * in `fields`; 0 it is none; -1 it is wrong. `names` has what is there already, lower case. */
int jmap_draft_field(const char *name, json_t *value, GHashTable *names, GArray *fields);
/* bodyStructure, or textBody, htmlBody and attachments, with bodyValues. NULL: *ret_wrong is the
 * error of the object. `names` as above, of the email. */
ComposePart *jmap_draft_body(const JmapCall *call, json_t *email, GHashTable *names,
                             json_t **ret_wrong);
/* The mail, with the header fields that it must have. NULL: *ret_wrong is the error of the object.
 */
GBytes *jmap_draft_mail(const JmapCall *call, json_t *email, json_t **ret_wrong);

#endif
