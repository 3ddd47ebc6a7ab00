/* jmap_mailbox.h: a mailbox as JMAP shows it (RFC 8621 §2). Pure.
 */
#ifndef ROTA_FRONT_JMAP_MAILBOX_H
#define ROTA_FRONT_JMAP_MAILBOX_H

#include <jansson.h>

#include "model/mailbox.h"

/* With the properties that are wanted; NULL: all. */
json_t *jmap_mailbox_json(const Mailbox *box, json_t *wanted);
/* Where a person wants it, or clients like its role (sortOrder). */
int64_t jmap_mailbox_order(const Mailbox *box);
/* Borrowed of the list; NULL: it is not there. */
const Mailbox *jmap_mailbox_find(const GPtrArray *all, int64_t id);

#endif
