/* jmap_query: arguments and answers of /query and /queryChanges (RFC 8620 §5.5, §5.6).
 *
 * How it fits: jmap_email_query.c and jmap_mailbox_query.c find ids; here is what of them is asked
 * for, and what has changed.
 *
 * Failures: wrong arguments are told by their names. A log that was trimmed, or is longer than
 * JMAP_LOG_MAX from the old state on, is cannotCalculateChanges: the client asks anew, which is
 * cheaper then. Known weak point: upToId spares nothing; it is allowed to.
 */
#include "front/jmap_query.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"

bool jmap_flag(json_t *arguments, const char *name, bool *ret, json_t **ret_error)
{
    json_t *value = json_object_get(arguments, name);
    if (!value || json_is_null(value))
        return true;
    *ret = json_is_true(value);
    if (json_is_boolean(value))
        return true;
    g_autofree char *text = g_strdup_printf("%s is neither true nor false", name);
    jmap_fail(ret_error, "invalidArguments", text);
    return false;
}

/* ---------------------------------------------------------------- sort */

static bool read_comparator(json_t *json, const char *const *names, unsigned with_keyword,
                            JmapSort *ret, json_t **ret_error)
{
    const char *property = json_string_value(json_object_get(json, "property"));
    json_t *keyword = json_object_get(json, "keyword");
    json_t *collation = json_object_get(json, "collation");
    bool ascending = true;
    if (!property || (keyword && !json_is_string(keyword)) ||
        (collation && !json_is_string(collation))) {
        jmap_fail(ret_error, "invalidArguments", "a comparator has a property to sort by");
        return false;
    }
    if (!jmap_flag(json, "isAscending", &ascending, ret_error))
        return false;
    for (ret->property = 0; names[ret->property]; ret->property++)
        if (strcmp(names[ret->property], property) == 0)
            break;
    if (!names[ret->property] ||
        (collation && strcmp(json_string_value(collation), JMAP_COLLATION) != 0)) {
        jmap_fail(ret_error, "unsupportedSort", "there is no such order");
        return false;
    }
    if (ret->property >= with_keyword && !keyword) {
        jmap_fail(ret_error, "invalidArguments", "this order needs a keyword");
        return false;
    }
    ret->keyword = keyword ? json_string_value(keyword) : "";
    ret->descending = !ascending;
    return true;
}

GArray *jmap_sort_read(json_t *list, const char *const *names, unsigned with_keyword,
                       json_t **ret_error)
{
    g_autoptr(GArray) sorts = g_array_new(FALSE, FALSE, sizeof(JmapSort));
    json_t *one;
    size_t i;
    if (list && !json_is_null(list) && !json_is_array(list)) {
        jmap_fail(ret_error, "invalidArguments", "sort is no list");
        return NULL;
    }
    if (json_array_size(list) > JMAP_SORTS_MAX) {
        jmap_fail(ret_error, "unsupportedSort", "there are too many comparators");
        return NULL;
    }
    json_array_foreach(list, i, one)
    {
        JmapSort sort;
        if (!read_comparator(one, names, with_keyword, &sort, ret_error))
            return NULL;
        g_array_append_val(sorts, sort);
    }
    return g_steal_pointer(&sorts);
}

/* ---------------------------------------------------------------- query */

bool jmap_window_read(json_t *arguments, JmapWindow *ret, json_t **ret_error)
{
    json_t *anchor = json_object_get(arguments, "anchor");
    *ret = (JmapWindow){.limit = INT64_MAX};
    if (!jmap_int(arguments, "position", &ret->position, ret_error) ||
        !jmap_int(arguments, "anchorOffset", &ret->anchor_offset, ret_error) ||
        !jmap_int(arguments, "limit", &ret->limit, ret_error) ||
        !jmap_flag(arguments, "calculateTotal", &ret->total, ret_error))
        return false;
    if (ret->limit < 0 || (anchor && !json_is_null(anchor) && !json_is_string(anchor))) {
        jmap_fail(ret_error, "invalidArguments", "limit is negative, or anchor no id");
        return false;
    }
    ret->anchor = json_string_value(anchor);
    return true;
}

/* Where the answer begins; false: the anchor is not there. */
static bool find_place(const JmapWindow *window, char prefix, const GArray *ids, int64_t *ret)
{
    int64_t place = window->position;
    if (window->anchor) {
        int64_t id = jmap_id_parse(window->anchor, prefix);
        guint at = 0;
        while (at < ids->len && g_array_index(ids, int64_t, at) != id)
            at++;
        if (at == ids->len)
            return false;
        place = at + window->anchor_offset;
    } else if (place < 0) {
        place += ids->len;
    }
    *ret = CLAMP(place, 0, (int64_t)ids->len);
    return true;
}

json_t *jmap_window_answer(const JmapCall *call, const JmapWindow *window, const JmapFound *found,
                           const GArray *ids, json_t **ret_error)
{
    int64_t place = 0, most = MIN(window->limit, JMAP_QUERY_MAX);
    if (!find_place(window, found->prefix, ids, &place))
        return jmap_fail(ret_error, "anchorNotFound", NULL);
    json_t *list = json_array();
    for (guint i = (guint)place; i < ids->len && (int64_t)json_array_size(list) < most; i++)
        json_array_append_new(list, jmap_id(found->prefix, g_array_index(ids, int64_t, i)));
    json_t *json = json_pack("{s:o, s:o, s:b, s:I, s:o}", "accountId", jmap_id('a', call->account),
                             "queryState", jmap_state_json(found->state), "canCalculateChanges",
                             found->can_change, "position", (json_int_t)place, "ids", list);
    if (window->total)
        json_object_set_new(json, "total",
                            json_integer(found->total < 0 ? ids->len : found->total));
    if (window->limit > most)
        json_object_set_new(json, "limit", json_integer(most));
    return json;
}

/* ---------------------------------------------------------------- queryChanges */

bool jmap_since_read(json_t *arguments, JmapSince *ret, json_t **ret_error)
{
    const char *state = json_string_value(json_object_get(arguments, "sinceQueryState"));
    json_t *up_to = json_object_get(arguments, "upToId");
    guint64 number;
    *ret = (JmapSince){0};
    int64_t most = INT64_MAX;
    if (!jmap_int(arguments, "maxChanges", &most, ret_error) ||
        !jmap_flag(arguments, "calculateTotal", &ret->total, ret_error))
        return false;
    if (!state || most < 1 || (up_to && !json_is_null(up_to) && !json_is_string(up_to))) {
        jmap_fail(ret_error, "invalidArguments",
                  "sinceQueryState is missing, maxChanges not positive, or upToId no id");
        return false;
    }
    if (!g_ascii_string_to_unsigned(state, 10, 0, INT64_MAX, &number, NULL)) {
        jmap_fail(ret_error, "cannotCalculateChanges", "there was no such state");
        return false;
    }
    ret->state = (int64_t)number;
    ret->most = most;
    return true;
}

static void note(GHashTable *changed, const Change *change)
{
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(changed, &change->object));
    g_hash_table_replace(changed, g_memdup2(&change->object, sizeof change->object),
                         GUINT_TO_POINTER(bits | 1u << change->action));
}

bool jmap_since_log(const JmapCall *call, const JmapSince *since, ChangeKind kind,
                    GHashTable **ret_changed, json_t **ret_error, GError **error)
{
    int64_t state, at = since->state;
    g_autoptr(GHashTable) changed =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    if (!jmap_state(call, &state, error))
        return false;
    if (since->state > state || state - since->state > JMAP_LOG_MAX) {
        jmap_fail(ret_error, "cannotCalculateChanges", "there was no such state, or it is too old");
        return false;
    }
    while (at < state) {
        g_autoptr(GError) why = NULL;
        g_autoptr(GArray) page = change_read(call->db, call->account, at, JMAP_CHANGES_MAX, &why);
        if (!page && error_kind(why) == ERROR_GONE) {
            jmap_fail(ret_error, "cannotCalculateChanges", "the log does not go back so far");
            return false;
        }
        if (!page) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        for (guint i = 0; i < page->len; i++) {
            const Change *change = &g_array_index(page, Change, i);
            at = change->seq;
            if (change->kind == kind)
                note(changed, change);
        }
        if (page->len < JMAP_CHANGES_MAX)
            break;
    }
    *ret_changed = g_steal_pointer(&changed);
    return true;
}

json_t *jmap_since_answer(const JmapCall *call, const JmapSince *since, const JmapFound *found,
                          const GArray *ids, GHashTable *changed, json_t **ret_error)
{
    json_t *removed = json_array(), *added = json_array();
    GHashTableIter iter;
    void *key, *bits;
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &key, &bits))
        if (!JMAP_CAME(bits))
            json_array_append_new(removed, jmap_id(found->prefix, *(const int64_t *)key));
    for (guint i = 0; i < ids->len; i++)
        if (g_hash_table_contains(changed, &g_array_index(ids, int64_t, i)))
            json_array_append_new(added,
                                  json_pack("{s:o, s:I}", "id",
                                            jmap_id(found->prefix, g_array_index(ids, int64_t, i)),
                                            "index", (json_int_t)i));
    bool too_many = (int64_t)(json_array_size(removed) + json_array_size(added)) > since->most;
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o}", "accountId", jmap_id('a', call->account),
                             "oldQueryState", jmap_state_json(since->state), "newQueryState",
                             jmap_state_json(found->state), "removed", removed, "added", added);
    if (since->total)
        json_object_set_new(json, "total", json_integer(ids->len));
    if (!too_many)
        return json;
    json_decref(json);
    return jmap_fail(ret_error, "tooManyChanges", NULL);
}
