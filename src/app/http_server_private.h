/* http_server_private.h: an HttpServer's inside, for http_server.c, http_book.c and http_work.c.
 */
#ifndef ROTA_APP_HTTP_SERVER_PRIVATE_H
#define ROTA_APP_HTTP_SERVER_PRIVATE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/limits_http.h"

#include "app/http_events.h"
#include "app/http_server.h"
#include "app/listener.h"

#define HTTP_STEP_NONE INT64_MAX

/* Who is connected, and until when each may take for its step. Any thread. */
typedef struct HttpBook HttpBook;
HttpBook *http_book_new(unsigned connections_max, unsigned address_max);
void http_book_free(HttpBook *book);
typedef enum { HTTP_BOOK_TAKEN, HTTP_BOOK_FULL, HTTP_BOOK_ADDRESS_FULL } HttpBookEntry;
/* Before its descriptor is handed on; `peer` as in HttpRequest, copied. */
HttpBookEntry http_book_add(HttpBook *book, int fd, const char *peer, int64_t until_us);
/* Its bytes come by TLS; nobody asks before it is in the library's hands. */
void http_book_secure(HttpBook *book, int fd);
bool http_book_is_secure(HttpBook *book, int fd);
/* Before it is closed. Unknown ones are fine. */
void http_book_remove(HttpBook *book, int fd);
/* A step begins: it may take until then; `busy`: a request is in hand. */
void http_book_set(HttpBook *book, int fd, int64_t until_us, bool busy);
/* Hangs up on whoever has taken too long, and, where `idle` is asked, on all that have no request
 * in hand. Returns how many connections are left. */
unsigned http_book_sweep(HttpBook *book, int64_t now_us, bool idle);

unsigned http_book_count(HttpBook *book);

/* What all bodies of a server take together. Any thread. */
typedef struct HttpBodies HttpBodies;
HttpBodies *http_bodies_new(void);
void http_bodies_free(HttpBodies *bodies); /* after all of them */
/* One request's body: in memory, or, a large one, in a file without a name. One thread. */
typedef struct HttpBody HttpBody;
HttpBody *http_body_new(HttpBodies *bodies);
void http_body_free(HttpBody *body);
size_t http_body_size(const HttpBody *body);
/* False: there is no room for it now. */
bool http_body_add(HttpBody *body, const void *bytes, size_t size);
/* All of it, after the last piece; borrowed. NULL: it could not be read back, or is empty. */
const void *http_body_bytes(HttpBody *body);

/* A request from its first line to the end of its answer. Belongs to the event thread of its
 * connection, but between http_work_put and http_exchange_resume, when it is a worker's. */
typedef struct {
    HttpServer *server;
    struct MHD_Connection *connection;
    int fd;
    char *peer;
    HttpRequest request;
    char *method, *target;
    GStringChunk *joined; /* of the request: header fields of several lines */
    HttpBody *body;
    int64_t body_since_us;
    size_t discarded;
    bool no_room;   /* for its body */
    bool opened;    /* the head was seen */
    bool admitting; /* who asks is looked up; the body was not read yet */
    bool awaits;    /* who asks was admitted: the library says once more that the head is there */
    bool ran;       /* the answer is made */
    HttpCall *call;
    HttpAnswer answer;
} HttpExchange;

/* When a step that begins now must have ended, and what so many bytes may take besides. */
int64_t http_step_end(const HttpServer *server);
int64_t http_time_for(size_t bytes);
/* "192.0.2.1", "2001:db8::1"; "": a unix socket. Caller frees. */
char *http_format_peer(const struct sockaddr *address);
int http_fd_of(struct MHD_Connection *connection);
/* The library's callbacks for a request: its first line; its head, each piece of its body, its end;
 * all is over. */
void *http_exchange_target(void *server, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_exchange_request(void *server, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **context);
void http_exchange_completed(void *server, struct MHD_Connection *connection, void **context,
                             enum MHD_RequestTerminationCode code);
/* It has what it waited for: its event thread goes on with it. Any thread. */
void http_exchange_resume(HttpExchange *exchange);

/* The workers: threads with a store handle each. */
typedef struct HttpWork HttpWork;
HttpWork *http_work_start(const DbConfig *db, unsigned workers);
/* The exchange's connection is suspended; it is resumed when its answer is made, or, where it is
 * `admitting`, when who asks is known. False: too many
 * wait, nothing happened. */
bool http_work_put(HttpWork *work, HttpExchange *exchange);
/* Takes no more, ends what waits or runs, for until_us at most; then frees it. False: one runs
 * still. */
bool http_work_stop(HttpWork *work, int64_t until_us);

/* The thread that has open streams written. */
HttpEvents *http_events_start(HttpServer *server);
/* The exchange's stream, as the content of an answer. NULL: there is no room, and the answer says
 * so. */
struct MHD_Response *http_events_open(HttpEvents *events, HttpExchange *exchange);
/* After http_events_end_all. False: a writer runs still. */
bool http_events_stop(HttpEvents *events, int64_t until_us);
void http_events_free(HttpEvents *events); /* after the library has let go of all streams */

struct HttpServer {
    HttpServerConfig config;
    Listeners listeners, secure; /* without TLS, with it */
    int stop_fd;
    GThread *acceptor;
    HttpBook *book;
    HttpBodies *bodies;
    HttpWork *work;
    HttpEvents *events;
    struct MHD_Daemon *daemons[HTTP_EVENT_THREADS];
    _Atomic bool stopping;
    _Atomic uint64_t turned_away_all, answers[5];
    unsigned turned_away; /* the acceptor's: since it was last logged */
    int64_t told_us;
    char *said; /* by the library while it starts */
};

#endif
