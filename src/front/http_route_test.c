/* http_route_test: which route a request finds, who may change what with it, and parts of answers.
 */
#include <string.h>

#include "front/http.h"
#include "front/http_range.h"
#include "support.h"

static void run_where(HttpCall *call)
{
    g_autofree char *path = g_strjoinv("|", call->segments);
    g_string_append_printf(call->answer->body, "%s %s", call->route->path, path);
}

static void run_bytes(HttpCall *call)
{
    http_answer_add_header(call->answer, "ETag", "\"one\"");
    http_answer_bytes(call->answer, "text/plain", g_bytes_new_static("0123456789", 10));
}

static const HttpRoute rows_of_table[] = {
    {.method = "GET", .path = "/dav/{*}", .run = run_where},
    {.method = "PROPFIND",
     .path = "/dav/{*}",
     .run = run_where,
     .types = "application/xml text/xml"},
    {.method = "PUT", .path = "/dav/{*}", .run = run_where, .types = "*", .body_max = 1000000},
    {.method = "DELETE", .path = "/dav/{*}", .run = run_where},
    {.method = "OPTIONS", .path = "/{*}", .run = run_where},
    {.method = "POST", .path = "/upload/{account}/", .run = run_where, .types = "*"},
    {.method = "POST", .path = "/json", .run = run_where},
    {.method = "GET", .path = "/bytes", .run = run_bytes},
};
static const HttpRoute *const routes[] = {&rows_of_table[0], &rows_of_table[1], &rows_of_table[2],
                                          &rows_of_table[3], &rows_of_table[4], &rows_of_table[5],
                                          &rows_of_table[6], &rows_of_table[7], NULL};
static const HttpHouse house = {.routes = routes};

typedef struct {
    const char *method, *target;
    unsigned status;
    const char *body;                          /* its beginning; NULL: whatever it is */
    const char *type, *length, *origin, *site; /* header fields; NULL: it has none */
    const char *range, *if_range;
} Row;

static const char *find_field(const char *name, void *data)
{
    const Row *row = data;
    const struct {
        const char *name, *value;
    } fields[] = {
        {"Host", "mail.example.org"},    {"Content-Type", row->type},
        {"Content-Length", row->length}, {"Origin", row->origin},
        {"Sec-Fetch-Site", row->site},   {"Range", row->range},
        {"If-Range", row->if_range},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (strcmp(name, fields[i].name) == 0)
            return fields[i].value;
    return NULL;
}

static void try_rows(const Row *rows, size_t count)
{
    for (const Row *row = rows; row < rows + count; row++) {
        HttpRequest request = {.method = row->method,
                               .target = row->target,
                               .header = find_field,
                               .data = (Row *)(uintptr_t)row,
                               .peer = ""};
        g_auto(HttpAnswer) answer;
        http_answer_init(&answer);
        g_autoptr(HttpCall) call = http_call_new(&house, &request, &answer);
        if (call)
            http_call_run(call, NULL);
        g_autofree char *text = answer.bytes ? g_strndup(g_bytes_get_data(answer.bytes, NULL),
                                                         g_bytes_get_size(answer.bytes))
                                             : g_strdup(answer.body->str);
        if (answer.status != row->status || (row->body && !g_str_has_prefix(text, row->body)))
            fail_msg("%s %s: got %u %s, want %u %s", row->method, row->target, answer.status, text,
                     row->status, row->body);
    }
}

static void finds_routes(void **state)
{
    (void)state;
    static const Row rows[] = {
        {"GET", "/dav/", 200, .body = "/dav/{*} dav|"},
        {"GET", "/dav/a/b%2Fc/", 200, .body = "/dav/{*} dav|a|b/c|"},
        {"GET", "/dav", 405, .body = NULL},
        {"GET", "/davy/", 405, .body = NULL},
        {"PROPFIND", "/dav/a", 200, .body = "/dav/{*} dav|a"},
        {"PROPFIND", "/dav/a", 200, NULL, .type = "text/xml; charset=utf-8", .length = "5"},
        {"PROPFIND", "/dav/a", 415, NULL, .type = "text/plain", .length = "5"},
        {"PROPFIND", "/dav/a", 415, NULL, .length = "5"},
        {"propfind", "/dav/a", 405, .body = NULL},
        {"PUT", "/dav/a", 200, NULL, .type = "text/calendar", .length = "1000000"},
        {"PUT", "/dav/a", 413, NULL, .type = "text/calendar", .length = "1000001"},
        {"DELETE", "/dav/a", 200, .body = "/dav/{*}"},
        {"MKCALENDAR", "/dav/a", 405, .body = NULL},
        {"OPTIONS", "/", 200, .body = "/{*} "},
        {"OPTIONS", "/any/where", 200, .body = "/{*} any|where"},
        {"POST", "/upload/7/", 200, .body = "/upload/{account}/ upload|7|"},
        {"POST", "/upload/7", 405, .body = NULL},
    };
    try_rows(rows, G_N_ELEMENTS(rows));
}

/* What a page of another site can make a browser send, with the password that it keeps for us. */
static void other_sites_change_nothing(void **state)
{
    (void)state;
    static const Row rows[] = {
        {"POST", "/upload/7/", 200, NULL, .type = "image/png", .length = "5"},
        {"POST", "/upload/7/", 200, NULL, .length = "5"},
        {"POST", "/upload/7/", 200, NULL, .origin = "https://mail.example.org"},
        {"POST", "/upload/7/", 200, NULL, .site = "same-origin"},
        {"POST", "/upload/7/", 403, NULL, .type = "text/plain", .origin = "https://evil.example"},
        {"POST", "/upload/7/", 403, NULL, .type = "image/png", .origin = "null"},
        {"POST", "/upload/7/", 403, NULL, .origin = "https://mail.example.org.evil.example"},
        {"POST", "/upload/7/", 403, NULL, .site = "cross-site"},
        {"POST", "/upload/7/", 403, NULL, .site = "same-site"},
        {"POST", "/json", 415, NULL, .type = "text/plain"},
        {"POST", "/json", 415, .body = NULL},
        {"POST", "/json", 200, NULL, .type = "application/json"},
        {"PUT", "/dav/a", 403, NULL, .site = "cross-site"},
        {"DELETE", "/dav/a", 403, NULL, .origin = "https://evil.example"},
        {"PROPFIND", "/dav/a", 403, NULL, .site = "cross-site"},
        {"GET", "/dav/a", 200, NULL, .site = "cross-site"},
        {"OPTIONS", "/dav/a", 200, NULL, .origin = "https://evil.example"},
    };
    try_rows(rows, G_N_ELEMENTS(rows));
}

static void gives_parts(void **state)
{
    (void)state;
    static const Row rows[] = {
        {"GET", "/bytes", 200, .body = "0123456789"},
        {"GET", "/bytes", 206, "234", .range = "bytes=2-4"},
        {"GET", "/bytes", 206, "789", .range = "bytes=-3"},
        {"GET", "/bytes", 206, "0123456789", .range = "bytes=-30"},
        {"GET", "/bytes", 206, "89", .range = "bytes=8-"},
        {"GET", "/bytes", 206, "89", .range = "bytes=8-99"},
        {"GET", "/bytes", 206, "0", .range = "Bytes=0-0"},
        {"GET", "/bytes", 416, "{", .range = "bytes=10-"},
        {"GET", "/bytes", 416, "{", .range = "bytes=-0"},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes=4-2"},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes=1-2,4-5"},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes=-"},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes="},
        {"GET", "/bytes", 200, "0123456789", .range = "lines=1-2"},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes=99999999999999999999-"},
        {"GET", "/bytes", 206, "12", .range = "bytes=1-2", .if_range = "\"one\""},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes=1-2", .if_range = "\"two\""},
        {"GET", "/bytes", 200, "0123456789", .range = "bytes=1-2", .if_range = "W/\"one\""},
        {"HEAD", "/bytes", 200, NULL, .range = "bytes=1-2"},
    };
    try_rows(rows, G_N_ELEMENTS(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_routes),
        cmocka_unit_test(other_sites_change_nothing),
        cmocka_unit_test(gives_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
