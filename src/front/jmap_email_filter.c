/* jmap_email_filter: the conditions of Email/query.
 *
 * How it fits: jmap_filter.c has the tree; jmap_email_sort.c the orders. Conditions on an email are
 * asked of its short row (model/email_query.h). Text is asked of the index (model/search.h) once
 * for each condition. Conditions on threads are counted in one pass over the account.
 *
 * Failures: the store's. Known weak point: what the index finds for one condition is held as a set,
 * however little the others leave of it.
 */
#include "front/jmap_email_filter.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/words.h"
#include "model/email.h"
#include "model/search.h"

enum {
    IN_MAILBOX,
    IN_MAILBOX_OTHER_THAN,
    BEFORE,
    AFTER,
    MIN_SIZE,
    MAX_SIZE,
    ALL_IN_THREAD,
    SOME_IN_THREAD,
    NONE_IN_THREAD,
    HAS_KEYWORD,
    NOT_KEYWORD,
    HAS_ATTACHMENT,
    IN_TEXT,
    IN_FROM,
    IN_TO,
    IN_CC,
    IN_BCC,
    IN_SUBJECT,
    IN_BODY,
};

static const JmapCondition conditions[] = {
    [IN_MAILBOX] = {"inMailbox", JMAP_VALUE_TEXT},
    [IN_MAILBOX_OTHER_THAN] = {"inMailboxOtherThan", JMAP_VALUE_TEXTS},
    [BEFORE] = {"before", JMAP_VALUE_DATE},
    [AFTER] = {"after", JMAP_VALUE_DATE},
    [MIN_SIZE] = {"minSize", JMAP_VALUE_SIZE},
    [MAX_SIZE] = {"maxSize", JMAP_VALUE_SIZE},
    [ALL_IN_THREAD] = {"allInThreadHaveKeyword", JMAP_VALUE_TEXT},
    [SOME_IN_THREAD] = {"someInThreadHaveKeyword", JMAP_VALUE_TEXT},
    [NONE_IN_THREAD] = {"noneInThreadHaveKeyword", JMAP_VALUE_TEXT},
    [HAS_KEYWORD] = {"hasKeyword", JMAP_VALUE_TEXT},
    [NOT_KEYWORD] = {"notKeyword", JMAP_VALUE_TEXT},
    [HAS_ATTACHMENT] = {"hasAttachment", JMAP_VALUE_FLAG},
    [IN_TEXT] = {"text", JMAP_VALUE_TEXT},
    [IN_FROM] = {"from", JMAP_VALUE_TEXT},
    [IN_TO] = {"to", JMAP_VALUE_TEXT},
    [IN_CC] = {"cc", JMAP_VALUE_TEXT},
    [IN_BCC] = {"bcc", JMAP_VALUE_TEXT},
    [IN_SUBJECT] = {"subject", JMAP_VALUE_TEXT},
    [IN_BODY] = {"body", JMAP_VALUE_TEXT},
    {NULL, 0},
};

/* ---------------------------------------------------------------- text */

static void note_word(const char *word, size_t size, void *data)
{
    (void)word, (void)size;
    *(bool *)data = true;
}

/* A piece of a text is a piece of a query, in quotation marks: no words of its language are read
 * in it. One without words (punctuation) is passed over. */
static void add_piece(GString *query, const char *field, const char *piece, size_t size)
{
    bool words = false;
    words_each(piece, size, note_word, &words);
    if (words)
        g_string_append_printf(query, " %s%s\"%.*s\"", field, *field ? ":" : "", (int)size, piece);
}

/* Words must all be there, what stands in quotation marks as a phrase (RFC 8621 §4.4.1). */
static char *query_of(const JmapFilter *condition)
{
    const char *field = condition->kind == IN_TEXT ? "" : conditions[condition->kind].name;
    g_autoptr(GString) query = g_string_new(NULL);
    g_autofree char *text = g_strdup(json_string_value(condition->value));
    g_strdelimit(text, "\t\r\n", ' ');
    for (const char *at = text + strspn(text, " "); *at; at += strspn(at, " ")) {
        bool quoted = *at == '"' || *at == '\'';
        const char *end = quoted ? strchr(at + 1, *at) : NULL;
        if (!end) {
            size_t size = strcspn(at, " \"");
            add_piece(query, field, at, size);
            at += MAX(size, 1);
            continue;
        }
        g_autofree char *phrase = g_strndup(at + 1, (size_t)(end - at - 1));
        g_strdelimit(phrase, "\"", ' ');
        add_piece(query, field, phrase, strlen(phrase));
        at = end + 1;
    }
    return g_string_free(g_steal_pointer(&query), FALSE);
}

bool jmap_email_words(const JmapFilter *filter, SnippetWords *subject, SnippetWords *body,
                      GError **error)
{
    for (guint i = 0; filter->children && i < filter->children->len; i++)
        if (filter->kind != JMAP_FILTER_NOT &&
            !jmap_email_words(filter->children->pdata[i], subject, body, error))
            return false;
    if (filter->kind != IN_TEXT && filter->kind != IN_SUBJECT && filter->kind != IN_BODY)
        return true;
    g_autofree char *text = query_of(filter);
    g_autoptr(QueryNode) query = *text ? query_parse(text, error) : NULL;
    if (*text && !query)
        return false;
    if (query && filter->kind != IN_BODY)
        snippet_words_add(subject, query);
    if (query && filter->kind != IN_SUBJECT)
        snippet_words_add(body, query);
    return true;
}

static bool search(const JmapCall *call, JmapFilter *condition, GError **error)
{
    int64_t before = 0;
    g_autofree char *text = query_of(condition);
    g_autofree char *asked = g_strdup(json_string_value(condition->value));
    if (!*g_strstrip(asked))
        return true; /* nothing is everywhere */
    g_autoptr(QueryNode) query = query_parse(text, error);
    if (!query)
        return false;
    condition->found = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (;;) {
        g_autoptr(GArray) ids =
            search_find(call->db, call->account, query, before, DB_ROWS_FETCH_MAX, error);
        if (!ids)
            return false;
        for (guint i = 0; i < ids->len; i++) {
            before = g_array_index(ids, int64_t, i);
            g_hash_table_add(condition->found, g_memdup2(&before, sizeof before));
        }
        if (ids->len < DB_ROWS_FETCH_MAX)
            return true;
    }
}

static bool search_each(JmapFilter *condition, void *data, GError **error)
{
    return condition->kind < IN_TEXT || search(data, condition, error);
}

/* ---------------------------------------------------------------- threads */

/* Of a thread: some of its emails have the keyword, some do not. */
#define SOME_HAVE 1u
#define SOME_LACK 2u

/* A keyword, and thread → bits as above. */
typedef struct {
    char *word;
    GHashTable *threads;
} ThreadWord;

static void word_free(void *data)
{
    ThreadWord *word = data;
    g_free(word->word);
    g_hash_table_unref(word->threads);
    g_free(word);
}

/* What will be known of threads and a keyword, the caller's. */
static GHashTable *threads_of(JmapEmailQuery *query, const char *keyword)
{
    g_autofree char *folded = g_ascii_strdown(keyword, -1);
    if (!query->words)
        query->words = g_ptr_array_new_with_free_func(word_free);
    for (guint i = 0; i < query->words->len; i++) {
        const ThreadWord *word = query->words->pdata[i];
        if (strcmp(word->word, folded) == 0)
            return g_hash_table_ref(word->threads);
    }
    ThreadWord *word = g_new0(ThreadWord, 1);
    word->word = g_steal_pointer(&folded);
    word->threads = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_ptr_array_add(query->words, word);
    return g_hash_table_ref(word->threads);
}

static void note_thread(const ThreadWord *word, const EmailBrief *brief)
{
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(word->threads, &brief->thread));
    unsigned more = bits | (keywords_have(brief->keywords, word->word) ? SOME_HAVE : SOME_LACK);
    if (more != bits)
        g_hash_table_replace(word->threads, g_memdup2(&brief->thread, sizeof brief->thread),
                             GUINT_TO_POINTER(more));
}

static bool read_threads(const JmapCall *call, const GPtrArray *words, GError **error)
{
    int64_t after = 0;
    for (;;) {
        g_autoptr(GArray) page =
            email_briefs(call->db, call->account, 0, after, DB_ROWS_FETCH_MAX, error);
        if (!page)
            return false;
        for (guint i = 0; i < page->len; i++) {
            const EmailBrief *brief = &g_array_index(page, EmailBrief, i);
            after = brief->id;
            for (guint k = 0; k < words->len; k++)
                note_thread(words->pdata[k], brief);
        }
        if (page->len < DB_ROWS_FETCH_MAX)
            return true;
    }
}

bool jmap_thread_has(GHashTable *threads, int64_t thread, bool all)
{
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(threads, &thread));
    return all ? bits == SOME_HAVE : (bits & SOME_HAVE) != 0;
}

/* ---------------------------------------------------------------- reading */

void jmap_email_query_clear(JmapEmailQuery *query)
{
    g_clear_pointer(&query->filter, jmap_filter_free);
    g_clear_pointer(&query->sorts, g_array_unref);
    g_clear_pointer(&query->orders, g_ptr_array_unref);
    g_clear_pointer(&query->words, g_ptr_array_unref);
}

static bool is_text(const JmapFilter *condition)
{
    return condition->kind >= IN_TEXT;
}

/* What an email is compared with is made once. */
static bool look_at(JmapFilter *condition, void *data, GError **error)
{
    (void)error;
    JmapEmailQuery *query = data;
    json_t *one;
    size_t i;
    query->texts = query->texts || is_text(condition);
    if (condition->kind == IN_MAILBOX)
        condition->number = jmap_id_parse(json_string_value(condition->value), 'B');
    if (condition->kind >= ALL_IN_THREAD && condition->kind <= NONE_IN_THREAD)
        condition->found = threads_of(query, json_string_value(condition->value));
    if (condition->kind != IN_MAILBOX_OTHER_THAN)
        return true;
    condition->found = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    json_array_foreach(condition->value, i, one)
    {
        int64_t id = jmap_id_parse(json_string_value(one), 'B');
        g_hash_table_add(condition->found, g_memdup2(&id, sizeof id));
    }
    return true;
}

bool jmap_email_query_read(json_t *arguments, JmapEmailQuery *ret, json_t **ret_error)
{
    if (!jmap_flag(arguments, "collapseThreads", &ret->collapse, ret_error))
        return false;
    ret->filter = jmap_filter_parse(json_object_get(arguments, "filter"), conditions, ret_error);
    ret->sorts =
        ret->filter ? jmap_email_sort_read(json_object_get(arguments, "sort"), ret_error) : NULL;
    if (!ret->sorts)
        return false;
    jmap_filter_each(ret->filter, look_at, ret, NULL);
    const JmapFilter *mailbox = jmap_filter_needs(ret->filter, IN_MAILBOX);
    if (mailbox)
        ret->mailbox = mailbox->number ? mailbox->number : -1;
    ret->orders = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    for (guint i = 0; i < ret->sorts->len; i++) {
        const JmapSort *sort = &g_array_index(ret->sorts, JmapSort, i);
        bool of_thread = jmap_email_sort_is_of_thread(sort);
        g_ptr_array_add(ret->orders,
                        of_thread ? threads_of(ret, sort->keyword) : g_hash_table_new(NULL, NULL));
    }
    return true;
}

bool jmap_email_query_prepare(const JmapCall *call, JmapEmailQuery *query, GError **error)
{
    return jmap_filter_each(query->filter, search_each, (void *)(uintptr_t)call, error) &&
           (!query->words || read_threads(call, query->words, error));
}

/* ---------------------------------------------------------------- asking */

static int passes(const JmapFilter *condition, void *object, GError **error)
{
    (void)error;
    const EmailBrief *brief = object;
    switch (condition->kind) {
    case IN_MAILBOX:
        return brief->mailbox == condition->number;
    case IN_MAILBOX_OTHER_THAN:
        return !g_hash_table_contains(condition->found, &brief->mailbox);
    case BEFORE:
        return brief->received_at < condition->number;
    case AFTER:
        return brief->received_at >= condition->number;
    case MIN_SIZE:
        return brief->size >= condition->number;
    case MAX_SIZE:
        return brief->size < condition->number;
    case ALL_IN_THREAD:
        return jmap_thread_has(condition->found, brief->thread, true);
    case SOME_IN_THREAD:
        return jmap_thread_has(condition->found, brief->thread, false);
    case NONE_IN_THREAD:
        return !jmap_thread_has(condition->found, brief->thread, false);
    case HAS_KEYWORD:
        return keywords_have(brief->keywords, json_string_value(condition->value));
    case NOT_KEYWORD:
        return !keywords_have(brief->keywords, json_string_value(condition->value));
    case HAS_ATTACHMENT:
        return brief->has_attachment == (condition->number != 0);
    default: /* a text */
        return !condition->found || g_hash_table_contains(condition->found, &brief->id);
    }
}

int jmap_email_passes(const JmapEmailQuery *query, EmailBrief *brief, GError **error)
{
    return jmap_filter_passes(query->filter, passes, brief, error);
}
