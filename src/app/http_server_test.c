/* http_server_test: real sockets, a house of its own, a store for what needs one. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "app/http_events.h"
#include "app/http_server.h"
#include "front/http_stream.h"
#include "support.h"

#define TIMEOUT_MS 30000
#define SOON_MS    300
#define TYPE       "Content-Type: application/json\r\n"

typedef struct {
    GMutex lock;
    GCond changed;
    bool hold;       /* the route /held waits while it is set */
    unsigned inside; /* requests within it */
} Gate;

static void run_held(HttpCall *call)
{
    Gate *gate = call->house->data;
    g_mutex_lock(&gate->lock);
    gate->inside++;
    g_cond_broadcast(&gate->changed);
    while (gate->hold)
        g_cond_wait(&gate->changed, &gate->lock);
    gate->inside--;
    g_mutex_unlock(&gate->lock);
    g_string_append(call->answer->body, "held");
}

static void run_length(HttpCall *call)
{
    g_string_append_printf(call->answer->body, "%zu", call->request->body_size);
}

static char *nothing(void *data)
{
    (void)data;
    return NULL;
}

static const HttpRoute route_held = {
    .method = "GET", .path = "/held", .store = HTTP_STORE_NEEDED, .run = run_held};
static const HttpRoute route_length = {.method = "POST", .path = "/length", .run = run_length};

#define LARGE_MAX (2 * HTTP_BODY_MEMORY_BYTES)

/* "7 bytes, of which a 3" */
static void run_count(HttpCall *call)
{
    const char *body = call->request->body;
    size_t as = 0;
    for (size_t i = 0; i < call->request->body_size; i++)
        as += body[i] == 'a';
    g_string_append_printf(call->answer->body, "%zu bytes, of which a %zu",
                           call->request->body_size, as);
}
static const HttpRoute route_large = {.method = "POST",
                                      .path = "/large",
                                      .store = HTTP_STORE_NEEDED,
                                      .run = run_count,
                                      .types = "*",
                                      .body_max = LARGE_MAX};

static void run_bytes(HttpCall *call)
{
    http_answer_bytes(call->answer, "text/plain", g_bytes_new_static("0123456789", 10));
}
static const HttpRoute route_bytes = {.method = "GET", .path = "/bytes", .run = run_bytes};

/* Says why it was asked, and how often; the topic "end" ends it. */
typedef struct {
    unsigned count;
    bool ends;
} Told;

static HttpStreamNext write_told(void *state, HttpStreamWhy why, Db *store, GString *out)
{
    static const char *const words[] = {"begin", "topic", "every", "ping"};
    Told *told = state;
    g_autofree char *id = g_strdup_printf("%u", told->count++);
    assert_non_null(store);
    if (why != HTTP_STREAM_PING)
        http_event_append(out, words[why], id, "one\ntwo");
    return told->ends && told->count == 2 ? HTTP_STREAM_ENDS : HTTP_STREAM_GOES_ON;
}

static void run_stream(HttpCall *call)
{
    Told *told = g_new0(Told, 1);
    told->ends = g_hash_table_contains(call->query, "ends");
    HttpStream stream = {.write = write_told, .free = g_free, .state = told, .ping_ms = SOON_MS};
    stream.topics = g_strsplit("news other", " ", -1);
    stream.every_ms = g_hash_table_contains(call->query, "every") ? 1 : 0;
    http_answer_stream(call->answer, &stream);
}
static const HttpRoute route_stream = {
    .method = "GET", .path = "/stream", .store = HTTP_STORE_NEEDED, .run = run_stream};

/* More than a socket takes, after a while. */
static HttpStreamNext write_much(void *state, HttpStreamWhy why, Db *store, GString *out)
{
    (void)state, (void)why, (void)store;
    g_autofree char *much = g_strnfill(HTTP_BODY_BYTES_MAX, 'a');
    http_event_append(out, NULL, NULL, much);
    return HTTP_STREAM_GOES_ON;
}

static void run_much(HttpCall *call)
{
    http_answer_stream(call->answer, &(HttpStream){.write = write_much, .every_ms = 1});
}
static const HttpRoute route_much = {
    .method = "GET", .path = "/much", .store = HTTP_STORE_NEEDED, .run = run_much};

/* The store never answers it: aloud, or without a word. */
static HttpStreamNext write_trouble(void *state, HttpStreamWhy why, Db *store, GString *out)
{
    const bool *loud = state;
    (void)store;
    if (*loud && why != HTTP_STREAM_PING)
        http_event_append(out, "trouble", NULL, why == HTTP_STREAM_BEGINS ? "first" : "more");
    return HTTP_STREAM_AGAIN;
}

static void run_trouble(HttpCall *call)
{
    bool loud = g_hash_table_contains(call->query, "loud");
    http_answer_stream(call->answer, &(HttpStream){.write = write_trouble,
                                                   .free = g_free,
                                                   .state = g_memdup2(&loud, sizeof loud),
                                                   .ping_ms = loud ? 0 : SOON_MS});
}
static const HttpRoute route_trouble = {
    .method = "GET", .path = "/trouble", .store = HTTP_STORE_NEEDED, .run = run_trouble};
static const HttpRoute *const routes[] = {&http_route_healthz, &route_held,    &route_length,
                                          &route_large,        &route_bytes,   &route_stream,
                                          &route_much,         &route_trouble, NULL};

static Gate gate;
static const HttpHouse house = {
    .routes = routes, .ill = nothing, .unready = nothing, .data = &gate};
static const DbConfig db = {.kind = DB_SQLITE, .path = (char *)(uintptr_t) ":memory:"};

static HttpServer *start(const char *address, unsigned connections, unsigned of_address,
                         int64_t timeout_ms, GError **error)
{
    const char *listen[] = {address, NULL};
    return http_server_start(&(HttpServerConfig){.listen = listen,
                                                 .connections_max = connections,
                                                 .address_max = of_address,
                                                 .timeout_ms = timeout_ms,
                                                 .house = &house,
                                                 .db = &db,
                                                 .clock = clock_real()},
                             error);
}

static HttpServer *start_well(unsigned connections, unsigned of_address, int64_t timeout_ms)
{
    g_autoptr(GError) error = NULL;
    HttpServer *server = start("127.0.0.1:0", connections, of_address, timeout_ms, &error);
    assert_no_error(error);
    return server;
}

static int dial(const HttpServer *server)
{
    const char *colon = strrchr(http_server_addresses(server)[0], ':');
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)g_ascii_strtoull(colon + 1, NULL, 10)),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int dial_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until `end` is in it, or the other side closes. Caller frees. */
static char *hear(int fd, const char *end)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    while (!end || !strstr(text->str, end)) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) {
            assert_true(got == 0 || errno == ECONNRESET || errno == EPIPE);
            break;
        }
        g_string_append_len(text, buffer, got);
    }
    return g_string_free(text, FALSE);
}

static void hear_out(int fd, const char *end)
{
    g_free(hear(fd, end));
}

static void expect(int fd, const char *request, const char *status, const char *body)
{
    say(fd, request);
    g_autofree char *got = hear(fd, body);
    if (!g_str_has_prefix(got, status) || !strstr(got, body))
        fail_msg("got %s", got);
}

static void expect_hang_up(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
    close(fd);
}

static void keeps_a_connection(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    int fd = dial(server);
    for (int i = 0; i < 3; i++)
        expect(fd, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "well\n");
    expect(fd, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "held");
    expect(fd, "POST /length HTTP/1.1\r\nHost: a\r\n" TYPE "Content-Length: 3\r\n\r\nabc",
           "HTTP/1.1 200", "\r\n\r\n3");
    expect(fd, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "well\n");
    assert_true(http_server_stop(server, 5000));
    expect_hang_up(fd); /* idle: at once */
}

/* The library's own time-out begins anew with each byte; ours does not. */
static void hangs_up_on_the_slow(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, SOON_MS);
    int idle = dial(server), head = dial(server), body = dial(server);
    say(head, "GET /healthz HTTP/1.1\r\nHo");
    say(body, "POST /length HTTP/1.1\r\nHost: a\r\n" TYPE "Content-Length: 30000\r\n\r\n");
    bool hung_up = false;
    for (int i = 0; i < 30000 && !hung_up; i++) {
        struct timeval tick = {.tv_usec = 1000};
        char byte;
        setsockopt(body, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
        hung_up = send(body, "a", 1, MSG_NOSIGNAL) != 1 || recv(body, &byte, 1, 0) == 0;
    }
    assert_true(hung_up);
    close(body);
    expect_hang_up(head);
    expect_hang_up(idle);
    assert_true(http_server_stop(server, 5000));
}

static void turns_away_beyond_its_limits(void **state)
{
    (void)state;
    HttpServer *server = start_well(3, 10, TIMEOUT_MS);
    int fds[3];
    for (int i = 0; i < 3; i++)
        expect(fds[i] = dial(server), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200",
               "well\n");
    int fourth = dial(server);
    g_autofree char *heard = hear(fourth, NULL);
    assert_true(g_str_has_prefix(heard, "HTTP/1.1 503"));
    close(fourth);
    close(fds[0]); /* and there is room again, when the server has seen it */
    bool served = false;
    while (!served) {
        int again = dial(server);
        ssize_t sent = send(again, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 34, MSG_NOSIGNAL);
        (void)sent;
        g_autofree char *text = hear(again, "\n\r\n");
        served = g_str_has_prefix(text, "HTTP/1.1 200");
        close(again);
    }
    close(fds[1]);
    close(fds[2]);
    assert_true(http_server_stop(server, 5000));

    server = start_well(10, 1, TIMEOUT_MS);
    int first = dial(server);
    expect(first, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "well\n");
    int second = dial(server);
    g_autofree char *text = hear(second, NULL);
    assert_true(g_str_has_prefix(text, "HTTP/1.1 503"));
    close(first);
    close(second);
    assert_true(http_server_stop(server, 5000));
}

static void bounds_a_request(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    g_autofree char *long_field = g_strnfill(HTTP_CONNECTION_BYTES, 'a');
    g_autofree char *large = g_strnfill(HTTP_BODY_BYTES_MAX + 1, 'b');
    g_autofree char *head =
        g_strdup_printf("GET /healthz HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", long_field);
    g_autofree char *chunked = g_strdup_printf("POST /length HTTP/1.1\r\nHost: a\r\n" TYPE ""
                                               "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0"
                                               "\r\n\r\n",
                                               strlen(large), large);
    int fd = dial(server);
    expect(fd, head, "HTTP/1.1 431", "\r\n\r\n");
    close(fd);
    expect(fd = dial(server), chunked, "HTTP/1.1 413", "a body has at most");
    close(fd);
    expect(fd = dial(server),
           "POST /length HTTP/1.1\r\nHost: a\r\n" TYPE "Content-Length: 99999\r\n\r\n",
           "HTTP/1.1 413", "a body has at most");
    close(fd);
    assert_true(http_server_stop(server, 5000));
}

/* In memory, and from a file; with its length told before and not; then the connection is as good
 * as before. */
static void takes_large_bodies(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    static const struct {
        size_t size;
        bool chunked;
        const char *status, *body;
    } rows[] = {
        {HTTP_BODY_BYTES_MAX + 1, false, "HTTP/1.1 200", "65537 bytes, of which a 65537"},
        {HTTP_BODY_MEMORY_BYTES, false, "HTTP/1.1 200", "262144 bytes, of which a 262144"},
        {HTTP_BODY_MEMORY_BYTES + 1, false, "HTTP/1.1 200", "262145 bytes, of which a 262145"},
        {LARGE_MAX, true, "HTTP/1.1 200", "524288 bytes, of which a 524288"},
        {LARGE_MAX + 1, true, "HTTP/1.1 413", "a body has at most 524288"},
        {LARGE_MAX + 1, false, "HTTP/1.1 413", "a body has at most 524288"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int fd = dial(server);
        bool early = !rows[i].chunked && rows[i].size > LARGE_MAX; /* before the body is sent */
        g_autofree char *body = g_strnfill(early ? 0 : rows[i].size, 'a');
        g_autofree char *request =
            rows[i].chunked
                ? g_strdup_printf("POST /large HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                                  "chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
                                  rows[i].size, body)
                : g_strdup_printf("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: "
                                  "%zu\r\n\r\n%s",
                                  rows[i].size, body);
        expect(fd, request, rows[i].status, rows[i].body);
        if (!early && rows[i].size <= LARGE_MAX)
            expect(fd, "GET /bytes HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n", "HTTP/1.1 206",
                   "\r\n\r\n234");
        close(fd);
    }
    assert_true(http_server_stop(server, 5000));
}

static void wait_for_streams(HttpServer *server, unsigned count)
{
    while (http_events_count(http_server_events(server)) != count)
        poll(NULL, 0, 1);
}

static void streams_tell_what_is_new(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    HttpEvents *events = http_server_events(server);
    int fd = dial(server), ending = dial(server), every = dial(server), silent = dial(server);
    expect(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200",
           "event: begin\nid: 0\ndata: one\ndata: two\n\n");
    http_events_publish(events, "nothing");
    http_events_publish(events, "news");
    hear_out(fd, "event: topic\nid: 1\n");
    http_events_publish(events, "other");
    hear_out(fd, "event: topic\nid: 2\n");
    hear_out(fd, "\n: \n\n");
    expect(ending, "GET /stream?ends HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "begin");
    expect(every, "GET /stream?every HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200",
           "event: every\n");
    expect(silent, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "begin");
    http_events_publish(events, "news");
    hear_out(ending, "0\r\n\r\n");
    expect(ending, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "well\n");
    wait_for_streams(server, 3);
    close(silent); /* without a word: it is seen all the same */
    close(every);
    wait_for_streams(server, 1);
    http_events_end_all(events, true);
    hear_out(fd, "0\r\n\r\n");
    expect(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503", "hands over");
    close(fd);
    close(ending);
    assert_true(http_server_stop(server, 5000));
}

/* A writer that gets no answer is asked again in a second, not as fast as its client reads; and one
 * that says nothing meanwhile has its pings. */
static void streams_wait_for_the_store(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    int loud = dial(server), silent = dial(server);
    expect(silent, "GET /trouble HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "\n: \n\n");
    expect(loud, "GET /trouble?loud HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200",
           "data: first\n\n");
    int64_t from_us = clock_monotonic_us(clock_real());
    hear_out(loud, "data: first\n\n");
    assert_true(clock_monotonic_us(clock_real()) - from_us > 500 * 1000);
    close(loud);
    close(silent);
    assert_true(http_server_stop(server, 5000));
}

static void streams_are_bounded(void **state)
{
    (void)state;
    HttpServer *server = start_well(4, 10, SOON_MS);
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = dial(server);
    for (int i = 0; i < 3; i++)
        expect(fds[i], "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "begin");
    expect(fds[3], "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503", "too many streams");
    close(fds[3]);
    /* A stop ends them, and leaves none behind. */
    assert_true(http_server_stop(server, 5000));
    for (int i = 0; i < 3; i++) {
        g_autofree char *end = hear(fds[i], NULL);
        assert_true(g_str_has_suffix(end, "0\r\n\r\n"));
        close(fds[i]);
    }

    /* Who does not take what was written is hung up on. A unix socket holds little. */
    g_autofree char *path = g_strdup_printf("%s/http-%d", g_get_tmp_dir(), (int)getpid());
    g_autofree char *listen = g_strdup_printf("unix:%s", path);
    server = start(listen, 4, 10, SOON_MS, NULL);
    int fd = dial_unix(path);
    say(fd, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for_streams(server, 1);
    wait_for_streams(server, 0);
    close(fd);
    assert_true(http_server_stop(server, 5000));
}

static void a_stop_lets_requests_end(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    int fd = dial(server);
    gate.hold = true;
    say(fd, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    g_mutex_lock(&gate.lock);
    while (gate.inside == 0)
        g_cond_wait(&gate.changed, &gate.lock);
    g_mutex_unlock(&gate.lock);
    /* A worker is held, and others are served. */
    int other = dial(server);
    expect(other, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", "well\n");
    close(other);
    g_mutex_lock(&gate.lock);
    gate.hold = false;
    g_cond_broadcast(&gate.changed);
    g_mutex_unlock(&gate.lock);
    assert_true(http_server_stop(server, 60000));
    g_autofree char *text = hear(fd, NULL);
    assert_true(g_str_has_prefix(text, "HTTP/1.1 200") && g_str_has_suffix(text, "held"));
    close(fd);
}

static void refuses_what_it_cannot_use(void **state)
{
    (void)state;
    HttpServer *server = start_well(10, 10, TIMEOUT_MS);
    const char *address = http_server_addresses(server)[0];
    g_autoptr(GError) error = NULL;
    assert_null(start(address, 10, 10, TIMEOUT_MS, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    assert_non_null(strstr(error->message, address));
    g_clear_error(&error);
    assert_true(http_server_stop(server, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_connection),
        cmocka_unit_test(hangs_up_on_the_slow),
        cmocka_unit_test(turns_away_beyond_its_limits),
        cmocka_unit_test(bounds_a_request),
        cmocka_unit_test(takes_large_bodies),
        cmocka_unit_test(streams_tell_what_is_new),
        cmocka_unit_test(streams_are_bounded),
        cmocka_unit_test(a_stop_lets_requests_end),
        cmocka_unit_test(refuses_what_it_cannot_use),
        cmocka_unit_test(streams_wait_for_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
