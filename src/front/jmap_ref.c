/* jmap_ref: back-references of JMAP (RFC 8620 §3.7): an argument "#ids" takes its value out of an
 * earlier response, by a JSON pointer (RFC 6901) in which "*" is all items of a list.
 *
 * How it fits: jmap.c resolves each call's arguments before it runs. Pure. Failures: a reference
 * that leads nowhere is an error of its call. Bounded: what is gathered by "*" is at most
 * ITEMS_MAX. Known weak point: none.
 */
#include "front/jmap.h"

#include <string.h>

#define ITEMS_MAX     10000
#define JMAP_PATH_MAX 32 /* tokens */

static char *unescape(const char *token)
{
    g_auto(GStrv) parts = g_strsplit(token, "~1", -1);
    g_autofree char *slashes = g_strjoinv("/", parts);
    g_auto(GStrv) tildes = g_strsplit(slashes, "~0", -1);
    return g_strjoinv("~", tildes);
}

/* The value at the path below `value`, the caller's; NULL: there is none. */
static json_t *look(json_t *value, char *const *path)
{
    if (!*path)
        return json_incref(value);
    g_autofree char *token = unescape(*path);
    if (json_is_object(value)) {
        json_t *next = json_object_get(value, token);
        return next ? look(next, path + 1) : NULL;
    }
    if (!json_is_array(value))
        return NULL;
    guint64 index;
    if (strcmp(token, "*") != 0)
        return g_ascii_string_to_unsigned(token, 10, 0, G_MAXUINT, &index, NULL) &&
                       index < json_array_size(value)
                   ? look(json_array_get(value, (size_t)index), path + 1)
                   : NULL;
    json_t *all = json_array(), *item;
    size_t i;
    json_array_foreach(value, i, item)
    {
        json_t *one = look(item, path + 1);
        bool whole = one && json_array_size(all) < ITEMS_MAX &&
                     (json_is_array(one) ? json_array_extend(all, one) == 0
                                         : json_array_append(all, one) == 0);
        json_decref(one);
        if (!whole) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static json_t *find_response(json_t *responses, const char *call_id, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(responses, i,
                       row) if (strcmp(json_string_value(json_array_get(row, 2)), call_id) ==
                                0) return strcmp(json_string_value(json_array_get(row, 0)), name) ==
            0
        ? json_array_get(row, 1)
        : NULL;
    return NULL;
}

static json_t *resolve_one(json_t *reference, json_t *responses)
{
    const char *call_id = json_string_value(json_object_get(reference, "resultOf"));
    const char *name = json_string_value(json_object_get(reference, "name"));
    const char *path = json_string_value(json_object_get(reference, "path"));
    if (!call_id || !name || !path || json_object_size(reference) != 3 || (*path && *path != '/'))
        return NULL;
    json_t *response = find_response(responses, call_id, name);
    if (!response || !*path)
        return json_incref(response);
    /* Of "/" it makes no token, and not the empty one that it is. */
    g_auto(GStrv) tokens = path[1] ? g_strsplit(path + 1, "/", JMAP_PATH_MAX)
                                   : g_strdupv((char *[]){(char[]){""}, NULL});
    return look(response, tokens);
}

bool jmap_resolve(json_t *arguments, json_t *responses, const char **ret_detail)
{
    const char *key;
    json_t *value, *found = json_object();
    void *next;
    bool good = true;
    json_object_foreach_safe(arguments, next, key, value)
    {
        if (*key != '#')
            continue;
        if (json_object_get(arguments, key + 1)) {
            *ret_detail = "!an argument is there as it is and as a reference";
            good = false;
            break;
        }
        json_t *result = resolve_one(value, responses);
        if (!result) {
            *ret_detail = "a reference leads to nothing";
            good = false;
            break;
        }
        json_object_set_new(found, key + 1, result);
        json_object_del(arguments, key);
    }
    json_object_update(arguments, found);
    json_decref(found);
    return good;
}
