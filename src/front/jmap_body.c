/* jmap_body: which parts of a mail are its text, its HTML and its attachments.
 *
 * How it fits: jmap_email.c adds it to what Email/get gives. The walk is that of RFC 8621 §4.1.4,
 * "parseStructure", with its names. Pure. Failures: none. Known weak point: header fields of single
 * parts (headers, header:*) are not given.
 */
#include "front/jmap_body.h"

#include <string.h>

#include "front/jmap.h"

static const char *const properties[] = {"partId",   "blobId",   "size", "name",
                                         "type",     "charset",  "cid",  "disposition",
                                         "language", "location", NULL};

typedef struct {
    GPtrArray *text, *html; /* of const MessagePart; NULL: not any more */
    GPtrArray *attachments;
} Lists;

static bool is_inline_media(const char *type)
{
    return g_str_has_prefix(type, "image/") || g_str_has_prefix(type, "audio/") ||
           g_str_has_prefix(type, "video/");
}

static bool is_inline(const MessagePart *part, guint index, const char *multipart)
{
    bool shown = strcmp(part->type, "text/plain") == 0 || strcmp(part->type, "text/html") == 0 ||
                 is_inline_media(part->type);
    bool attached = g_strcmp0(part->disposition, "attachment") == 0;
    return !attached && shown &&
           (index == 0 ||
            (strcmp(multipart, "related") != 0 && (is_inline_media(part->type) || !part->name)));
}

static void add_alternative(const Lists *lists, const MessagePart *part)
{
    GPtrArray *list = strcmp(part->type, "text/plain") == 0  ? lists->text
                      : strcmp(part->type, "text/html") == 0 ? lists->html
                                                             : lists->attachments;
    if (list)
        g_ptr_array_add(list, (void *)(uintptr_t)part);
}

static void add_inline(Lists *lists, const MessagePart *part, bool in_alternative)
{
    if (in_alternative && strcmp(part->type, "text/plain") == 0)
        lists->html = NULL;
    if (in_alternative && strcmp(part->type, "text/html") == 0)
        lists->text = NULL;
    if (lists->text)
        g_ptr_array_add(lists->text, (void *)(uintptr_t)part);
    if (lists->html)
        g_ptr_array_add(lists->html, (void *)(uintptr_t)part);
    if ((!lists->text || !lists->html) && is_inline_media(part->type))
        g_ptr_array_add(lists->attachments, (void *)(uintptr_t)part);
}

static void parse_structure(const MessagePart *const *parts, guint count, const char *multipart,
                            bool in_alternative, Lists lists)
{
    const guint text_before = lists.text ? lists.text->len : 0;
    const guint html_before = lists.html ? lists.html->len : 0;
    bool alternative = strcmp(multipart, "alternative") == 0;
    for (guint i = 0; i < count; i++) {
        const MessagePart *part = parts[i];
        if (part->children) {
            const char *sub = strchr(part->type, '/');
            sub = sub ? sub + 1 : "mixed";
            parse_structure((const MessagePart *const *)part->children->pdata, part->children->len,
                            sub, in_alternative || strcmp(sub, "alternative") == 0, lists);
        } else if (!is_inline(part, i, multipart)) {
            g_ptr_array_add(lists.attachments, (void *)(uintptr_t)part);
        } else if (alternative) {
            add_alternative(&lists, part);
        } else {
            add_inline(&lists, part, in_alternative);
        }
    }
    if (!alternative || !lists.text || !lists.html)
        return;
    const guint text_after = lists.text->len, html_after = lists.html->len;
    for (guint i = html_before; text_after == text_before && i < html_after; i++)
        g_ptr_array_add(lists.text, lists.html->pdata[i]);
    for (guint i = text_before; html_after == html_before && i < text_after; i++)
        g_ptr_array_add(lists.html, lists.text->pdata[i]);
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *part_json(const MessagePart *part, const JmapBodyAsk *ask, bool whole)
{
    g_autofree char *blob = part->id ? g_strdup_printf("%s-%s", ask->blob, part->id) : NULL;
    /* A part without a charset that is text is US-ASCII (RFC 8621 §4.1.4). */
    bool text = part->id && g_str_has_prefix(part->type, "text/");
    json_t *json = json_pack("{s:o, s:o, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "partId",
                             text_or_null(part->id), "blobId", text_or_null(blob), "size",
                             (json_int_t)(part->bytes ? g_bytes_get_size(part->bytes) : 0), "name",
                             text_or_null(part->name), "type", part->type, "charset",
                             text_or_null(part->charset ? part->charset
                                          : text        ? "us-ascii"
                                                        : NULL),
                             "disposition", text_or_null(part->disposition), "cid",
                             text_or_null(part->content_id), "language",
                             part->language ? json_pack("[s]", part->language) : json_null(),
                             "location", text_or_null(part->location));
    for (const char *const *name = properties; *name; name++)
        if (!jmap_wants(ask->body_properties, *name))
            json_object_del(json, *name);
    if (!whole || !part->children)
        return json;
    json_t *list = json_array();
    for (guint i = 0; i < part->children->len; i++)
        json_array_append_new(list, part_json(part->children->pdata[i], ask, true));
    json_object_set_new(json, "subParts", list);
    return json;
}

static json_t *list_json(const GPtrArray *parts, const JmapBodyAsk *ask)
{
    json_t *list = json_array();
    for (guint i = 0; i < parts->len; i++)
        json_array_append_new(list, part_json(parts->pdata[i], ask, false));
    return list;
}

static void add_values(json_t *values, const GPtrArray *parts, const JmapBodyAsk *ask)
{
    for (guint i = 0; i < parts->len; i++) {
        const MessagePart *part = parts->pdata[i];
        if (!g_str_has_prefix(part->type, "text/") || json_object_get(values, part->id))
            continue;
        g_autofree char *text = message_part_text(part);
        size_t size = strlen(text);
        bool cut = ask->value_bytes_max && size > ask->value_bytes_max;
        if (cut) {
            const char *end = g_utf8_find_prev_char(text, text + ask->value_bytes_max + 1);
            text[end ? end - text : 0] = '\0';
        }
        json_object_set_new(values, part->id,
                            json_pack("{s:s, s:b, s:b}", "value", text, "isEncodingProblem", 0,
                                      "isTruncated", cut));
    }
}

static void gather_text(const MessagePart *part, GPtrArray *all)
{
    if (!part->children)
        g_ptr_array_add(all, (void *)(uintptr_t)part);
    for (guint i = 0; part->children && i < part->children->len; i++)
        gather_text(part->children->pdata[i], all);
}

void jmap_body_add(json_t *email, const MessagePart *root, json_t *wanted, const JmapBodyAsk *ask)
{
    g_autoptr(GPtrArray) text = g_ptr_array_new(), html = g_ptr_array_new();
    g_autoptr(GPtrArray) attachments = g_ptr_array_new(), all = g_ptr_array_new();
    json_t *values = json_object();
    if (root) {
        parse_structure(&root, 1, "mixed", false, (Lists){text, html, attachments});
        gather_text(root, all);
    }
    if (ask->all_values || ask->text_values)
        add_values(values, ask->all_values ? all : text, ask);
    if (ask->html_values)
        add_values(values, html, ask);
    if (jmap_wants(wanted, "textBody"))
        json_object_set_new(email, "textBody", list_json(text, ask));
    if (jmap_wants(wanted, "htmlBody"))
        json_object_set_new(email, "htmlBody", list_json(html, ask));
    if (jmap_wants(wanted, "attachments"))
        json_object_set_new(email, "attachments", list_json(attachments, ask));
    if (jmap_wants(wanted, "bodyValues"))
        json_object_set(email, "bodyValues", values);
    if (json_is_array(wanted) && jmap_wants(wanted, "bodyStructure"))
        json_object_set_new(email, "bodyStructure",
                            root ? part_json(root, ask, true) : json_null());
    json_decref(values);
}

bool jmap_body_properties_known(json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(
        list, i, one) if (!json_is_string(one) ||
                          (strcmp(json_string_value(one), "subParts") != 0 &&
                           !g_strv_contains(properties, json_string_value(one)))) return false;
    return true;
}
