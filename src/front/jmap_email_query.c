/* jmap_email_query: Email/query and Email/queryChanges of JMAP (RFC 8621 §4.4, §4.5).
 *
 * How it fits: short rows of the mailbox or the account come page by page (model/email_query.h) and
 * are filtered (jmap_email_filter.c) and sorted (jmap_email_sort.c) here. For changes the query is
 * run anew, and what the log says has changed is told from it.
 *
 * Failures: a filter or sort that is not there is refused by its own error. Where text is searched
 * for, changes cannot be told (canCalculateChanges is false), since the index follows the mail
 * later and no change says when. Known weak point: but for a mailbox alone from the newest on, what
 * is read grows with the mailbox, whatever the filter leaves of it.
 */
#include "base/error.h"
#include "base/limits.h"
#include "base/limits_jmap.h"
#include "model/email.h"

#include "front/jmap_email_filter.h"

#define PAGE_FIRST 64 /* a screen */

/* In the open transaction: all that pass, in no order. */
static GArray *gather(const JmapCall *call, const JmapEmailQuery *query, GError **error)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(EmailBrief));
    g_array_set_clear_func(all, (GDestroyNotify)email_brief_clear);
    int64_t after = 0;
    for (;;) {
        g_autoptr(GArray) page =
            email_briefs(call->db, call->account, query->mailbox, after, DB_ROWS_FETCH_MAX, error);
        if (!page)
            return NULL;
        for (guint i = 0; i < page->len; i++) {
            EmailBrief *brief = &g_array_index(page, EmailBrief, i);
            int pass = jmap_email_passes(query, brief, error);
            after = brief->id;
            if (pass < 0)
                return NULL;
            if (!pass)
                continue;
            g_array_append_val(all, *brief);
            *brief = (EmailBrief){0};
        }
        if (page->len < DB_ROWS_FETCH_MAX)
            return g_steal_pointer(&all);
    }
}

/* The ids, of each thread the first alone where that is asked for. */
static GArray *ids_of(const GArray *all, bool collapse)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash, g_int64_equal);
    GArray *ids = g_array_sized_new(FALSE, FALSE, sizeof(int64_t), all->len);
    for (guint i = 0; i < all->len; i++) {
        EmailBrief *brief = &g_array_index(all, EmailBrief, i);
        if (!collapse || g_hash_table_add(seen, &brief->thread))
            g_array_append_val(ids, brief->id);
    }
    return ids;
}

/* In the open transaction: all ids that the query finds, in its order. */
static GArray *find_all(const JmapCall *call, JmapEmailQuery *query, GError **error)
{
    if (!jmap_email_query_prepare(call, query, error))
        return NULL;
    g_autoptr(GArray) all = gather(call, query, error);
    if (!all)
        return NULL;
    jmap_email_sort(query, all);
    return ids_of(all, query->collapse);
}

/* ---------------------------------------------------------------- the newest of a mailbox */

/* Is the mailbox all that is asked for, in the order that clients show? */
static bool is_plain(const JmapEmailQuery *query)
{
    const JmapSort *sort = &g_array_index(query->sorts, JmapSort, 0);
    return query->mailbox && jmap_filter_is_one(query->filter) && query->sorts->len == 1 &&
           jmap_email_sort_is_received(sort) && sort->descending;
}

/* Have we what the window needs? `at` is the anchor's place, -1: not met. */
static bool is_enough(const JmapWindow *window, const GArray *ids, int64_t at)
{
    int64_t begin = window->anchor ? at + window->anchor_offset : window->position;
    int64_t end = begin + MIN(window->limit, JMAP_QUERY_MAX);
    bool known = window->anchor ? at >= 0 : begin >= 0;
    return known && (int64_t)ids->len >= end && (int64_t)ids->len >= begin;
}

/* As find_all, but no more than the window needs, in pages that grow. */
static GArray *find_newest(const JmapCall *call, const JmapEmailQuery *query,
                           const JmapWindow *window, int64_t *ret_total, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_autoptr(GPtrArray) pages = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    const int64_t anchor = window->anchor ? jmap_id_parse(window->anchor, 'M') : 0;
    const bool all = query->collapse && window->total;
    const EmailPlace *last = NULL;
    int64_t at = -1;
    unsigned want = PAGE_FIRST;
    if (!query->collapse && !email_total(call->db, call->account, query->mailbox, ret_total, error))
        return NULL;
    while (all || !is_enough(window, ids, at)) {
        GArray *page = email_newest(call->db, call->account, query->mailbox, last, want, error);
        if (!page)
            return NULL;
        g_ptr_array_add(pages, page); /* which `seen` looks into */
        for (guint i = 0; i < page->len; i++) {
            last = &g_array_index(page, EmailPlace, i);
            if (query->collapse && !g_hash_table_add(seen, (void *)(uintptr_t)&last->thread))
                continue;
            if (last->id == anchor)
                at = ids->len;
            g_array_append_val(ids, last->id);
        }
        if (page->len < want)
            break;
        want = MIN(want * 2, DB_ROWS_FETCH_MAX);
    }
    return g_steal_pointer(&ids);
}

/* A text that cannot be searched for is the filter's fault. */
static json_t *fail_query(json_t **ret_error, const GError *error)
{
    return error_kind(error) == ERROR_REJECT
               ? jmap_fail(ret_error, "unsupportedFilter", error->message)
               : jmap_fail_error(ret_error, error);
}

static json_t *run_query(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {
        "filter", "sort",           "position",        "anchor", "anchorOffset",
        "limit",  "calculateTotal", "collapseThreads", NULL};
    g_autoptr(GError) error = NULL;
    g_auto(JmapEmailQuery) query = {0};
    JmapWindow window;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_window_read(arguments, &window, ret_error) ||
        !jmap_email_query_read(arguments, &query, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    JmapFound found = {.prefix = 'M', .can_change = !query.texts, .total = -1};
    g_autoptr(GArray) ids = NULL;
    if (jmap_state(call, &found.state, &error))
        ids = is_plain(&query) ? find_newest(call, &query, &window, &found.total, &error)
                               : find_all(call, &query, &error);
    if (!ids)
        return fail_query(ret_error, error);
    return jmap_window_answer(call, &window, &found, ids, ret_error);
}

/* ---------------------------------------------------------------- changes */

/* The other emails of the threads of those that changed may pass now, or not any more. False with
 * *ret_error: it is not known which thread lost an email. */
static bool add_threads(const JmapCall *call, GHashTable *changed, json_t **ret_error,
                        GError **error)
{
    GHashTableIter iter;
    void *key, *bits;
    g_autoptr(GArray) threads = g_array_new(FALSE, FALSE, sizeof(int64_t));
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &key, &bits)) {
        bool gone = GPOINTER_TO_UINT(bits) & 1u << CHANGE_DESTROYED;
        if (gone && JMAP_CAME(bits))
            continue;
        if (gone) {
            jmap_fail(ret_error, "cannotCalculateChanges",
                      "an email is gone, and the others of its thread are not known");
            return false;
        }
        g_autoptr(Email) email = email_get(call->db, call->account, *(int64_t *)key, error);
        if (!email)
            return false;
        g_array_append_val(threads, email->thread);
    }
    for (guint i = 0; i < threads->len; i++) {
        g_autoptr(GArray) emails =
            email_thread(call->db, call->account, g_array_index(threads, int64_t, i), error);
        if (!emails)
            return false;
        for (guint k = 0; k < emails->len; k++) {
            int64_t *id = &g_array_index(emails, int64_t, k);
            if (!g_hash_table_contains(changed, id))
                g_hash_table_insert(changed, g_memdup2(id, sizeof *id),
                                    GUINT_TO_POINTER(1u << CHANGE_UPDATED));
        }
    }
    return true;
}

static json_t *changes_of(const JmapCall *call, const JmapSince *since, JmapEmailQuery *query,
                          json_t **ret_error, GError **error)
{
    JmapFound found = {.prefix = 'M', .can_change = true, .total = -1};
    g_autoptr(GHashTable) changed = NULL;
    if (!jmap_state(call, &found.state, error) ||
        !jmap_since_log(call, since, CHANGE_EMAIL, &changed, ret_error, error))
        return NULL;
    if ((query->collapse || query->words) && !add_threads(call, changed, ret_error, error))
        return NULL;
    g_autoptr(GArray) ids = find_all(call, query, error);
    return ids ? jmap_since_answer(call, since, &found, ids, changed, ret_error) : NULL;
}

static json_t *run_changes(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"filter", "sort",           "sinceQueryState", "maxChanges",
                                        "upToId", "calculateTotal", "collapseThreads", NULL};
    g_autoptr(GError) error = NULL;
    g_auto(JmapEmailQuery) query = {0};
    JmapSince since;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !jmap_email_query_read(arguments, &query, ret_error) ||
        !jmap_since_read(arguments, &since, ret_error))
        return NULL;
    if (query.texts)
        return jmap_fail(ret_error, "cannotCalculateChanges", "the filter asks for text");
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    json_t *json = changes_of(call, &since, &query, ret_error, &error);
    return error ? fail_query(ret_error, error) : json;
}

const JmapMethod jmap_query_methods[] = {
    {"Email/query", JMAP_MAIL, run_query},
    {"Email/queryChanges", JMAP_MAIL, run_changes},
    {NULL, NULL, NULL},
};
