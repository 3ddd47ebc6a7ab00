/* jmap_mailbox_query: Mailbox/query and Mailbox/queryChanges of JMAP (RFC 8621 §2.3, §2.4).
 *
 * How it fits: jmap_filter.c and jmap_query.c have what queries share. An account has dozens of
 * mailboxes, so all are read, filtered and sorted here. Without an order they come by path.
 *
 * Failures: the store's. Known weak point: where the order or the filter asks for the tree, one
 * mailbox that changed moves those below it, and changes are told as cannotCalculateChanges.
 */
#include <string.h>

#include "base/error.h"
#include "model/mailbox.h"

#include "front/jmap_filter.h"
#include "front/jmap_mailbox.h"
#include "front/jmap_query.h"

enum { PARENT, NAME, ROLE, ANY_ROLE, SUBSCRIBED };
static const JmapCondition conditions[] = {
    [PARENT] = {"parentId", JMAP_VALUE_TEXT_OR_NULL}, [NAME] = {"name", JMAP_VALUE_TEXT},
    [ROLE] = {"role", JMAP_VALUE_TEXT_OR_NULL},       [ANY_ROLE] = {"hasAnyRole", JMAP_VALUE_FLAG},
    [SUBSCRIBED] = {"isSubscribed", JMAP_VALUE_FLAG}, {NULL, 0},
};

enum { BY_ORDER, BY_NAME, BY_PARENT };
static const char *const orders[] = {
    [BY_ORDER] = "sortOrder", [BY_NAME] = "name", [BY_PARENT] = "parentId", NULL};
#define NO_KEYWORDS G_N_ELEMENTS(orders)

typedef struct {
    JmapFilter *filter;
    GArray *sorts; /* of JmapSort */
    bool sort_as_tree, filter_as_tree;
} Query;

static void query_clear(Query *query)
{
    g_clear_pointer(&query->filter, jmap_filter_free);
    g_clear_pointer(&query->sorts, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Query, query_clear)

static bool read_query(json_t *arguments, Query *ret, json_t **ret_error)
{
    if (!jmap_flag(arguments, "sortAsTree", &ret->sort_as_tree, ret_error) ||
        !jmap_flag(arguments, "filterAsTree", &ret->filter_as_tree, ret_error))
        return false;
    ret->filter = jmap_filter_parse(json_object_get(arguments, "filter"), conditions, ret_error);
    if (ret->filter)
        ret->sorts =
            jmap_sort_read(json_object_get(arguments, "sort"), orders, NO_KEYWORDS, ret_error);
    return ret->sorts != NULL;
}

/* ---------------------------------------------------------------- filter */

static int passes(const JmapFilter *condition, void *object, GError **error)
{
    (void)error;
    const Mailbox *box = object;
    const char *text = json_string_value(condition->value);
    switch (condition->kind) {
    case PARENT:
        return text ? box->parent && box->parent == jmap_id_parse(text, 'B') : !box->parent;
    case ROLE:
        return strcmp(box->role, text ? text : "") == 0;
    case ANY_ROLE:
        return (*box->role != '\0') == (condition->number != 0);
    case SUBSCRIBED:
        return box->subscribed == (condition->number != 0);
    default: {
        g_autofree char *have = g_utf8_casefold(box->name, -1);
        g_autofree char *want = g_utf8_casefold(text, -1);
        return strstr(have, want) != NULL;
    }
    }
}

/* A child comes after its parent in the list, which is by path. */
static GPtrArray *filter(const Query *query, const GPtrArray *all)
{
    GPtrArray *kept = g_ptr_array_new();
    for (guint i = 0; i < all->len; i++) {
        Mailbox *box = all->pdata[i];
        bool below = !query->filter_as_tree || !box->parent || jmap_mailbox_find(kept, box->parent);
        if (below && jmap_filter_passes(query->filter, passes, box, NULL) > 0)
            g_ptr_array_add(kept, box);
    }
    return kept;
}

/* ---------------------------------------------------------------- sort */

static int compare_names(const char *a, const char *b)
{
    g_autofree char *one = g_utf8_casefold(a, -1), *two = g_utf8_casefold(b, -1);
    return strcmp(one, two);
}

static int compare(const Mailbox *a, const Mailbox *b, const GArray *sorts)
{
    for (guint i = 0; i < sorts->len; i++) {
        const JmapSort *sort = &g_array_index(sorts, JmapSort, i);
        int64_t one = a->parent, two = b->parent;
        if (sort->property == BY_ORDER) {
            one = jmap_mailbox_order(a);
            two = jmap_mailbox_order(b);
        }
        int order =
            sort->property == BY_NAME ? compare_names(a->name, b->name) : (one > two) - (one < two);
        if (order)
            return sort->descending ? -order : order;
    }
    return sorts->len ? (a->id > b->id) - (a->id < b->id) : strcmp(a->path, b->path);
}

static int compare_rows(const void *a, const void *b, void *data)
{
    return compare(*(Mailbox *const *)a, *(Mailbox *const *)b, data);
}

typedef struct {
    const GPtrArray *all; /* of the account, in the order asked for */
    const GPtrArray *kept;
    GArray *ids;
} Tree;

/* What is below a parent, each followed by what is below it: as deep as mailboxes are. */
static void add_below(Tree *tree, int64_t parent)
{
    for (guint i = 0; i < tree->all->len; i++) {
        const Mailbox *box = tree->all->pdata[i];
        if (box->parent != parent)
            continue;
        if (jmap_mailbox_find(tree->kept, box->id))
            g_array_append_val(tree->ids, box->id);
        add_below(tree, box->id);
    }
}

static GArray *find_ids(const Query *query, const GPtrArray *all)
{
    g_autoptr(GPtrArray) kept = filter(query, all);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (guint i = 0; i < all->len; i++)
        g_ptr_array_add(sorted, all->pdata[i]);
    g_ptr_array_sort_with_data(sorted, compare_rows, query->sorts);
    Tree tree = {sorted, kept, ids};
    if (query->sort_as_tree) {
        add_below(&tree, 0);
        return ids;
    }
    for (guint i = 0; i < sorted->len; i++) {
        const Mailbox *box = sorted->pdata[i];
        if (jmap_mailbox_find(kept, box->id))
            g_array_append_val(ids, box->id);
    }
    return ids;
}

/* ---------------------------------------------------------------- the methods */

static json_t *run_query(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"filter",   "sort",   "sortAsTree",   "filterAsTree",
                                        "position", "anchor", "anchorOffset", "calculateTotal",
                                        "limit",    NULL};
    g_autoptr(GError) error = NULL;
    g_auto(Query) query = {0};
    JmapFound found = {.prefix = 'B', .can_change = true, .total = -1};
    JmapWindow window;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_window_read(arguments, &window, ret_error) ||
        !read_query(arguments, &query, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    g_autoptr(GPtrArray) all = jmap_state(call, &found.state, &error)
                                   ? mailbox_list(call->db, call->account, &error)
                                   : NULL;
    if (!all)
        return jmap_fail_error(ret_error, error);
    g_autoptr(GArray) ids = find_ids(&query, all);
    return jmap_window_answer(call, &window, &found, ids, ret_error);
}

static json_t *changes_of(const JmapCall *call, const JmapSince *since, const Query *query,
                          json_t **ret_error, GError **error)
{
    JmapFound found = {.prefix = 'B', .can_change = true, .total = -1};
    g_autoptr(GHashTable) changed = NULL;
    if (!jmap_state(call, &found.state, error) ||
        !jmap_since_log(call, since, CHANGE_MAILBOX, &changed, ret_error, error))
        return NULL;
    bool tree = query->sort_as_tree || query->filter_as_tree || query->sorts->len == 0;
    if (tree && g_hash_table_size(changed) > 0)
        return jmap_fail(ret_error, "cannotCalculateChanges",
                         "a mailbox changed, which may have moved those below it");
    g_autoptr(GPtrArray) all = mailbox_list(call->db, call->account, error);
    g_autoptr(GArray) ids = all ? find_ids(query, all) : NULL;
    return ids ? jmap_since_answer(call, since, &found, ids, changed, ret_error) : NULL;
}

static json_t *run_changes(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"filter",       "sort",           "sortAsTree",
                                        "filterAsTree", "maxChanges",     "sinceQueryState",
                                        "upToId",       "calculateTotal", NULL};
    g_autoptr(GError) error = NULL;
    g_auto(Query) query = {0};
    JmapSince since;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !read_query(arguments, &query, ret_error) || !jmap_since_read(arguments, &since, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    json_t *json = changes_of(call, &since, &query, ret_error, &error);
    return error ? jmap_fail_error(ret_error, error) : json;
}

const JmapMethod jmap_mailbox_query_methods[] = {
    {"Mailbox/query", JMAP_MAIL, run_query},
    {"Mailbox/queryChanges", JMAP_MAIL, run_changes},
    {NULL, NULL, NULL},
};
