/* jmap_snippet: SearchSnippet/get of JMAP (RFC 8621 §5.1).
 *
 * How it fits: the texts that the filter asks for (jmap_email_filter.c) say which words; the bytes
 * of each email are read and parsed, and content/snippet marks the words.
 *
 * Failures: the store's. An email whose bytes are damaged has no snippet. Known weak point: an
 * email need not match the filter to have its words marked.
 */
#include "base/error.h"
#include "base/limits_jmap.h"
#include "content/message.h"
#include "content/snippet.h"
#include "model/blob.h"
#include "model/email.h"
#include "model/search.h"

#include "front/jmap_email_filter.h"

typedef struct {
    SnippetWords subject, body;
} Words;

static void words_clear(Words *words)
{
    snippet_words_clear(&words->subject);
    snippet_words_clear(&words->body);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

static bool read_words(const JmapCall *call, const JmapEmailQuery *query, Words *ret,
                       GError **error)
{
    SearchState state;
    if (!search_state_get(call->db, call->account, &state, error))
        return false;
    snippet_words_init(&ret->subject, state.languages);
    snippet_words_init(&ret->body, state.languages);
    return jmap_email_words(query->filter, &ret->subject, &ret->body, error);
}

static json_t *take_text(char *text)
{
    json_t *json = text ? json_string(text) : json_null();
    g_free(text);
    return json;
}

/* In the open transaction. NULL with *error, or without: it is not there. */
static json_t *snippet_json(const JmapCall *call, int64_t id, const Words *words, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(Email) email = email_get(call->db, call->account, id, &why);
    g_autoptr(GBytes) bytes = email ? blob_get(call->db, &email->blob, &why) : NULL;
    if (why && error_kind(why) != ERROR_GONE && error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    if (!email)
        return NULL;
    gsize size = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &size) : "";
    g_autoptr(Message) message = message_parse(data, size, MESSAGE_FULL);
    return json_pack("{s:o, s:o, s:o}", "emailId", jmap_id('M', id), "subject",
                     take_text(snippet_of_line(email->subject, &words->subject)), "preview",
                     take_text(snippet_of_text(message->text->str, &words->body)));
}

static bool are_ids(json_t *ids, json_t **ret_error)
{
    json_t *one;
    size_t i;
    bool good = json_is_array(ids);
    json_array_foreach(ids, i, one) good = good && json_is_string(one);
    if (!good)
        jmap_fail(ret_error, "invalidArguments", "emailIds is a list of ids");
    else if (json_array_size(ids) > JMAP_SNIPPETS_MAX)
        jmap_fail(ret_error, "requestTooLarge", "there are too many emailIds");
    else
        return true;
    return false;
}

static json_t *answer(const JmapCall *call, json_t *ids, const Words *words, GError **error)
{
    json_t *list = json_array(), *not_found = json_array(), *one;
    size_t i;
    json_array_foreach(ids, i, one)
    {
        int64_t id = jmap_id_parse(json_string_value(one), 'M');
        json_t *json = id ? snippet_json(call, id, words, error) : NULL;
        if (json)
            json_array_append_new(list, json);
        else if (!*error)
            json_array_append(not_found, one);
        else
            break;
    }
    bool all = json_array_size(not_found) == 0;
    json_t *got = json_pack("{s:o, s:o, s:O}", "accountId", jmap_id('a', call->account), "list",
                            list, "notFound", all ? json_null() : not_found);
    json_decref(not_found);
    return got;
}

static json_t *run_get(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    static const char *const names[] = {"filter", "emailIds", NULL};
    g_autoptr(GError) error = NULL;
    g_auto(JmapEmailQuery) query = {0};
    g_auto(Words) words = {0};
    json_t *ids = json_object_get(arguments, "emailIds");
    if (!jmap_takes(call, arguments, names, ret_error) || !are_ids(ids, ret_error) ||
        !jmap_email_query_read(arguments, &query, ret_error))
        return NULL;
    if (!db_begin(call->db, DB_READ, &error))
        return jmap_fail_error(ret_error, error);
    g_auto(DbScope) scope = db_scope(call->db);
    if (!read_words(call, &query, &words, &error))
        return error_kind(error) == ERROR_REJECT
                   ? jmap_fail(ret_error, "unsupportedFilter", error->message)
                   : jmap_fail_error(ret_error, error);
    json_t *json = answer(call, ids, &words, &error);
    if (!error)
        return json;
    json_decref(json);
    return jmap_fail_error(ret_error, error);
}

const JmapMethod jmap_snippet_methods[] = {
    {"SearchSnippet/get", JMAP_MAIL, run_get},
    {NULL, NULL, NULL},
};
