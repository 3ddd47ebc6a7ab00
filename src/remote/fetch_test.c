/* fetch_test: against a small server of its own, a thread that does what the path says; and
 * openssl's s_server for TLS. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/limits_remote.h"
#include "remote/fetch.h"
#include "support.h"

/* The server: one thread for each connection; what it does is in the path. */
typedef struct {
    int fd;
    unsigned port;
    GThread *thread;
    GMutex lock;
    unsigned connections, requests; /* under lock */
} Server;

typedef struct {
    Server *server;
    int fd;
} Guest;

static void answer_guest(int fd, const char *request)
{
    g_autoptr(GString) out = g_string_new("HTTP/1.1 ");
    const char *body = strstr(request, "\r\n\r\n") + 4;
    if (strstr(request, " /echo ")) {
        g_string_append_printf(out,
                               "200 OK\r\nX-One: a\r\nx-one:  b\r\nContent-Length: %zu\r\n\r\n%s",
                               strlen(request), request);
    } else if (strstr(request, " /status ")) {
        g_string_append_printf(out, "%s No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", body);
    } else if (strstr(request, " /redirect ")) {
        g_string_append(out, "302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    } else if (strstr(request, " /large ")) {
        g_string_append(out, "201 Created\r\nContent-Length: 10000000\r\n\r\n");
        for (int i = 0; i < 100; i++)
            g_string_append(out, "ten bytes.ten bytes.ten bytes.ten bytes.ten bytes.ten bytes.");
    } else if (strstr(request, " /headers ")) {
        g_string_append(out, "200 OK\r\n");
        for (int i = 0; i < FETCH_HEADERS_MAX + 1; i++)
            g_string_append_printf(out, "H%d: x\r\n", i);
        g_string_append(out, "Content-Length: 0\r\n\r\n");
    } else if (strstr(request, " /header ")) {
        g_string_append(out, "200 OK\r\nLong: ");
        for (int i = 0; i < FETCH_HEADER_BYTES_MAX; i++)
            g_string_append_c(out, 'x');
        g_string_append(out, "\r\nContent-Length: 0\r\n\r\n");
    } else if (strstr(request, " /garbage ")) {
        g_string_assign(out, "\x15\x03\x01 this is no HTTP\r\n\r\n");
    } else if (strstr(request, " /early ")) {
        g_string_append(out, "103 Early\r\nX-Early: 1\r\n\r\nHTTP/1.1 204 No\r\nX-Late: 1\r\n\r\n");
    } else {
        g_string_append(out, "404 No\r\nContent-Length: 0\r\n\r\n");
    }
    send(fd, out->str, out->len, MSG_NOSIGNAL);
}

/* One whole request, with its body; NULL: the client is gone. Caller frees. */
static char *hear_request(int fd)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[4096];
    for (;;) {
        const char *end = strstr(text->str, "\r\n\r\n"),
                   *length = strstr(text->str, "Content-Length: ");
        size_t want =
            end && length && length < end ? (size_t)g_ascii_strtoull(length + 16, NULL, 10) : 0;
        if (end && text->len - (size_t)(end + 4 - text->str) >= want)
            return g_strdup(text->str);
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0)
            return NULL;
        g_string_append_len(text, buffer, got);
    }
}

static gpointer serve_guest(gpointer data)
{
    g_autofree Guest *guest = data;
    for (;;) {
        g_autofree char *request = hear_request(guest->fd);
        if (!request)
            break;
        g_mutex_lock(&guest->server->lock);
        guest->server->requests++;
        g_mutex_unlock(&guest->server->lock);
        if (strstr(request, " /die "))
            break;
        if (!strstr(request, " /hang "))
            answer_guest(guest->fd, request);
    }
    close(guest->fd);
    return NULL;
}

static gpointer serve(gpointer data)
{
    Server *server = data;
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    int fd;
    while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        Guest *guest = g_new(Guest, 1);
        *guest = (Guest){server, fd};
        g_mutex_lock(&server->lock);
        server->connections++;
        g_mutex_unlock(&server->lock);
        g_ptr_array_add(threads, g_thread_new("guest", serve_guest, guest));
    }
    for (unsigned i = 0; i < threads->len; i++)
        g_thread_join(g_ptr_array_index(threads, i));
    return NULL;
}

static void server_start(Server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    *server = (Server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    g_mutex_init(&server->lock);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->fd, 100), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    server->thread = g_thread_new("server", serve, server);
}

/* After the Fetch was freed: its connections end the guests. */
static void server_stop(Server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    g_thread_join(server->thread);
    close(server->fd);
    g_mutex_clear(&server->lock);
}

static unsigned requests_of(Server *server)
{
    g_mutex_lock(&server->lock);
    unsigned requests = server->requests;
    g_mutex_unlock(&server->lock);
    return requests;
}

static char *url_of(const Server *server, const char *path)
{
    return g_strdup_printf("http://127.0.0.1:%u%s", server->port, path);
}

static Fetch *open_fetch(const FetchConfig *config)
{
    g_autoptr(GError) error = NULL;
    Fetch *fetch = fetch_new(config, &error);
    assert_no_error(error);
    return fetch;
}

static const FetchConfig plain = {.allow_http = true, .whole_ms = 20000};

static void one_request_is_answered(void **state)
{
    (void)state;
    Server server;
    server_start(&server);
    {
        g_autoptr(Fetch) fetch = open_fetch(&plain);
        g_autofree char *url = url_of(&server, "/echo");
        const char *headers[] = {"X-Two: zwei", "Content-Type: text/plain", NULL};
        for (int i = 0; i < 3; i++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(FetchAnswer) answer = fetch_run(fetch,
                                                      &(FetchAsk){.method = i == 1 ? "PUT" : NULL,
                                                                  .url = url,
                                                                  .headers = headers,
                                                                  .body = i ? "the body" : NULL,
                                                                  .body_size = i ? 8 : 0,
                                                                  .data = &server},
                                                      &error);
            assert_no_error(error);
            assert_int_equal(answer->status, 200);
            assert_ptr_equal(answer->data, &server);
            assert_true(g_str_has_prefix(answer->body, i == 0   ? "GET /echo"
                                                       : i == 1 ? "PUT /echo"
                                                                : "POST /echo"));
            assert_non_null(strstr(answer->body, "X-Two: zwei\r\n"));
            assert_non_null(strstr(answer->body, "User-Agent: rota/"));
            assert_null(strstr(answer->body, "Expect"));
            assert_int_equal(g_str_has_suffix(answer->body, "\r\n\r\nthe body"), i != 0);
            assert_string_equal(fetch_answer_header(answer, "x-ONE", 0), "a");
            assert_string_equal(fetch_answer_header(answer, "X-One", 1), "b");
            assert_null(fetch_answer_header(answer, "X-One", 2));
            assert_null(fetch_answer_header(answer, "X", 0));
        }
    }
    assert_int_equal(server.connections, 1);
    server_stop(&server);
}

static const struct {
    const char *url; /* a path: of the server */
    FetchConfig config;
    int status;
    ErrorKind kind;
    const char *text;
} ends[] = {
    {"/redirect", {.allow_http = true}, 302, 0, NULL},
    {"/early", {.allow_http = true}, 204, 0, NULL},
    {"/large", {.allow_http = true, .answer_bytes = 5000}, 201, ERROR_REJECT, "too large"},
    {"/large", {.allow_http = true, .answer_bytes = 5000, .whole_ms = 5000}, 201, ERROR_REJECT, ""},
    {"/headers", {.allow_http = true}, 200, ERROR_REJECT, "head of its answer"},
    {"/header", {.allow_http = true}, 200, ERROR_REJECT, "head of its answer"},
    {"/hang", {.allow_http = true, .whole_ms = 200}, 0, ERROR_UNKNOWN, "timed out"},
    {"/die", {.allow_http = true}, 0, ERROR_UNKNOWN, "Empty reply"},
    {"/garbage", {.allow_http = true}, 0, ERROR_UNKNOWN, ""},
    {"/echo", {.allow_http = false}, 0, ERROR_REJECT, "https://"},
    {"/echo", {.allow_http = true, .public_only = true}, 0, ERROR_REJECT, "not a public one"},
    {"http://localhost:1/", {.allow_http = true, .public_only = true}, 0, ERROR_REJECT, "public"},
    {"http://[::1]:1/", {.allow_http = true, .public_only = true}, 0, ERROR_REJECT, "public"},
    {"http://[::ffff:127.0.0.1]:1/",
     {.allow_http = true, .public_only = true},
     0,
     ERROR_REJECT,
     "public"},
    {"http://2130706433:1/", {.allow_http = true, .public_only = true}, 0, ERROR_REJECT, "public"},
    {"http://127.0.0.1:1/", {.allow_http = true}, 0, ERROR_RETRY, "connect"},
    {"http://nowhere.invalid/", {.allow_http = true}, 0, ERROR_RETRY, "resolve"},
    {"file:///etc/passwd", {.allow_http = true}, 0, ERROR_REJECT, "does not begin"},
    {"http://a b/", {.allow_http = true}, 0, ERROR_REJECT, "blanks"},
    {"http://a\r\nb/", {.allow_http = true}, 0, ERROR_REJECT, "blanks"},
    {"http://", {.allow_http = true}, 0, ERROR_REJECT, ""},
    {"", {.allow_http = true}, 0, ERROR_REJECT, "bytes"},
};

static void ends_have_kinds(void **state)
{
    (void)state;
    Server server;
    server_start(&server);
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autoptr(Fetch) fetch = open_fetch(&ends[i].config);
        g_autoptr(GError) error = NULL;
        g_autofree char *url =
            *ends[i].url == '/' ? url_of(&server, ends[i].url) : g_strdup(ends[i].url);
        g_autoptr(FetchAnswer) answer = NULL;
        if (fetch_add(fetch, &(FetchAsk){.url = url, .body = "x", .body_size = 1}, &error))
            while (!answer)
                answer = fetch_next(fetch, 1000);
        const GError *got = answer ? answer->error : error;
        if ((answer ? answer->status : 0) != ends[i].status)
            fail_msg("%s: got status %d", ends[i].url, answer ? answer->status : 0);
        if (!got != !ends[i].text ||
            (got && (error_kind(got) != ends[i].kind || !strstr(got->message, ends[i].text))))
            fail_msg("%s: got %s", ends[i].url, got ? got->message : "no error");
        if (strcmp(ends[i].url, "/early") == 0)
            assert_null(fetch_answer_header(answer, "X-Early", 0));
    }
    server_stop(&server);
}

/* libcurl would send it again over a new connection, where an old one breaks off. */
static void nothing_is_sent_twice(void **state)
{
    (void)state;
    Server server;
    server_start(&server);
    {
        g_autoptr(Fetch) fetch = open_fetch(&plain);
        g_autofree char *echo = url_of(&server, "/echo"), *die = url_of(&server, "/die");
        g_autoptr(GError) error = NULL;
        g_autoptr(FetchAnswer) first = fetch_run(fetch, &(FetchAsk){.url = echo}, &error);
        assert_no_error(error);
        assert_int_equal(first->status, 200);
        assert_null(fetch_run(fetch, &(FetchAsk){.url = die, .body = "x", .body_size = 1}, &error));
        assert_int_equal(error_kind(error), ERROR_UNKNOWN);
        assert_int_equal(requests_of(&server), 2);
    }
    server_stop(&server);
}

static bool say(void *data)
{
    return *(bool *)data;
}

static void nothing_is_sent_that_may_not(void **state)
{
    (void)state;
    Server server;
    server_start(&server);
    {
        g_autoptr(Fetch) fetch = open_fetch(&plain);
        g_autofree char *url = url_of(&server, "/echo");
        for (unsigned i = 0; i < 4; i++) { /* on a new connection, and on one that is there */
            bool may = i % 2 == 1;
            g_autoptr(GError) error = NULL;
            FetchAsk ask = {.url = url, .body = "x", .body_size = 1, .data = &may, .may_send = say};
            g_autoptr(FetchAnswer) answer = fetch_run(fetch, &ask, &error);
            assert_int_equal(answer ? answer->status : 0, may ? 200 : 0);
            if (!may)
                assert_int_equal(error_kind(error), ERROR_STOPPED);
        }
        assert_int_equal(requests_of(&server), 2);
    }
    server_stop(&server);
}

static void headers_are_lines(void **state)
{
    (void)state;
    g_autoptr(Fetch) fetch = open_fetch(&plain);
    static const char *const wrong[] = {"A: b\r\nC: d", "A: b\nC: d", "no colon"};
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        const char *headers[] = {wrong[i], NULL};
        assert_false(
            fetch_add(fetch, &(FetchAsk){.url = "http://127.0.0.1/", .headers = headers}, &error));
        assert_int_equal(error_kind(error), ERROR_REJECT);
    }
    g_autoptr(GError) error = NULL;
    assert_false(
        fetch_add(fetch, &(FetchAsk){.url = "http://127.0.0.1/", .method = "GET /"}, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    assert_int_equal(fetch_in_flight(fetch), 0);
    assert_null(fetch_next(fetch, 1000));
}

static void many_are_in_flight(void **state)
{
    (void)state;
    Server server;
    server_start(&server);
    {
        FetchConfig config = plain;
        config.host_connections = 4;
        g_autoptr(FetchPool) pool = fetch_pool_new(&config);
        Fetch *fetch = fetch_pool_take(pool, NULL);
        g_autofree char *url = url_of(&server, "/status");
        static const char *const statuses[] = {"201", "404", "429", "503"};
        unsigned seen[G_N_ELEMENTS(statuses)] = {0};
        for (unsigned i = 0; i < 200; i++) {
            const char *body = statuses[i % 4];
            FetchAsk ask = {
                .url = url, .body = body, .body_size = 3, .data = (void *)(uintptr_t)body};
            assert_true(fetch_add(fetch, &ask, NULL));
        }
        while (fetch_in_flight(fetch) > 0) {
            g_autoptr(FetchAnswer) answer = fetch_next(fetch, 1000);
            for (unsigned i = 0; answer && i < 4; i++)
                if (answer->data == statuses[i]) {
                    assert_no_error(answer->error);
                    assert_int_equal(answer->status, g_ascii_strtoull(statuses[i], NULL, 10));
                    assert_string_equal(fetch_answer_header(answer, "retry-after", 0), "7");
                    seen[i]++;
                }
        }
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(seen[i], 50);
        assert_true(server.connections <= 4);
        g_autofree char *hang = url_of(&server, "/hang");
        assert_true(fetch_add(fetch, &(FetchAsk){.url = hang}, NULL));
        fetch_pool_give(pool, fetch);
        assert_ptr_equal(fetch_pool_take(pool, NULL), fetch);
        assert_int_equal(fetch_in_flight(fetch), 0);
        fetch_pool_give(pool, fetch);
    }
    server_stop(&server);
}

/* Connections are exchanged, also while a request of the old ones hangs. */
static void connections_are_exchanged(void **state)
{
    (void)state;
    Server server;
    server_start(&server);
    {
        g_autoptr(Fetch) fetch = open_fetch(&plain);
        g_autofree char *echo = url_of(&server, "/echo"), *hang = url_of(&server, "/hang");
        /* A first answer says that the server speaks HTTP/1.1: that none is to be waited for. */
        g_autoptr(FetchAnswer) first = fetch_run(fetch, &(FetchAsk){.url = echo}, NULL);
        assert_int_equal(first->status, 200);
        assert_true(fetch_add(fetch, &(FetchAsk){.url = hang, .data = &server}, NULL));
        unsigned landed = 0;
        for (unsigned i = 0; i < 2 * FETCH_SET_REQUESTS + 10; i++) {
            assert_true(fetch_add(fetch, &(FetchAsk){.url = echo}, NULL));
            while (fetch_in_flight(fetch) > 1) {
                g_autoptr(FetchAnswer) answer = fetch_next(fetch, 1000);
                if (answer && (answer->data || answer->error))
                    fail_msg("%u: %s", i, answer->error ? answer->error->message : "it hangs");
                landed += answer && answer->status == 200;
            }
        }
        assert_int_equal(landed, 2 * FETCH_SET_REQUESTS + 10);
        assert_int_equal(server.connections, 4); /* of three sets, and the one that hangs */
    }
    server_stop(&server);
}

static void run_openssl(const char *folder, const char *const *argv)
{
    int status = 0;
    assert_true(g_spawn_sync(folder, (char **)(uintptr_t)argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL,
                             NULL, &status, NULL));
    assert_int_equal(status, 0);
}

/* The port from s_server's line "ACCEPT 127.0.0.1:PORT", which is not its first. */
static unsigned read_port(int out)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char c;
    while (read(out, &c, 1) == 1 && !(c == '\n' && strstr(text->str, "ACCEPT ")))
        g_string_append_c(text, c);
    const char *colon = strrchr(text->str, ':');
    assert_non_null(colon);
    return (unsigned)g_ascii_strtoull(colon + 1, NULL, 10);
}

static void certificates_are_checked(void **state)
{
    (void)state;
    g_autofree char *folder = g_dir_make_tmp("rota-fetch-XXXXXX", NULL);
    g_autofree char *ca = g_build_filename(folder, "cert.pem", NULL);
    g_autofree char *key = g_build_filename(folder, "key.pem", NULL);
    const char *make[] = {"openssl",
                          "req",
                          "-x509",
                          "-newkey",
                          "ec",
                          "-pkeyopt",
                          "ec_paramgen_curve:P-256",
                          "-nodes",
                          "-keyout",
                          "key.pem",
                          "-out",
                          "cert.pem",
                          "-days",
                          "2",
                          "-subj",
                          "/CN=push.test",
                          "-addext",
                          "subjectAltName=IP:127.0.0.1",
                          NULL};
    run_openssl(folder, make);
    const char *start[] = {"openssl",  "s_server", "-accept", "127.0.0.1:0", "-cert",
                           "cert.pem", "-key",     "key.pem", "-www",        NULL};
    GPid pid;
    int out = -1;
    assert_true(g_spawn_async_with_pipes(folder, (char **)(uintptr_t)start, NULL,
                                         G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                             G_SPAWN_STDERR_TO_DEV_NULL,
                                         NULL, NULL, &pid, NULL, &out, NULL, NULL));
    unsigned port = read_port(out);
    static const struct {
        const char *host;
        bool own_ca, well;
    } rows[] = {{"127.0.0.1", true, true}, {"127.0.0.1", false, false}, {"localhost", true, false}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        FetchConfig config = {.ca_file = rows[i].own_ca ? ca : NULL};
        g_autoptr(Fetch) fetch = open_fetch(&config);
        g_autofree char *url = g_strdup_printf("https://%s:%u/", rows[i].host, port);
        g_autoptr(GError) error = NULL;
        g_autoptr(FetchAnswer) answer = fetch_run(fetch, &(FetchAsk){.url = url}, &error);
        if (rows[i].well)
            assert_no_error(error);
        else
            assert_int_equal(error_kind(error), ERROR_RETRY);
        assert_int_equal(answer ? answer->status : 0, rows[i].well ? 200 : 0);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(out);
    assert_int_equal(unlink(ca), 0);
    assert_int_equal(unlink(key), 0);
    assert_int_equal(rmdir(folder), 0);
    FetchConfig none = {.ca_file = ca};
    g_autoptr(GError) error = NULL;
    assert_null(fetch_new(&none, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_is_answered),   cmocka_unit_test(ends_have_kinds),
        cmocka_unit_test(nothing_is_sent_twice),     cmocka_unit_test(nothing_is_sent_that_may_not),
        cmocka_unit_test(headers_are_lines),         cmocka_unit_test(many_are_in_flight),
        cmocka_unit_test(connections_are_exchanged), cmocka_unit_test(certificates_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
