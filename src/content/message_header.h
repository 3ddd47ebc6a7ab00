/* message_header.h: the header block of a mail or a part, as a list of fields. Part of
 * content/message; others include message.h.
 *
 * Pure; any thread. Linear. RFC 5322 section 2.2, with what mail does in truth: fields without a
 * blank line after them, lines that are no fields among them, an mbox "From " line before them.
 */
#ifndef ROTA_CONTENT_MESSAGE_HEADER_H
#define ROTA_CONTENT_MESSAGE_HEADER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* One field: borrowed from the bytes. The value still has its folding. */
typedef struct {
    const char *name, *value;
    size_t name_size, value_size;
} HeaderField;

/* Reads the fields of the block at the beginning of bytes into `fields` (of HeaderField, emptied
 * first); returns where the body begins. Fields past MESSAGE_HEADER_BYTES_MAX are left out and
 * *ret_cut says so; *ret_broken (kept if already true): there was something that is no field. */
size_t header_read(GArray *fields, const char *bytes, size_t size, bool *ret_cut, bool *ret_broken);

bool header_field_is(const HeaderField *field, const char *name);
/* The first of that name, NULL if none. */
const HeaderField *header_find(const GArray *fields, const char *name);

#endif
