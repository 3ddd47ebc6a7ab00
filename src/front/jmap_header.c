/* jmap_header: names and forms of header fields, and how a value of each form is written.
 *
 * How it fits: jmap_create.c makes drafts by it. Which field may be asked for in which form is a
 * table of RFC 8621 §4.1.2; a field that no RFC there names may have any.
 *
 * Failures: none; a value that is not of its form is said to be so. Known weak point: an address is
 * not checked for more than that it cannot be mistaken for two.
 */
#include "front/jmap_header.h"

#include <string.h>

#include "content/compose.h"

#define VALUES_MAX 1000 /* of one property: addresses, ids, fields of one name */

static const struct {
    const char *property, *name;
    JmapForm form;
} short_names[] = {
    {"messageId", "Message-ID", JMAP_AS_MESSAGE_IDS},
    {"inReplyTo", "In-Reply-To", JMAP_AS_MESSAGE_IDS},
    {"references", "References", JMAP_AS_MESSAGE_IDS},
    {"sender", "Sender", JMAP_AS_ADDRESSES},
    {"from", "From", JMAP_AS_ADDRESSES},
    {"to", "To", JMAP_AS_ADDRESSES},
    {"cc", "Cc", JMAP_AS_ADDRESSES},
    {"bcc", "Bcc", JMAP_AS_ADDRESSES},
    {"replyTo", "Reply-To", JMAP_AS_ADDRESSES},
    {"subject", "Subject", JMAP_AS_TEXT},
    {"sentAt", "Date", JMAP_AS_DATE},
};

static const char *const forms[] = {
    [JMAP_AS_RAW] = "asRaw",
    [JMAP_AS_TEXT] = "asText",
    [JMAP_AS_ADDRESSES] = "asAddresses",
    [JMAP_AS_GROUPED] = "asGroupedAddresses",
    [JMAP_AS_MESSAGE_IDS] = "asMessageIds",
    [JMAP_AS_DATE] = "asDate",
    [JMAP_AS_URLS] = "asURLs",
};

/* The fields of RFC 5322 and RFC 2369, each with the one form besides raw (addresses: grouped too)
 * that it may have; JMAP_AS_RAW: none. */
static const struct {
    const char *name;
    JmapForm form;
} known_fields[] = {
    {"Subject", JMAP_AS_TEXT},
    {"Comments", JMAP_AS_TEXT},
    {"Keywords", JMAP_AS_TEXT},
    {"From", JMAP_AS_ADDRESSES},
    {"Sender", JMAP_AS_ADDRESSES},
    {"Reply-To", JMAP_AS_ADDRESSES},
    {"To", JMAP_AS_ADDRESSES},
    {"Cc", JMAP_AS_ADDRESSES},
    {"Bcc", JMAP_AS_ADDRESSES},
    {"Resent-From", JMAP_AS_ADDRESSES},
    {"Resent-Sender", JMAP_AS_ADDRESSES},
    {"Resent-Reply-To", JMAP_AS_ADDRESSES},
    {"Resent-To", JMAP_AS_ADDRESSES},
    {"Resent-Cc", JMAP_AS_ADDRESSES},
    {"Resent-Bcc", JMAP_AS_ADDRESSES},
    {"Message-ID", JMAP_AS_MESSAGE_IDS},
    {"In-Reply-To", JMAP_AS_MESSAGE_IDS},
    {"References", JMAP_AS_MESSAGE_IDS},
    {"Resent-Message-ID", JMAP_AS_MESSAGE_IDS},
    {"Date", JMAP_AS_DATE},
    {"Resent-Date", JMAP_AS_DATE},
    {"Return-Path", JMAP_AS_RAW},
    {"Received", JMAP_AS_RAW},
    {"List-Help", JMAP_AS_URLS},
    {"List-Unsubscribe", JMAP_AS_URLS},
    {"List-Subscribe", JMAP_AS_URLS},
    {"List-Post", JMAP_AS_URLS},
    {"List-Owner", JMAP_AS_URLS},
    {"List-Archive", JMAP_AS_URLS},
};

static bool may_have(const char *name, JmapForm form)
{
    if (form == JMAP_AS_RAW)
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(known_fields); i++)
        if (g_ascii_strcasecmp(known_fields[i].name, name) == 0)
            return known_fields[i].form == form ||
                   (known_fields[i].form == JMAP_AS_ADDRESSES && form == JMAP_AS_GROUPED);
    return true;
}

static bool parse_form(const char *text, JmapForm *ret)
{
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (strcmp(forms[i], text) == 0) {
            *ret = (JmapForm)i;
            return true;
        }
    }
    return false;
}

static bool parse_long(const char *text, JmapHeader *ret)
{
    g_auto(GStrv) words = g_strsplit(text, ":", 4);
    unsigned count = g_strv_length(words);
    if (count == 0 || !compose_is_field_name(words[0]) ||
        g_strlcpy(ret->name, words[0], sizeof ret->name) >= sizeof ret->name)
        return false;
    ret->form = JMAP_AS_RAW;
    ret->all = count > 1 && strcmp(words[count - 1], "all") == 0;
    count -= ret->all;
    return count == 1 || (count == 2 && parse_form(words[1], &ret->form));
}

bool jmap_header_parse(const char *property, JmapHeader *ret)
{
    if (g_str_has_prefix(property, "header:"))
        return parse_long(property + strlen("header:"), ret) && may_have(ret->name, ret->form);
    for (size_t i = 0; i < G_N_ELEMENTS(short_names); i++) {
        if (strcmp(short_names[i].property, property) == 0) {
            *ret = (JmapHeader){.form = short_names[i].form};
            g_strlcpy(ret->name, short_names[i].name, sizeof ret->name);
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- values */

/* One word that stands within brackets or between commas. */
static bool is_word(const char *text, const char *not_these)
{
    if (!text || !*text || !compose_is_line(text))
        return false;
    for (const char *at = text; *at; at++)
        if (g_ascii_isspace(*at) || strchr(not_these, *at))
            return false;
    return true;
}

/* Each item by `write`, with `between`; NULL: one is wrong. */
static char *list_of(json_t *list, const char *between, char *(*write)(json_t *item))
{
    g_autoptr(GString) text = g_string_new(NULL);
    size_t i;
    json_t *item;
    if (!json_is_array(list) || json_array_size(list) > VALUES_MAX)
        return NULL;
    json_array_foreach(list, i, item)
    {
        g_autofree char *one = write(item);
        if (!one)
            return NULL;
        g_string_append_printf(text, "%s%s", i > 0 ? between : "", one);
    }
    return g_string_free(g_steal_pointer(&text), false);
}

/* A name is a line, or null. */
static bool read_name(json_t *item, const char **ret)
{
    json_t *name = json_object_get(item, "name");
    *ret = json_string_value(name);
    return !name || json_is_null(name) || (*ret && compose_is_line(*ret));
}

static char *write_address(json_t *item)
{
    const char *name, *address = json_string_value(json_object_get(item, "email"));
    if (!read_name(item, &name) || !is_word(address, "<>,;"))
        return NULL;
    return compose_address(name, address);
}

static char *write_group(json_t *item)
{
    const char *name;
    if (!read_name(item, &name))
        return NULL;
    g_autofree char *members = list_of(json_object_get(item, "addresses"), ", ", write_address);
    if (!members || !name)
        return g_steal_pointer(&members);
    return compose_group(name, members);
}

static char *write_id(json_t *item)
{
    const char *id = json_string_value(item);
    return is_word(id, "<>") ? g_strdup_printf("<%s>", id) : NULL;
}

static char *write_date(json_t *value)
{
    const char *text = json_string_value(value);
    bool full = text && strlen(text) >= strlen("2026-11-25T08:00:00Z") && text[10] == 'T';
    g_autoptr(GDateTime) date = full ? g_date_time_new_from_iso8601(text, NULL) : NULL;
    return date ? compose_date(date) : NULL;
}

static char *write_line(json_t *value)
{
    const char *text = json_string_value(value);
    return text && compose_is_line(text) ? g_strdup(text) : NULL;
}

static char *write_value(JmapForm form, json_t *value)
{
    switch (form) {
    case JMAP_AS_RAW:
        return g_strdup(json_string_value(value));
    case JMAP_AS_TEXT:
        return write_line(value);
    case JMAP_AS_ADDRESSES:
        return list_of(value, ", ", write_address);
    case JMAP_AS_GROUPED:
        return list_of(value, ", ", write_group);
    case JMAP_AS_MESSAGE_IDS:
        return list_of(value, " ", write_id);
    case JMAP_AS_DATE:
        return write_date(value);
    case JMAP_AS_URLS:
        return list_of(value, ", ", write_id);
    }
    return NULL;
}

/* What is raw and has other letters than ASCII's is encoded, as it would not be mail else. */
static bool write_one(const JmapHeader *header, json_t *value, GArray *fields)
{
    g_autofree char *text = write_value(header->form, value);
    bool raw = header->form == JMAP_AS_RAW && text && compose_is_raw(text);
    if (!text || (!raw && !compose_is_line(text)))
        return false;
    if (*text || header->form == JMAP_AS_RAW || header->form == JMAP_AS_TEXT)
        compose_field_add(fields, header->name, text, raw);
    return true;
}

bool jmap_header_write(const JmapHeader *header, json_t *value, GArray *fields)
{
    size_t i;
    json_t *one;
    if (json_is_null(value))
        return true;
    if (!header->all)
        return write_one(header, value, fields);
    if (!json_is_array(value) || json_array_size(value) > VALUES_MAX)
        return false;
    json_array_foreach(value, i, one) if (!write_one(header, one, fields)) return false;
    return true;
}
