/* message_body: the parts of a mail as a tree.
 *
 * How it fits: JMAP's Email/get shows a mail part by part, and its downloads are single parts.
 * GMime reads the structure; names and texts go through message_text as everywhere else.
 *
 * Failures: none; what cannot be read is left out. Known weak point: each part's bytes are decoded
 * when the tree is made, so a mail is held once more while it is shown.
 */
#include "content/message_body.h"

#include <string.h>

#include <gmime/gmime.h>

#include "base/limits.h"
#include "content/message_text.h"

void message_part_free(MessagePart *part)
{
    if (!part)
        return;
    g_free(part->id);
    g_free(part->type);
    g_free(part->name);
    g_free(part->charset);
    g_free(part->disposition);
    g_free(part->content_id);
    g_free(part->language);
    g_free(part->location);
    g_clear_pointer(&part->bytes, g_bytes_unref);
    g_clear_pointer(&part->children, g_ptr_array_unref);
    g_free(part);
}

/* A copy as one line; NULL for none. */
static char *line_of(const char *text)
{
    return text && *text ? text_line_take(g_strdup(text)) : NULL;
}

static GBytes *decoded(GMimePart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeStream *stream = g_mime_stream_mem_new();
    if (content)
        g_mime_data_wrapper_write_to_stream(content, stream);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    GBytes *copy = g_bytes_new(bytes->data, bytes->len);
    g_object_unref(stream);
    return copy;
}

static GBytes *written(GMimeObject *object)
{
    GMimeStream *stream = g_mime_stream_mem_new();
    g_mime_object_write_to_stream(object, NULL, stream);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    GBytes *copy = g_bytes_new(bytes->data, bytes->len);
    g_object_unref(stream);
    return copy;
}

static void read_head(MessagePart *part, GMimeObject *object)
{
    GMimeContentType *type = g_mime_object_get_content_type(object);
    g_autofree char *text = g_mime_content_type_get_mime_type(type);
    g_autofree char *whole = line_of(text);
    part->type = g_ascii_strdown(whole ? whole : "application/octet-stream", -1);
    part->charset = line_of(g_mime_content_type_get_parameter(type, "charset"));
    GMimeContentDisposition *disposition = g_mime_object_get_content_disposition(object);
    if (disposition) {
        g_autofree char *word = line_of(g_mime_content_disposition_get_disposition(disposition));
        part->disposition = word ? g_ascii_strdown(word, -1) : NULL;
    }
    part->content_id = line_of(g_mime_object_get_content_id(object));
    part->language = line_of(g_mime_object_get_header(object, "Content-Language"));
    part->location = line_of(g_mime_object_get_header(object, "Content-Location"));
}

/* `count`: leaves so far, `parts`: all. NULL: over a limit. */
static MessagePart *read_part(GMimeObject *object, unsigned depth, unsigned *parts, unsigned *count)
{
    if (++*parts > MESSAGE_PARTS_MAX || depth > MESSAGE_DEPTH_MAX)
        return NULL;
    MessagePart *part = g_new0(MessagePart, 1);
    read_head(part, object);
    if (GMIME_IS_MULTIPART(object)) {
        part->children = g_ptr_array_new_with_free_func((GDestroyNotify)message_part_free);
        int children = g_mime_multipart_get_count(GMIME_MULTIPART(object));
        for (int i = 0; i < children; i++) {
            MessagePart *child = read_part(g_mime_multipart_get_part(GMIME_MULTIPART(object), i),
                                           depth + 1, parts, count);
            if (!child)
                break;
            g_ptr_array_add(part->children, child);
        }
        return part;
    }
    part->id = g_strdup_printf("%u", ++*count);
    if (GMIME_IS_PART(object)) {
        part->name = line_of(g_mime_part_get_filename(GMIME_PART(object)));
        part->bytes = decoded(GMIME_PART(object));
    } else if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        part->bytes = inner ? written(GMIME_OBJECT(inner)) : g_bytes_new(NULL, 0);
    } else {
        part->bytes = g_bytes_new(NULL, 0);
    }
    return part;
}

MessagePart *message_body_parse(const void *bytes, size_t size)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(bytes, size);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    GMimeObject *root = message ? g_mime_message_get_mime_part(message) : NULL;
    unsigned parts = 0, count = 0;
    MessagePart *part = root ? read_part(root, 0, &parts, &count) : NULL;
    g_clear_object(&message);
    g_object_unref(parser);
    g_object_unref(stream);
    return part;
}

const MessagePart *message_part_find(const MessagePart *root, const char *id)
{
    if (!root->children)
        return strcmp(root->id, id) == 0 ? root : NULL;
    for (guint i = 0; i < root->children->len; i++) {
        const MessagePart *found = message_part_find(root->children->pdata[i], id);
        if (found)
            return found;
    }
    return NULL;
}

char *message_part_text(const MessagePart *part)
{
    size_t size;
    const char *bytes = g_bytes_get_data(part->bytes, &size);
    GString *text = g_string_new(NULL);
    text_append(text, bytes, MIN(size, MESSAGE_TEXT_BYTES_MAX), part->charset);
    return g_string_free(text, FALSE);
}
