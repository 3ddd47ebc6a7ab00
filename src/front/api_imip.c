/* api_imip: what was done with an account's invitations, and why, in the admin API.
 *
 * How it fits: a route of api.c's table; model/imip_log reads, imip_json.c makes the JSON.
 * Failures: nobody there 404, the store's.
 */
#include "base/limits_http.h"
#include "model/account.h"
#include "model/invitation.h"

#include "front/api.h"
#include "front/imip_json.h"

#define ENTRIES_DEFAULT 100

/* ?email=&limit=&after=; false: the answer is made. */
static bool read_ask(HttpCall *call, ImipLogAsk *ret)
{
    static const char *const names[] = {"email", "limit", "after", NULL};
    const char *email = g_hash_table_lookup(call->query, "email");
    guint64 number = 0;
    if (!http_call_query_is(call, names) ||
        !http_call_limit(call, API_IMIP_MAX, ENTRIES_DEFAULT, &ret->limit))
        return false;
    if (email && !g_ascii_string_to_unsigned(email, 10, 1, INT64_MAX, &number, NULL)) {
        http_answer_problem(call->answer, 400, "email is the number of a letter");
        return false;
    }
    ret->email = (int64_t)number;
    ret->after = g_hash_table_lookup(call->query, "after");
    return true;
}

static void run_imip(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *next = NULL;
    ImipLogAsk ask = {0};
    if (!read_ask(call, &ask))
        return;
    if (!db_begin(call->db, DB_READ, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    g_autoptr(Account) account = account_find(call->db, call->segments[2], &error);
    g_autoptr(GPtrArray) entries =
        account ? imip_log(call->db, account->id, &ask, &next, &error) : NULL;
    db_rollback(call->db);
    if (entries)
        http_answer_json(call->answer, 200, imip_json_log(entries, next));
    else
        http_answer_error(call->answer, error);
}

const HttpRoute api_route_imip = API_GET("/api/accounts/{address}/imip", run_imip);
