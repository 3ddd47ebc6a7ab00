/* jmap_header.h: header fields of an email as JMAP names them (RFC 8621 §4.1.2, §4.1.3): "from",
 * "header:X-Colour:asText:all". Pure.
 */
#ifndef ROTA_FRONT_JMAP_HEADER_H
#define ROTA_FRONT_JMAP_HEADER_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

typedef enum {
    JMAP_AS_RAW,
    JMAP_AS_TEXT,
    JMAP_AS_ADDRESSES,
    JMAP_AS_GROUPED,
    JMAP_AS_MESSAGE_IDS,
    JMAP_AS_DATE,
    JMAP_AS_URLS,
} JmapForm;

typedef struct {
    char name[80]; /* as it is written */
    JmapForm form;
    bool all;
} JmapHeader;

/* False: it names no field, or one in a form that it may not have. */
bool jmap_header_parse(const char *property, JmapHeader *ret);
/* Adds the value, as Email/set is given it, to the fields (content/compose.h); null adds none.
 * False: it is not of that form. */
bool jmap_header_write(const JmapHeader *header, json_t *value, GArray *fields);

/* jmap_header_read.c: are single header fields asked for ("headers", "header:…")? */
bool jmap_header_wanted(json_t *properties);
/* Adds those that are, out of the bytes of a mail. */
void jmap_header_add(json_t *json, const void *bytes, size_t size, json_t *properties);

#endif
