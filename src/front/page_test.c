/* page_test: the page's files: whole, packed, unchanged, not there; and what a browser may do with
 * them. */
#include <string.h>

#include "front/page.h"
#include "support.h"

static const HttpHouse house = {.routes = page_routes};

typedef struct {
    const char *target;
    unsigned status;
    const char *type, *encoding; /* of the answer; NULL: none */
    const char *accept, *known;  /* Accept-Encoding, If-None-Match; "*": the file's own */
} Row;

static const char *find_field(const char *name, void *data)
{
    const Row *row = data;
    if (strcmp(name, "Accept-Encoding") == 0)
        return row->accept;
    if (strcmp(name, "If-None-Match") == 0)
        return row->known;
    return strcmp(name, "Host") == 0 ? "mail.example.org" : NULL;
}

static const char *header_of(const HttpAnswer *answer, const char *name)
{
    for (guint i = 0; i + 1 < answer->headers->len; i += 2)
        if (strcmp(answer->headers->pdata[i], name) == 0)
            return answer->headers->pdata[i + 1];
    return NULL;
}

static void ask(const Row *row, HttpAnswer *answer)
{
    HttpRequest request = {.method = "GET",
                           .target = row->target,
                           .header = find_field,
                           .data = (Row *)(uintptr_t)row,
                           .peer = ""};
    http_answer_init(answer);
    g_autoptr(HttpCall) call = http_call_new(&house, &request, answer);
    if (call)
        http_call_run(call, NULL);
}

static void files_are_there(void **state)
{
    (void)state;
    static const Row rows[] = {
        {"/admin/main.js", 200, "text/javascript; charset=utf-8", NULL, NULL, NULL},
        {"/admin/main.js", 200, "text/javascript; charset=utf-8", "gzip", "br, gzip", NULL},
        {"/admin/rota.css", 200, "text/css; charset=utf-8", "gzip", "GZip;q=0.5", NULL},
        {"/admin/rota.css", 200, "text/css; charset=utf-8", NULL, "gzip;q=0, br", NULL},
        {"/admin/icon.svg", 200, "image/svg+xml", NULL, "", NULL},
        {"/admin/index.html", 404, NULL, NULL, NULL, NULL}, /* it is for administrators */
        {"/admin/main.c", 404, NULL, NULL, NULL, NULL},
        {"/admin/..%2Frota.toml", 404, NULL, NULL, NULL, NULL},
        {"/admin", 308, NULL, NULL, NULL, NULL},
        {"/", 308, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(HttpAnswer) answer;
        ask(&rows[i], &answer);
        if (answer.status != rows[i].status ||
            g_strcmp0(header_of(&answer, "Content-Encoding"), rows[i].encoding) != 0 ||
            (rows[i].type && strcmp(answer.type, rows[i].type) != 0))
            fail_msg("row %zu, %s: %u %s", i, rows[i].target, answer.status, answer.type);
        if (answer.status == 200) {
            const char *policy = header_of(&answer, "Content-Security-Policy");
            static const char *const parts[] = {"default-src 'none'", "script-src 'self'",
                                                "connect-src 'self'", "frame-ancestors 'none'",
                                                "base-uri 'none'"};
            for (size_t k = 0; k < G_N_ELEMENTS(parts); k++)
                assert_non_null(strstr(policy, parts[k]));
            assert_null(strstr(policy, "unsafe"));
        }
    }
}

static void unchanged_is_not_sent_again(void **state)
{
    (void)state;
    for (unsigned packed = 0; packed < 2; packed++) {
        Row row = {"/admin/main.js", 200, NULL, NULL, packed ? "gzip" : "", NULL};
        g_auto(HttpAnswer) first, second, other;
        ask(&row, &first);
        row.known = header_of(&first, "ETag");
        assert_non_null(row.known);
        ask(&row, &second);
        assert_int_equal(second.status, 304);
        assert_string_equal(header_of(&second, "ETag"), row.known);
        row.accept = packed ? "" : "gzip"; /* another form of it is another thing */
        ask(&row, &other);
        assert_int_equal(other.status, 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_there),
        cmocka_unit_test(unchanged_is_not_sent_again),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
