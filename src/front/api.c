/* api: what the admin API tells.
 *
 * How it fits: front/http.c runs these routes for administrators; the reports are roster/report's,
 * their form report_json.c's. What changes something is in api_verbs.c. Failures: those of the
 * reports, as problems. Known weak point: a list is a snapshot of at most API_TASKS_MAX; who needs
 * all of a long queue reads the store.
 */
#include "front/api.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"

#include "front/report_json.h"

#define TASKS_DEFAULT 50 /* as `rota tasks list` */

static const char *const no_names[] = {NULL};

/* The status report, as `format` tells it. */
static void answer_status(HttpCall *call, json_t *(*format)(const StatusReport *report))
{
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    g_autoptr(StatusReport) report = report_status(call->db, call->house->roles, &error);
    if (report)
        http_answer_json(call->answer, 200, format(report));
    else
        http_answer_error(call->answer, error);
}

static void run_status(HttpCall *call)
{
    answer_status(call, report_json_status);
}

/* Of the status, what is about nodes. */
static json_t *nodes_json(const StatusReport *report)
{
    json_t *nodes = json_array();
    for (unsigned i = 0; i < report->members->len; i++)
        json_array_append_new(nodes,
                              report_json_node(report, g_ptr_array_index(report->members, i)));
    return json_pack("{s:o}", "nodes", nodes);
}

static void run_nodes(HttpCall *call)
{
    answer_status(call, nodes_json);
}

/* And who does what. */
static void run_coverage(HttpCall *call)
{
    answer_status(call, report_json_coverage);
}

/* The table in force; before the first node there is none. */
static void run_roles(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    g_autoptr(StatusReport) report = report_status(call->db, call->house->roles, &error);
    if (!report) {
        http_answer_error(call->answer, error);
        return;
    }
    json_t *table =
        report->table ? report_json_table(report->table, call->house->roles) : json_array();
    http_answer_json(call->answer, 200,
                     json_pack("{s:s, s:I, s:o}", "digest", report->digest, "epoch",
                               (json_int_t)report->epoch, "table", table));
}

/* ?role=&state=&limit=; false: the answer is made. */
static bool read_filter(HttpCall *call, TaskFilter *ret)
{
    static const char *const names[] = {"role", "state", "limit", NULL};
    const char *role = g_hash_table_lookup(call->query, "role");
    const char *state = g_hash_table_lookup(call->query, "state");
    *ret = (TaskFilter){.state = -1};
    if (!http_call_query_is(call, names))
        return false;
    if (state && !task_state_parse(state, &ret->state)) {
        http_answer_problem(call->answer, 400,
                            "there is no state \"%.40s\": due, waiting, running, dead", state);
        return false;
    }
    if (!http_call_limit(call, API_TASKS_MAX, TASKS_DEFAULT, &ret->limit))
        return false;
    const Role *known = role ? role_find(call->house->roles, role) : NULL;
    ret->role = known ? known->name : role;
    return true;
}

static void run_tasks(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    TaskFilter filter;
    if (!read_filter(call, &filter))
        return;
    unsigned limit = filter.limit++; /* one more: is there more? */
    g_autoptr(GPtrArray) tasks = report_tasks(call->db, call->house->roles, &filter, &error);
    if (!tasks) {
        http_answer_error(call->answer, error);
        return;
    }
    bool more = tasks->len > limit;
    if (more)
        g_ptr_array_set_size(tasks, (int)limit);
    http_answer_json(call->answer, 200, report_json_tasks(tasks, more));
}

/* As `rota tasks show`: a task that is done, and has a past, is found. */
static void run_task(HttpCall *call)
{
    const char *id = call->segments[2];
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    g_autoptr(GPtrArray) history = report_history(call->db, call->house->roles, id, &error);
    g_autoptr(GPtrArray) found =
        history ? report_task(call->db, call->house->roles, id, &error) : NULL;
    if (!found && history && history->len > 0 && error_kind(error) == ERROR_GONE)
        found = g_ptr_array_new();
    if (found)
        http_answer_json(call->answer, 200, report_json_task(found, history));
    else
        http_answer_error(call->answer, error);
}

static void run_why(HttpCall *call)
{
    const char *id = call->segments[2];
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    g_autoptr(GPtrArray) lines = report_why(call->db, call->house->roles, id, &error);
    if (lines)
        http_answer_json(call->answer, 200, report_json_why(id, lines));
    else
        http_answer_error(call->answer, error);
}

static void run_document(HttpCall *call)
{
    call->answer->type = "application/json";
    g_string_append(call->answer->body, api_document);
}

static const HttpRoute route_nodes = API_GET("/api/nodes", run_nodes);
static const HttpRoute route_coverage = API_GET("/api/coverage", run_coverage);
static const HttpRoute route_status = API_GET("/api/status", run_status);
static const HttpRoute route_roles = API_GET("/api/roles", run_roles);
static const HttpRoute route_tasks = API_GET("/api/tasks", run_tasks);
static const HttpRoute route_task = API_GET("/api/tasks/{id}", run_task);
static const HttpRoute route_why = API_GET("/api/tasks/{id}/why", run_why);
static const HttpRoute route_document = {
    .method = "GET", .path = "/api/openapi.json", .run = run_document};

const HttpRoute *const api_routes[] = {
    &route_status,
    &route_roles,
    &route_tasks,
    &route_task,
    &route_why,
    &route_nodes,
    &route_coverage,
    &api_route_rounds,
    &api_route_round_now,
    &api_route_metrics,
    &api_route_plan,
    &api_route_plan_table,
    &api_route_audit,
    &api_route_certificates,
    &api_route_imip,
    &api_route_accounts,
    &api_route_account,
    &api_route_account_add,
    &api_route_account_change,
    &api_route_account_delete,
    &api_route_account_undelete,
    &api_route_retry,
    &api_route_drop,
    &api_route_drain,
    &api_route_reload,
    &route_document,
    NULL,
};
