/* jmap_body.h: the body of an email as JMAP shows it (RFC 8621 §4.1.4 and §4.2). Pure.
 */
#ifndef ROTA_FRONT_JMAP_BODY_H
#define ROTA_FRONT_JMAP_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "content/message_body.h"

typedef struct {
    const char *blob;        /* the whole mail's id, of which those of its parts are made */
    json_t *body_properties; /* NULL or null: the RFC's own list */
    bool text_values, html_values, all_values;
    size_t value_bytes_max; /* 0: whole */
} JmapBodyAsk;

/* Adds bodyStructure, textBody, htmlBody, attachments and bodyValues to the email, those that are
 * wanted. */
void jmap_body_add(json_t *email, const MessagePart *root, json_t *wanted, const JmapBodyAsk *ask);
/* "bodyProperties" are known ones. */
bool jmap_body_properties_known(json_t *properties);

#endif
