/* message_fields: the header fields of a mail, one by one.
 *
 * How it fits: message_header.c finds them; front/jmap_header_read.c gives them the form that is
 * asked for. Failures: none; bytes that are no UTF-8 are replaced, and NUL ends a value. Known weak
 * point: a field past MESSAGE_HEADER_BYTES_MAX is not there.
 */
#include "content/message_fields.h"

#include <string.h>

#include "content/message_header.h"

static void field_free(void *data)
{
    MessageField *field = data;
    g_free(field->name);
    g_free(field->value);
    g_free(field);
}

GPtrArray *message_fields_read(const void *bytes, size_t size)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(field_free);
    g_autoptr(GArray) fields = g_array_new(FALSE, FALSE, sizeof(HeaderField));
    bool cut = false, broken = false;
    if (size > 0)
        header_read(fields, bytes, size, &cut, &broken);
    for (guint i = 0; i < fields->len; i++) {
        const HeaderField *one = &g_array_index(fields, HeaderField, i);
        g_autofree char *name = g_strndup(one->name, one->name_size);
        g_autofree char *value = g_strndup(one->value, one->value_size);
        for (size_t end = strlen(value); end > 0 && strchr("\r\n", value[end - 1]); end--)
            value[end - 1] = '\0';
        MessageField *field = g_new0(MessageField, 1);
        field->name = g_utf8_make_valid(name, -1);
        field->value = g_utf8_make_valid(value, -1);
        g_ptr_array_add(list, field);
    }
    return list;
}
