/* jmap_quota: Quota of JMAP (RFC 9425): how much an account may keep, and keeps.
 *
 * How it fits: an account has one quota, in octets, of all that it keeps, or none; model/account.h
 * has both numbers. That its limit changed is in the change log; what it keeps changes with nearly
 * all else, so with any change it is told as updated, in `used` alone.
 *
 * Failures: the store's. Known weak point: calendars count too, but the only type that is told is
 * Email, since JMAP has no other here.
 */
#include "front/jmap_write.h"

#include <string.h>

#include "model/account.h"
#include "model/change.h"

#include "front/jmap_filter.h"
#include "front/jmap_query.h"

#define QUOTA_NAME "all that is kept"

static const char *const properties[] = {"id",        "resourceType", "used",  "hardLimit",
                                         "scope",     "name",         "types", "warnLimit",
                                         "softLimit", "description",  NULL};

typedef struct {
    int64_t limit, used; /* limit 0: there is none */
} Quota;

/* Who does not use mail sees no quota of it (RFC 9425 §4.2). In the open transaction. */
static bool read_quota(const JmapCall *call, Quota *ret, int64_t *ret_state, GError **error)
{
    if (!jmap_state(call, ret_state, error) ||
        !account_usage(call->db, call->account, &ret->limit, &ret->used, error))
        return false;
    if (!jmap_uses(call->using, JMAP_MAIL))
        ret->limit = 0;
    return true;
}

static json_t *quota_json(const Quota *quota, json_t *wanted)
{
    json_t *json =
        json_pack("{s:o, s:s, s:I, s:I, s:s, s:s, s:[s], s:n, s:n, s:n}", "id", jmap_id('Q', 1),
                  "resourceType", "octets", "used", (json_int_t)quota->used, "hardLimit",
                  (json_int_t)quota->limit, "scope", "account", "name", QUOTA_NAME, "types",
                  "Email", "warnLimit", "softLimit", "description");
    for (const char *const *name = properties; *name; name++)
        if (strcmp(*name, "id") != 0 && !jmap_wants(wanted, *name))
            json_object_del(json, *name);
    return json;
}

static json_t *run_get(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"ids", "properties", NULL};
    g_autoptr(GError) error = NULL;
    Quota quota;
    int64_t state;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_get_arguments(arguments, properties, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    if (!read_quota(call, &quota, &state, &error))
        return jmap_fail_error(ret_error, error);
    json_t *ids = json_object_get(arguments, "ids"), *one;
    json_t *wanted = json_object_get(arguments, "properties");
    json_t *list = json_array(), *not_found = json_array();
    size_t i;
    if (!json_is_array(ids) && quota.limit)
        json_array_append_new(list, quota_json(&quota, wanted));
    json_array_foreach(ids, i, one)
    {
        if (quota.limit && jmap_id_parse(json_string_value(one), 'Q') == 1)
            json_array_append_new(list, quota_json(&quota, wanted));
        else
            json_array_append(not_found, one);
    }
    return jmap_get_answer(call, state, list, not_found);
}

/* ---------------------------------------------------------------- changes */

/* Created, updated, destroyed: which list it is in; -1 none. */
static int list_of(unsigned bits, bool is_there, bool moved)
{
    bool came = bits & 1u << CHANGE_CREATED, went = bits & 1u << CHANGE_DESTROYED;
    if (is_there)
        return came && !went ? 0 : moved ? 1 : -1;
    return went && !came ? 2 : -1;
}

static json_t *run_changes(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"sinceState", "maxChanges", NULL};
    static const int64_t only = 1;
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) changed = NULL;
    json_t *since_state = json_object_get(arguments, "sinceState");
    JmapSince since;
    Quota quota;
    int64_t state;
    if (!jmap_takes(call, arguments, names, ret_error))
        return NULL;
    if (since_state)
        json_object_set(arguments, "sinceQueryState", since_state);
    if (!jmap_since_read(arguments, &since, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    if (!read_quota(call, &quota, &state, &error) ||
        !jmap_since_log(call, &since, CHANGE_QUOTA, &changed, ret_error, &error))
        return error ? jmap_fail_error(ret_error, error) : NULL;
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(changed, &only));
    int at = list_of(bits, quota.limit > 0, state > since.state);
    json_t *lists[3] = {json_array(), json_array(), json_array()};
    if (at >= 0)
        json_array_append_new(lists[at], jmap_id('Q', only));
    return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "accountId",
                     jmap_id('a', call->account), "oldState", jmap_state_json(since.state),
                     "newState", jmap_state_json(state), "hasMoreChanges", 0, "created", lists[0],
                     "updated", lists[1], "destroyed", lists[2], "updatedProperties",
                     bits ? json_null() : json_pack("[s]", "used"));
}

/* ---------------------------------------------------------------- queries */

enum { BY_NAME, BY_SCOPE, BY_RESOURCE, BY_TYPE };
static const JmapCondition conditions[] = {
    [BY_NAME] = {"name", JMAP_VALUE_TEXT},
    [BY_SCOPE] = {"scope", JMAP_VALUE_TEXTS},
    [BY_RESOURCE] = {"resourceType", JMAP_VALUE_TEXTS},
    [BY_TYPE] = {"type", JMAP_VALUE_TEXTS},
    {NULL, JMAP_VALUE_TEXT},
};

static int passes(const JmapFilter *condition, void *object, GError **error)
{
    static const char *const has[] = {
        [BY_SCOPE] = "account", [BY_RESOURCE] = "octets", [BY_TYPE] = "Email"};
    (void)object, (void)error;
    size_t i;
    json_t *one;
    if (condition->kind == BY_NAME) {
        g_autofree char *want = g_utf8_casefold(json_string_value(condition->value), -1);
        return strstr(QUOTA_NAME, want) != NULL;
    }
    json_array_foreach(condition->value, i, one)
    {
        if (strcmp(json_string_value(one), has[condition->kind]) == 0)
            return 1;
    }
    return 0;
}

typedef struct {
    JmapFilter *filter;
    GArray *sorts;
} Query;

static void query_clear(Query *query)
{
    g_clear_pointer(&query->filter, jmap_filter_free);
    g_clear_pointer(&query->sorts, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Query, query_clear)

static bool read_query(json_t *arguments, Query *ret, json_t **ret_error)
{
    static const char *const sorts[] = {"name", "used", NULL};
    ret->filter = jmap_filter_parse(json_object_get(arguments, "filter"), conditions, ret_error);
    if (ret->filter)
        ret->sorts = jmap_sort_read(json_object_get(arguments, "sort"), sorts, 2, ret_error);
    return ret->sorts != NULL;
}

/* In the open transaction: all that pass, which is one or none. */
static GArray *find_all(const JmapCall *call, const Query *query, JmapFound *ret, GError **error)
{
    static const int64_t only = 1;
    Quota quota;
    if (!read_quota(call, &quota, &ret->state, error))
        return NULL;
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    if (quota.limit && jmap_filter_passes(query->filter, passes, NULL, NULL) > 0)
        g_array_append_val(ids, only);
    return ids;
}

static json_t *run_query(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"filter",       "sort",  "position",       "anchor",
                                        "anchorOffset", "limit", "calculateTotal", NULL};
    g_autoptr(GError) error = NULL;
    g_auto(Query) query = {0};
    JmapWindow window;
    JmapFound found = {.prefix = 'Q', .can_change = true, .total = -1};
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !read_query(arguments, &query, ret_error) ||
        !jmap_window_read(arguments, &window, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    g_autoptr(GArray) ids = find_all(call, &query, &found, &error);
    return ids ? jmap_window_answer(call, &window, &found, ids, ret_error)
               : jmap_fail_error(ret_error, error);
}

static json_t *run_query_changes(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {
        "filter", "sort", "sinceQueryState", "maxChanges", "upToId", "calculateTotal", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) changed = NULL;
    g_auto(Query) query = {0};
    JmapSince since;
    JmapFound found = {.prefix = 'Q', .can_change = true, .total = -1};
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !read_query(arguments, &query, ret_error) || !jmap_since_read(arguments, &since, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    g_autoptr(GArray) ids = find_all(call, &query, &found, &error);
    if (!ids || !jmap_since_log(call, &since, CHANGE_QUOTA, &changed, ret_error, &error))
        return error ? jmap_fail_error(ret_error, error) : NULL;
    return jmap_since_answer(call, &since, &found, ids, changed, ret_error);
}

const JmapMethod jmap_quota_methods[] = {
    {"Quota/get", JMAP_QUOTA, run_get},
    {"Quota/changes", JMAP_QUOTA, run_changes},
    {"Quota/query", JMAP_QUOTA, run_query},
    {"Quota/queryChanges", JMAP_QUOTA, run_query_changes},
    {NULL, NULL, NULL},
};
