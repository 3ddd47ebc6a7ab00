/* jmap_draft: an email that a client describes becomes a mail.
 *
 * How it fits: jmap_set.c has the objects, jmap_draft_body.c the parts, jmap_header.c the fields;
 * content/compose.h writes it. A mail without Date or Message-ID gets them.
 *
 * Failures: what RFC 8621 §4.6 forbids is invalidProperties, and names the property. Known weak
 * point: a draft has no From unless its client says one.
 */
#include "front/jmap_draft.h"

#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/limits_jmap.h"
#include "base/rand.h"

#define CHANCE_BYTES 16

int jmap_draft_field(const char *name, json_t *value, GHashTable *names, GArray *fields)
{
    JmapHeader header;
    if (!jmap_header_parse(name, &header))
        return 0;
    if (json_is_null(value))
        return 1;
    if (!g_hash_table_add(names, g_ascii_strdown(header.name, -1)) ||
        !jmap_header_write(&header, value, fields) || fields->len > JMAP_FIELDS_MAX)
        return -1;
    return 1;
}

static bool is_ours(const char *name)
{
    static const char *const ours[] = {"mailboxIds",  "keywords",      "receivedAt",
                                       "bodyValues",  "textBody",      "htmlBody",
                                       "attachments", "bodyStructure", NULL};
    return g_strv_contains(ours, name);
}

/* "Content-…" belongs to parts, and the version is the writer's. */
static bool is_of_parts(const char *name)
{
    JmapHeader header;
    return jmap_header_parse(name, &header) &&
           (g_ascii_strncasecmp(header.name, "Content-", 8) == 0 ||
            g_ascii_strcasecmp(header.name, "MIME-Version") == 0);
}

static json_t *read_fields(json_t *email, GHashTable *names, GArray *fields)
{
    const char *name;
    json_t *value;
    json_object_foreach(email, name, value)
    {
        if (is_ours(name))
            continue;
        if (is_of_parts(name))
            return jmap_invalid(name, "it is a part's");
        int read = jmap_draft_field(name, value, names, fields);
        if (read == 0)
            return jmap_invalid(name, "an email that is made has no such property");
        if (read < 0)
            return jmap_invalid(name, "it is not of its form, or the field is there twice");
    }
    return NULL;
}

static void add_what_is_missing(const JmapCall *call, GHashTable *names, GArray *fields,
                                const char *chance)
{
    if (!g_hash_table_contains(names, "date")) {
        g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(call->now_ms / 1000);
        g_autofree char *date = compose_date(now);
        compose_field_add(fields, "Date", date, false);
    }
    if (!g_hash_table_contains(names, "message-id")) {
        const char *at = call->person ? strrchr(call->person, '@') : NULL;
        g_autofree char *id = g_strdup_printf("<%s%s>", chance, at ? at : "@rota.invalid");
        compose_field_add(fields, "Message-ID", id, false);
    }
}

/* Two words of chance: one is told to all the world, the other makes the boundaries. */
static char *word_of_chance(void)
{
    uint8_t bytes[CHANCE_BYTES];
    rand_secret(bytes, sizeof bytes);
    Digest digest = digest_of(bytes, sizeof bytes);
    char *hex = digest_format(&digest);
    hex[2 * (size_t)CHANCE_BYTES] = '\0';
    return hex;
}

GBytes *jmap_draft_mail(const JmapCall *call, json_t *email, json_t **ret_wrong)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GArray) fields = compose_fields_new();
    g_autofree char *id = word_of_chance(), *boundaries = word_of_chance();
    *ret_wrong = read_fields(email, names, fields);
    if (*ret_wrong)
        return NULL;
    g_autoptr(ComposePart) body = jmap_draft_body(call, email, names, ret_wrong);
    if (!body)
        return NULL;
    add_what_is_missing(call, names, fields, id);
    g_autoptr(GBytes) mail = compose_mail(fields, body, boundaries);
    if (g_bytes_get_size(mail) <= MESSAGE_BYTES_MAX)
        return g_steal_pointer(&mail);
    *ret_wrong = jmap_error("tooLarge", NULL);
    return NULL;
}
