/* dns_update_test: against a name server of its own, a thread that answers as a table says. Records
 * in a real one, and TSIG, are tests/system/test_acme.py's, against Knot. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "remote/dns_update.h"
#include "support.h"

enum { NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5, NOTAUTH = 9 };
#define OPCODE_UPDATE 5
#define HEAD_BYTES    12

typedef struct {
    const char *test;
    uint8_t to_query, to_update; /* response codes */
    bool zone;                   /* the query's answer has an SOA */
    int kind;                    /* of the error; -1: it is done */
} Case;

static const Case cases[] = {
    {"done", NOERROR, NOERROR, true, -1},
    {"loading its zones", SERVFAIL, NOERROR, false, ERROR_RETRY},
    {"the primary is away", NOERROR, SERVFAIL, true, ERROR_RETRY},
    {"not its zone", REFUSED, NOERROR, false, ERROR_REJECT},
    {"no such zone", NXDOMAIN, NOERROR, false, ERROR_REJECT},
    {"not allowed", NOERROR, REFUSED, true, ERROR_REJECT},
    {"not authoritative", NOERROR, NOTAUTH, true, ERROR_REJECT},
    {"not understood", NOERROR, FORMERR, true, ERROR_REJECT},
};

typedef struct {
    int fd;
    uint16_t port;
    const Case *now;
    unsigned queries, updates;
} Server;

/* The question comes back, and where it is asked for, an SOA whose owner is the name that it asks
 * for: that is the zone then. */
static size_t make_answer(const Server *server, uint8_t *bytes, size_t size, bool update)
{
    static const uint8_t soa[] = {0xc0, HEAD_BYTES, 0, 6, 0, 1,  0, 0, 0, 60, 0, 22,
                                  0,    0,          0, 0, 0, 1,  0, 0, 0, 60, 0, 0,
                                  0,    60,         0, 0, 0, 60, 0, 0, 0, 60};
    bool with_zone = !update && server->now->zone;
    bytes[2] |= 0x80;
    bytes[3] = update ? server->now->to_update : server->now->to_query;
    if (update) {
        memset(bytes + 4, 0, HEAD_BYTES - 4);
        return HEAD_BYTES;
    }
    memset(bytes + 6, 0, HEAD_BYTES - 6);
    size_t end = HEAD_BYTES;
    while (end < size && bytes[end])
        end += bytes[end] + 1u;
    end += 5; /* the root, type, class */
    if (with_zone) {
        bytes[7] = 1;
        memcpy(bytes + end, soa, sizeof soa);
    }
    return end + (with_zone ? sizeof soa : 0);
}

static gpointer serve(gpointer data)
{
    Server *server = data;
    for (;;) {
        uint8_t bytes[2048];
        struct sockaddr_in peer;
        socklen_t peer_size = sizeof peer;
        ssize_t got =
            recvfrom(server->fd, bytes, 1024, 0, (struct sockaddr *)(void *)&peer, &peer_size);
        if (got < HEAD_BYTES) /* the end */
            return NULL;
        bool update = ((bytes[2] >> 3) & 0xf) == OPCODE_UPDATE;
        server->queries += !update;
        server->updates += update;
        size_t size = make_answer(server, bytes, (size_t)got, update);
        sendto(server->fd, bytes, size, 0, (struct sockaddr *)(void *)&peer, peer_size);
    }
}

static void start(Server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)(void *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
}

static void stop(const Server *server, GThread *take_thread)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(server->port)};
    sendto(server->fd, "", 1, 0, (struct sockaddr *)(void *)&address, sizeof address);
    g_thread_join(take_thread);
    close(server->fd);
}

static void judge(const Case *one, const Server *server, bool good, const GError *error)
{
    int kind = good ? -1 : (int)error_kind(error);
    if (kind != one->kind)
        fail_msg("%s: wanted %d, got %d: %s", one->test, one->kind, kind,
                 error ? error->message : "done");
    if (server->queries != 1 || server->updates != (one->zone ? 1 : 0))
        fail_msg("%s: %u queries, %u updates", one->test, server->queries, server->updates);
}

static void answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Server server = {.now = &cases[i]};
        g_autoptr(GError) error = NULL;
        start(&server);
        GThread *thread = g_thread_new("dns", serve, &server);
        DnsUpdate update = {.host = "127.0.0.1",
                            .port = server.port,
                            .key = "",
                            .secret = "",
                            .name = "_acme-challenge.example.org",
                            .text = "abc"};
        bool good = dns_update(&update, &error);
        stop(&server, thread);
        judge(&cases[i], &server, good, error);
    }
}

/* Nobody listens there. */
static void nobody(void **state)
{
    (void)state;
    Server server = {.now = &cases[0]};
    g_autoptr(GError) error = NULL;
    start(&server);
    close(server.fd);
    DnsUpdate update = {.host = "127.0.0.1",
                        .port = server.port,
                        .tcp = true,
                        .key = "",
                        .secret = "",
                        .name = "_acme-challenge.example.org",
                        .text = "abc"};
    assert_false(dns_update(&update, &error));
    assert_int_equal(error_kind(error), ERROR_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(nobody),
    };
    return cmocka_run_group_tests_name("dns_update", tests, NULL, NULL);
}
