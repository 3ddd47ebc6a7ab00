/* http_stream.h: an answer that goes on: events for an EventSource (text/event-stream, WHATWG HTML
 * 9.2).
 *
 * A route for it has HTTP_STORE_NEEDED, and its run ends with http_answer_stream. The door sends
 * the head, and asks the stream's writer for events: at once, whenever somebody publishes one of
 * its topics (app/http_events.h), each `every_ms`, and for a ping. A commit that writes changes for
 * an account publishes "account:17" on every node within a second, mostly at once; a topic says
 * that something may be new, never what.
 *
 * The writer is called on one thread for all streams of the node, with a handle of that thread,
 * never for one stream twice at a time, and not before the client has taken what was written
 * before: so what is written is never more than one call's, and topics that were published
 * meanwhile are one call. It must not wait for anything but the store. A client that does not take
 * what was written within http.timeout is hung up on.
 *
 * The door ends all streams when the node drains or stops; EventSource comes again by itself, to
 * another node if the proxy knows /readyz. Bounded: HTTP_STREAMS_PERSON_MAX for an account,
 * HTTP_STREAMS_MAX for a node and three quarters of http.max-connections, else 503.
 */
#ifndef ROTA_FRONT_HTTP_STREAM_H
#define ROTA_FRONT_HTTP_STREAM_H

#include "front/http.h"

typedef enum {
    HTTP_STREAM_BEGINS,
    HTTP_STREAM_TOPIC, /* one of its topics was published */
    HTTP_STREAM_EVERY, /* `every_ms` is over */
    /* Nothing was said for ping_ms. Where nothing is written the door sends a comment. */
    HTTP_STREAM_PING,
} HttpStreamWhy;

typedef enum {
    HTTP_STREAM_GOES_ON,
    HTTP_STREAM_AGAIN, /* the store did not answer: ask again in a second */
    HTTP_STREAM_ENDS,  /* after what was written */
} HttpStreamNext;

typedef struct HttpStream {
    char **topics;    /* "roster", "account:17"; ended by NULL; NULL: none */
    int64_t every_ms; /* 0: only when told */
    int64_t ping_ms;  /* 0: HTTP_PING_MS */
    /* `db` is NULL where the store cannot be reached. At most HTTP_EVENTS_BYTES_MAX. */
    HttpStreamNext (*write)(void *state, HttpStreamWhy why, Db *db, GString *out);
    void (*free)(void *state); /* on any thread, with no call running */
    void *state;
} HttpStream;

/* The answer is this stream; takes its topics and its state, also where nothing comes of it. */
void http_answer_stream(HttpAnswer *answer, const HttpStream *take);
void http_stream_clear(HttpStream *stream);

/* Appends an event; `event` and `id` may be NULL, and have no line ends; `data` may have. */
void http_event_append(GString *out, const char *event, const char *id, const char *data);

#endif
