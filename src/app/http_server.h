/* http_server.h: sockets and threads around front/http.h, by libmicrohttpd: HTTP/1.1 with
 * keep-alive; TLS by tls_relay.h.
 *
 * Event threads speak the protocol and never wait; routes that need the store run on workers, each
 * with a handle of its own, and when all are busy and HTTP_QUEUE_MAX wait, a request is told to
 * come again (503). Bounded: connections in all and of one address, bytes of a head and of a body,
 * and the time for each step: a client that has not sent its whole head, its whole body, or taken
 * its whole answer in time is hung up on, however steadily it drips.
 *
 * Calling sequence: start → (requests come and go) → stop. Thread safety: start and stop from one
 * thread.
 */
#ifndef ROTA_APP_HTTP_SERVER_H
#define ROTA_APP_HTTP_SERVER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "db/db.h"
#include "front/http.h"

#include "app/tls_relay.h"

typedef struct HttpServer HttpServer;

typedef struct {
    const char *const *listen;     /* as listeners_open takes them; may be empty */
    const char *const *tls_listen; /* with TLS, by `relay` */
    TlsRelay *relay;               /* NULL: no TLS, and tls_listen is not looked at */
    unsigned connections_max;      /* in all */
    unsigned address_max;          /* of one address; a unix socket's clients have none */
    int64_t timeout_ms;            /* of a step */
    const HttpHouse *house;
    const DbConfig *db; /* for the workers' handles */
    const Clock *clock;
} HttpServerConfig;

/* Listens and serves. The config's parts are borrowed until stop. ERROR_REJECT: not an address;
 * ERROR_CONFLICT: another listens there; ERROR_RETRY: the system has no room. */
HttpServer *http_server_start(const HttpServerConfig *config, GError **error);
/* Where it listens, with the port that was found; NULL-terminated, borrowed. */
const char *const *http_server_addresses(const HttpServer *server);
const char *const *http_server_tls_addresses(const HttpServer *server);
/* Its open streams, borrowed until stop. */
struct HttpEvents *http_server_events(HttpServer *server);
typedef struct {
    unsigned connections;             /* now */
    uint64_t turned_away, answers[5]; /* 1xx to 5xx */
} HttpCounts;
/* Since the start. Any thread. */
void http_server_counts(HttpServer *server, HttpCounts *ret);
/* Listens no more, hangs up on idle clients, and lets requests that are in hand end, for at most
 * grace_ms; then frees it. False: one did not end in time; its memory is left to the end of the
 * process. */
bool http_server_stop(HttpServer *server, int64_t grace_ms);

#endif
