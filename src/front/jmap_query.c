/* jmap_query: Email/query of JMAP (RFC 8621 §4.4).
 *
 * How it fits: short rows of the mailbox or the account come page by page (model/email_query.h) and
 * are filtered and sorted here; text is asked of the index (model/search.h) first.
 *
 * Failures: a filter or sort that is not there is refused by its own error. Known weak point: what
 * is read grows with the mailbox, whatever the filter leaves of it.
 */
#include "front/jmap.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/limits_jmap.h"
#include "content/words.h"
#include "model/email.h"
#include "model/email_query.h"
#include "model/search.h"

#define CONDITIONS_MAX 50 /* in one filter */

typedef struct {
    int64_t mailbox; /* 0: any */
    int64_t before, after, min_size, max_size;
    int has_attachment; /* -1: whichever */
    const char *has_keyword, *not_keyword;
    GHashTable *found; /* of int64 ids that the index has; NULL: no text was asked for */
} Filter;

static void filter_clear(Filter *filter)
{
    g_clear_pointer(&filter->found, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Filter, filter_clear)

typedef enum { SORT_RECEIVED, SORT_SENT, SORT_SIZE, SORT_SUBJECT, SORT_FROM } SortKey;
typedef struct {
    SortKey key;
    bool ascending;
} Sort;

/* ---------------------------------------------------------------- filter */

static bool read_date(json_t *value, int64_t *ret_ms)
{
    const char *text = json_string_value(value);
    g_autoptr(GDateTime) date = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;
    if (!date)
        return false;
    *ret_ms = g_date_time_to_unix(date) * 1000;
    return true;
}

static bool read_size(json_t *value, int64_t *ret)
{
    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= 0;
}

/* The words of a JMAP text are words of a query: those of its language would be read as such. */
static void add_words(GString *query, const char *field, const char *text)
{
    g_autofree char *quoted = g_strdup(text);
    g_strdelimit(quoted, "\"():-", ' ');
    g_auto(GStrv) words = g_strsplit_set(quoted, " \t\r\n", CONDITIONS_MAX);
    for (char **word = words; *word; word++)
        if (**word)
            g_string_append_printf(query, " %s%s\"%s\"", field, *field ? ":" : "", *word);
}

static bool read_text(const char *key, json_t *value, GString *query)
{
    static const char *const fields[] = {"from", "to", "cc", "bcc", "subject", "body"};
    if (!json_is_string(value))
        return false;
    if (strcmp(key, "text") == 0) {
        add_words(query, "", json_string_value(value));
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (strcmp(key, fields[i]) == 0) {
            add_words(query, fields[i], json_string_value(value));
            return true;
        }
    return false;
}

/* One condition; false: it is not one that we have. */
static bool read_condition(const char *key, json_t *value, Filter *ret, GString *query)
{
    if (strcmp(key, "inMailbox") == 0) {
        ret->mailbox = jmap_id_parse(json_string_value(value), 'B');
        if (!ret->mailbox)
            ret->mailbox = -1; /* nothing is in it */
        return json_is_string(value);
    }
    if (strcmp(key, "before") == 0)
        return read_date(value, &ret->before);
    if (strcmp(key, "after") == 0)
        return read_date(value, &ret->after);
    if (strcmp(key, "minSize") == 0)
        return read_size(value, &ret->min_size);
    if (strcmp(key, "maxSize") == 0)
        return read_size(value, &ret->max_size);
    if (strcmp(key, "hasAttachment") == 0) {
        ret->has_attachment = json_is_true(value);
        return json_is_boolean(value);
    }
    if (strcmp(key, "hasKeyword") == 0) {
        ret->has_keyword = json_string_value(value);
        return json_is_string(value);
    }
    if (strcmp(key, "notKeyword") == 0) {
        ret->not_keyword = json_string_value(value);
        return json_is_string(value);
    }
    return read_text(key, value, query);
}

/* Conditions, or an AND of them, each of another name. */
static bool read_conditions(json_t *filter, Filter *ret, GString *query, GHashTable *seen)
{
    const char *key, *operator= json_string_value(json_object_get(filter, "operator"));
    json_t *value;
    size_t i;
    if (operator) {
        if (strcmp(operator, "AND") != 0 || json_object_size(filter) != 2)
            return false;
        json_array_foreach(json_object_get(filter, "conditions"), i,
                           value) if (!json_is_object(value) ||
                                      !read_conditions(value, ret, query, seen)) return false;
        return json_is_array(json_object_get(filter, "conditions"));
    }
    json_object_foreach(filter, key, value)
    {
        bool text = query->len < 10000 && read_text(key, value, query);
        if (!text && (!g_hash_table_add(seen, (char *)(uintptr_t)key) ||
                      !read_condition(key, value, ret, query)))
            return false;
    }
    return true;
}

/* All that the index finds, since what comes of it is filtered further. */
static bool search(const JmapCall *call, const char *text, Filter *filter, GError **error)
{
    int64_t before = 0;
    g_autoptr(QueryNode) query = query_parse(text, error);
    if (!query)
        return false;
    filter->found = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (;;) {
        g_autoptr(GArray) ids =
            search_find(call->db, call->account, query, before, DB_ROWS_FETCH_MAX, error);
        if (!ids)
            return false;
        for (guint i = 0; i < ids->len; i++) {
            before = g_array_index(ids, int64_t, i);
            g_hash_table_add(filter->found, g_memdup2(&before, sizeof before));
        }
        if (ids->len < DB_ROWS_FETCH_MAX)
            return true;
    }
}

static bool passes(const EmailBrief *brief, const Filter *filter)
{
    return (!filter->before || brief->received_at < filter->before) &&
           (!filter->after || brief->received_at >= filter->after) &&
           brief->size >= filter->min_size &&
           (!filter->max_size || brief->size < filter->max_size) &&
           (filter->has_attachment < 0 || brief->has_attachment == (filter->has_attachment != 0)) &&
           (!filter->has_keyword || keywords_have(brief->keywords, filter->has_keyword)) &&
           (!filter->not_keyword || !keywords_have(brief->keywords, filter->not_keyword)) &&
           (!filter->found || g_hash_table_contains(filter->found, &brief->id));
}

/* ---------------------------------------------------------------- sort */

static bool read_sort(json_t *list, Sort *ret)
{
    static const char *const names[] = {"receivedAt", "sentAt", "size", "subject", "from"};
    *ret = (Sort){SORT_RECEIVED, false};
    if (json_array_size(list) == 0)
        return !list || json_is_null(list) || json_is_array(list);
    json_t *first = json_array_get(list, 0), *ascending = json_object_get(first, "isAscending");
    const char *property = json_string_value(json_object_get(first, "property"));
    ret->ascending = !ascending || json_is_true(ascending);
    for (unsigned i = 0; property && i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], property) == 0) {
            ret->key = (SortKey)i;
            return json_array_size(list) == 1;
        }
    return false;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right, void *data)
{
    const EmailBrief *a = left, *b = right;
    const Sort *sort = data;
    int order = 0;
    switch (sort->key) {
    case SORT_RECEIVED:
        order = compare_numbers(a->received_at, b->received_at);
        break;
    case SORT_SENT:
        order = compare_numbers(a->sent_at, b->sent_at);
        break;
    case SORT_SIZE:
        order = compare_numbers(a->size, b->size);
        break;
    case SORT_SUBJECT:
        order = g_utf8_collate(a->subject, b->subject);
        break;
    case SORT_FROM:
        order = g_utf8_collate(a->sender, b->sender);
        break;
    }
    if (order == 0)
        order = compare_numbers(a->id, b->id); /* the same each time */
    return sort->ascending ? order : -order;
}

/* ---------------------------------------------------------------- the query */

/* In the open transaction: all that pass, in no order. */
static GArray *gather(const JmapCall *call, const Filter *filter, GError **error)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(EmailBrief));
    g_array_set_clear_func(all, (GDestroyNotify)email_brief_clear);
    int64_t after = 0;
    for (;;) {
        g_autoptr(GArray) page =
            email_briefs(call->db, call->account, filter->mailbox, after, DB_ROWS_FETCH_MAX, error);
        if (!page)
            return NULL;
        for (guint i = 0; i < page->len; i++) {
            EmailBrief *brief = &g_array_index(page, EmailBrief, i);
            after = brief->id;
            if (!passes(brief, filter))
                continue;
            g_array_append_val(all, *brief);
            *brief = (EmailBrief){0};
        }
        if (page->len < DB_ROWS_FETCH_MAX)
            return g_steal_pointer(&all);
    }
}

/* Of each thread the first alone. */
static void collapse(GArray *all)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash, g_int64_equal);
    guint kept = 0;
    for (guint i = 0; i < all->len; i++) {
        EmailBrief *brief = &g_array_index(all, EmailBrief, i);
        EmailBrief *place = &g_array_index(all, EmailBrief, kept);
        if (g_hash_table_contains(seen, &brief->thread))
            continue;
        EmailBrief moved = *place;
        *place = *brief;
        if (place != brief)
            *brief = moved;
        g_hash_table_add(seen, &place->thread);
        kept++;
    }
    g_array_set_size(all, kept);
}

/* What of the list is asked for. */
typedef struct {
    const char *anchor; /* the caller's; NULL: from `position` on */
    int64_t position, anchor_offset, limit;
} Window;

static bool read_window(json_t *arguments, Window *ret, json_t **ret_error)
{
    json_t *anchor = json_object_get(arguments, "anchor");
    if (!jmap_int(arguments, "position", &ret->position, ret_error) ||
        !jmap_int(arguments, "anchorOffset", &ret->anchor_offset, ret_error) ||
        !jmap_int(arguments, "limit", &ret->limit, ret_error))
        return false;
    if (ret->limit < 0 || (anchor && !json_is_null(anchor) && !json_is_string(anchor))) {
        jmap_fail(ret_error, "invalidArguments", "limit is negative, or anchor no id");
        return false;
    }
    ret->anchor = json_string_value(anchor);
    return true;
}

/* Where the answer begins; false: the anchor is not there. */
static bool find_place(const Window *window, const GArray *all, int64_t *ret)
{
    int64_t place = window->position;
    if (window->anchor) {
        int64_t id = jmap_id_parse(window->anchor, 'M');
        guint at = 0;
        while (at < all->len && g_array_index(all, EmailBrief, at).id != id)
            at++;
        if (at == all->len)
            return false;
        place = at + window->anchor_offset;
    } else if (place < 0) {
        place += all->len;
    }
    *ret = CLAMP(place, 0, (int64_t)all->len);
    return true;
}

static json_t *answer(const JmapCall *call, json_t *arguments, const Window *window, GArray *all,
                      int64_t state)
{
    json_t *ids = json_array();
    int64_t place = 0, most = MIN(window->limit, JMAP_QUERY_MAX);
    if (!find_place(window, all, &place)) {
        json_decref(ids);
        return NULL;
    }
    for (guint i = (guint)place; i < all->len && (int64_t)json_array_size(ids) < most; i++)
        json_array_append_new(ids, jmap_id('M', g_array_index(all, EmailBrief, i).id));
    json_t *json = json_pack("{s:o, s:o, s:b, s:I, s:o}", "accountId", jmap_id('a', call->account),
                             "queryState", jmap_state_json(state), "canCalculateChanges", 0,
                             "position", (json_int_t)place, "ids", ids);
    if (json_is_true(json_object_get(arguments, "calculateTotal")))
        json_object_set_new(json, "total", json_integer(all->len));
    if (window->limit > most)
        json_object_set_new(json, "limit", json_integer(most));
    return json;
}

static GArray *find_all(const JmapCall *call, Filter *filter, const char *text, int64_t *ret_state,
                        GError **error)
{
    if (!db_begin(call->db, DB_READ, error))
        return NULL;
    g_auto(DbScope) scope = db_scope(call->db);
    if (!jmap_state(call, ret_state, error) || (*text && !search(call, text, filter, error)))
        return NULL;
    return gather(call, filter, error);
}

static json_t *run_query(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {
        "filter", "sort",           "position",        "anchor", "anchorOffset",
        "limit",  "calculateTotal", "collapseThreads", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_auto(Filter) filter = {.has_attachment = -1};
    json_t *asked = json_object_get(arguments, "filter");
    Window window = {.limit = INT64_MAX};
    Sort sort;
    int64_t state;
    if (!jmap_takes(call, arguments, names, ret_error) ||
        !read_window(arguments, &window, ret_error))
        return NULL;
    if (asked && !json_is_null(asked) &&
        (!json_is_object(asked) || !read_conditions(asked, &filter, text, seen)))
        return jmap_fail(ret_error, "unsupportedFilter",
                         "AND of inMailbox, text, from, to, cc, bcc, subject, body, before, after, "
                         "minSize, maxSize, hasAttachment, hasKeyword, notKeyword");
    if (!read_sort(json_object_get(arguments, "sort"), &sort))
        return jmap_fail(ret_error, "unsupportedSort",
                         "one of receivedAt, sentAt, size, subject, from");
    g_autoptr(GArray) all = find_all(call, &filter, text->str, &state, &error);
    if (!all)
        return jmap_fail_error(ret_error, error);
    g_qsort_with_data(all->data, (int)all->len, sizeof(EmailBrief), compare, &sort);
    if (json_is_true(json_object_get(arguments, "collapseThreads")))
        collapse(all);
    json_t *json = answer(call, arguments, &window, all, state);
    return json ? json : jmap_fail(ret_error, "anchorNotFound", NULL);
}

const JmapMethod jmap_query_methods[] = {
    {"Email/query", JMAP_MAIL, run_query},
    {NULL, NULL, NULL},
};
