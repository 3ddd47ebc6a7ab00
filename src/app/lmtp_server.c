/* lmtp_server: sockets and threads around the LMTP machine.
 *
 * It fits between the system's sockets and front/lmtp, which does not know them. One thread
 * accepts; each session has a thread of its own with a small stack, since delivery blocks until the
 * commit is durable and sessions are few (a mail server keeps its connections). All wait in poll(2)
 * for their socket and for one eventfd that says "stop": once written it stays readable, so nobody
 * misses it.
 *
 * What is shared is under `lock`: the list of running sessions. All else of a session belongs to
 * its thread.
 *
 * Failures: what cannot be listened on is an error of start; a client's broken connection ends its
 * session silently, since clients do that all day and nothing was promised; accept without room
 * (EMFILE) is logged and tried again after a pause.
 *
 * Known weak point: a session that is in the middle of a commit when the grace ends is left to the
 * process' end; its message is then stored and not answered, and the sender's second try is known
 * by its delivery key.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "app/listener.h"
#include "app/lmtp_server.h"

#define READ_BYTES                                                                                 \
    (64 * 1024) /* one read; also what bounds the replies that gather before they are written */
#define SESSION_STACK   (512 * 1024)
#define ACCEPT_PAUSE_MS 200 /* after EMFILE: accepting again at once would spin */
#define LMTP_STEP_BYTES                                                                            \
    (64 * 1024) /* of a message that count as progress, as a whole command does */

struct LmtpServer {
    const LmtpHouse *house;
    TlsRelay *relay;
    const Clock *clock;
    int64_t timeout_ms;
    unsigned sessions_max;
    Listeners listeners;
    int stop_fd;
    _Atomic int64_t grace_until_us; /* set before stop_fd is written */
    pthread_t acceptor;

    GMutex lock;
    GCond ended;
    unsigned sessions; /* running; under lock, as those below */
    uint64_t taken, turned_away;
};

typedef struct {
    LmtpServer *server;
    int fd;
} Client;

/* ---------------------------------------------------------------- sessions */

/* Waits for the socket or the stop. Returns what poll found for the socket, 0 at the time-out;
 * *ret_stopping. */
static short wait_for(LmtpServer *server, int fd, short events, int64_t until_us,
                      bool *ret_stopping)
{
    for (;;) {
        int64_t left_ms = (until_us - clock_monotonic_us(server->clock)) / 1000;
        struct pollfd fds[2] = {{.fd = fd, .events = events},
                                {.fd = *ret_stopping ? -1 : server->stop_fd, .events = POLLIN}};
        int got = poll(fds, 2, left_ms <= 0 ? 0 : (int)MIN(left_ms, 3600 * 1000));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return POLLERR;
        if (fds[1].revents)
            *ret_stopping = true;
        if (fds[0].revents || fds[1].revents || left_ms <= 0)
            return fds[0].revents;
    }
}

/* False: the client is gone or does not read. */
static bool write_all(LmtpServer *server, int fd, GString *out)
{
    int64_t until = clock_monotonic_us(server->clock) + server->timeout_ms * 1000;
    bool stopping = true; /* what is to be said is said, also while we stop */
    for (size_t at = 0; at < out->len;) {
        ssize_t sent = send(fd, out->str + at, out->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            if (wait_for(server, fd, POLLOUT, until, &stopping) == 0)
                return false;
        } else if (sent < 0 && errno != EINTR) {
            return false;
        }
    }
    g_string_truncate(out, 0);
    return true;
}

/* Where STARTTLS was taken. False: there is no room for it, and the client is gone. */
static bool begin_tls(Client *client, LmtpSession *session)
{
    if (!lmtp_session_wants_tls(session))
        return true;
    client->fd = tls_relay_take(client->server->relay, client->fd);
    if (client->fd >= 0)
        lmtp_session_secured(session);
    return client->fd >= 0;
}

/* Reads and feeds until the session is over. `out` has what is still to be written then. */
static void converse(Client *client, LmtpSession *session, GString *out, char *buffer)
{
    LmtpServer *server = client->server;
    int64_t step_until = clock_monotonic_us(server->clock) + server->timeout_ms * 1000;
    size_t step_bytes = 0;
    bool stopping = false;
    while (write_all(server, client->fd, out) && begin_tls(client, session)) {
        if (stopping && lmtp_session_idle(session)) {
            lmtp_session_stop(session, LMTP_STOP_SHUTDOWN);
            return;
        }
        int64_t until = stopping ? MIN(step_until, server->grace_until_us) : step_until;
        bool was_stopping = stopping;
        short found = wait_for(server, client->fd, POLLIN, until, &stopping);
        if (found == 0 && stopping != was_stopping)
            continue;
        if (found == 0) {
            lmtp_session_stop(session, stopping ? LMTP_STOP_SHUTDOWN : LMTP_STOP_TIMEOUT);
            return;
        }
        ssize_t got = recv(client->fd, buffer, READ_BYTES, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0 || !lmtp_session_feed(session, buffer, (size_t)got))
            return;
        step_bytes += (size_t)got;
        if (out->len > 0 || step_bytes >= LMTP_STEP_BYTES) {
            step_until = clock_monotonic_us(server->clock) + server->timeout_ms * 1000;
            step_bytes = 0;
        }
    }
}

static void *session_thread(void *data)
{
    Client *client = data;
    LmtpServer *server = client->server;
    GString *out = g_string_new(NULL);
    g_autofree char *buffer = g_malloc(READ_BYTES);
    {
        g_autoptr(LmtpSession) session = lmtp_session_new(server->house, out);
        converse(client, session, out, buffer);
        if (client->fd >= 0)
            write_all(server, client->fd, out);
    }
    g_string_free(out, TRUE);
    if (client->fd >= 0)
        close(client->fd);
    g_free(client);
    g_mutex_lock(&server->lock);
    server->sessions--;
    g_cond_broadcast(&server->ended);
    g_mutex_unlock(&server->lock);
    return NULL;
}

/* ---------------------------------------------------------------- the listener */

/* A thread that nobody joins: the count of sessions says when all have ended. */
static bool thread_start(void *(*run)(void *), void *data)
{
    pthread_attr_t attributes;
    pthread_t thread;
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstacksize(&attributes, SESSION_STACK) == 0);
    MUST(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    int failed = pthread_create(&thread, &attributes, run, data);
    pthread_attr_destroy(&attributes);
    return failed == 0;
}

static void turn_away(int fd)
{
    static const char text[] = "421 4.3.2 Too many sessions; try again\r\n";
    ssize_t sent = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* a courtesy: the closed connection says the same */
    close(fd);
}

static void serve_client(LmtpServer *server, int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
               sizeof(one)); /* a unix socket has none, and needs none */
    g_mutex_lock(&server->lock);
    bool room = server->sessions < server->sessions_max;
    if (room) {
        server->sessions++;
        server->taken++;
    } else {
        server->turned_away++;
    }
    g_mutex_unlock(&server->lock);
    if (!room) {
        log_event(LOG_LEVEL_WARNING, "lmtp.too-many-sessions",
                  "turned a client away: %u sessions are open", server->sessions_max);
        turn_away(fd);
        return;
    }
    Client *client = g_new(Client, 1);
    *client = (Client){server, fd};
    if (thread_start(session_thread, client))
        return;
    g_free(client);
    turn_away(fd);
    g_mutex_lock(&server->lock);
    server->sessions--;
    g_mutex_unlock(&server->lock);
}

static void accept_from(LmtpServer *server, int listener, bool *ret_stopping)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        serve_client(server, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_event(LOG_LEVEL_ERROR, "lmtp.accept-failed", "could not accept a client: %s",
                  g_strerror(errno));
        wait_for(server, -1, 0, clock_monotonic_us(server->clock) + ACCEPT_PAUSE_MS * 1000,
                 ret_stopping);
    }
}

static void *acceptor_thread(void *data)
{
    LmtpServer *server = data;
    bool stopping = false;
    while (!stopping) {
        struct pollfd fds[LISTENERS_MAX + 1];
        for (unsigned i = 0; i < server->listeners.count; i++)
            fds[i] = (struct pollfd){.fd = server->listeners.fds[i], .events = POLLIN};
        fds[server->listeners.count] = (struct pollfd){.fd = server->stop_fd, .events = POLLIN};
        if (poll(fds, server->listeners.count + 1, -1) < 0 && errno != EINTR)
            return NULL;
        stopping = fds[server->listeners.count].revents != 0;
        for (unsigned i = 0; i < server->listeners.count && !stopping; i++)
            if (fds[i].revents)
                accept_from(server, server->listeners.fds[i], &stopping);
    }
    return NULL;
}

/* ---------------------------------------------------------------- life */

static void server_free(LmtpServer *server)
{
    listeners_close(&server->listeners);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    g_mutex_clear(&server->lock);
    g_cond_clear(&server->ended);
    g_free(server);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LmtpServer, server_free)

LmtpServer *lmtp_server_start(const LmtpServerConfig *config, GError **error)
{
    g_autoptr(LmtpServer) server = g_new0(LmtpServer, 1);
    server->house = config->house;
    server->clock = config->clock;
    server->relay = config->relay;
    server->timeout_ms = config->timeout_ms;
    server->sessions_max = config->sessions_max;
    g_mutex_init(&server->lock);
    g_cond_init(&server->ended);
    server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->stop_fd < 0) {
        fail(error, ERROR_RETRY, "could not make an eventfd: %s", g_strerror(errno));
        return NULL;
    }
    if (!listeners_open(&server->listeners, config->listen, error))
        return NULL;
    int failed = pthread_create(&server->acceptor, NULL, acceptor_thread, server);
    if (failed) {
        fail(error, ERROR_RETRY, "could not start a thread: %s", g_strerror(failed));
        return NULL;
    }
    return g_steal_pointer(&server);
}

const char *const *lmtp_server_addresses(const LmtpServer *server)
{
    return listeners_addresses(&server->listeners);
}

void lmtp_server_counts(LmtpServer *server, LmtpCounts *ret)
{
    g_mutex_lock(&server->lock);
    *ret = (LmtpCounts){server->sessions, server->taken, server->turned_away};
    g_mutex_unlock(&server->lock);
}

bool lmtp_server_stop(LmtpServer *server, int64_t grace_ms)
{
    /* A session whose message is in the store's hands gets a little more: its commit ends by
     * itself. */
    const int64_t commit_ms = 2000;
    server->grace_until_us = clock_monotonic_us(server->clock) + grace_ms * 1000;
    uint64_t one = 1;
    MUST(write(server->stop_fd, &one, sizeof(one)) == sizeof(one));
    pthread_join(server->acceptor, NULL);
    listeners_close(&server->listeners);

    gint64 until = clock_monotonic_us(server->clock) + (grace_ms + commit_ms) * 1000;
    g_mutex_lock(&server->lock);
    while (server->sessions > 0 && g_cond_wait_until(&server->ended, &server->lock, until))
        continue;
    bool ended = server->sessions == 0;
    g_mutex_unlock(&server->lock);
    if (ended)
        server_free(server);
    return ended;
}
