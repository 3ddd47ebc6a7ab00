/* http_test: tables of targets, header fields and requests, and what comes of them. */
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "front/http.h"
#include "front/http_parse.h"
#include "support.h"

static void decodes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool plus;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"", false, ""},         {"a%20b", false, "a b"},
        {"a+b", false, "a+b"},   {"a+b", true, "a b"},
        {"%C3%a9", false, "é"},  {"%2F%3f", false, "/?"},
        {"é", false, "é"},       {"%", false, NULL},
        {"%4", false, NULL},     {"%4g", false, NULL},
        {"%00", false, NULL},    {"%0a", false, NULL},
        {"%7f", false, NULL},    {"%C3", false, NULL},
        {"%C0%AF", false, NULL}, {"%ED%A0%80", false, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = http_decode(rows[i].text, strlen(rows[i].text), rows[i].plus);
        if (g_strcmp0(got, rows[i].want) != 0)
            fail_msg("%s: got %s, want %s", rows[i].text, got, rows[i].want);
    }
}

static void reads_queries(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* want: the value of "a"; NULL: refused */
        unsigned count;
    } rows[] = {
        {"a=1", "1", 1},       {"a=1&b=2", "1", 2}, {"b=&a=x%26y", "x&y", 2}, {"a", "", 1},
        {"a=b=c", "b=c", 1},   {"a=1+2", "1 2", 1}, {"a=1&a=2", NULL, 0},     {"=1", NULL, 0},
        {"a=1&&b=2", NULL, 0}, {"a=%zz", NULL, 0},  {"%61=7", "7", 1},        {"a=1&", "1", 1},
        {"&", NULL, 0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        GHashTable *query = http_query_parse(rows[i].text);
        if ((query != NULL) != (rows[i].want != NULL))
            fail_msg("%s: %s", rows[i].text, query ? "taken" : "refused");
        if (!query)
            continue;
        assert_string_equal(g_hash_table_lookup(query, "a"), rows[i].want);
        assert_int_equal(g_hash_table_size(query), rows[i].count);
        g_hash_table_unref(query);
    }
    GString *many = g_string_new("a=1");
    for (unsigned i = 1; i <= HTTP_QUERY_MAX; i++)
        g_string_append_printf(many, "&n%u=1", i);
    assert_null(http_query_parse(many->str));
    g_string_free(many, TRUE);
}

static void reads_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *field, *user, *password; /* user NULL: refused */
    } rows[] = {
        {"Basic YTpi", "a", "b"},
        {"basic YTpi", "a", "b"},
        {"Basic  YTpi", "a", "b"},
        {"Basic YTpiOmM=", "a", "b:c"},
        {"Basic Og==", "", ""},
        {"Basic YTo=", "a", ""},
        {"Basic", NULL, NULL},
        {"Basic ", NULL, NULL},
        {"Basic YTpi ", NULL, NULL},
        {"Basic YTp", NULL, NULL},
        {"Basic YQ==", NULL, NULL},
        {"Basic YTpi!AAA", NULL, NULL},
        {"Basic Y===", NULL, NULL},
        {"Basic =", NULL, NULL},
        {"Bearer YTpi", NULL, NULL},
        {"BasicYTpi", NULL, NULL},
        {"Basic YTpiAA==", NULL, NULL},
        {"Basic YTr/", NULL, NULL},
        {"Basic YTpi\nYTpi", NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *user = NULL, *password = NULL;
        bool got = http_basic_parse(rows[i].field, &user, &password);
        if (got != (rows[i].user != NULL) || g_strcmp0(user, rows[i].user) != 0 ||
            g_strcmp0(password, rows[i].password) != 0)
            fail_msg("%s: got %s %s", rows[i].field, user, password);
    }
}

static void reads_bearers(void **state)
{
    (void)state;
    static const struct {
        const char *field, *token; /* NULL: refused */
    } rows[] = {
        {"Bearer abc", "abc"}, {"bearer  a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="},
        {"Bearer", NULL},      {"Bearer ", NULL},
        {"Bearer a b", NULL},  {"Bearer a=b", NULL},
        {"Bearer =", NULL},    {"Basic YTpi", NULL},
        {"Bearer a\n", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_strcmp0(http_bearer_parse(rows[i].field), rows[i].token) != 0)
            fail_msg("%s", rows[i].field);
}

static void weighs_types(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int percent; /* of text/plain */
    } rows[] = {
        {NULL, 100},
        {"", 0},
        {"*/*", 100},
        {"text/*;q=0.5", 50},
        {"text/plain", 100},
        {"TEXT/Plain", 100},
        {"text/plain;version=1.0;q=0.25", 25},
        {"*/*;q=0.9, text/plain;q=0.1", 10},
        {"text/plain ; q=0", 0},
        {"application/json", 0},
        {"text/plainer", 0},
        {"text/plain;q=nan", 0},
        {"text/plain;q=9", 0},
        {", ,text/plain", 100},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        double got = http_accept_weight(rows[i].field, "text/plain");
        if ((int)(got * 100 + 0.5) != rows[i].percent)
            fail_msg("%s: got %f, want %d %%", rows[i].field, got, rows[i].percent);
    }
    assert_true(http_is_type("application/json; charset=utf-8", "application/json"));
    assert_true(http_is_type("Application/JSON", "application/json"));
    assert_false(http_is_type("application/jsonp", "application/json"));
    assert_false(http_is_type(NULL, "application/json"));
}

/* ---------------------------------------------------------------- requests */

static void run_echo(HttpCall *call)
{
    g_string_append_printf(call->answer->body, "%s %.*s", call->segments[1],
                           (int)call->request->body_size,
                           call->request->body ? (const char *)call->request->body : "");
}

static const HttpRoute route_echo = {.method = "POST", .path = "/echo/{it}", .run = run_echo};
static const HttpRoute *const routes[] = {&http_route_healthz, &http_route_readyz, &route_echo,
                                          NULL};

static char *well(void *data)
{
    (void)data;
    return NULL;
}

static char *not_ready(void *data)
{
    return g_strdup(data);
}

static const HttpHouse house = {
    .routes = routes, .ill = well, .unready = not_ready, .data = (char *)(uintptr_t) "no lease"};

static const char *one_header(const char *name, void *data)
{
    if (strcmp(name, "Content-Type") == 0)
        return "application/json";
    return strcmp(name, "Content-Length") == 0 ? data : NULL;
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *length;
        unsigned status;
        const char *body; /* its beginning; of a problem the detail's */
    } rows[] = {
        {"GET", "/healthz", NULL, 200, "well\n"},
        {"HEAD", "/healthz", NULL, 200, "well\n"},
        {"GET", "/healthz?x=1", NULL, 200, "well\n"},
        {"GET", "/%68ealthz", NULL, 200, "well\n"},
        {"GET", "/readyz", NULL, 503, "no lease"},
        {"GET", "/healthz/", NULL, 404, "there is nothing"},
        {"GET", "/", NULL, 404, "there is nothing"},
        {"GET", "healthz", NULL, 400, "the address"},
        {"GET", "*", NULL, 400, "the address"},
        {"GET", "/healthz%2f", NULL, 404, "there is nothing"},
        {"GET", "/healthz?%", NULL, 400, "the address"},
        {"GET", "/healthz%00", NULL, 400, "the address"},
        {"GET", "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7", NULL, 400, "the address"},
        {"POST", "/healthz", NULL, 405, "POST is not for this address; it knows GET, HEAD"},
        {"BREW", "/echo/a", NULL, 405, "BREW is not for this address; it knows POST"},
        {"GET", "/echo/a", NULL, 405, "GET is not"},
        {"POST", "/echo/a%2Fb", NULL, 200, "a/b hello"},
        {"POST", "/echo/", NULL, 404, "there is nothing"},
        {"POST", "/echo/a", "65536", 200, "a hello"},
        {"POST", "/echo/a", "65537", 413, "a body has at most 65536"},
        {"POST", "/echo/a", "99999999999999999999999", 400, "Content-Length"},
        {"POST", "/echo/a", "-1", 400, "Content-Length"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        HttpRequest request = {.method = rows[i].method,
                               .target = rows[i].target,
                               .header = one_header,
                               .data = (char *)(uintptr_t)rows[i].length,
                               .peer = "",
                               .body = "hello",
                               .body_size = 5};
        g_auto(HttpAnswer) answer;
        http_answer_init(&answer);
        g_autoptr(HttpCall) call = http_call_new(&house, &request, &answer);
        if (call)
            http_call_run(call, NULL);
        const char *text = answer.body->str;
        json_t *json = NULL;
        if (strcmp(answer.type, "application/problem+json") == 0) {
            json = json_loadb(answer.body->str, answer.body->len, JSON_REJECT_DUPLICATES, NULL);
            text = json_string_value(json_object_get(json, "detail"));
            assert_int_equal(json_integer_value(json_object_get(json, "status")), answer.status);
        }
        if (answer.status != rows[i].status || !g_str_has_prefix(text, rows[i].body))
            fail_msg("%s %s: got %u %s, want %u %s", rows[i].method, rows[i].target, answer.status,
                     text, rows[i].status, rows[i].body);
        json_decref(json);
    }
}

static void long_target_is_refused(void **state)
{
    (void)state;
    GString *target = g_string_new("/");
    g_string_set_size(target, HTTP_TARGET_BYTES_MAX + 1);
    memset(target->str, '/', target->len);
    HttpRequest request = {
        .method = "GET", .target = target->str, .header = one_header, .peer = ""};
    g_auto(HttpAnswer) answer;
    http_answer_init(&answer);
    assert_null(http_call_new(&house, &request, &answer));
    assert_int_equal(answer.status, 414);
    g_string_free(target, TRUE);
}

static void errors_have_a_status(void **state)
{
    (void)state;
    static const struct {
        ErrorKind kind;
        unsigned status;
    } rows[] = {{ERROR_GONE, 404},  {ERROR_REJECT, 400},  {ERROR_CONFLICT, 409},
                {ERROR_RETRY, 503}, {ERROR_STOPPED, 503}, {ERROR_UNKNOWN, 503}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(HttpAnswer) answer;
        http_answer_init(&answer);
        fail(&error, rows[i].kind, "why");
        http_answer_error(&answer, error);
        assert_int_equal(answer.status, rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(reads_queries),
        cmocka_unit_test(reads_credentials),
        cmocka_unit_test(reads_bearers),
        cmocka_unit_test(weighs_types),
        cmocka_unit_test(answers),
        cmocka_unit_test(long_target_is_refused),
        cmocka_unit_test(errors_have_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
