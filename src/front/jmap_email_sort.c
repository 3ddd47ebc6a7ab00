/* jmap_email_sort: the orders of Email/query (RFC 8621 §4.4.2).
 *
 * How it fits: emails come as short rows. Text is compared by keys that are made once for each
 * email: case-folded, normalized, and of a subject what RFC 5256 §2.1 calls its base.
 *
 * Failures: none but what read refuses. Known weak point: the order of text is that of code points
 * after folding, not of a language.
 */
#include "front/jmap_email_filter.h"

#include <string.h>

#include "content/subject.h"
#include "model/email.h"

enum { BY_RECEIVED, BY_SENT, BY_SIZE, BY_SUBJECT, BY_FROM, BY_KEYWORD, BY_ALL_IN_THREAD, BY_SOME };
static const char *const names[] = {
    [BY_RECEIVED] = "receivedAt",
    [BY_SENT] = "sentAt",
    [BY_SIZE] = "size",
    [BY_SUBJECT] = "subject",
    [BY_FROM] = "from",
    [BY_KEYWORD] = "hasKeyword",
    [BY_ALL_IN_THREAD] = "allInThreadHaveKeyword",
    [BY_SOME] = "someInThreadHaveKeyword",
    NULL,
};

GArray *jmap_email_sort_read(json_t *list, json_t **ret_error)
{
    GArray *sorts = jmap_sort_read(list, names, BY_KEYWORD, ret_error);
    const JmapSort newest = {.property = BY_RECEIVED, .descending = true, .keyword = ""};
    if (sorts && sorts->len == 0)
        g_array_append_val(sorts, newest);
    return sorts;
}

bool jmap_email_sort_is_of_thread(const JmapSort *sort)
{
    return sort->property >= BY_ALL_IN_THREAD;
}

json_t *jmap_email_sort_names(void)
{
    json_t *list = json_array();
    for (const char *const *name = names; *name; name++)
        json_array_append_new(list, json_string(*name));
    return list;
}

bool jmap_email_sort_is_received(const JmapSort *sort)
{
    return sort->property == BY_RECEIVED;
}

/* ---------------------------------------------------------------- keys of text */

static char *fold(const char *text)
{
    g_autofree char *folded = g_utf8_casefold(text, -1);
    return g_utf8_normalize(folded, -1, G_NORMALIZE_ALL_COMPOSE);
}

/* A name, or the address where there is none, of "Ada <ada@example.org>, …". */
static char *first_of(const char *addresses)
{
    const char *angle = strchr(addresses, '<'), *comma = strchr(addresses, ',');
    if (angle && angle > addresses && (!comma || angle < comma || *addresses == '"'))
        return g_strndup(addresses, (size_t)(angle - addresses));
    return g_strndup(addresses, comma ? (size_t)(comma - addresses) : strlen(addresses));
}

/* ---------------------------------------------------------------- sorting */

typedef struct {
    EmailBrief brief;
    char *subject, *from; /* keys; NULL where nobody sorts by them */
} Row;

static void row_clear(void *data)
{
    Row *row = data;
    g_free(row->subject);
    g_free(row->from);
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_by(const JmapSort *sort, GHashTable *threads, const Row *a, const Row *b)
{
    const EmailBrief *one = &a->brief, *two = &b->brief;
    bool all = sort->property == BY_ALL_IN_THREAD;
    switch (sort->property) {
    case BY_RECEIVED:
        return compare_numbers(one->received_at, two->received_at);
    case BY_SENT:
        return compare_numbers(one->sent_at, two->sent_at);
    case BY_SIZE:
        return compare_numbers(one->size, two->size);
    case BY_SUBJECT:
        return strcmp(a->subject, b->subject);
    case BY_FROM:
        return strcmp(a->from, b->from);
    case BY_KEYWORD:
        return compare_numbers(keywords_have(one->keywords, sort->keyword),
                               keywords_have(two->keywords, sort->keyword));
    default:
        return compare_numbers(jmap_thread_has(threads, one->thread, all),
                               jmap_thread_has(threads, two->thread, all));
    }
}

static int compare(const void *left, const void *right, void *data)
{
    const JmapEmailQuery *query = data;
    const Row *a = left, *b = right;
    bool descending = false;
    for (guint i = 0; i < query->sorts->len; i++) {
        const JmapSort *sort = &g_array_index(query->sorts, JmapSort, i);
        int order = compare_by(sort, query->orders->pdata[i], a, b);
        descending = sort->descending;
        if (order)
            return descending ? -order : order;
    }
    int order = compare_numbers(a->brief.id, b->brief.id);
    return descending ? -order : order;
}

void jmap_email_sort(const JmapEmailQuery *query, GArray *briefs)
{
    bool by[G_N_ELEMENTS(names)] = {false};
    g_autoptr(GArray) rows = g_array_sized_new(FALSE, FALSE, sizeof(Row), briefs->len);
    g_array_set_clear_func(rows, row_clear);
    for (guint i = 0; i < query->sorts->len; i++)
        by[g_array_index(query->sorts, JmapSort, i).property] = true;
    for (guint i = 0; i < briefs->len; i++) {
        Row row = {.brief = g_array_index(briefs, EmailBrief, i)};
        g_autofree char *subject = by[BY_SUBJECT] ? subject_base(row.brief.subject) : NULL;
        g_autofree char *from = by[BY_FROM] ? first_of(row.brief.sender) : NULL;
        row.subject = subject ? fold(subject) : NULL;
        row.from = from ? fold(from) : NULL;
        g_array_append_val(rows, row);
    }
    g_qsort_with_data(rows->data, (int)rows->len, sizeof(Row), compare, (void *)(uintptr_t)query);
    for (guint i = 0; i < briefs->len; i++)
        g_array_index(briefs, EmailBrief, i) = g_array_index(rows, Row, i).brief;
}
