/* jmap_header_read: header fields of an email in the form that is asked for (RFC 8621 §4.1.2).
 *
 * How it fits: jmap_header.c reads the names ("header:X-Colour:asText:all"); jmap_email.c adds what
 * comes from here. A value is read as the field of that form which content/message reads anyway, so
 * that encoded words and addresses are understood alike everywhere.
 *
 * Failures: none; what cannot be read in a form is null. Known weak points: asGroupedAddresses has
 * one group without a name; a Date is given in UTC, not in its own zone.
 */
#include <string.h>

#include "content/envelope.h"
#include "content/message_fields.h"

#include "front/jmap.h"
#include "front/jmap_header.h"

/* "<a>, <b>" (RFC 2369). */
static json_t *urls_json(const char *value)
{
    json_t *list = json_array();
    const char *open = value, *close;
    while ((open = strchr(open, '<')) && (close = strchr(open, '>'))) {
        json_array_append_new(list, json_stringn(open + 1, (size_t)(close - open - 1)));
        open = close + 1;
    }
    if (json_array_size(list) > 0)
        return list;
    json_decref(list);
    return json_null();
}

/* As the mail's own property of that form is; `as` names a field that has it. */
static json_t *parsed_json(const char *as, const char *value, const char *property)
{
    g_autofree char *text = g_strconcat(as, ":", value, "\r\n\r\n", NULL);
    g_autoptr(Message) message = message_parse(text, strlen(text), MESSAGE_HEADERS);
    if (!property)
        return json_string(message->subject);
    json_t *envelope = envelope_json(message), *got = json_object_get(envelope, property);
    json_incref(got);
    json_decref(envelope);
    return got;
}

static json_t *date_json(const char *value)
{
    g_autofree char *text = g_strconcat("Date:", value, "\r\n\r\n", NULL);
    g_autoptr(Message) message = message_parse(text, strlen(text), MESSAGE_HEADERS);
    return jmap_date(message->date_ms);
}

/* Never null: an empty list is no address. */
static json_t *addresses_json(const char *value)
{
    json_t *list = parsed_json("To", value, "to");
    return json_is_null(list) ? json_array() : list;
}

static json_t *form_json(JmapForm form, const char *value)
{
    switch (form) {
    case JMAP_AS_RAW:
        return json_string(value);
    case JMAP_AS_TEXT:
        return parsed_json("Subject", value, NULL);
    case JMAP_AS_ADDRESSES:
        return addresses_json(value);
    case JMAP_AS_GROUPED:
        return json_pack("[{s:n, s:o}]", "name", "addresses", addresses_json(value));
    case JMAP_AS_MESSAGE_IDS:
        return parsed_json("References", value, "references");
    case JMAP_AS_DATE:
        return date_json(value);
    case JMAP_AS_URLS:
        return urls_json(value);
    }
    return json_null();
}

static json_t *value_json(const GPtrArray *fields, const JmapHeader *header)
{
    json_t *list = header->all ? json_array() : NULL;
    const MessageField *last = NULL;
    for (guint i = 0; i < fields->len; i++) {
        const MessageField *field = fields->pdata[i];
        if (g_ascii_strcasecmp(field->name, header->name) != 0)
            continue;
        last = field;
        if (list)
            json_array_append_new(list, form_json(header->form, field->value));
    }
    if (list)
        return list;
    return last ? form_json(header->form, last->value) : json_null();
}

bool jmap_header_wanted(json_t *properties)
{
    json_t *one;
    size_t i;
    json_array_foreach(properties, i, one)
    {
        const char *name = json_string_value(one);
        if (strcmp(name, "headers") == 0 || g_str_has_prefix(name, "header:"))
            return true;
    }
    return false;
}

void jmap_header_add(json_t *json, const void *bytes, size_t size, json_t *properties)
{
    g_autoptr(GPtrArray) fields = message_fields_read(bytes, size);
    json_t *one;
    size_t i;
    json_array_foreach(properties, i, one)
    {
        const char *name = json_string_value(one);
        JmapHeader header;
        if (g_str_has_prefix(name, "header:") && jmap_header_parse(name, &header))
            json_object_set_new(json, name, value_json(fields, &header));
        if (strcmp(name, "headers") != 0)
            continue;
        json_t *list = json_array();
        for (guint k = 0; k < fields->len; k++) {
            const MessageField *field = fields->pdata[k];
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "name", field->name, "value", field->value));
        }
        json_object_set_new(json, name, list);
    }
}
