/* tls_relay: TLS on one side, plain bytes on the other.
 *
 * How it fits: http_server.c and lmtp_server.c hand in what they have accepted; tls.c says which
 * certificate. Each connection belongs to one event thread, which alone touches it after `take`
 * has put it into that thread's inbox. epoll tells edges, so a connection is pumped until both
 * sides have nothing more to give or take, or its turn is over and it goes to the end of the line.
 *
 * What waits to be written is kept only where the other side does not take it: an idle connection
 * has no buffer of ours.
 *
 * Failures: a broken connection ends both of its sides, silently, as clients do that all day;
 * handshakes that fail are counted. Known weak point: a handshake that waits for the answer to a
 * challenge is looked at every HELD_MS.
 */
#include "app/tls_relay.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/limits_tls.h"
#include "base/log.h"
#include "base/must.h"

#define EVENTS_MAX   64
#define HELD_MS      50
#define SWEEP_MS     1000
#define CHALLENGE_MS 5000 /* that a handshake waits for the answer to its challenge */

typedef enum { PHASE_HANDSHAKE, PHASE_OPEN, PHASE_OVER } Phase;

typedef struct {
    GList link; /* of the thread's `all` */
    int client, plain;
    SSL *ssl;
    Phase phase;
    GByteArray *up, *down; /* to the house, to the client: what was not taken; NULL: nothing */
    bool client_ended, plain_ended, up_shut;
    bool held;        /* waits for the answer to its challenge */
    bool waiting;     /* is in the thread's line */
    int64_t until_us; /* hung up on then; INT64_MAX: no limit */
    int64_t held_us;  /* when it gives up waiting */
} Connection;

typedef struct {
    TlsRelay *relay;
    GThread *thread;
    int epoll, wake;
    GMutex lock;
    GQueue inbox; /* of Connection; under lock */
    /* the thread's own */
    GQueue all;  /* by Connection.link */
    GQueue line; /* of Connection: have something to do at once */
    unsigned held;
} Loop;

struct TlsRelay {
    Tls *tls;
    const Clock *clock;
    unsigned connections_max;
    Loop loops[TLS_THREADS];
    _Atomic unsigned next, connections;
    _Atomic uint64_t handshakes, failures;
    _Atomic bool stopping;
};

/* ---------------------------------------------------------------- one connection */

static void connection_free(Loop *loop, Connection *connection)
{
    g_queue_unlink(&loop->all, &connection->link);
    if (connection->waiting)
        g_queue_remove(&loop->line, connection);
    loop->held -= connection->held;
    tls_end(connection->ssl);
    close(connection->client);
    close(connection->plain);
    if (connection->up)
        g_byte_array_unref(connection->up);
    if (connection->down)
        g_byte_array_unref(connection->down);
    g_free(connection);
    loop->relay->connections--;
}

static void keep_rest(GByteArray **rest, const void *bytes, size_t size)
{
    if (!*rest)
        *rest = g_byte_array_new();
    g_byte_array_append(*rest, bytes, (guint)size);
}

static void drop_taken(GByteArray **rest, size_t size)
{
    if (size == (*rest)->len)
        g_clear_pointer(rest, g_byte_array_unref);
    else
        g_byte_array_remove_range(*rest, 0, (guint)size);
}

/* What a step of the pump has done. */
typedef enum { STEP_DID, STEP_NOTHING, STEP_BROKEN } Step;

/* Bytes for the house: how many it takes now; -1: it is gone. */
static ssize_t give_house(const Connection *connection, const void *bytes, size_t size)
{
    ssize_t sent = send(connection->plain, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return sent;
}

static ssize_t give_client(const Connection *connection, const void *bytes, size_t size)
{
    ERR_clear_error();
    int sent = SSL_write(connection->ssl, bytes, (int)MIN(size, TLS_PIECE_BYTES));
    if (sent > 0)
        return sent;
    int why = SSL_get_error(connection->ssl, sent);
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

static Step flush(Connection *connection, GByteArray **rest,
                  ssize_t (*give)(const Connection *, const void *, size_t))
{
    ssize_t sent = give(connection, (*rest)->data, (*rest)->len);
    if (sent <= 0)
        return sent == 0 ? STEP_NOTHING : STEP_BROKEN;
    drop_taken(rest, (size_t)sent);
    return STEP_DID;
}

/* From the client to the house. */
static Step pump_up(Connection *connection)
{
    unsigned char piece[TLS_PIECE_BYTES];
    if (connection->up)
        return flush(connection, &connection->up, give_house);
    if (connection->client_ended) {
        if (!connection->up_shut)
            shutdown(connection->plain, SHUT_WR);
        connection->up_shut = true;
        return STEP_NOTHING;
    }
    ERR_clear_error();
    int got = SSL_read(connection->ssl, piece, sizeof piece);
    if (got <= 0) {
        int why = SSL_get_error(connection->ssl, got);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            return STEP_NOTHING;
        if (why != SSL_ERROR_ZERO_RETURN)
            return STEP_BROKEN;
        connection->client_ended = true;
        return STEP_DID;
    }
    ssize_t sent = give_house(connection, piece, (size_t)got);
    if (sent < 0)
        /* The house listens no more; what it has said may still be on its way. */
        return connection->plain_ended ? STEP_BROKEN : STEP_DID;
    if (sent < got)
        keep_rest(&connection->up, piece + sent, (size_t)(got - sent));
    return STEP_DID;
}

/* From the house to the client. */
static Step pump_down(Connection *connection, int64_t now_us)
{
    unsigned char piece[TLS_PIECE_BYTES];
    if (connection->down)
        return flush(connection, &connection->down, give_client);
    if (connection->plain_ended)
        return STEP_BROKEN; /* all is said */
    ssize_t got = recv(connection->plain, piece, sizeof piece, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return STEP_NOTHING;
    if (got <= 0) {
        connection->plain_ended = true;
        connection->until_us = now_us + TLS_LINGER_MS * 1000;
        return STEP_DID;
    }
    ssize_t sent = give_client(connection, piece, (size_t)got);
    if (sent < 0)
        return STEP_BROKEN;
    if (sent < got)
        keep_rest(&connection->down, piece + sent, (size_t)(got - sent));
    return STEP_DID;
}

static void set_held(Loop *loop, Connection *connection, bool held)
{
    loop->held += held;
    loop->held -= connection->held;
    connection->held = held;
}

/* The house has hung up before the handshake was over, without a word. */
static bool house_is_gone(const Connection *connection)
{
    char byte;
    return recv(connection->plain, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static Step shake(Loop *loop, Connection *connection, int64_t now_us)
{
    TlsRelay *relay = loop->relay;
    if (house_is_gone(connection))
        return STEP_BROKEN;
    ERR_clear_error();
    int done = SSL_do_handshake(connection->ssl);
    int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(connection->ssl, done);
    switch (why) {
    case SSL_ERROR_NONE:
        relay->handshakes++;
        set_held(loop, connection, false);
        connection->phase = PHASE_OPEN;
        connection->until_us = INT64_MAX;
        return tls_is_challenge(connection->ssl) ? STEP_BROKEN : STEP_DID;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STEP_NOTHING;
    case SSL_ERROR_WANT_X509_LOOKUP:
        if (!connection->held)
            connection->held_us = now_us + CHALLENGE_MS * 1000;
        set_held(loop, connection, true);
        return STEP_NOTHING;
    default:
        relay->failures++;
        log_event(LOG_LEVEL_DEBUG, "tls.handshake-failed", "a client's handshake failed: %s",
                  ERR_peek_error() ? ERR_reason_error_string(ERR_peek_error()) : "it hung up");
        return STEP_BROKEN;
    }
}

/* Frees it where it is over. */
static void pump(Loop *loop, Connection *connection)
{
    int64_t now_us = clock_monotonic_us(loop->relay->clock);
    for (unsigned turn = 0; turn < TLS_TURN_PIECES; turn++) {
        Step up, down = STEP_NOTHING;
        if (connection->phase == PHASE_HANDSHAKE) {
            up = shake(loop, connection, now_us);
        } else {
            down = pump_down(connection, now_us);
            up = down == STEP_BROKEN ? STEP_BROKEN : pump_up(connection);
        }
        if (up == STEP_BROKEN || down == STEP_BROKEN) {
            if (connection->phase == PHASE_OPEN && !connection->down)
                SSL_shutdown(connection->ssl);
            connection->phase = PHASE_OVER;
            connection_free(loop, connection);
            return;
        }
        if (up == STEP_NOTHING && down == STEP_NOTHING)
            return;
    }
    if (!connection->waiting)
        g_queue_push_tail(&loop->line, connection);
    connection->waiting = true;
}

/* ---------------------------------------------------------------- an event thread */

static void take_inbox(Loop *loop)
{
    uint64_t count;
    ssize_t got = read(loop->wake, &count, sizeof count);
    (void)got; /* it only wakes */
    for (;;) {
        g_mutex_lock(&loop->lock);
        Connection *connection = g_queue_pop_head(&loop->inbox);
        g_mutex_unlock(&loop->lock);
        if (!connection)
            return;
        g_queue_push_tail_link(&loop->all, &connection->link);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = connection};
        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->client, &event) < 0 ||
            epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->plain, &event) < 0)
            connection_free(loop, connection);
    }
}

static void hang_up_late(Loop *loop, int64_t now_us)
{
    for (GList *at = loop->all.head, *next; at; at = next) {
        Connection *connection = at->data;
        next = at->next;
        if (connection->until_us <= now_us)
            connection_free(loop, connection);
    }
}

/* Those that wait for the answer to their challenge. */
static void try_held(Loop *loop, int64_t now_us)
{
    for (GList *at = loop->all.head, *next; at && loop->held > 0; at = next) {
        Connection *connection = at->data;
        next = at->next;
        if (!connection->held)
            continue;
        if (connection->held_us <= now_us)
            tls_give_up(connection->ssl);
        pump(loop, connection);
    }
}

/* Of one batch: a connection has two descriptors, and the first one's event may have freed it. */
static void take_events(Loop *loop, struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        Connection *connection = events[i].data.ptr;
        if (!connection) {
            take_inbox(loop);
        } else if (!connection->waiting) {
            g_queue_push_tail(&loop->line, connection);
            connection->waiting = true;
        }
    }
}

static gpointer loop_thread(gpointer data)
{
    Loop *loop = data;
    TlsRelay *relay = loop->relay;
    int64_t sweep_us = 0;
    while (!relay->stopping) {
        struct epoll_event events[EVENTS_MAX];
        int wait_ms = loop->line.length > 0  ? 0
                      : loop->held > 0       ? HELD_MS
                      : loop->all.length > 0 ? SWEEP_MS
                                             : -1;
        int count = epoll_wait(loop->epoll, events, EVENTS_MAX, wait_ms);
        take_events(loop, events, MAX(count, 0));
        for (unsigned turns = loop->line.length; turns > 0; turns--) {
            Connection *connection = g_queue_pop_head(&loop->line);
            if (!connection)
                break;
            connection->waiting = false;
            pump(loop, connection);
        }
        int64_t now_us = clock_monotonic_us(relay->clock);
        if (loop->held > 0)
            try_held(loop, now_us);
        if (now_us < sweep_us)
            continue;
        sweep_us = now_us + SWEEP_MS * 1000;
        hang_up_late(loop, now_us);
    }
    return NULL;
}

/* ---------------------------------------------------------------- the house's side */

static Connection *connection_new(TlsRelay *relay, int fd, int plain)
{
    SSL *ssl = tls_accept(relay->tls, fd);
    if (!ssl)
        return NULL;
    Connection *connection = g_new0(Connection, 1);
    connection->link.data = connection;
    connection->client = fd;
    connection->plain = plain;
    connection->ssl = ssl;
    connection->until_us = clock_monotonic_us(relay->clock) + TLS_HANDSHAKE_MS * 1000;
    return connection;
}

int tls_relay_take(TlsRelay *relay, int fd)
{
    int pair[2] = {-1, -1};
    Connection *connection = NULL;
    if (relay->connections++ < relay->connections_max &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0)
        connection = connection_new(relay, fd, pair[1]);
    if (!connection) {
        relay->connections--;
        close(fd);
        if (pair[0] >= 0)
            close(pair[0]), close(pair[1]);
        return -1;
    }
    Loop *loop = &relay->loops[relay->next++ % TLS_THREADS];
    uint64_t one = 1;
    g_mutex_lock(&loop->lock);
    g_queue_push_tail(&loop->inbox, connection);
    g_mutex_unlock(&loop->lock);
    MUST(write(loop->wake, &one, sizeof one) == sizeof one);
    return pair[0];
}

void tls_relay_counts(TlsRelay *relay, TlsCounts *ret)
{
    *ret = (TlsCounts){relay->connections, relay->handshakes, relay->failures};
}

TlsRelay *tls_relay_start(Tls *tls, const Clock *clock, unsigned connections_max)
{
    TlsRelay *relay = g_new0(TlsRelay, 1);
    relay->tls = tls;
    relay->clock = clock;
    relay->connections_max = connections_max + TLS_CONNECTIONS_BESIDE;
    for (unsigned i = 0; i < TLS_THREADS; i++) {
        Loop *loop = &relay->loops[i];
        loop->relay = relay;
        g_mutex_init(&loop->lock);
        g_queue_init(&loop->inbox);
        g_queue_init(&loop->all);
        g_queue_init(&loop->line);
        loop->epoll = epoll_create1(EPOLL_CLOEXEC);
        loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        MUST(loop->epoll >= 0 && loop->wake >= 0);
        MUST(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) == 0);
        loop->thread = g_thread_new("tls", loop_thread, loop);
    }
    return relay;
}

void tls_relay_stop(TlsRelay *relay)
{
    if (!relay)
        return;
    relay->stopping = true;
    for (unsigned i = 0; i < TLS_THREADS; i++) {
        Loop *loop = &relay->loops[i];
        uint64_t one = 1;
        MUST(write(loop->wake, &one, sizeof one) == sizeof one);
        g_thread_join(loop->thread);
        take_inbox(loop);
        while (loop->all.head)
            connection_free(loop, loop->all.head->data);
        close(loop->epoll);
        close(loop->wake);
        g_mutex_clear(&loop->lock);
    }
    g_free(relay);
}
