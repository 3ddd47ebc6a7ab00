/* http_person_test: what needs an account, over real sockets and on both stores: streams that hear
 * of changes whoever makes them, and bodies that are read after their sender is known. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/limits_http.h"
#include "db/tell.h"
#include "front/http_auth.h"
#include "front/http_stream.h"
#include "model/change.h"
#include "app/http_events.h"
#include "app/http_server.h"
#include "model_support.h"
#include "support.h"

#define LARGE   (2 * HTTP_BODY_BYTES_MAX)
#define RIGHT   "Authorization: Basic YWRhQGV4YW1wbGUub3JnOnJpZ2h0\r\n" /* ada@example.org:right */
#define WRONG   "Authorization: Basic YWRhQGV4YW1wbGUub3JnOndyb25n\r\n" /* …:wrong */
#define PATIENT 20

static HttpStreamNext write_seq(void *state, HttpStreamWhy why, Db *db, GString *out)
{
    const int64_t *account = state;
    int64_t seq = 0;
    static const DbSql sql = {"SELECT change_seq FROM account WHERE id = $1", NULL};
    if (why == HTTP_STREAM_PING)
        return HTTP_STREAM_GOES_ON;
    assert_true(db_begin(db, DB_READ, NULL));
    assert_int_equal(db_query_int(db, &sql, DB_ARGS(db_int(*account)), &seq, NULL), 1);
    db_rollback(db);
    g_autofree char *text = g_strdup_printf("seq %d;", (int)seq);
    http_event_append(out, NULL, NULL, text);
    return HTTP_STREAM_GOES_ON;
}

static void run_stream(HttpCall *call)
{
    HttpStream stream = {.write = write_seq,
                         .free = g_free,
                         .state = g_memdup2(&call->account, sizeof call->account)};
    stream.topics = g_new0(char *, 2);
    stream.topics[0] = g_strdup_printf(CHANGE_TOPIC "%" G_GINT64_FORMAT, call->account);
    http_answer_stream(call->answer, &stream);
}

static void run_upload(HttpCall *call)
{
    g_string_append_printf(call->answer->body, "%zu bytes of %s;", call->request->body_size,
                           call->person);
}

static const HttpRoute route_stream = {.method = "GET",
                                       .path = "/stream",
                                       .store = HTTP_STORE_NEEDED,
                                       .access = HTTP_FOR_PERSON,
                                       .run = run_stream};
static const HttpRoute route_upload = {.method = "POST",
                                       .path = "/upload",
                                       .store = HTTP_STORE_NEEDED,
                                       .access = HTTP_FOR_PERSON,
                                       .run = run_upload,
                                       .types = "*",
                                       .body_max = LARGE};
static const HttpRoute *const routes[] = {&route_stream, &route_upload, NULL};

static char *nothing(void *data)
{
    (void)data;
    return NULL;
}

typedef struct {
    HttpHouse house;
    HttpServer *server;
    int64_t ada;
} Door;

static void open_door(Door *door, const TestStore *store)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    door->house = (HttpHouse){.routes = routes,
                              .ill = nothing,
                              .unready = nothing,
                              .logins = http_logins_new(clock_real())};
    door->ada = model_account(store->db, "ada@example.org", 0);
    assert_true(account_set_password(store->db, "ada@example.org", "right", NULL));
    door->server = http_server_start(&(HttpServerConfig){.listen = listen,
                                                         .connections_max = 20,
                                                         .address_max = 20,
                                                         .timeout_ms = PATIENT * 1000,
                                                         .house = &door->house,
                                                         .db = &store->config,
                                                         .clock = clock_real()},
                                     NULL);
    assert_non_null(door->server);
}

static void close_door(Door *door)
{
    assert_true(http_server_stop(door->server, 5000));
    http_logins_free((HttpLogins *)(uintptr_t)door->house.logins);
}

static int dial(const Door *door)
{
    const char *colon = strrchr(http_server_addresses(door->server)[0], ':');
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)g_ascii_strtoull(colon + 1, NULL, 10)),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    struct timeval patience = {.tv_sec = PATIENT};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Until `want` has come; what else comes before is passed over. */
static void expect(int fd, const char *want)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[4096];
    while (!strstr(text->str, want)) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0)
            fail_msg("want %s, got %s", want, text->str);
        g_string_append_len(text, buffer, got);
    }
}

static void expect_seq(int fd, int64_t seq)
{
    g_autofree char *text = g_strdup_printf("seq %d;", (int)seq);
    expect(fd, text);
}

static void change(Db *db, int64_t account)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(change_append(db, account, CHANGE_MAILBOX, 1, CHANGE_UPDATED, NULL) > 0);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static void publish(const char *topic, void *data)
{
    http_events_publish(data, topic);
}

/* As a process that knows nothing of this one; and as one that tells it. */
static void a_stream_hears_of_changes(void **state)
{
    const TestStore *store = *state;
    Door door;
    open_door(&door, store);
    int fd = dial(&door);
    say(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n" RIGHT "\r\n");
    int64_t seq = model_count(store->db, "SELECT change_seq FROM account");
    expect_seq(fd, seq);
    change(store->db, door.ada);
    int64_t begin_us = g_get_monotonic_time();
    expect_seq(fd, seq + 1);
    int64_t took_us = g_get_monotonic_time() - begin_us;
    if (took_us > 5 * G_USEC_PER_SEC) /* a second, on a machine that is not busy */
        fail_msg("it took %d ms", (int)(took_us / 1000));
    db_set_hearer(publish, http_server_events(door.server));
    change(store->db, door.ada);
    expect_seq(fd, seq + 2);
    db_set_hearer(NULL, NULL);
    close(fd);
    close_door(&door);
}

static void a_large_body_has_a_known_sender(void **state)
{
    const TestStore *store = *state;
    Door door;
    g_autofree char *body = g_strnfill(LARGE, 'a');
    g_autofree char *head =
        g_strdup_printf("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n", LARGE);
    g_autofree char *known = g_strdup_printf("%s" RIGHT "\r\n", head);
    g_autofree char *unknown = g_strdup_printf("%s\r\n", head);
    g_autofree char *wrong = g_strdup_printf("%s" WRONG "\r\n", head);
    open_door(&door, store);
    int fd = dial(&door);
    for (int i = 0; i < 2; i++) { /* looked up, and remembered */
        say(fd, known);
        say(fd, body);
        expect(fd, "131072 bytes of ada@example.org;");
    }
    close(fd);
    say(fd = dial(&door), unknown); /* nothing of the body is sent, nor waited for */
    expect(fd, "HTTP/1.1 401");
    close(fd);
    say(fd = dial(&door), wrong);
    say(fd, body);
    expect(fd, "the password is wrong");
    close(fd);
    close_door(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_hears_of_changes),
        cmocka_unit_test(a_large_body_has_a_known_sender),
    };
    return test_on_both_stores("http_person", tests, G_N_ELEMENTS(tests));
}
