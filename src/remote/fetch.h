/* fetch.h: our one HTTP client: what we ask of servers that are not ours.
 *
 * A Fetch is a set of connections with one policy (FetchConfig). It keeps them open for the next
 * request to the same server, and over HTTP/2 many requests share one. It follows no redirects
 * (they are answers like others), takes no proxy from the environment, asks for no compression,
 * keeps no cookies. All is bounded: time, an answer's bytes, its head. A request whose body was
 * sent is not sent again behind the caller's back.
 *
 * Two ways to use it, each as often as wished, not at the same time:
 *   one at a time   fetch_run → answer → fetch_answer_free
 *   many at once    { fetch_add }* → fetch_next until it has given back each of them
 *
 * No thread of its own but the resolver's (libcurl starts one while a name is looked up). A Fetch
 * belongs to one thread at a time.
 *
 * Errors: ERROR_REJECT: the URL, its scheme or its address is refused, or the answer is over a
 * limit: it will not be better next time. ERROR_RETRY: nothing was sent (name, connection, TLS; a
 * certificate that does not fit too: it may be renewed). ERROR_UNKNOWN: the request, or a part of
 * it, was sent and no answer came: it may have been acted upon. ERROR_STOPPED: may_send said no.
 * Any status, 500 too, is an answer.
 */
#ifndef ROTA_REMOTE_FETCH_H
#define ROTA_REMOTE_FETCH_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    /* The URL is a stranger's (a push endpoint): only public addresses are connected to. It is the
     * address that is connected to which is judged, after its name was resolved. */
    bool public_only;
    bool allow_http;     /* else https alone */
    const char *ca_file; /* PEM, trusted instead of the system's; NULL: the system's */
    int64_t connect_ms;  /* 0: FETCH_CONNECT_MS */
    int64_t whole_ms;    /* 0: FETCH_WHOLE_MS; a request may ask for less or more */
    size_t answer_bytes; /* 0: FETCH_ANSWER_BYTES_MAX; of a body */
    unsigned
        host_connections; /* to one server at one time; 0: as many as there are requests. With some,
                             requests wait for room, and their time runs while they wait */
} FetchConfig;

typedef struct Fetch Fetch;
/* The config is copied. ERROR_REJECT: the CA file cannot be read. */
Fetch *fetch_new(const FetchConfig *config, GError **error);
/* Requests in flight are dropped: whether they were acted upon is not known. */
void fetch_free(Fetch *fetch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fetch, fetch_free)

typedef struct {
    const char *method; /* NULL: GET, or POST where there is a body */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-ended, or NULL. User-Agent is set. */
    const void *body;           /* borrowed until the answer is there; NULL: none */
    size_t body_size;
    int64_t whole_ms; /* 0: the config's */
    void *data;       /* the caller's own, handed back with the answer */
    /* Asked last of all, when the connection is there and the request is about to be sent; false:
     * it is not (ERROR_STOPPED). NULL: it is. Gets `data`. */
    bool (*may_send)(void *data);
} FetchAsk;

typedef struct {
    GError *error; /* NULL: a whole answer came. fetch_next only: fetch_run gives it as its own */
    int status;    /* 100 to 599; 0: none came. It may be there although there is an error */
    GPtrArray *headers; /* of char *, "Name: value" as sent, those of the last head */
    char *body;         /* never NULL; a NUL follows it, and may be in it */
    size_t body_size;
    bool http2; /* it came over HTTP/2 */
    int64_t us; /* from the start of the request to its end */
    void *data; /* the ask's */
} FetchAnswer;
void fetch_answer_free(FetchAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FetchAnswer, fetch_answer_free)
/* The value of the header `name` (any case), number `index` of those with that name; NULL: there is
 * none. Borrowed from the answer. */
const char *fetch_answer_header(const FetchAnswer *answer, const char *name, unsigned index);

/* Asks and waits for the answer, at most as long as the ask allows. NULL on error. */
FetchAnswer *fetch_run(Fetch *fetch, const FetchAsk *ask, GError **error);

/* Puts a request in flight; it starts with the next fetch_next. At most FETCH_IN_FLIGHT_MAX
 * (ERROR_RETRY). ERROR_REJECT: method, URL or a header cannot be sent. */
bool fetch_add(Fetch *fetch, const FetchAsk *ask, GError **error);
unsigned fetch_in_flight(const Fetch *fetch);
/* Drives all requests and gives one that has ended. NULL: none has; it has waited at most
 * `wait_ms`, perhaps less. With none in flight it does not wait. */
FetchAnswer *fetch_next(Fetch *fetch, int64_t wait_ms);

/* Fetches of one policy for threads that come and go: take gives a spare one or makes it, give puts
 * it back with its open connections (requests in flight are dropped). Any thread. */
typedef struct FetchPool FetchPool;
FetchPool *fetch_pool_new(const FetchConfig *config);
void fetch_pool_free(FetchPool *pool); /* all must have been given back */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FetchPool, fetch_pool_free)
Fetch *fetch_pool_take(FetchPool *pool, GError **error);
void fetch_pool_give(FetchPool *pool, Fetch *fetch);

#endif
