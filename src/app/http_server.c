/* http_server: sockets and threads around front/http.
 *
 * How it fits: one thread accepts, since libmicrohttpd can be handed connections, but knows neither
 * several addresses nor a limit that an operator is told of; it also hangs up on the slow
 * (http_book.c). HTTP_EVENT_THREADS daemons of the library, each a thread with epoll, share the
 * connections and speak the protocol. front/http.c says what a request means; what needs the store
 * goes to the workers (http_work.c).
 *
 * The library reads a head into HTTP_CONNECTION_BYTES at most, and answers by itself what is no
 * HTTP or does not fit (400, 413, 431). It decodes nothing for us: front/http_parse.c does.
 *
 * TLS is not the library's: tls_relay.c takes it off, and the library gets a descriptor with plain
 * bytes.
 *
 * Failures: what cannot be listened on is an error of start; a client's broken connection ends
 * silently; accept without room (EMFILE) is logged and tried again after a pause. Known weak point:
 * a connection by TLS costs a copy of its bytes, and two descriptors more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "base/log.h"
#include "base/must.h"
#include "front/http_forwarded.h"

#include "app/http_server_private.h"
#include "app/listener.h"

#define SWEEP_MS        1000
#define STOP_SWEEP_MS   20
#define TELL_MS         10000 /* between two lines about clients that were turned away */
#define ACCEPT_PAUSE_MS 200   /* after EMFILE: accepting again at once would spin */
#define FILES_BESIDE    500   /* descriptors of all that is no connection of HTTP */

/* ---------------------------------------------------------------- connections */

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    HttpServer *server = data;
    (void)context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED)
        http_book_remove(server->book, http_fd_of(connection));
}

static size_t leave_escapes(void *data, struct MHD_Connection *connection, char *text)
{
    (void)data, (void)connection;
    return strlen(text);
}

/* ---------------------------------------------------------------- accepting */

static void turn_away(int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Content-Length: 0\r\nRetry-After: 5\r\n\r\n";
    ssize_t sent = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* a courtesy: the closed connection says the same */
    close(fd);
}

/* Who floods us shall not flood the log too. */
static void tell_turned_away(HttpServer *server, HttpBookEntry entry, const char *peer)
{
    int64_t now_us = clock_monotonic_us(server->config.clock);
    server->turned_away++;
    server->turned_away_all++;
    if (server->told_us != 0 && now_us < server->told_us + TELL_MS * 1000)
        return;
    bool full = entry == HTTP_BOOK_FULL;
    log_event(LOG_LEVEL_WARNING, "http.too-many-connections",
              "turned %u clients away, the last %s: %u connections %s are open",
              server->turned_away, *peer ? peer : "by a unix socket",
              full ? server->config.connections_max : server->config.address_max,
              full ? "in all" : "of that address");
    server->turned_away = 0;
    server->told_us = now_us;
}

/* `fd` as the library shall have it: with plain bytes. */
static void take_client(HttpServer *server, int fd, bool secure, const struct sockaddr *address,
                        socklen_t size)
{
    g_autofree char *peer = http_format_peer(address);
    /* A proxy has the clients of many addresses. */
    bool proxy = http_proxies_believe(server->config.house->proxies, peer);
    HttpBookEntry entry = http_book_add(server->book, fd, proxy ? "" : peer, http_step_end(server));
    if (entry == HTTP_BOOK_TAKEN) {
        if (secure)
            http_book_secure(server->book, fd);
        /* By the descriptor: it spreads, and needs no counter. Closes it if it fails. */
        MHD_add_connection(server->daemons[fd % HTTP_EVENT_THREADS], fd, address, size);
        return;
    }
    turn_away(fd);
    tell_turned_away(server, entry, peer);
}

static void accept_from(HttpServer *server, int listener, bool secure)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    int fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
                   sizeof(one)); /* a unix socket has none, and needs none */
        if (secure)
            fd = tls_relay_take(server->config.relay, fd);
        if (fd >= 0)
            take_client(server, fd, secure, (struct sockaddr *)&address, size);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_event(LOG_LEVEL_ERROR, "http.accept-failed", "could not accept a client: %s",
                  g_strerror(errno));
        struct pollfd stop = {.fd = server->stop_fd, .events = POLLIN};
        poll(&stop, 1, ACCEPT_PAUSE_MS);
    }
}

static gpointer acceptor_thread(gpointer data)
{
    HttpServer *server = data;
    int64_t sweep_us = 0;
    while (!server->stopping) {
        struct pollfd fds[2 * LISTENERS_MAX + 1];
        unsigned plain = server->listeners.count, count = plain + server->secure.count;
        for (unsigned i = 0; i < plain; i++)
            fds[i] = (struct pollfd){.fd = server->listeners.fds[i], .events = POLLIN};
        for (unsigned i = plain; i < count; i++)
            fds[i] = (struct pollfd){.fd = server->secure.fds[i - plain], .events = POLLIN};
        fds[count] = (struct pollfd){.fd = server->stop_fd, .events = POLLIN};
        int64_t now_us = clock_monotonic_us(server->config.clock);
        bool anybody = true;
        if (now_us >= sweep_us) {
            anybody = http_book_sweep(server->book, now_us, false) > 0;
            sweep_us = now_us + SWEEP_MS * 1000;
        }
        if (poll(fds, count + 1, anybody ? SWEEP_MS : -1) < 0 && errno != EINTR)
            return NULL;
        for (unsigned i = 0; i < count && !server->stopping; i++)
            if (fds[i].revents)
                accept_from(server, fds[i].fd, i >= plain);
    }
    return NULL;
}

/* ---------------------------------------------------------------- start */

/* What the library has to say: of clients mostly, and why it does not start. */
G_GNUC_PRINTF(2, 0) static void on_log(void *data, const char *format, va_list args)
{
    HttpServer *server = data;
    char text[512];
    g_vsnprintf(text, sizeof text, format, args);
    g_strchomp(text);
    if (!server->acceptor) {
        g_free(server->said);
        server->said = g_strdup(text);
    }
    log_event(LOG_LEVEL_DEBUG, "http.library", "%s", text);
}

static bool start_daemons(HttpServer *server, GError **error)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    for (unsigned i = 0; i < HTTP_EVENT_THREADS; i++) {
        server->daemons[i] = MHD_start_daemon(
            flags, 0, NULL, NULL, http_exchange_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_log,
            server, MHD_OPTION_URI_LOG_CALLBACK, http_exchange_target, server,
            MHD_OPTION_NOTIFY_COMPLETED, http_exchange_completed, server,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_UNESCAPE_CALLBACK,
            leave_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT, server->config.connections_max + 1,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES,
            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
        if (!server->daemons[i])
            return fail(error, ERROR_RETRY, "could not start the HTTP door: %s",
                        server->said ? server->said : "the system has no room");
    }
    return true;
}

/* Each connection is a descriptor, and the store's handles need theirs too. */
static bool make_room(const HttpServer *server, GError **error)
{
    struct rlimit limit;
    rlim_t need = server->config.connections_max * (server->config.relay ? 3u : 1u) + FILES_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
        return true;
    if (limit.rlim_max < need)
        return fail(error, ERROR_REJECT,
                    "http.max-connections = %u needs %llu open files, and this process may have "
                    "%llu: write less, or allow more (ulimit -n, LimitNOFILE)",
                    server->config.connections_max, (unsigned long long)need,
                    (unsigned long long)limit.rlim_max);
    limit.rlim_cur = need;
    setrlimit(RLIMIT_NOFILE, &limit);
    return true;
}

static void server_free(HttpServer *server)
{
    for (unsigned i = 0; i < HTTP_EVENT_THREADS; i++)
        if (server->daemons[i])
            MHD_stop_daemon(server->daemons[i]);
    listeners_close(&server->listeners);
    listeners_close(&server->secure);
    http_book_free(server->book);
    http_events_free(server->events);
    http_bodies_free(server->bodies);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    g_free(server->said);
    g_free(server);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpServer, server_free)

HttpServer *http_server_start(const HttpServerConfig *config, GError **error)
{
    g_autoptr(HttpServer) server = g_new0(HttpServer, 1);
    server->config = *config;
    server->book = http_book_new(config->connections_max, config->address_max);
    server->bodies = http_bodies_new();
    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->stop_fd < 0) {
        fail(error, ERROR_RETRY, "could not make an eventfd: %s", g_strerror(errno));
        return NULL;
    }
    if (!make_room(server, error) || !listeners_open(&server->listeners, config->listen, error) ||
        (config->relay && !listeners_open(&server->secure, config->tls_listen, error)) ||
        !start_daemons(server, error))
        return NULL;
    server->work = http_work_start(config->db, HTTP_WORKERS);
    server->events = http_events_start(server);
    server->acceptor = g_thread_new("http-accept", acceptor_thread, server);
    return g_steal_pointer(&server);
}

const char *const *http_server_addresses(const HttpServer *server)
{
    return listeners_addresses(&server->listeners);
}

const char *const *http_server_tls_addresses(const HttpServer *server)
{
    static const char *const none[] = {NULL};
    return server->secure.addresses ? listeners_addresses(&server->secure) : none;
}

void http_server_counts(HttpServer *server, HttpCounts *ret)
{
    *ret = (HttpCounts){.connections = http_book_count(server->book),
                        .turned_away = server->turned_away_all};
    for (size_t i = 0; i < G_N_ELEMENTS(ret->answers); i++)
        ret->answers[i] = server->answers[i];
}

HttpEvents *http_server_events(HttpServer *server)
{
    return server->events;
}

/* ---------------------------------------------------------------- stop */

bool http_server_stop(HttpServer *server, int64_t grace_ms)
{
    int64_t until_us = clock_monotonic_us(server->config.clock) + grace_ms * 1000;
    uint64_t one = 1;
    server->stopping = true;
    MUST(write(server->stop_fd, &one, sizeof(one)) == sizeof(one));
    g_thread_join(server->acceptor);
    listeners_close(&server->listeners);
    listeners_close(&server->secure);
    http_events_end_all(server->events, true);
    for (;;) {
        int64_t now_us = clock_monotonic_us(server->config.clock);
        if (http_book_sweep(server->book, now_us, true) == 0 || now_us >= until_us)
            break;
        struct pollfd nothing = {.fd = -1};
        poll(&nothing, 1, STOP_SWEEP_MS);
    }
    /* While a worker holds a connection the library must not be stopped. */
    if (!http_work_stop(server->work, until_us) || !http_events_stop(server->events, until_us))
        return false;
    server_free(server);
    return true;
}
