/* jmap_draft_body: the parts of a draft: what goes into each, and how they lie in one another.
 *
 * How it fits: jmap_draft.c has the header fields of the whole; content/compose.h writes it. Where
 * a client gives textBody, htmlBody and attachments, the structure is ours: text and HTML are an
 * alternative, what the HTML shows by its Content-ID is related to it, and the rest is mixed.
 *
 * Failures: what RFC 8621 §4.6 forbids is invalidProperties, blobs that are not there are
 * blobNotFound with all of their ids. Bounded in parts, depth (of the request) and bytes; a blob is
 * read once for each part that names it, and no more of them than one mail may have. Known weak
 * point: what a part names as its charset is not compared with its bytes.
 */
#include "front/jmap_draft.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"

typedef struct {
    const JmapCall *call;
    json_t *values, *missing; /* bodyValues; ids of blobs that are not there */
    json_t *wrong;            /* the first that was met */
    GHashTable *names;        /* of the email's header fields */
    size_t bytes;
    unsigned parts;
} Reader;

/* Always NULL. */
static ComposePart *refuse(Reader *reader, const char *property, const char *why)
{
    if (!reader->wrong)
        reader->wrong = jmap_invalid(property, why);
    return NULL;
}

/* ---------------------------------------------------------------- what a part says of itself */

static bool is_token(const char *text)
{
    g_autofree char *type = g_strconcat("x/", text, NULL);
    return compose_is_type(type);
}

static bool is_id(const char *text)
{
    return *text && compose_is_line(text) && !strpbrk(text, "<> \t");
}

/* A string, or null, or not there. */
static bool read_text(json_t *part, const char *name, bool (*is)(const char *), char **ret)
{
    json_t *value = json_object_get(part, name);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value) || !is(json_string_value(value)))
        return false;
    g_free(*ret);
    *ret = g_strdup(json_string_value(value));
    return true;
}

static bool read_languages(json_t *part, char **ret)
{
    json_t *list = json_object_get(part, "language"), *one;
    g_autoptr(GString) text = g_string_new(NULL);
    size_t i;
    if (!list || json_is_null(list))
        return true;
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one) || !is_token(json_string_value(one)))
            return false;
        g_string_append_printf(text, "%s%s", i ? ", " : "", json_string_value(one));
    }
    *ret = g_string_free(g_steal_pointer(&text), false);
    return json_is_array(list) && **ret;
}

/* Header fields that a property beside them says already, or that are not the client's. */
static bool is_taken(json_t *part, const char *name)
{
    static const char *const said[][2] = {
        {"Content-Type", NULL},
        {"Content-Transfer-Encoding", NULL},
        {"MIME-Version", NULL},
        {"Content-Disposition", "disposition"},
        {"Content-ID", "cid"},
        {"Content-Language", "language"},
        {"Content-Location", "location"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(said); i++)
        if (g_ascii_strcasecmp(said[i][0], name) == 0)
            return !said[i][1] || json_object_get(part, said[i][1]);
    return false;
}

static bool read_fields(Reader *reader, json_t *part, bool is_root, ComposePart *into)
{
    static const char *const own[] = {"partId",   "blobId",   "size",        "name",
                                      "type",     "charset",  "disposition", "cid",
                                      "language", "location", "subParts",    NULL};
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const char *key;
    json_t *value;
    into->fields = compose_fields_new();
    json_object_foreach(part, key, value)
    {
        JmapHeader header;
        if (g_strv_contains(own, key))
            continue;
        if (!g_str_has_prefix(key, "header:") || !jmap_header_parse(key, &header) ||
            is_taken(part, header.name) ||
            jmap_draft_field(key, value, is_root ? reader->names : names, into->fields) != 1) {
            refuse(reader, key, "a part has no such property, or not this one");
            return false;
        }
    }
    return true;
}

static bool read_head(Reader *reader, json_t *part, ComposePart *into)
{
    const struct {
        const char *name;
        bool (*is)(const char *);
        char **into;
    } texts[] = {
        {"charset", is_token, &into->charset},         {"name", compose_is_line, &into->name},
        {"disposition", is_token, &into->disposition}, {"cid", is_id, &into->content_id},
        {"location", is_id, &into->location},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!read_text(part, texts[i].name, texts[i].is, texts[i].into)) {
            refuse(reader, texts[i].name, "it is not what may stand there");
            return false;
        }
    }
    if (read_languages(part, &into->language))
        return true;
    refuse(reader, "language", "it is a list of languages");
    return false;
}

/* ---------------------------------------------------------------- what is in a part */

/* With \r\n as line ends. */
static GBytes *lines_of(const char *text)
{
    g_autoptr(GString) lines = g_string_sized_new(strlen(text) + 64);
    for (const char *at = text; *at; at++) {
        if (*at == '\n')
            g_string_append(lines, "\r\n");
        else if (*at != '\r' || at[1] != '\n')
            g_string_append_c(lines, *at);
    }
    return g_string_free_to_bytes(g_steal_pointer(&lines));
}

static GBytes *value_of(Reader *reader, json_t *part, const char *type)
{
    json_t *value =
        json_object_get(reader->values, json_string_value(json_object_get(part, "partId")));
    json_t *text = json_object_get(value, "value");
    if (json_object_get(part, "charset") || json_object_get(part, "size"))
        refuse(reader, "partId", "charset and size are the server's to say");
    else if (g_ascii_strncasecmp(type, "text/", 5) != 0)
        refuse(reader, "type", "a part with a partId is text");
    else if (!json_is_string(text) || json_is_true(json_object_get(value, "isTruncated")) ||
             json_is_true(json_object_get(value, "isEncodingProblem")))
        refuse(reader, "bodyValues", "a partId has no whole value there");
    else
        return lines_of(json_string_value(text));
    return NULL;
}

static GBytes *blob_of(Reader *reader, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = jmap_blob_read(reader->call->db, reader->call->account, id, &error);
    if (!bytes && error_kind(error) == ERROR_GONE)
        json_array_append_new(reader->missing, json_string(id));
    else if (!bytes && !reader->wrong)
        reader->wrong = jmap_error_of(error);
    if (!bytes)
        return NULL;
    reader->bytes += g_bytes_get_size(bytes);
    if (reader->bytes <= JMAP_ATTACHMENTS_BYTES_MAX)
        return g_steal_pointer(&bytes);
    if (!reader->wrong)
        reader->wrong = jmap_error("tooLarge", "maxSizeAttachmentsPerEmail");
    return NULL;
}

static ComposePart *read_leaf(Reader *reader, json_t *part, const char *type)
{
    json_t *id = json_object_get(part, "partId"), *blob = json_object_get(part, "blobId");
    bool by_id = json_is_string(id), by_blob = json_is_string(blob);
    if (by_id == by_blob || (id && !by_id && !json_is_null(id)) ||
        (blob && !by_blob && !json_is_null(blob)))
        return refuse(reader, "partId", "a part has a partId or a blobId, and one of them");
    if (g_ascii_strncasecmp(type, "multipart/", 10) == 0)
        return refuse(reader, "type", "a multipart has subParts");
    g_autoptr(GBytes) bytes =
        by_id ? value_of(reader, part, type) : blob_of(reader, json_string_value(blob));
    if (!bytes)
        return NULL;
    ComposePart *leaf = compose_leaf_new(type, bytes);
    leaf->exact = by_blob;
    if (by_id)
        leaf->charset = g_strdup("utf-8");
    return leaf;
}

static ComposePart *read_part(Reader *reader, json_t *part, const char *otherwise, bool is_root);

static ComposePart *read_multipart(Reader *reader, json_t *part, json_t *sub_parts,
                                   const char *type)
{
    size_t i;
    json_t *one;
    if (g_ascii_strncasecmp(type, "multipart/", 10) != 0 || json_array_size(sub_parts) == 0 ||
        json_object_get(part, "partId") || json_object_get(part, "blobId"))
        return refuse(reader, "subParts", "a multipart has one part at least, and no bytes");
    g_autoptr(ComposePart) multipart = compose_multipart_new(type);
    json_array_foreach(sub_parts, i, one)
    {
        ComposePart *child = read_part(reader, one, "text/plain", false);
        if (child)
            g_ptr_array_add(multipart->children, child);
        if (reader->wrong)
            return NULL;
    }
    return g_steal_pointer(&multipart);
}

/* NULL: it is wrong, or a blob is missing. The depth is the request's. */
static ComposePart *read_part(Reader *reader, json_t *part, const char *otherwise, bool is_root)
{
    json_t *sub_parts = json_object_get(part, "subParts");
    g_autofree char *type = g_strdup(json_is_array(sub_parts) ? "multipart/mixed" : otherwise);
    if (!json_is_object(part))
        return refuse(reader, "bodyStructure", "a part is an object");
    if (++reader->parts > JMAP_PARTS_MAX)
        return refuse(reader, "bodyStructure", "there are too many parts");
    if (!read_text(part, "type", compose_is_type, &type))
        return refuse(reader, "type", "it is no media type");
    if (sub_parts && !json_is_null(sub_parts) && !json_is_array(sub_parts))
        return refuse(reader, "subParts", "they are a list");
    g_autoptr(ComposePart) read = json_is_array(sub_parts)
                                      ? read_multipart(reader, part, sub_parts, type)
                                      : read_leaf(reader, part, type);
    if (!read || !read_head(reader, part, read) || !read_fields(reader, part, is_root, read))
        return NULL;
    return g_steal_pointer(&read);
}

/* ---------------------------------------------------------------- the body */

/* textBody and htmlBody: a list of one part of that type; NULL: it is not there, or it is wrong. */
static ComposePart *read_text_body(Reader *reader, json_t *email, const char *name,
                                   const char *type)
{
    json_t *list = json_object_get(email, name);
    if (!list || json_is_null(list))
        return NULL;
    if (json_array_size(list) != 1)
        return refuse(reader, name, "it is a list of one part");
    g_autoptr(ComposePart) part = read_part(reader, json_array_get(list, 0), type, false);
    if (part && g_ascii_strcasecmp(part->type, type) != 0)
        return refuse(reader, name, "its part is of another type");
    return g_steal_pointer(&part);
}

/* Of these parts one: the only one, or a multipart of them; takes what is not NULL. */
static ComposePart *join(const char *type, ComposePart *first, ComposePart *second)
{
    if (!first || !second)
        return first ? first : second;
    ComposePart *both = compose_multipart_new(type);
    g_ptr_array_add(both->children, first);
    g_ptr_array_add(both->children, second);
    return both;
}

static void add_to(ComposePart **whole, const char *type, ComposePart *part)
{
    if (*whole && g_strcmp0((*whole)->type, type) == 0)
        g_ptr_array_add((*whole)->children, part);
    else if (*whole)
        *whole = join(type, *whole, part);
    else {
        *whole = compose_multipart_new(type);
        g_ptr_array_add((*whole)->children, part);
    }
}

static ComposePart *read_lists(Reader *reader, json_t *email)
{
    json_t *attachments = json_object_get(email, "attachments"), *one;
    size_t i;
    g_autoptr(ComposePart) text = read_text_body(reader, email, "textBody", "text/plain");
    g_autoptr(ComposePart) html = read_text_body(reader, email, "htmlBody", "text/html");
    g_autoptr(ComposePart) others = NULL;
    if (attachments && !json_is_null(attachments) && !json_is_array(attachments))
        refuse(reader, "attachments", "they are a list");
    json_array_foreach(attachments, i, one)
    {
        if (reader->wrong)
            break;
        ComposePart *part = read_part(reader, one, "application/octet-stream", false);
        bool shown = part && html && part->content_id && part->disposition &&
                     g_ascii_strcasecmp(part->disposition, "inline") == 0;
        if (shown)
            add_to(&html, "multipart/related", part);
        else if (part)
            add_to(&others, "multipart/mixed", part);
    }
    if (!text && !html && !others && !reader->wrong) {
        g_autoptr(GBytes) nothing = g_bytes_new_static("", 0);
        text = compose_leaf_new("text/plain", nothing);
    }
    ComposePart *body =
        join("multipart/alternative", g_steal_pointer(&text), g_steal_pointer(&html));
    if (body && others)
        g_ptr_array_insert(others->children, 0, body);
    return others ? g_steal_pointer(&others) : body;
}

ComposePart *jmap_draft_body(const JmapCall *call, json_t *email, GHashTable *names,
                             json_t **ret_wrong)
{
    json_t *structure = json_object_get(email, "bodyStructure");
    json_t *values = json_object_get(email, "bodyValues");
    bool lists = json_object_get(email, "textBody") || json_object_get(email, "htmlBody") ||
                 json_object_get(email, "attachments");
    Reader reader = {.call = call, .values = values, .names = names, .missing = json_array()};
    g_autoptr(ComposePart) body = NULL;
    if (structure && lists)
        refuse(&reader, "bodyStructure", "it is there beside textBody, htmlBody or attachments");
    else if (values && !json_is_null(values) && !json_is_object(values))
        refuse(&reader, "bodyValues", "they are an object");
    else if (structure)
        body = read_part(&reader, structure, "text/plain", true);
    else
        body = read_lists(&reader, email);
    if (!reader.wrong && json_array_size(reader.missing) > 0) {
        reader.wrong = jmap_error("blobNotFound", NULL);
        json_object_set(reader.wrong, "notFound", reader.missing);
    }
    json_decref(reader.missing);
    *ret_wrong = reader.wrong;
    return reader.wrong ? NULL : g_steal_pointer(&body);
}
