/* api_accounts: accounts by the admin API: the verbs of `rota account`.
 *
 * How it fits: model/account has the verbs, each one transaction. Failures: no address 400, nobody
 * there 404, a taken one 409; a commit whose outcome is not known is 503: the same again says what
 * became of it (an account that is there already is 409). Known weak point: an account that was
 * made without its password or its aliases, when the store went away between, is there all the
 * same.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"

#include "front/account_json.h"
#include "front/api.h"

#define PAGE_DEFAULT 100

static const char *const no_names[] = {NULL};

/* ?match=ada&over=80; false: the answer is made. */
static bool read_filter(HttpCall *call, AccountPage *ret)
{
    const char *over = g_hash_table_lookup(call->query, "over");
    guint64 share = 0;
    ret->match = g_hash_table_lookup(call->query, "match");
    if (over && !g_ascii_string_to_unsigned(over, 10, 1, 100, &share, NULL)) {
        http_answer_problem(call->answer, 400, "over is a number from 1 to 100: %% of the quota");
        return false;
    }
    ret->over = (int64_t)share;
    if (ret->deleted && (over || ret->match)) {
        http_answer_problem(call->answer, 400, "match and over are for accounts that live");
        return false;
    }
    return true;
}

/* ?deleted=true&limit=&after=&match=&over=; false: the answer is made. */
static bool read_page(HttpCall *call, AccountPage *ret)
{
    static const char *const names[] = {"deleted", "limit", "after", "match", "over", NULL};
    const char *deleted = g_hash_table_lookup(call->query, "deleted");
    if (!http_call_query_is(call, names) ||
        !http_call_limit(call, API_ACCOUNTS_MAX, PAGE_DEFAULT, &ret->limit))
        return false;
    if (deleted && strcmp(deleted, "true") != 0 && strcmp(deleted, "false") != 0) {
        http_answer_problem(call->answer, 400, "deleted is true or false");
        return false;
    }
    ret->deleted = g_strcmp0(deleted, "true") == 0;
    ret->after = g_hash_table_lookup(call->query, "after");
    return read_filter(call, ret);
}

static void run_accounts(HttpCall *call)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *next = NULL;
    AccountPage page = {0};
    if (!read_page(call, &page))
        return;
    g_autofree char *match = page.match ? g_utf8_strdown(page.match, -1) : NULL;
    page.match = match;
    if (!db_begin(call->db, DB_READ, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    g_autoptr(GPtrArray) accounts = account_page(call->db, &page, &next, &error);
    db_rollback(call->db);
    if (!accounts) {
        http_answer_error(call->answer, error);
        return;
    }
    json_t *list = json_array();
    for (unsigned i = 0; i < accounts->len; i++)
        json_array_append_new(list, account_json(g_ptr_array_index(accounts, i)));
    http_answer_json(call->answer, 200, json_pack("{s:o, s:s?}", "accounts", list, "next", next));
}

/* The account as it is now. */
static void answer_account(HttpCall *call, unsigned status, const char *address)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Account) account = NULL;
    if (db_begin(call->db, DB_READ, &error)) {
        account = account_find(call->db, address, &error);
        db_rollback(call->db);
    }
    if (account)
        http_answer_json(call->answer, status, account_json(account));
    else
        http_answer_error(call->answer, error);
}

static void run_account(HttpCall *call)
{
    if (http_call_query_is(call, no_names))
        answer_account(call, 200, call->segments[2]);
}

/* ---------------------------------------------------------------- making one */

typedef struct {
    const char *address, *name, *password; /* borrowed from the body; NULL: not there */
    int64_t quota;
    bool admin;
    const json_t *aliases;
} Wanted;

static bool is_list_of_text(const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one))
            return false;
    }
    return json_is_array(list);
}

/* False: the answer is made. */
static bool read_wanted(HttpCall *call, json_t *body, Wanted *ret)
{
    json_int_t quota = 0;
    int admin = 0;
    json_t *aliases = NULL;
    json_error_t why;
    if (json_unpack_ex(body, &why, 0, "{s:s, s?s, s?s, s?I, s?b, s?o}", "address", &ret->address,
                       "name", &ret->name, "password", &ret->password, "quota_bytes", &quota,
                       "administrator", &admin, "aliases", &aliases) != 0) {
        http_answer_problem(call->answer, 400, "the body is not as it should be: %s", why.text);
        return false;
    }
    if (aliases && !is_list_of_text(aliases)) {
        http_answer_problem(call->answer, 400, "aliases are a list of addresses");
        return false;
    }
    if (quota < 0) {
        http_answer_problem(call->answer, 400, "a quota cannot be negative");
        return false;
    }
    ret->quota = quota;
    ret->admin = admin != 0;
    ret->aliases = aliases;
    return true;
}

static bool make(Db *db, const Wanted *wanted, GError **error)
{
    int64_t id = 0;
    size_t i;
    const json_t *alias;
    if (!account_add(db, wanted->address, wanted->name, wanted->quota, &id, error))
        return false;
    bool good =
        !wanted->password || account_set_password(db, wanted->address, wanted->password, error);
    good = good && (!wanted->admin || account_set_admin(db, wanted->address, true, error));
    json_array_foreach(wanted->aliases, i, alias)
    {
        good = good && account_add_alias(db, wanted->address, json_string_value(alias), error);
    }
    if (!good)
        g_prefix_error(error, "%s was made, but not all of it: ", wanted->address);
    return good;
}

static void run_add(HttpCall *call)
{
    static const char *const names[] = {"address",       "name",    "password", "quota_bytes",
                                        "administrator", "aliases", NULL};
    g_autoptr(GError) error = NULL;
    Wanted wanted = {0};
    json_t *body = http_call_query_is(call, no_names) ? http_call_object(call, names) : NULL;
    if (body && read_wanted(call, body, &wanted)) {
        if (make(call->db, &wanted, &error)) {
            http_call_log_change(call, "made", wanted.address);
            answer_account(call, 201, wanted.address);
        } else {
            http_answer_error(call->answer, error);
        }
    }
    json_decref(body);
}

/* ---------------------------------------------------------------- changing one */

/* {"quota_bytes": 5000000, "administrator": true}: what is not there stays. */
static void run_change(HttpCall *call)
{
    static const char *const names[] = {"quota_bytes", "administrator", NULL};
    const char *address = call->segments[2];
    g_autoptr(GError) error = NULL;
    json_t *body = http_call_query_is(call, no_names) ? http_call_object(call, names) : NULL;
    if (!body)
        return;
    const json_t *quota = json_object_get(body, "quota_bytes");
    const json_t *admin = json_object_get(body, "administrator");
    if ((quota && (!json_is_integer(quota) || json_integer_value(quota) < 0)) ||
        (admin && !json_is_boolean(admin)) || (!quota && !admin))
        http_answer_problem(call->answer, 400,
                            "quota_bytes is a number, 0 for none, and administrator true or false");
    else if ((quota && !account_set_quota(call->db, address, json_integer_value(quota), &error)) ||
             (admin && !account_set_admin(call->db, address, json_is_true(admin), &error)))
        http_answer_error(call->answer, error);
    else {
        http_call_log_change(call, "changed", address);
        answer_account(call, 200, address);
    }
    json_decref(body);
}

static void run_delete(HttpCall *call)
{
    const char *address = call->segments[2];
    g_autoptr(GError) error = NULL;
    if (!http_call_query_is(call, no_names))
        return;
    if (!account_delete(call->db, address, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    http_call_log_change(call, "deleted", address);
    http_answer_json(call->answer, 200,
                     json_pack("{s:s, s:s}", "address", address, "result", "deleted"));
}

static void run_undelete(HttpCall *call)
{
    const char *address = call->segments[2];
    g_autoptr(GError) error = NULL;
    json_t *nothing = http_call_query_is(call, no_names) ? http_call_object(call, no_names) : NULL;
    if (!nothing)
        return;
    json_decref(nothing);
    if (!account_undelete(call->db, address, &error)) {
        http_answer_error(call->answer, error);
        return;
    }
    http_call_log_change(call, "undeleted", address);
    answer_account(call, 200, address);
}

const HttpRoute api_route_accounts = API_GET("/api/accounts", run_accounts);
const HttpRoute api_route_account = API_GET("/api/accounts/{address}", run_account);
const HttpRoute api_route_account_add = API_CHANGE("POST", "/api/accounts", run_add);
const HttpRoute api_route_account_change =
    API_CHANGE("PATCH", "/api/accounts/{address}", run_change);
const HttpRoute api_route_account_delete =
    API_CHANGE("DELETE", "/api/accounts/{address}", run_delete);
const HttpRoute api_route_account_undelete =
    API_CHANGE("POST", "/api/accounts/{address}/undelete", run_undelete);
