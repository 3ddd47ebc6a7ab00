/* api_verbs: what the admin API changes: a task is run now or dropped, a node drains or reads its
 * settings again.
 *
 * How it fits: POST only (front/http.c has seen that it is JSON, of our own site and an
 * administrator's); the verbs are roster/task_admin's and roster/wish's, as the commands'.
 * Failures: no such task or node 404, a task that runs 409; a commit whose outcome is not known is
 * 503, and the same again is safe. Known weak point: a drain is asked for, not waited for;
 * /api/status tells what became of it.
 */
#include "base/error.h"
#include "base/limits.h"
#include "roster/task_admin.h"
#include "roster/wish.h"

#include "front/api.h"

/* Neither query nor body says anything; false: the answer is made. */
static bool is_plain(HttpCall *call)
{
    static const char *const no_names[] = {NULL};
    json_t *nothing = http_call_query_is(call, no_names) ? http_call_object(call, no_names) : NULL;
    json_decref(nothing);
    return nothing != NULL;
}

static void act_on_task(HttpCall *call, TaskVerb verb)
{
    const char *id = call->segments[2], *done = verb == VERB_RETRY ? "retried" : "dropped";
    g_autoptr(GError) error = NULL;
    TaskWas was;
    if (!is_plain(call))
        return;
    bool good = verb == VERB_RETRY ? task_retry(call->db, call->house->roles, id, &was, &error)
                                   : task_drop(call->db, call->house->roles, id, &was, &error);
    if (!good) {
        http_answer_error(call->answer, error);
        return;
    }
    http_call_log_change(call, done, id);
    http_answer_json(call->answer, 200,
                     json_pack("{s:s, s:s, s:s}", "id", id, "was",
                               was == TASK_WAS_DEAD ? "dead letter" : "task", "result", done));
}

static void run_retry(HttpCall *call)
{
    act_on_task(call, VERB_RETRY);
}

static void run_drop(HttpCall *call)
{
    act_on_task(call, VERB_DROP);
}

static void ask_node(HttpCall *call, const char *wish)
{
    const char *number = call->segments[2];
    g_autoptr(GError) error = NULL;
    guint64 node = 0;
    if (!is_plain(call))
        return;
    if (!g_ascii_string_to_unsigned(number, 10, 1, NODE_ID_MAX, &node, NULL)) {
        http_answer_problem(call->answer, 400, "a node is a number from 1 to %d", NODE_ID_MAX);
        return;
    }
    if (!wish_set(call->db, (int64_t)node, wish, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    http_call_log_change(call, wish, number);
    http_answer_json(call->answer, 202,
                     json_pack("{s:I, s:s}", "node", (json_int_t)node, "asked", wish));
}

static void run_drain(HttpCall *call)
{
    ask_node(call, "drain");
}

static void run_reload(HttpCall *call)
{
    ask_node(call, "reload");
}

const HttpRoute api_route_retry = API_CHANGE("POST", "/api/tasks/{id}/retry", run_retry);
const HttpRoute api_route_drop = API_CHANGE("POST", "/api/tasks/{id}/drop", run_drop);
const HttpRoute api_route_drain = API_CHANGE("POST", "/api/nodes/{node}/drain", run_drain);
const HttpRoute api_route_reload = API_CHANGE("POST", "/api/nodes/{node}/reload", run_reload);
