/* lmtp_server_test: real sockets, a house of its own. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "app/lmtp_server.h"
#include "support.h"

typedef struct {
    char *folder, *address;
    GMutex lock;
    GCond changed;
    bool hold;         /* deliver waits while it is set */
    unsigned inside;   /* sessions within deliver */
    unsigned messages; /* delivered */
    LmtpHouse house;
    LmtpServer *server;
} Fixture;

static LmtpRcpt any_recipient(const char *address, LmtpRecipient *ret, void *data)
{
    (void)address, (void)data;
    ret->account = 1;
    return LMTP_RCPT_OK;
}

static void count_delivery(const LmtpMessage *message, const LmtpRecipient *recipients,
                           unsigned count, LmtpStored *results, void *data)
{
    Fixture *fixture = data;
    (void)message, (void)recipients;
    g_mutex_lock(&fixture->lock);
    fixture->inside++;
    g_cond_broadcast(&fixture->changed);
    while (fixture->hold)
        g_cond_wait(&fixture->changed, &fixture->lock);
    fixture->inside--;
    fixture->messages++;
    g_mutex_unlock(&fixture->lock);
    for (unsigned i = 0; i < count; i++)
        results[i] = LMTP_STORED;
}

static LmtpServer *start(Fixture *fixture, const char *address, unsigned sessions,
                         int64_t timeout_ms, GError **error)
{
    const char *listen[] = {address, NULL};
    LmtpServerConfig config = {listen, sessions, timeout_ms, &fixture->house, NULL, clock_real()};
    return lmtp_server_start(&config, error);
}

static int setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->folder = g_dir_make_tmp("rota-lmtp-XXXXXX", NULL);
    fixture->address = g_strdup_printf("unix:%s/lmtp", fixture->folder);
    fixture->house =
        (LmtpHouse){any_recipient, count_delivery, fixture, "mx.example.org", 100000, false};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = g_build_filename(fixture->folder, "lmtp", NULL);
    g_remove(path);
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture->address);
    g_free(fixture);
    return 0;
}

/* A client with a time-out on everything, so that a broken server fails a test and does not hang
 * it. */
static int dial(const char *address)
{
    int fd;
    if (g_str_has_prefix(address, "unix:")) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        g_strlcpy(to.sun_path, address + 5, sizeof(to.sun_path));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    } else {
        struct addrinfo *found = NULL;
        assert_int_equal(getaddrinfo("127.0.0.1", strrchr(address, ':') + 1, NULL, &found), 0);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, found->ai_addr, found->ai_addrlen), 0);
        freeaddrinfo(found);
    }
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `wanted` has come. */
static void hear(int fd, const char *wanted)
{
    g_autoptr(GString) heard = g_string_new(NULL);
    while (!strstr(heard->str, wanted)) {
        char buffer[512];
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
        if (got <= 0)
            fail_msg("heard \"%s\", want \"%s\"", heard->str, wanted);
        g_string_append_len(heard, buffer, got);
    }
}

static void hear_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

#define ENVELOPE "LHLO me\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"

static void test_conversation(void **state)
{
    Fixture *fixture = *state;
    const char *addresses[] = {fixture->address, "127.0.0.1:0"};
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        LmtpServer *server = start(fixture, addresses[i], 4, 10000, &error);
        assert_no_error(error);
        int fd = dial(lmtp_server_addresses(server)[0]);
        hear(fd, "220 mx.example.org LMTP rota\r\n");
        say(fd, ENVELOPE);
        hear(fd, "354 ");
        say(fd, "one\r\n.\r\nQUIT\r\n");
        hear(fd, "250 2.0.0 <a@example.org> Stored\r\n221 ");
        hear_end(fd);
        assert_true(lmtp_server_stop(server, 1000));
        assert_int_equal(fixture->messages, i + 1);
    }
    assert_false(g_file_test(fixture->address + 5, G_FILE_TEST_EXISTS));
}

static void test_too_many(void **state)
{
    Fixture *fixture = *state;
    LmtpServer *server = start(fixture, fixture->address, 2, 10000, NULL);
    int first = dial(fixture->address), second = dial(fixture->address);
    hear(first, "220 ");
    hear(second, "220 ");
    int third = dial(fixture->address);
    hear(third, "421 4.3.2 Too many sessions");
    hear_end(third);
    say(first, "QUIT\r\n");
    hear(first, "221 ");
    hear_end(first);
    /* The place is free once the thread has ended, which the client cannot see: ask until there is
     * room. */
    for (bool room = false; !room;) {
        int again = dial(fixture->address);
        char reply[64] = "";
        assert_true(recv(again, reply, sizeof(reply) - 1, 0) > 3);
        room = g_str_has_prefix(reply, "220");
        close(again);
    }
    assert_true(lmtp_server_stop(server, 1000));
    hear(second, "421 4.3.2");
    hear_end(second);
}

static void test_timeout(void **state)
{
    Fixture *fixture = *state;
    LmtpServer *server = start(fixture, fixture->address, 2, 100, NULL);
    int silent = dial(fixture->address), half = dial(fixture->address);
    hear(silent, "421 4.4.2");
    hear_end(silent);
    hear(half, "421 4.4.2");
    hear_end(half);
    half = dial(fixture->address);
    say(half, ENVELOPE "half a mess");
    hear(half, "421 4.4.2");
    hear_end(half);
    assert_int_equal(fixture->messages, 0);
    assert_true(lmtp_server_stop(server, 1000));
}

/* A stop lets a session that is in the middle of a message end it, and sends the others away at
 * once. */
static gpointer stop_thread(gpointer data)
{
    return GINT_TO_POINTER(lmtp_server_stop(data, 15000));
}

static void test_stop_waits_for_messages(void **state)
{
    Fixture *fixture = *state;
    LmtpServer *server = start(fixture, fixture->address, 4, 20000, NULL);
    int idle = dial(fixture->address), reading = dial(fixture->address),
        storing = dial(fixture->address);
    hear(idle, "220 ");
    say(reading, ENVELOPE);
    hear(reading, "354 ");
    fixture->hold = true;
    say(storing, ENVELOPE "two\r\n.\r\n");
    g_mutex_lock(&fixture->lock);
    while (fixture->inside == 0)
        g_cond_wait(&fixture->changed, &fixture->lock);
    g_mutex_unlock(&fixture->lock);

    GThread *thread = g_thread_new("stop", stop_thread, server);
    hear(idle, "421 4.3.2");
    hear_end(idle);
    say(reading, "one\r\n.\r\n");
    g_mutex_lock(&fixture->lock);
    fixture->hold = false;
    g_cond_broadcast(&fixture->changed);
    g_mutex_unlock(&fixture->lock);
    hear(storing, "250 2.0.0 <a@example.org> Stored\r\n421 4.3.2");
    hear(reading, "250 2.0.0 <a@example.org> Stored\r\n421 4.3.2");
    hear_end(storing);
    hear_end(reading);
    assert_true(GPOINTER_TO_INT(g_thread_join(thread)));
    assert_int_equal(fixture->messages, 2);
}

/* One that does not go on with its message is cut off when the grace ends. */
static void test_stop_has_an_end(void **state)
{
    Fixture *fixture = *state;
    LmtpServer *server = start(fixture, fixture->address, 4, 20000, NULL);
    int reading = dial(fixture->address);
    say(reading, ENVELOPE);
    hear(reading, "354 ");
    assert_true(lmtp_server_stop(server, 50));
    hear(reading, "421 4.3.2");
    hear_end(reading);
    assert_int_equal(fixture->messages, 0);
}

static void test_listen(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    LmtpServer *server = start(fixture, fixture->address, 2, 10000, &error);
    assert_no_error(error);
    assert_null(start(fixture, fixture->address, 2, 10000, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    /* The one that was refused has not taken the socket away from the first. */
    int fd = dial(fixture->address);
    hear(fd, "220 ");
    close(fd);
    assert_true(lmtp_server_stop(server, 1000));

    /* A dead process' socket file is replaced. */
    struct sockaddr_un dead = {.sun_family = AF_UNIX};
    g_strlcpy(dead.sun_path, fixture->address + 5, sizeof(dead.sun_path));
    int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(left, (struct sockaddr *)&dead, sizeof(dead)), 0);
    close(left);
    g_clear_error(&error);
    server = start(fixture, fixture->address, 2, 10000, &error);
    assert_no_error(error);
    assert_true(lmtp_server_stop(server, 1000));

    const char *wrong[] = {"unix:", "nothing", "127.0.0.1:no", "unix:/not/there/lmtp"};
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_clear_error(&error);
        assert_null(start(fixture, wrong[i], 2, 10000, &error));
        assert_int_equal(error_kind(error), ERROR_REJECT);
    }
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_conversation),    WITH_FIXTURE(test_too_many),
        WITH_FIXTURE(test_timeout),         WITH_FIXTURE(test_stop_waits_for_messages),
        WITH_FIXTURE(test_stop_has_an_end), WITH_FIXTURE(test_listen),
    };
    return cmocka_run_group_tests_name("lmtp_server", tests, NULL, NULL);
}
