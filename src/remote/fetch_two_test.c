/* fetch_two_test: a name that leads to a private and to a public address: the private one is never
 * connected to, the public one is, and its failure is its own, not the guard's.
 *
 * What the names lead to is said here: this program's getaddrinfo and connect stand before the C
 * library's, for libcurl too. A connection to the "public" address goes to a server of the test's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "remote/fetch.h"
#include "support.h"

#define PUBLIC  "8.8.4.4" /* never reached: see connect */
#define PRIVATE "10.11.12.13"

static int listener;
static struct sockaddr_in server; /* where the test's server is; port 0: nobody listens */
static unsigned to_private, to_public;

/* The addresses of a name: "private-public.test" has both, in that order. */
static struct addrinfo *add(struct addrinfo *before, const char *text, const char *service)
{
    struct addrinfo *one = g_malloc0(sizeof *one + sizeof(struct sockaddr_in));
    struct sockaddr_in *address = (struct sockaddr_in *)(void *)(one + 1);
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)g_ascii_strtoull(service, NULL, 10));
    inet_pton(AF_INET, text, &address->sin_addr);
    *one = (struct addrinfo){.ai_family = AF_INET,
                             .ai_socktype = SOCK_STREAM,
                             .ai_addrlen = sizeof *address,
                             .ai_addr = (struct sockaddr *)(void *)address,
                             .ai_next = before};
    return one;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    struct addrinfo *list = NULL;
    g_auto(GStrv) words = g_strsplit(name, ".", 2);
    g_auto(GStrv) kinds = g_strsplit(words[0], "-", -1);
    (void)hints;
    for (unsigned i = g_strv_length(kinds); i > 0; i--)
        list = add(list, strcmp(kinds[i - 1], "public") == 0 ? PUBLIC : PRIVATE,
                   service ? service : "0");
    *ret = list;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        g_free(list);
        list = next;
    }
}

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t size)
{
    struct sockaddr_in in = {.sin_family = AF_UNSPEC};
    char text[INET_ADDRSTRLEN] = "";
    const void *address = to.__sockaddr__;
    memcpy(&in, address, MIN(size, sizeof in));
    if (in.sin_family == AF_INET)
        inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    to_private += strcmp(text, PRIVATE) == 0;
    if (strcmp(text, PUBLIC) != 0)
        return (int)syscall(SYS_connect, fd, address, size);
    to_public++;
    if (server.sin_port != 0)
        return (int)syscall(SYS_connect, fd, &server, sizeof server);
    errno = ECONNREFUSED;
    return -1;
}

static gpointer answer_one(gpointer data)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    char heard[4096];
    int fd = accept(listener, NULL, NULL);
    (void)data;
    if (recv(fd, heard, sizeof heard, 0) > 0)
        send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static GThread *start(void)
{
    socklen_t size = sizeof server;
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)(void *)&server, sizeof server), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)(void *)&server, &size), 0);
    return g_thread_new("server", answer_one, NULL);
}

typedef struct {
    const char *url;
    bool listens;
    int kind; /* of the error; -1: 200 */
} Case;

static const Case cases[] = {
    {"http://public.test:8080/", true, -1},
    {"http://private-public.test:8080/", true, -1},
    {"http://public-private.test:8080/", true, -1},
    {"http://private.test:8080/", false, ERROR_REJECT},
    {"http://private-private.test:8080/", false, ERROR_REJECT},
    {"http://public.test:8080/", false, ERROR_RETRY},
    {"http://private-public.test:8080/", false, ERROR_RETRY},
    {"http://public-private.test:8080/", false, ERROR_RETRY},
};

static void two_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *one = &cases[i];
        FetchConfig config = {.allow_http = true, .public_only = true, .whole_ms = 20000};
        g_autoptr(Fetch) fetch = fetch_new(&config, NULL);
        g_autoptr(GError) error = NULL;
        server.sin_port = 0;
        to_private = to_public = 0;
        GThread *thread = one->listens ? start() : NULL;
        g_autoptr(FetchAnswer) answer = fetch_run(fetch, &(FetchAsk){.url = one->url}, &error);
        int kind = answer ? -1 : (int)error_kind(error);
        if (kind != one->kind || to_private != 0 || (one->kind == ERROR_REJECT && to_public != 0))
            fail_msg("%s: wanted %d, got %d; %u times to the private one: %s", one->url, one->kind,
                     kind, to_private, error ? error->message : "");
        if (thread)
            g_thread_join(thread);
        if (thread)
            close(listener);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_addresses)};
    return cmocka_run_group_tests_name("fetch_two", tests, NULL, NULL);
}
