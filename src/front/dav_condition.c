/* dav_condition: what a request asks of the object that is there, before it is touched.
 *
 * How it fits: GET, PUT, DELETE, MOVE and COPY read If-Match and If-None-Match (RFC 9110 section
 * 13.1) and If-Schedule-Tag-Match (RFC 6638 section 8.3) here; the model judges them under the
 * account's lock. Failures: none. A field that cannot be read names no tag: If-Match then does not
 * hold. A weak tag is the bytes of a strong one, since ours are of the bytes.
 */
#include <string.h>

#include "front/dav.h"

void dav_match_clear(DavMatch *match)
{
    g_strfreev(match->if_match);
    g_strfreev(match->if_none);
    g_free(match->schedule_tag);
}

const char *dav_field(const HttpCall *call, const char *name)
{
    return call->request->header(name, call->request->data);
}

/* The tags of a field without quotes, "*" as it is; without quotes up to the next comma, as some
 * clients write it. NULL: there is no such field. */
static char **read_tags(const HttpCall *call, const char *name)
{
    const char *at = dav_field(call, name);
    if (!at)
        return NULL;
    g_autoptr(GPtrArray) tags = g_ptr_array_new();
    for (at += strspn(at, " \t,"); *at; at += strspn(at, " \t,")) {
        if (g_str_has_prefix(at, "W/"))
            at += 2;
        bool quoted = *at == '"';
        size_t size = strcspn(at + quoted, quoted ? "\"" : " \t,");
        g_ptr_array_add(tags, g_strndup(at + quoted, size));
        at += quoted + size;
        at += quoted && *at == '"';
    }
    g_ptr_array_add(tags, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&tags), FALSE);
}

CalendarMatch dav_read_match(const HttpCall *call, DavMatch *owned)
{
    g_auto(GStrv) schedule = read_tags(call, "If-Schedule-Tag-Match");
    owned->if_match = read_tags(call, "If-Match");
    owned->if_none = read_tags(call, "If-None-Match");
    owned->schedule_tag = schedule ? g_strdup(schedule[0] ? schedule[0] : "") : NULL;
    return (CalendarMatch){.if_match = (const char *const *)owned->if_match,
                           .if_none = (const char *const *)owned->if_none,
                           .schedule_tag = owned->schedule_tag};
}
