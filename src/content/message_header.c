/* message_header: finds the fields of a header block.
 *
 * Where a line is no field, the next one decides: if that is a field again, the line was a badly
 * folded value and is dropped; if not, the writer forgot the blank line and the body begins here.
 * So a body is never swallowed as header, and a broken line does not cost the Content-Type behind
 * it.
 *
 * Failures: none.
 */
#include <string.h>

#include "base/limits.h"
#include "content/message_header.h"

static size_t line_end(const char *bytes, size_t size, size_t at)
{
    const char *newline = memchr(bytes + at, '\n', size - at);
    return newline ? (size_t)(newline - bytes) + 1 : size;
}

static bool is_blank(const char *bytes, size_t at, size_t end)
{
    return at == end || bytes[at] == '\n' ||
           (bytes[at] == '\r' && (at + 1 == end || bytes[at + 1] == '\n'));
}

/* The size of a field name at `at`, 0 if there is none: printable, no white space before the colon
 * but at its end. */
static size_t field_name(const char *bytes, size_t at, size_t end)
{
    size_t name = at;
    while (name < end && bytes[name] > ' ' && bytes[name] < 0x7f && bytes[name] != ':')
        name++;
    size_t colon = name;
    while (colon < end && (bytes[colon] == ' ' || bytes[colon] == '\t'))
        colon++;
    return colon < end && bytes[colon] == ':' ? name - at : 0;
}

static bool is_mbox_line(const char *bytes, size_t size, size_t at)
{
    if (at < size && bytes[at] == '>')
        at++;
    return size - at > 5 && memcmp(bytes + at, "From ", 5) == 0;
}

size_t header_read(GArray *fields, const char *bytes, size_t size, bool *ret_cut, bool *ret_broken)
{
    g_array_set_size(fields, 0);
    size_t at = 0, begin = 0;
    if (is_mbox_line(bytes, size, 0))
        begin = at = line_end(bytes, size, 0);
    while (at < size) {
        size_t end = line_end(bytes, size, at);
        if (is_blank(bytes, at, end))
            return end;
        size_t name_size = field_name(bytes, at, end);
        if (!name_size) {
            if (!fields->len && at == begin)
                return at; /* no header at all */
            *ret_broken = true;
            if (end >= size || !(field_name(bytes, end, line_end(bytes, size, end)) ||
                                 is_blank(bytes, end, line_end(bytes, size, end))))
                return at;
            at = end;
            continue;
        }
        while (end < size && (bytes[end] == ' ' || bytes[end] == '\t'))
            end = line_end(bytes, size, end);
        if (end - begin > MESSAGE_HEADER_BYTES_MAX) {
            *ret_cut = true;
        } else {
            const char *colon = memchr(bytes + at + name_size, ':', end - at - name_size);
            HeaderField field = {bytes + at, colon + 1, name_size,
                                 (size_t)(bytes + end - colon - 1)};
            g_array_append_val(fields, field);
        }
        at = end;
    }
    return size;
}

bool header_field_is(const HeaderField *field, const char *name)
{
    return strlen(name) == field->name_size &&
           g_ascii_strncasecmp(field->name, name, field->name_size) == 0;
}

const HeaderField *header_find(const GArray *fields, const char *name)
{
    for (unsigned i = 0; i < fields->len; i++) {
        const HeaderField *field = &g_array_index(fields, HeaderField, i);
        if (header_field_is(field, name))
            return field;
    }
    return NULL;
}
