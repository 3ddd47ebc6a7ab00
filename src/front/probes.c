/* probes: /healthz, is the process well, and /readyz, may it be sent requests; for service managers
 * and load balancers.
 *
 * How it fits: the house (app/serve_http.c) knows; here it becomes an answer. Without
 * authentication, and without the store: they answer also when it is gone. Failures: 503 with the
 * reason is an answer.
 */
#include "front/http.h"

static void answer_probe(HttpCall *call, char *take_trouble, const char *well)
{
    if (take_trouble)
        http_answer_problem(call->answer, 503, "%s", take_trouble);
    else
        g_string_append_printf(call->answer->body, "%s\n", well);
    g_free(take_trouble);
}

static void run_healthz(HttpCall *call)
{
    answer_probe(call, call->house->ill(call->house->data), "well");
}

static void run_readyz(HttpCall *call)
{
    answer_probe(call, call->house->unready(call->house->data), "ready");
}

const HttpRoute http_route_healthz = {.method = "GET", .path = "/healthz", .run = run_healthz};
const HttpRoute http_route_readyz = {.method = "GET", .path = "/readyz", .run = run_readyz};
