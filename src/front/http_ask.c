/* http_ask: what routes ask of a call: its query, its JSON body; and who changed what.
 *
 * How it fits: the routes of front/ call it. Failures: what is not as asked is the answer 400.
 * Known weak point: none.
 */
#include "base/log.h"

#include "front/http.h"

bool http_call_query_is(HttpCall *call, const char *const *names)
{
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, call->query);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (g_strv_contains(names, name))
            continue;
        http_answer_problem(call->answer, 400, "\"%.80s\" has no meaning in the query here",
                            (const char *)name);
        return false;
    }
    return true;
}

bool http_call_limit(HttpCall *call, unsigned max, unsigned otherwise, unsigned *ret)
{
    const char *limit = g_hash_table_lookup(call->query, "limit");
    guint64 number = otherwise;
    if (limit && !g_ascii_string_to_unsigned(limit, 10, 1, max, &number, NULL)) {
        http_answer_problem(call->answer, 400, "limit is a number from 1 to %u", max);
        return false;
    }
    *ret = (unsigned)number;
    return true;
}

json_t *http_call_object(HttpCall *call, const char *const *names)
{
    json_error_t why;
    const HttpRequest *request = call->request;
    json_t *object =
        json_loadb(request->body_size ? request->body : "{}",
                   request->body_size ? request->body_size : 2, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(object)) {
        http_answer_problem(call->answer, 400, "the body is no JSON object: %s",
                            object ? "it is another value" : why.text);
        json_decref(object);
        return NULL;
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (g_strv_contains(names, name))
            continue;
        http_answer_problem(call->answer, 400, "\"%.80s\" has no meaning in the body here", name);
        json_decref(object);
        return NULL;
    }
    return object;
}

void http_call_log_change(const HttpCall *call, const char *what, const char *of)
{
    log_event(LOG_LEVEL_INFO, "http.changed", "<%s> from %s: %s %s", call->person,
              *call->request->peer ? call->request->peer : "a unix socket", what, of);
}
