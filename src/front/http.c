/* http: a request in, an answer out, by a table of routes.
 *
 * How it fits: app/http_server.c brings requests; the routes are in the files beside this one.
 *
 * Failures: whatever is wrong with a request is an answer. The library of the door answers what is
 * no HTTP at all by itself. Known weak point: the table is walked from its beginning; it has tens
 * of lines.
 */
#include "front/http.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "base/must.h"

#include "front/http_auth.h"
#include "front/http_forwarded.h"
#include "front/http_parse.h"
#include "front/http_range.h"
#include "front/http_stream.h"

/* ---------------------------------------------------------------- answers */

void http_answer_init(HttpAnswer *answer)
{
    *answer = (HttpAnswer){
        .status = 200,
        .type = "text/plain; charset=utf-8",
        .body = g_string_new(NULL),
        .headers = g_ptr_array_new_with_free_func(g_free),
    };
    /* For all there is today: it is of this moment, and no browser shall take it for a page. */
    http_answer_add_header(answer, "Cache-Control", "no-store");
    http_answer_add_header(answer, "X-Content-Type-Options", "nosniff");
    http_answer_add_header(answer, "Content-Security-Policy",
                           "default-src 'none'; frame-ancestors 'none'");
}

void http_answer_clear(HttpAnswer *answer)
{
    if (answer->body)
        g_string_free(answer->body, TRUE);
    g_clear_pointer(&answer->headers, g_ptr_array_unref);
    g_clear_pointer(&answer->bytes, g_bytes_unref);
    if (answer->stream)
        http_stream_clear(answer->stream);
    g_clear_pointer(&answer->stream, g_free);
    answer->body = NULL;
}

void http_answer_add_header(HttpAnswer *answer, const char *name, const char *value)
{
    g_ptr_array_add(answer->headers, g_strdup(name));
    g_ptr_array_add(answer->headers, g_strdup(value));
}

void http_answer_set_header(HttpAnswer *answer, const char *name, const char *value)
{
    for (unsigned i = answer->headers->len; i >= 2; i -= 2)
        if (g_ascii_strcasecmp(g_ptr_array_index(answer->headers, i - 2), name) == 0)
            g_ptr_array_remove_range(answer->headers, i - 2, 2);
    http_answer_add_header(answer, name, value);
}

void http_answer_bytes(HttpAnswer *answer, const char *static_type, GBytes *take)
{
    answer->status = 200;
    answer->type = static_type;
    g_clear_pointer(&answer->bytes, g_bytes_unref);
    answer->bytes = take;
}

static const char *title_of(unsigned status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void http_answer_problem(HttpAnswer *answer, unsigned status, const char *detail, ...)
{
    va_list args;
    va_start(args, detail);
    g_autofree char *text = g_strdup_vprintf(detail, args);
    va_end(args);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_t *json = json_pack("{s:s, s:i, s:s}", "title", title_of(status), "status", (int)status,
                             "detail", valid);
    http_answer_json(answer, status, json);
    answer->type = "application/problem+json";
}

void http_answer_json(HttpAnswer *answer, unsigned status, json_t *take)
{
    MUST(take);
    char *dumped = json_dumps(take, JSON_INDENT(2));
    json_decref(take);
    MUST(dumped);
    g_clear_pointer(&answer->bytes, g_bytes_unref);
    answer->status = status;
    answer->type = "application/json";
    g_string_assign(answer->body, dumped);
    g_string_append_c(answer->body, '\n');
    free(dumped);
}

void http_answer_error(HttpAnswer *answer, const GError *error)
{
    switch (error_kind(error)) {
    case ERROR_GONE:
        http_answer_problem(answer, 404, "%s", error->message);
        return;
    case ERROR_REJECT:
        http_answer_problem(answer, 400, "%s", error->message);
        return;
    case ERROR_CONFLICT:
        http_answer_problem(answer, 409, "%s", error->message);
        return;
    case ERROR_RETRY:
    case ERROR_STOPPED:
        http_answer_problem(answer, 503, "%s", error->message);
        http_answer_add_header(answer, "Retry-After", "2");
        return;
    case ERROR_UNKNOWN:
        http_answer_problem(answer, 503, "it is not known whether this was done: %s",
                            error->message);
        return;
    }
}

/* ---------------------------------------------------------------- routes */

static bool is_open(const char *pattern)
{
    return pattern[0] == '{';
}

/* "/api/tasks/{id}" and {"api", "tasks", "fts-indexing:17"} */
static bool matches(const char *path, char *const *segments)
{
    const char *at = path + 1;
    for (; *segments; segments++) {
        if (strcmp(at, "{*}") == 0)
            return true;
        size_t size = strcspn(at, "/");
        bool same = is_open(at) ? **segments != '\0'
                                : strlen(*segments) == size && memcmp(at, *segments, size) == 0;
        if (!same)
            return false;
        at += size;
        if (!segments[1])
            return *at == '\0';
        if (*at++ != '/')
            return false;
    }
    return false;
}

static bool method_fits(const HttpRoute *route, const char *method)
{
    return strcmp(method, route->method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* NULL: *ret_allow has the methods that this path knows, "" if there is no such path. */
static const HttpRoute *find_route(const HttpHouse *house, char *const *segments,
                                   const char *method, char **ret_allow)
{
    GString *allow = g_string_new(NULL);
    for (const HttpRoute *const *route = house->routes; *route; route++) {
        if (!matches((*route)->path, segments))
            continue;
        if (method_fits(*route, method)) {
            g_string_free(allow, TRUE);
            return *route;
        }
        g_string_append_printf(allow, "%s%s", allow->len ? ", " : "", (*route)->method);
        if (strcmp((*route)->method, "GET") == 0)
            g_string_append(allow, ", HEAD");
    }
    *ret_allow = g_string_free(allow, FALSE);
    return NULL;
}

static void refuse_route(HttpAnswer *answer, const HttpRequest *request, const char *allow)
{
    if (!*allow) {
        http_answer_problem(answer, 404, "there is nothing at this address");
        return;
    }
    http_answer_problem(answer, 405, "%.20s is not for this address; it knows %s", request->method,
                        allow);
    http_answer_add_header(answer, "Allow", allow);
}

/* True: what the head says of the body is within the limits. */
static bool body_fits(HttpCall *call)
{
    const HttpRequest *request = call->request;
    const char *length = request->header("Content-Length", request->data);
    guint64 size = 0;
    if (!length)
        return true;
    if (!g_ascii_string_to_unsigned(length, 10, 0, G_MAXINT64, &size, NULL)) {
        http_answer_problem(call->answer, 400, "Content-Length is no number");
        return false;
    }
    if (size > http_call_body_max(call))
        http_call_refuse_body(call);
    return size <= http_call_body_max(call);
}

HttpCall *http_call_new(const HttpHouse *house, HttpRequest *request, HttpAnswer *answer)
{
    size_t path_size = strcspn(request->target, "?");
    const char *rest = request->target + path_size;
    g_auto(GStrv) segments = NULL;
    if (strlen(request->target) > HTTP_TARGET_BYTES_MAX) {
        http_answer_problem(answer, 414, "an address has at most %d bytes here",
                            HTTP_TARGET_BYTES_MAX);
        return NULL;
    }
    segments = http_path_parse(request->target, path_size);
    g_autoptr(GHashTable) query = http_query_parse(*rest == '?' ? rest + 1 : rest);
    if (!segments || !query) {
        http_answer_problem(answer, 400,
                            "the address is not well-formed: %%XX is a byte of UTF-8, and a name "
                            "stands once in a query");
        return NULL;
    }
    g_autofree char *allow = NULL;
    const HttpRoute *route = find_route(house, segments, request->method, &allow);
    if (!route) {
        refuse_route(answer, request, allow);
        return NULL;
    }
    g_autoptr(HttpCall) call = g_new0(HttpCall, 1);
    *call = (HttpCall){
        .house = house,
        .request = request,
        .route = route,
        .segments = g_steal_pointer(&segments),
        .query = g_steal_pointer(&query),
        .answer = answer,
    };
    call->peer = http_forwarded_peer(house->proxies, request->peer,
                                     request->header("X-Forwarded-For", request->data),
                                     request->header("Forwarded", request->data));
    request->secure = http_forwarded_secure(house->proxies, request->peer, request->secure,
                                            request->header("X-Forwarded-Proto", request->data));
    request->peer = call->peer;
    if (!body_fits(call) || (http_call_asks_first(call) && !http_auth_is_tried(call)))
        return NULL;
    return g_steal_pointer(&call);
}

HttpStore http_call_store(const HttpCall *call)
{
    return call->route->store;
}

size_t http_call_body_max(const HttpCall *call)
{
    return call->route->body_max ? call->route->body_max : HTTP_BODY_BYTES_MAX;
}

void http_call_refuse_body(HttpCall *call)
{
    http_answer_problem(call->answer, 413, "a body has at most %zu bytes here",
                        http_call_body_max(call));
}

/* The size that the head tells; SIZE_MAX: a body whose end will be seen. */
static size_t body_announced(const HttpRequest *request)
{
    const char *length = request->header("Content-Length", request->data);
    if (request->header("Transfer-Encoding", request->data))
        return SIZE_MAX;
    return length ? (size_t)g_ascii_strtoull(length, NULL, 10) : request->body_size;
}

bool http_call_asks_first(const HttpCall *call)
{
    return call->route->access != HTTP_FOR_ALL && http_call_body_max(call) > HTTP_BODY_BYTES_MAX &&
           body_announced(call->request) > HTTP_BODY_BYTES_MAX;
}

/* ---------------------------------------------------------------- what changes something */

/* "https://mail.example.org" is of the host that was asked. */
static bool is_same_origin(const HttpRequest *request)
{
    const char *site = request->header("Sec-Fetch-Site", request->data);
    const char *origin = request->header("Origin", request->data);
    const char *host = request->header("Host", request->data);
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    const char *origin_host = origin ? strstr(origin, "://") : NULL;
    return !origin || (origin_host && host && g_ascii_strcasecmp(origin_host + 3, host) == 0);
}

static bool type_fits(const HttpCall *call)
{
    const HttpRequest *request = call->request;
    const char *types = call->route->types ? call->route->types : "application/json";
    const char *given = request->header("Content-Type", request->data);
    if (strcmp(types, "*") == 0)
        return true;
    /* No form of another site sends anything but a POST. */
    if (!given && body_announced(request) == 0 && strcmp(request->method, "POST") != 0)
        return true;
    g_auto(GStrv) all = g_strsplit(types, " ", -1);
    for (char **type = all; *type; type++)
        if (http_is_type(given, *type))
            return true;
    return false;
}

/* False: the answer is made. */
static bool may_change(HttpCall *call)
{
    if (!is_same_origin(call->request))
        http_answer_problem(call->answer, 403, "another site's page asked for this");
    else if (!type_fits(call))
        http_answer_problem(call->answer, 415, "write Content-Type: %s",
                            call->route->types ? call->route->types : "application/json");
    else
        return true;
    return false;
}

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "OPTIONS") == 0;
}

bool http_call_admit(HttpCall *call, Db *db)
{
    MUST(call->route->access == HTTP_FOR_ALL || db);
    call->db = db;
    call->admitted = (call->route->access == HTTP_FOR_ALL || http_auth(call)) &&
                     (is_safe(call->route->method) || may_change(call));
    call->db = NULL;
    return call->admitted;
}

void http_call_run(HttpCall *call, Db *db)
{
    MUST(db || call->route->store != HTTP_STORE_NEEDED);
    if (!call->admitted && !http_call_admit(call, db))
        return;
    call->db = db;
    call->route->run(call);
    call->db = NULL;
    http_range_apply(call);
}

void http_call_free(HttpCall *call)
{
    if (!call)
        return;
    g_strfreev(call->segments);
    g_hash_table_unref(call->query);
    g_free(call->person);
    g_free(call->peer);
    g_free(call);
}
