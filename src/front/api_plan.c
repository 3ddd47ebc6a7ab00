/* api_plan: what another table, or fewer or more nodes, would mean; and whether the table in force
 * suits the cluster.
 *
 * How it fits: the same reports as `rota plan` and `rota audit`: plan_read.c, audit_read.c. A new
 * table comes as the text of a settings file; the house reads it, as it reads its own.
 *
 * Failures: a node list or a table that is none 400; nothing to compare with 409. Known weak point:
 * of a settings file the role table alone is looked at, and what is wrong elsewhere is told too.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

#include "front/api.h"
#include "front/audit_read.h"
#include "front/plan_read.h"

/* As http_answer_error, but "there is nothing yet" is no wrong address. */
static void refuse(HttpCall *call, const GError *error)
{
    if (error_kind(error) == ERROR_GONE)
        http_answer_problem(call->answer, 409, "%s", error->message);
    else
        http_answer_error(call->answer, error);
}

static void answer_plan(HttpCall *call, const RoleTable *table)
{
    g_autoptr(GError) error = NULL;
    PlanReadAsk ask = {.set = call->house->roles,
                       .table = table,
                       .without = g_hash_table_lookup(call->query, "without"),
                       .with = g_hash_table_lookup(call->query, "with")};
    g_autoptr(Plan) plan = plan_read(call->db, &ask, NULL, &error);
    if (plan)
        http_answer_json(call->answer, 200, plan_json(plan));
    else
        refuse(call, error);
}

static bool is_plan_query(HttpCall *call)
{
    static const char *const names[] = {"without", "with", NULL};
    return http_call_query_is(call, names);
}

static void run_plan(HttpCall *call)
{
    if (is_plan_query(call))
        answer_plan(call, NULL);
}

/* What stands in the text shall not reach for this machine's files and environment (%{file:…}%), in
 * whatever way it is spelt. */
static bool is_plain_table(const HttpRequest *request)
{
    return !memmem(request->body, request->body_size, "%{", 2) &&
           !memchr(request->body, '\\', request->body_size) &&
           !memchr(request->body, '\0', request->body_size);
}

static void run_plan_table(HttpCall *call)
{
    const HttpRequest *request = call->request;
    g_autoptr(GError) error = NULL;
    if (!is_plan_query(call))
        return;
    if (request->body_size == 0 || !is_plain_table(request)) {
        http_answer_problem(call->answer, 400,
                            "the body is a settings file with [cluster.roles], without \"%%{\" and "
                            "without backslashes");
        return;
    }
    g_autoptr(RoleTable) table =
        call->house->read_table(request->body, request->body_size, call->house->data, &error);
    if (table)
        answer_plan(call, table);
    else
        http_answer_error(call->answer, error);
}

static void run_audit(HttpCall *call)
{
    static const char *const no_names[] = {NULL};
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    g_autoptr(Audit) audit = audit_read(call->db, call->house->roles, call->house->concurrency,
                                        call->house->certificates, &error);
    if (audit)
        http_answer_json(call->answer, 200, audit_json(audit));
    else
        refuse(call, error);
}

const HttpRoute api_route_plan = API_GET("/api/plan", run_plan);
const HttpRoute api_route_plan_table = {.method = "POST",
                                        .path = "/api/plan",
                                        .store = HTTP_STORE_NEEDED,
                                        .access = HTTP_FOR_ADMIN,
                                        .run = run_plan_table,
                                        .types = "application/toml",
                                        .body_max = SETTINGS_BYTES_MAX};
const HttpRoute api_route_audit = API_GET("/api/audit", run_audit);
