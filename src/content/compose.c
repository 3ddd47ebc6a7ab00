/* compose: writes mail.
 *
 * How it fits: JMAP's Email/set describes a draft; front/jmap_create.c reads that, and this writes
 * it by GMime. Boundaries are hashes of chance that is handed in, not GMime's own.
 *
 * What a client gives as bytes goes out in base64, so that they come back the same to the byte; but
 * a message within a message must not be encoded so (RFC 2046 §5.2.1) and goes as it is. Text goes
 * as it is or as quoted-printable.
 *
 * Failures: none. Known weak point: a message within a message with line ends of its own kind comes
 * back with CRLF.
 */
#include "content/compose.h"

#include <string.h>

#include <gmime/gmime.h>

#include "base/hash.h"

#define FIELD_NAME_MAX 76 /* so that its line can be folded within 78 */

static void field_clear(void *data)
{
    ComposeField *field = data;
    g_free(field->name);
    g_free(field->value);
}

GArray *compose_fields_new(void)
{
    GArray *fields = g_array_new(false, false, sizeof(ComposeField));
    g_array_set_clear_func(fields, field_clear);
    return fields;
}

void compose_field_add(GArray *fields, const char *name, const char *value, bool raw)
{
    ComposeField field = {g_strdup(name), g_strdup(value), raw};
    g_array_append_val(fields, field);
}

void compose_part_free(ComposePart *part)
{
    if (!part)
        return;
    g_free(part->type);
    g_free(part->charset);
    g_free(part->name);
    g_free(part->disposition);
    g_free(part->content_id);
    g_free(part->language);
    g_free(part->location);
    g_clear_pointer(&part->fields, g_array_unref);
    g_clear_pointer(&part->bytes, g_bytes_unref);
    g_clear_pointer(&part->children, g_ptr_array_unref);
    g_free(part);
}

ComposePart *compose_multipart_new(const char *type)
{
    ComposePart *part = g_new0(ComposePart, 1);
    part->type = g_strdup(type);
    part->children = g_ptr_array_new_with_free_func((GDestroyNotify)compose_part_free);
    return part;
}

ComposePart *compose_leaf_new(const char *type, GBytes *bytes)
{
    ComposePart *part = g_new0(ComposePart, 1);
    part->type = g_strdup(type);
    part->bytes = g_bytes_ref(bytes);
    return part;
}

/* ---------------------------------------------------------------- what may stand */

bool compose_is_field_name(const char *text)
{
    size_t size = strlen(text);
    for (const char *at = text; *at; at++)
        if (*at < 0x21 || *at > 0x7e || *at == ':')
            return false;
    return size > 0 && size <= FIELD_NAME_MAX;
}

/* RFC 2045 §5.1, "token". */
static size_t token_size(const char *text)
{
    size_t size = 0;
    while (text[size] > 0x20 && text[size] < 0x7f && !strchr("()<>@,;:\\\"/[]?=", text[size]))
        size++;
    return size;
}

bool compose_is_type(const char *text)
{
    size_t type = token_size(text);
    return type > 0 && text[type] == '/' && token_size(text + type + 1) > 0 &&
           text[type + 1 + token_size(text + type + 1)] == '\0' && strlen(text) <= 127;
}

bool compose_is_line(const char *text)
{
    for (const char *at = text; *at; at += g_utf8_skip[(guchar)*at])
        if (g_unichar_iscntrl(g_utf8_get_char(at)) && *at != '\t')
            return false;
    return true;
}

bool compose_is_raw(const char *text)
{
    for (const char *at = text; *at; at++) {
        bool folds = at[0] == '\r' && at[1] == '\n' && (at[2] == ' ' || at[2] == '\t');
        if (folds && at[2 + strspn(at + 2, " \t")] != '\r' && at[2 + strspn(at + 2, " \t")])
            at++; /* and its line is not empty */
        else if ((*at < ' ' && *at != '\t') || *at > '~')
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- header fields */

char *compose_address(const char *name, const char *address)
{
    InternetAddress *mailbox = internet_address_mailbox_new(name && *name ? name : NULL, address);
    internet_address_set_charset(mailbox, "utf-8");
    char *text = internet_address_to_string(mailbox, NULL, true);
    g_object_unref(mailbox);
    return text;
}

char *compose_group(const char *name, const char *members)
{
    g_autofree char *phrase = g_mime_utils_header_encode_phrase(NULL, name, "utf-8");
    return g_strdup_printf("%s: %s;", phrase, members);
}

char *compose_date(GDateTime *date)
{
    return g_mime_utils_header_format_date(date);
}

static void add_fields(GMimeObject *object, const GArray *fields)
{
    GMimeHeaderList *list = g_mime_object_get_header_list(object);
    for (guint i = 0; fields && i < fields->len; i++) {
        const ComposeField *field = &g_array_index(fields, ComposeField, i);
        g_mime_header_list_append(list, field->name, field->raw ? "" : field->value, "utf-8");
        GMimeHeader *header =
            g_mime_header_list_get_header_at(list, g_mime_header_list_get_count(list) - 1);
        g_autofree char *line = field->raw ? g_strconcat(field->value, "\n", NULL) : NULL;
        if (line)
            g_mime_header_set_raw_value(header, line);
    }
}

/* ---------------------------------------------------------------- parts */

typedef struct {
    const char *chance;
    unsigned boundaries;
} Writer;

static GMimeObject *part_of(const ComposePart *part, Writer *writer);

static GMimeObject *multipart_of(const ComposePart *part, const char *subtype, Writer *writer)
{
    g_autofree char *seed = g_strdup_printf("%s/%u", writer->chance, writer->boundaries++);
    Digest digest = digest_of(seed, strlen(seed));
    g_autofree char *hex = digest_format(&digest);
    g_autofree char *boundary = g_strdup_printf("=_%.32s", hex); /* "=_" is in no encoded part */
    GMimeMultipart *multipart = g_mime_multipart_new_with_subtype(subtype);
    g_mime_multipart_set_boundary(multipart, boundary);
    for (guint i = 0; i < part->children->len; i++) {
        GMimeObject *child = part_of(part->children->pdata[i], writer);
        g_mime_multipart_add(multipart, child);
        g_object_unref(child);
    }
    return GMIME_OBJECT(multipart);
}

static bool is_seven_bit(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((guchar)bytes[i] > 0x7e || bytes[i] == '\0')
            return false;
    return true;
}

static GMimeContentEncoding encoding_of(const ComposePart *part, GMimePart *leaf)
{
    gsize size;
    const char *bytes = g_bytes_get_data(part->bytes, &size);
    if (g_ascii_strncasecmp(part->type, "message/", 8) == 0)
        return is_seven_bit(bytes, size) ? GMIME_CONTENT_ENCODING_7BIT
                                         : GMIME_CONTENT_ENCODING_8BIT;
    if (part->exact)
        return GMIME_CONTENT_ENCODING_BASE64;
    GMimeContentEncoding best =
        g_mime_part_get_best_content_encoding(leaf, GMIME_ENCODING_CONSTRAINT_7BIT);
    return best == GMIME_CONTENT_ENCODING_DEFAULT ? GMIME_CONTENT_ENCODING_7BIT : best;
}

static GMimeObject *leaf_of(const ComposePart *part, const char *type, const char *subtype)
{
    GMimePart *leaf = g_mime_part_new_with_type(type, subtype);
    gsize size;
    const char *bytes = g_bytes_get_data(part->bytes, &size);
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(bytes ? bytes : "", size);
    GMimeDataWrapper *content =
        g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
    g_mime_part_set_content(leaf, content);
    g_mime_part_set_content_encoding(leaf, encoding_of(part, leaf));
    g_object_unref(content);
    g_object_unref(stream);
    return GMIME_OBJECT(leaf);
}

static GMimeObject *part_of(const ComposePart *part, Writer *writer)
{
    g_auto(GStrv) words = g_strsplit(part->type, "/", 2);
    GMimeObject *object =
        part->children ? multipart_of(part, words[1], writer) : leaf_of(part, words[0], words[1]);
    if (part->charset)
        g_mime_object_set_content_type_parameter(object, "charset", part->charset);
    if (part->name)
        g_mime_object_set_content_type_parameter(object, "name", part->name);
    if (part->disposition)
        g_mime_object_set_disposition(object, part->disposition);
    if (part->disposition && part->name)
        g_mime_object_set_content_disposition_parameter(object, "filename", part->name);
    if (part->content_id)
        g_mime_object_set_content_id(object, part->content_id);
    if (part->language)
        g_mime_object_append_header(object, "Content-Language", part->language, NULL);
    if (part->location)
        g_mime_object_append_header(object, "Content-Location", part->location, "utf-8");
    add_fields(object, part->fields);
    return object;
}

GBytes *compose_mail(const GArray *fields, const ComposePart *root, const char *chance)
{
    Writer writer = {.chance = chance};
    GMimeMessage *message = g_mime_message_new(false);
    GMimeObject *part = part_of(root, &writer);
    add_fields(GMIME_OBJECT(message), fields);
    g_mime_message_set_mime_part(message, part);
    GMimeFormatOptions *format = g_mime_format_options_new();
    g_mime_format_options_set_newline_format(format, GMIME_NEWLINE_FORMAT_DOS);
    GMimeStream *stream = g_mime_stream_mem_new();
    g_mime_object_write_to_stream(GMIME_OBJECT(message), format, stream);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    GBytes *copy = g_bytes_new(bytes->data, bytes->len);
    g_object_unref(stream);
    g_mime_format_options_free(format);
    g_object_unref(part);
    g_object_unref(message);
    return copy;
}
