/* jmap: the dispatcher of JMAP (RFC 8620 §3), and what its methods share.
 *
 * How it fits: jmap_door.c has the HTTP; the methods are in jmap_*.c, those of PushSubscription in
 * jmap_push.c. Calls run in order; a call that fails is an error response, and the others go on.
 *
 * Failures: a request that is none, names capabilities we do not have, or is over a limit, is a
 * problem of the whole; the rest are errors of single calls. Known weak point: states are of the
 * account, so a client asks for changes of mailboxes too when only mail has changed.
 */
#include "front/jmap.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/change.h"

#include "front/jmap_header.h"
#include "front/jmap_push.h"
#include "front/jmap_write.h"

#define INT_MOST (((int64_t)1 << 53) - 1) /* RFC 8620 §1.3 */

static const char *const capabilities[] = {JMAP_CORE, JMAP_MAIL, JMAP_QUOTA, JMAP_PUSH_CAPABILITY,
                                           NULL};

/* ---------------------------------------------------------------- for methods */

json_t *jmap_error(const char *type, const char *description)
{
    /* What came from outside may have been cut within a character. */
    g_autofree char *text = description ? g_utf8_make_valid(description, -1) : NULL;
    return json_pack("{s:s, s:s*}", "type", type, "description", text);
}

json_t *jmap_fail(json_t **ret_error, const char *type, const char *description)
{
    *ret_error = jmap_error(type, description);
    return NULL;
}

json_t *jmap_fail_error(json_t **ret_error, const GError *error)
{
    switch (error_kind(error)) {
    case ERROR_RETRY:
        return jmap_fail(ret_error, "serverUnavailable", error->message);
    case ERROR_STOPPED:
        return jmap_fail(ret_error, "serverUnavailable", error->message);
    case ERROR_UNKNOWN:
        return jmap_fail(ret_error, "serverPartialFail", error->message);
    case ERROR_REJECT:
        return jmap_fail(ret_error, "invalidArguments", error->message);
    case ERROR_GONE: /* no method asks so for anything else */
        return jmap_fail(ret_error, "accountNotFound", error->message);
    case ERROR_CONFLICT:
        break;
    }
    return jmap_fail(ret_error, "serverFail", error->message);
}

bool jmap_takes(const JmapCall *call, json_t *arguments, const char *const *names,
                json_t **ret_error)
{
    const char *key;
    json_t *value, *account = json_object_get(arguments, "accountId");
    json_object_foreach(arguments, key, value)
    {
        if (strcmp(key, "accountId") != 0 && !g_strv_contains(names, key)) {
            g_autofree char *text = g_strdup_printf("there is no argument \"%.60s\"", key);
            jmap_fail(ret_error, "invalidArguments", text);
            return false;
        }
    }
    if (!json_is_string(account)) {
        jmap_fail(ret_error, "invalidArguments", "accountId is missing");
        return false;
    }
    if (jmap_id_parse(json_string_value(account), 'a') != call->account) {
        jmap_fail(ret_error, "accountNotFound", NULL);
        return false;
    }
    return true;
}

bool jmap_int(json_t *arguments, const char *name, int64_t *ret, json_t **ret_error)
{
    json_t *value = json_object_get(arguments, name);
    json_int_t number = json_integer_value(value);
    if (!value || json_is_null(value))
        return true;
    if (json_is_integer(value) && number >= -INT_MOST && number <= INT_MOST) {
        *ret = number;
        return true;
    }
    g_autofree char *text = g_strdup_printf("%s is no integer", name);
    jmap_fail(ret_error, "invalidArguments", text);
    return false;
}

int64_t jmap_id_parse(const char *text, char prefix)
{
    guint64 number;
    if (!text || text[0] != prefix || text[1] == '0' ||
        !g_ascii_string_to_unsigned(text + 1, 10, 1, INT64_MAX, &number, NULL))
        return 0;
    return (int64_t)number;
}

json_t *jmap_id(char prefix, int64_t id)
{
    char text[32];
    g_snprintf(text, sizeof text, "%c%" G_GINT64_FORMAT, prefix, id);
    return json_string(text);
}

bool jmap_state(const JmapCall *call, int64_t *ret_state, GError **error)
{
    g_autoptr(GArray) states = change_states(call->db, &call->account, 1, error);
    if (!states)
        return false;
    if (states->len == 0)
        return fail(error, ERROR_GONE, "the account is gone");
    *ret_state = g_array_index(states, ChangeState, 0).seq;
    return true;
}

bool jmap_state_now(const JmapCall *call, int64_t *ret_state, GError **error)
{
    if (!db_begin(call->db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(call->db);
    return jmap_state(call, ret_state, error);
}

json_t *jmap_state_json(int64_t state)
{
    char text[24];
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, state);
    return json_string(text);
}

json_t *jmap_date(int64_t ms)
{
    g_autoptr(GDateTime) date = ms ? g_date_time_new_from_unix_utc(ms / 1000) : NULL;
    g_autofree char *text = date ? g_date_time_format(date, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    return text ? json_string(text) : json_null();
}

bool jmap_date_parse(const char *text, int64_t *ret_ms)
{
    bool utc = text && g_str_has_suffix(text, "Z") && strlen(text) > 10 && text[10] == 'T';
    g_autoptr(GDateTime) date = utc ? g_date_time_new_from_iso8601(text, NULL) : NULL;
    if (date)
        *ret_ms = g_date_time_to_unix(date) * 1000 + g_date_time_get_microsecond(date) / 1000;
    return date != NULL;
}

bool jmap_wants(json_t *properties, const char *name)
{
    size_t i;
    json_t *one;
    if (!json_is_array(properties))
        return true;
    json_array_foreach(properties, i,
                       one) if (strcmp(json_string_value(one), name) == 0) return true;
    return false;
}

static bool are_strings(json_t *list)
{
    size_t i;
    json_t *one;
    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, one) if (!json_is_string(one)) return false;
    return true;
}

/* One that stands there twice is answered once (§5.1). A list of its own: this one may be a
 * response that a reference leads to. */
static void make_unique(json_t *arguments)
{
    json_t *ids = json_object_get(arguments, "ids"), *one, *unique;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    if (!json_is_array(ids))
        return;
    json_incref(ids);
    unique = json_array();
    json_array_foreach(ids, i, one)
    {
        if (g_hash_table_add(seen, (char *)(uintptr_t)json_string_value(one)))
            json_array_append(unique, one);
    }
    json_object_set_new(arguments, "ids", unique);
    json_decref(ids);
}

bool jmap_get_arguments(json_t *arguments, const char *const *known, json_t **ret_error)
{
    json_t *ids = json_object_get(arguments, "ids"), *one;
    json_t *properties = json_object_get(arguments, "properties");
    size_t i;
    if ((ids && !json_is_null(ids) && !are_strings(ids)) ||
        (properties && !json_is_null(properties) && !are_strings(properties))) {
        jmap_fail(ret_error, "invalidArguments", "ids and properties are lists of strings");
        return false;
    }
    if (json_array_size(ids) > JMAP_GET_MAX) {
        jmap_fail(ret_error, "requestTooLarge", NULL);
        return false;
    }
    json_array_foreach(properties, i, one)
    {
        const char *name = json_string_value(one);
        JmapHeader header;
        bool field = g_str_has_prefix(name, "header:") && g_strv_contains(known, "header:*") &&
                     jmap_header_parse(name, &header);
        if (field || (g_strv_contains(known, name) && strcmp(name, "header:*") != 0))
            continue;
        g_autofree char *text =
            g_strdup_printf("there is no property \"%.60s\"", json_string_value(one));
        jmap_fail(ret_error, "invalidArguments", text);
        return false;
    }
    make_unique(arguments);
    return true;
}

static int take_bytes(const char *bytes, size_t size, void *data)
{
    size_t *left = data;
    (void)bytes;
    if (size > *left)
        return -1;
    *left -= size;
    return 0;
}

bool jmap_fits(json_t *value, size_t *left)
{
    return json_dump_callback(value, take_bytes, left, JSON_COMPACT) == 0;
}

json_t *jmap_get_answer(const JmapCall *call, int64_t state, json_t *list, json_t *not_found)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "accountId", jmap_id('a', call->account), "state",
                     jmap_state_json(state), "list", list, "notFound", not_found);
}

/* ---------------------------------------------------------------- methods of the core */

static json_t *run_echo(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    (void)call, (void)ret_error;
    return json_incref(arguments);
}

static JmapPush push_of(const JmapCall *call)
{
    return (JmapPush){.db = call->db,
                      .account = call->account,
                      .allow_private = call->push_private,
                      .objects_max = JMAP_SET_MAX};
}

static json_t *run_push_get(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    JmapPush push = push_of(call);
    return jmap_push_get(&push, arguments, ret_error);
}

static json_t *run_push_set(JmapCall *call, json_t *arguments, json_t **ret_error)
{
    JmapPush push = push_of(call);
    return jmap_push_set(&push, arguments, call->created, ret_error);
}

static const JmapMethod core_methods[] = {
    {"Core/echo", JMAP_CORE, run_echo},
    {"PushSubscription/get", JMAP_CORE, run_push_get},
    {"PushSubscription/set", JMAP_CORE, run_push_set},
    {NULL, NULL, NULL},
};
static const JmapMethod *const tables[] = {
    core_methods,       jmap_mailbox_methods, jmap_mailbox_query_methods, jmap_snippet_methods,
    jmap_email_methods, jmap_query_methods,   jmap_email_set_methods,     jmap_changes_methods,
    jmap_blob_methods,  jmap_import_methods,  jmap_mailbox_set_methods,   jmap_quota_methods};

/* ---------------------------------------------------------------- a request */

bool jmap_uses(json_t *using, const char *capability)
{
    size_t i;
    json_t *one;
    json_array_foreach(using, i,
                       one) if (strcmp(json_string_value(one), capability) == 0) return true;
    return false;
}

static const JmapMethod *find_method(const char *name, json_t *using)
{
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        for (const JmapMethod *method = tables[i]; method->name; method++)
            if (strcmp(method->name, name) == 0)
                return jmap_uses(using, method->capability) ? method : NULL;
    return NULL;
}

static bool is_call(json_t *call)
{
    return json_array_size(call) == 3 && json_is_string(json_array_get(call, 0)) &&
           json_is_object(json_array_get(call, 1)) && json_is_string(json_array_get(call, 2));
}

/* Always false. */
static bool refuse(const char **ret_problem, const char **ret_detail, const char *problem,
                   const char *detail)
{
    *ret_problem = problem;
    *ret_detail = detail;
    return false;
}

static bool is_request(json_t *request, const char **ret_problem, const char **ret_detail)
{
    json_t *using = json_object_get(request, "using"), *one;
    json_t *calls = json_object_get(request, "methodCalls");
    json_t *created = json_object_get(request, "createdIds");
    size_t i;
    if (!are_strings(using) || !json_is_array(calls) || (created && !json_is_object(created)))
        return refuse(ret_problem, ret_detail, "notRequest",
                      "a request has using, methodCalls and perhaps createdIds");
    json_array_foreach(calls, i, one) if (!is_call(one)) return refuse(
        ret_problem, ret_detail, "notRequest", "a call is [name, arguments, call id]");
    json_array_foreach(using, i, one) if (
        !g_strv_contains(
            capabilities,
            json_string_value(one))) return refuse(ret_problem, ret_detail, "unknownCapability",
                                                   "using names what the session does not have");
    if (json_array_size(calls) > JMAP_CALLS_MAX)
        return refuse(ret_problem, ret_detail, "limit", "maxCallsInRequest");
    return true;
}

static json_t *run_call(JmapCall *call, json_t *row, json_t *using, json_t *responses,
                        json_t **ret_error)
{
    const char *detail;
    const JmapMethod *method = find_method(json_string_value(json_array_get(row, 0)), using);
    json_t *arguments = json_deep_copy(json_array_get(row, 1)), *answer = NULL;
    if (!method)
        jmap_fail(ret_error, "unknownMethod", NULL);
    else if (!jmap_resolve(arguments, responses, &detail))
        jmap_fail(ret_error, *detail == '!' ? "invalidArguments" : "invalidResultReference",
                  *detail == '!' ? detail + 1 : detail);
    else
        answer = method->run(call, arguments, ret_error);
    json_decref(arguments);
    return answer;
}

/* As run_call, within the limits: of one response, and *left of all. A response to what changes
 * something is about as long as its request, which has a lower limit: it is not thrown away. */
static json_t *run_bounded(JmapCall *call, json_t *row, json_t *using, json_t *responses,
                           size_t *left, json_t **ret_error)
{
    size_t own = JMAP_ANSWER_BYTES_MAX;
    if (*left == 0)
        return jmap_fail(ret_error, "serverFail", "the responses to this request are too large");
    json_t *answer = run_call(call, row, using, responses, ret_error);
    if (answer && !jmap_fits(answer, &own)) {
        json_decref(answer);
        return jmap_fail(ret_error, "serverFail", "the response to this call is too large");
    }
    *left -= MIN(*left, JMAP_ANSWER_BYTES_MAX - own);
    return answer;
}

json_t *jmap_run(JmapCall *call, json_t *request, const char **ret_problem, const char **ret_detail)
{
    if (!is_request(request, ret_problem, ret_detail))
        return NULL;
    json_t *using = json_object_get(request, "using"), *responses = json_array(), *row;
    json_t *created = json_object_get(request, "createdIds");
    size_t i, left = JMAP_ANSWER_BYTES_MAX;
    call->created = created ? json_copy(created) : json_object();
    call->using = using;
    json_array_foreach(json_object_get(request, "methodCalls"), i, row)
    {
        json_t *error = NULL;
        json_t *answer = run_bounded(call, row, using, responses, &left, &error);
        json_array_append_new(responses,
                              json_pack("[O, o, O]", answer ? json_array_get(row, 0) : json_null(),
                                        answer ? answer : error, json_array_get(row, 2)));
        if (!answer)
            json_array_set_new(json_array_get(responses, i), 0, json_string("error"));
    }
    int64_t state = 0;
    json_t *answer = json_pack("{s:o, s:o}", "methodResponses", responses, "sessionState",
                               jmap_state_json(state));
    if (created)
        json_object_set(answer, "createdIds", call->created);
    json_decref(call->created);
    call->created = NULL;
    call->using = NULL;
    return answer;
}
