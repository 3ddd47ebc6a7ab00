/* http.h: HTTP's meaning without sockets: a request in, an answer out, by a table of routes.
 *
 * The door (app/http_server.c) has the bytes, the time-outs and the threads; here a request's head
 * finds its route, and the route gives the answer. Calling sequence, for each request:
 *     http_call_new(house, head, answer)     NULL: the answer is there already (404, 405, 400, …)
 *     → http_call_admit(call, db)            only where http_call_asks_first: before a large body
 *     → the body is read, at most http_call_body_max, into request->body
 *     → http_call_run(call, db)              db: as http_call_store says
 *     → http_call_free
 * Every error is application/problem+json (RFC 9457): title, status, detail. GET, HEAD and OPTIONS
 * change nothing. All others are refused where a browser says that another site's page sends them
 * (Origin, Sec-Fetch-Site); a POST is application/json besides, unless its route takes other types:
 * no form of another site can send that. Bounded: target, segments, query, body.
 *
 * A call belongs to one thread at a time; house and routes are read by many.
 */
#ifndef ROTA_FRONT_HTTP_H
#define ROTA_FRONT_HTTP_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "roster/report.h"

typedef struct {
    const char *method; /* "GET" */
    const char *target; /* "/api/tasks?limit=5", as it came */
    /* A field's value, borrowed for the call's life, lines with ", " between; NULL: not there. */
    const char *(*header)(const char *name, void *data);
    void *data;
    /* "192.0.2.1"; "": through a unix socket. From http_call_new on, whoever asked the proxy. */
    const char *peer;
    bool secure; /* by TLS */
    const void *body;
    size_t body_size;
} HttpRequest;

typedef struct {
    unsigned status;
    const char *type; /* static */
    GString *body;
    GBytes *bytes;             /* instead of `body`, where it is not NULL */
    GPtrArray *headers;        /* of char *: name, value, name, value, … */
    struct HttpStream *stream; /* it goes on: http_stream.h; NULL: it ends */
} HttpAnswer;
void http_answer_init(HttpAnswer *answer);
void http_answer_clear(HttpAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HttpAnswer, http_answer_clear)
void http_answer_add_header(HttpAnswer *answer, const char *name, const char *value);
/* In place of what there is by that name, such as Cache-Control and Content-Security-Policy, which
 * an answer begins with. */
void http_answer_set_header(HttpAnswer *answer, const char *name, const char *value);
/* 200 with these bytes, which are sent as they lie there. A GET of them may ask for a range (RFC
 * 9110, 14): 206 or 416 come of it by themselves, with If-Range by an ETag that the route adds. */
void http_answer_bytes(HttpAnswer *answer, const char *static_type, GBytes *take);
/* A whole answer. `detail` is for people: what is wrong, and what to do. */
void http_answer_problem(HttpAnswer *answer, unsigned status, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* The problem that an error of ours is: gone 404, conflict 409, reject 400, retry 503, …. */
void http_answer_error(HttpAnswer *answer, const GError *error);

typedef struct HttpCall HttpCall;

typedef enum {
    HTTP_STORE_NOT,    /* never waits: runs where the protocol is spoken */
    HTTP_STORE_NEEDED, /* without a handle it is not run, and the answer is 503 */
    HTTP_STORE_OR_NOT, /* runs without one too */
} HttpStore;

typedef enum {
    HTTP_FOR_ALL,    /* or the route asks by itself */
    HTTP_FOR_PERSON, /* who has an account, by Basic or Bearer; it and the next need the store */
    HTTP_FOR_ADMIN,  /* an administrator */
} HttpAccess;

typedef struct {
    const char *method; /* any: "GET" (HEAD comes with it), "POST", "PROPFIND", … */
    /* "/api/tasks/{id}": a segment in braces takes any that is not empty. "/dav/{*}": the last one
     * takes all that is left, also nothing. The first that fits is it. */
    const char *path;
    HttpStore store;
    HttpAccess access;
    void (*run)(HttpCall *call);
    /* Media types that a body may have, with spaces between; NULL: "application/json"; "*": any. */
    const char *types;
    size_t body_max; /* bytes; 0: HTTP_BODY_BYTES_MAX. Above that who asks is known first */
} HttpRoute;

/* What the routes ask of the house. */
typedef struct {
    const HttpRoute *const *routes; /* ended by NULL */
    /* Why the process is not well, or may not be sent requests now; NULL: it is, it may. The caller
     * frees it. Any thread; they do not block. */
    char *(*ill)(void *data);
    char *(*unready)(void *data);
    void *data;
    const struct MetricsHouse *metrics; /* for /metrics: metrics.h */
    const RoleSet *roles;               /* as all below: for /api/ */
    const Clock *clock;
    struct HttpLogins *logins;         /* http_auth.h */
    const struct HttpProxies *proxies; /* http_forwarded.h; NULL: none are believed */
    const struct Round *rounds;        /* that this build has */
    unsigned round_count;
    const unsigned *concurrency; /* of each role: threads that this node has for it */
    /* The role table of a settings file's text; ERROR_REJECT says what is wrong. Any thread. */
    RoleTable *(*read_table)(const char *text, size_t size, void *data, GError **error);
    struct ApiEvents *events;                    /* api_events.h */
    const struct JmapHouse *jmap;                /* jmap.h */
    const struct DavSettings *dav;               /* dav.h */
    const struct CertificateHouse *certificates; /* certificate_read.h; NULL: none */
} HttpHouse;

struct HttpCall {
    const HttpHouse *house;
    HttpRequest *request; /* borrowed; its body is there when the route runs */
    const HttpRoute *route;
    char **segments;   /* of the path, decoded */
    GHashTable *query; /* char * to char *, decoded */
    Db *db;            /* as the route's `store` says */
    HttpAnswer *answer;
    char *person;    /* not HTTP_FOR_ALL: who asks, for people: an address, or "account 17" */
    int64_t account; /* and their account */
    bool admin;      /* and whether they may administrate */
    bool admitted;   /* by http_call_admit */
    char *peer;      /* the request's */
};

/* House, request and answer are borrowed; `answer` is initialised. */
HttpCall *http_call_new(const HttpHouse *house, HttpRequest *request, HttpAnswer *answer);
HttpStore http_call_store(const HttpCall *call);
size_t http_call_body_max(const HttpCall *call);
/* The body may be large, and is not for all: who sends it is to be known before it is read. */
bool http_call_asks_first(const HttpCall *call);
/* Who asks may, and the body's type is taken. False: the answer is made. */
bool http_call_admit(HttpCall *call, Db *db);
void http_call_run(HttpCall *call, Db *db); /* admits first, unless that was done */
void http_call_free(HttpCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpCall, http_call_free)

/* The answer to a body of more than http_call_body_max. */
void http_call_refuse_body(HttpCall *call);
/* The query has no other names than these, ended by NULL: else the answer is made, and false. */
bool http_call_query_is(HttpCall *call, const char *const *names);
/* The body's JSON object, with no other members than these; the caller's. NULL: the answer, 400, is
 * made. */
json_t *http_call_object(HttpCall *call, const char *const *names);
/* ?limit= from 1 to max; false: the answer is made. */
bool http_call_limit(HttpCall *call, unsigned max, unsigned otherwise, unsigned *ret);
/* An administrator changed something: into the log, with who it was. */
void http_call_log_change(const HttpCall *call, const char *what, const char *of);
/* Ends the answer as JSON; takes the value. */
void http_answer_json(HttpAnswer *answer, unsigned status, json_t *take);

/* /healthz and /readyz: probes.c. */
extern const HttpRoute http_route_healthz, http_route_readyz;

#endif
