/* http_fuzz: any bytes as a request: the first line is the method and the target, further lines are
 * header fields, what follows an empty line is the body.
 *
 * Besides memory errors it looks for broken promises: whatever comes of it is an answer with a
 * status; what was decoded is UTF-8 without control characters; credentials put together again are
 * what was read; a weight is from 0 to 1; a range lies within its bytes.
 */
#include <stdint.h>
#include <string.h>

#include "base/limits_http.h"
#include "base/must.h"
#include "front/http.h"
#include "front/http_forwarded.h"
#include "front/http_parse.h"
#include "front/http_range.h"

static void check_clean(const char *text)
{
    MUST(g_utf8_validate(text, -1, NULL));
    for (; *text; text++)
        MUST((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void run_echo(HttpCall *call)
{
    GHashTableIter iter;
    gpointer name, value;
    for (char **segment = call->segments; *segment; segment++)
        check_clean(*segment);
    g_hash_table_iter_init(&iter, call->query);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        check_clean(name);
        check_clean(value);
        MUST(*(char *)name);
    }
}

static char *nothing(void *data)
{
    (void)data;
    return NULL;
}

static const HttpRoute route_get = {.method = "GET", .path = "/{a}/{b}", .run = run_echo};
static const HttpRoute route_post = {.method = "POST", .path = "/{a}", .run = run_echo};
static const HttpRoute *const routes[] = {&http_route_healthz, &route_get, &route_post, NULL};
static const HttpHouse house = {.routes = routes, .ill = nothing, .unready = nothing};

/* The value of the line "NAME: value". */
static const char *find_header(const char *name, void *data)
{
    size_t size = strlen(name);
    for (char **line = data; *line; line++)
        if (g_ascii_strncasecmp(*line, name, size) == 0 && (*line)[size] == ':')
            return *line + size + 1 + strspn(*line + size + 1, " ");
    return NULL;
}

static void check_fields(char **lines)
{
    for (char **line = lines; *line; line++) {
        g_autofree char *user = NULL, *password = NULL;
        size_t first = 0, length = 0;
        if (http_range_parse(*line, 1000, &first, &length) == HTTP_RANGE_PART)
            MUST(first < 1000 && length > 0 && length <= 1000 - first);
        double weight = http_accept_weight(*line, "text/plain");
        MUST(weight >= 0 && weight <= 1);
        http_is_type(*line, "application/json");
        static const char *const local[] = {"127.0.0.0/8", NULL};
        g_autoptr(HttpProxies) proxies = http_proxies_parse(local, NULL);
        g_autofree char *peer = http_forwarded_peer(proxies, "127.0.0.1", *line, NULL);
        g_autofree char *other = http_forwarded_peer(proxies, "127.0.0.1", NULL, *line);
        MUST(*peer && *other && strlen(peer) < 46 && strlen(other) < 46);
        const char *bearer = http_bearer_parse(*line);
        if (bearer)
            check_clean(bearer);
        if (!http_basic_parse(*line, &user, &password))
            continue;
        check_clean(user);
        check_clean(password);
        g_autofree char *both = g_strdup_printf("%s:%s", user, password);
        g_autofree char *coded = g_base64_encode((const guchar *)both, strlen(both));
        g_autofree char *field = g_strdup_printf("Basic %s", coded);
        g_autofree char *user_again = NULL, *password_again = NULL;
        MUST(http_basic_parse(field, &user_again, &password_again));
        MUST(strcmp(user, user_again) == 0 && strcmp(password, password_again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    g_autofree char *text = g_strndup((const char *)bytes, size);
    char *body = strstr(text, "\n\n");
    if (body)
        *body = '\0';
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_auto(HttpAnswer) answer;
    http_answer_init(&answer);
    char *space = lines[0] ? strchr(lines[0], ' ') : NULL;
    if (!space)
        return 0;
    *space = '\0';
    HttpRequest request = {
        .method = lines[0],
        .target = space + 1,
        .header = find_header,
        .data = lines + 1,
        .peer = "192.0.2.1",
        .body = body ? body + 2 : NULL,
        .body_size = body ? strlen(body + 2) : 0,
    };
    g_autoptr(HttpCall) call = http_call_new(&house, &request, &answer);
    if (call)
        http_call_run(call, NULL);
    MUST(answer.status >= 200 && answer.status <= 599);
    check_fields(lines + 1);
    return 0;
}
