/* page: the files of web/ under /admin/.
 *
 * How it fits: front/http.c runs these routes; the files lie in the program (page_files.h), so that
 * a node needs nothing beside it. The page itself is for administrators, by the same Basic that the
 * API asks for: so the browser knows who is there before the first script runs. Its scripts and
 * styles hold nothing secret and are for all.
 *
 * The page may load and connect to its own origin alone, stands in no frame, and runs no text as
 * code. A browser keeps the files and asks each time whether they are still the same (ETag): a new
 * version is there with the next look.
 *
 * Failures: a name that is not there is 404. Known weak point: who may not see the page is told so
 * by the browser's own dialogue.
 */
#include "front/page.h"

#include <string.h>

#include "front/page_files.h"

#define INDEX "index.html"

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static const PageFile *find(const char *name)
{
    for (size_t i = 0; i < page_file_count; i++)
        if (strcmp(page_files[i].name, name) == 0)
            return &page_files[i];
    return NULL;
}

static const char *header_of(const HttpCall *call, const char *name)
{
    const char *value = call->request->header(name, call->request->data);
    return value ? value : "";
}

/* Does the client say that it takes gzip (RFC 9110, 12.5.3)? "gzip;q=0" is no. */
static bool takes_gzip(const HttpCall *call)
{
    g_auto(GStrv) codings = g_strsplit(header_of(call, "Accept-Encoding"), ",", 20);
    for (char **coding = codings; *coding; coding++) {
        char *weight = strchr(*coding, ';');
        if (weight)
            *weight++ = '\0';
        if (g_ascii_strcasecmp(g_strstrip(*coding), "gzip") == 0)
            return !weight || !strstr(weight, "q=0") || strstr(weight, "q=0.");
    }
    return false;
}

static void answer_file(HttpCall *call, const PageFile *file)
{
    HttpAnswer *answer = call->answer;
    bool packed = takes_gzip(call);
    g_autofree char *etag = g_strdup_printf("\"%s%s\"", file->etag, packed ? "-gzip" : "");
    if (strstr(header_of(call, "If-None-Match"), etag)) {
        answer->status = 304;
    } else {
        const void *bytes = packed ? file->packed : file->plain;
        http_answer_bytes(answer, file->type,
                          g_bytes_new_static(bytes, packed ? file->packed_size : file->plain_size));
        if (packed)
            http_answer_add_header(answer, "Content-Encoding", "gzip");
    }
    http_answer_add_header(answer, "ETag", etag);
    http_answer_add_header(answer, "Vary", "Accept-Encoding");
    http_answer_set_header(answer, "Cache-Control", "no-cache");
    http_answer_set_header(answer, "Content-Security-Policy", policy);
}

static void run_index(HttpCall *call)
{
    answer_file(call, find(INDEX));
}

static void run_file(HttpCall *call)
{
    const PageFile *file = find(call->segments[1]);
    if (file && strcmp(file->name, INDEX) != 0)
        answer_file(call, file);
    else
        http_answer_problem(call->answer, 404, "there is no such file; the page is /admin/");
}

/* The page's own address ends in a slash, so that its files lie beside it. */
static void run_redirect(HttpCall *call)
{
    call->answer->status = 308;
    http_answer_add_header(call->answer, "Location", "/admin/");
}

static const HttpRoute route_index = {.method = "GET",
                                      .path = "/admin/",
                                      .store = HTTP_STORE_NEEDED,
                                      .access = HTTP_FOR_ADMIN,
                                      .run = run_index};
static const HttpRoute route_file = {.method = "GET", .path = "/admin/{name}", .run = run_file};
static const HttpRoute route_bare = {.method = "GET", .path = "/admin", .run = run_redirect};
static const HttpRoute route_root = {.method = "GET", .path = "/", .run = run_redirect};

const HttpRoute *const page_routes[] = {&route_index, &route_file, &route_bare, &route_root, NULL};
