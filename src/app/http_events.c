/* http_events: open streams, and the thread that has them written.
 *
 * How it fits: a route's answer is a stream (front/http_stream.h); http_exchange.c hands it in, and
 * libmicrohttpd asks for its bytes. Where there are none the connection is suspended: it costs no
 * thread and no turn of the event loop. The thread here calls the writers, puts what they wrote
 * beside the stream and resumes its connection. It also looks whose time is up, whose client has
 * left (nobody polls a suspended connection), and, once in HTTP_STREAM_POLL_MS, which accounts with
 * open streams have changed: one question to the store, the net under wake-ups from other nodes.
 *
 * A stream lives as long as the library's response; while its writer runs it lives on for that.
 * Lock order: ours, then the library's.
 *
 * Failures: the store's: its streams wait, and hear comments. Known weak point: one slow writer
 * delays all streams of the node.
 */
#include "app/http_events.h"

#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "front/http_stream.h"
#include "model/change.h"

#include "app/http_server_private.h"

#define AGAIN_MS    1000
#define BLOCK_BYTES 1024 /* of each open stream; an event of JMAP has some hundred */
#define WHY(reason) (1u << (reason))

typedef struct {
    char *name;
    GPtrArray *streams; /* of Stream */
    int64_t account;    /* "account:17"; 0: it is another */
    int64_t seq;        /* of its change log, as last seen; -1: not seen yet */
} Topic;

typedef struct {
    GList in_all, in_line;
    HttpEvents *events;
    HttpExchange *exchange;
    HttpStream spec;
    int64_t account; /* whose it is; 0: nobody's */
    GBytes *bytes;   /* written, and not all taken; NULL: none */
    size_t taken;
    unsigned why;       /* WHY(…) that it is to be written for */
    unsigned again;     /* WHY(…) that it was written for in vain, until the next time is up */
    bool waiting;       /* it is in the line */
    bool writing, gone; /* its writer runs; and the library has let go of it meanwhile */
    bool suspended, ended;
    int64_t every_us, ping_us; /* when that is due; INT64_MAX: never */
} Stream;

struct HttpEvents {
    HttpServer *server;
    GThread *thread;
    Db *db;                   /* the thread's */
    int64_t poll_us, tick_us; /* the thread's: when that is due */

    GMutex lock;
    GCond changed;
    GHashTable *topics; /* name to Topic; under lock, as all below */
    GHashTable *people; /* account (int64) to count */
    GQueue all, line;   /* of Stream, by their links */
    bool closed;        /* no more streams */
    bool ending, ended; /* the thread shall, and has */
};

static int64_t now_us(const HttpEvents *events)
{
    return clock_monotonic_us(events->server->config.clock);
}

/* ---------------------------------------------------------------- topics and people; locked */

static void topic_free(void *data)
{
    Topic *topic = data;
    g_ptr_array_unref(topic->streams);
    g_free(topic->name);
    g_free(topic);
}

static void join_topics(Stream *stream)
{
    for (char **name = stream->spec.topics; name && *name; name++) {
        Topic *topic = g_hash_table_lookup(stream->events->topics, *name);
        if (!topic) {
            topic = g_new0(Topic, 1);
            topic->name = g_strdup(*name);
            topic->streams = g_ptr_array_new();
            topic->seq = -1;
            if (g_str_has_prefix(*name, CHANGE_TOPIC))
                topic->account = g_ascii_strtoll(*name + strlen(CHANGE_TOPIC), NULL, 10);
            g_hash_table_insert(stream->events->topics, topic->name, topic);
        }
        g_ptr_array_add(topic->streams, stream);
    }
}

static void leave_topics(Stream *stream)
{
    for (char **name = stream->spec.topics; name && *name; name++) {
        Topic *topic = g_hash_table_lookup(stream->events->topics, *name);
        g_ptr_array_remove_fast(topic->streams, stream);
        if (topic->streams->len == 0)
            g_hash_table_remove(stream->events->topics, *name);
    }
}

static unsigned count_person(HttpEvents *events, int64_t account)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(events->people, &account));
}

static void set_person(HttpEvents *events, int64_t account, unsigned count)
{
    if (account == 0)
        return;
    if (count > 0)
        g_hash_table_replace(events->people, g_memdup2(&account, sizeof account),
                             GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(events->people, &account);
}

/* ---------------------------------------------------------------- a stream; locked */

/* It is to be written, when its client has taken what there is. */
static void wake(Stream *stream, HttpStreamWhy why)
{
    HttpEvents *events = stream->events;
    stream->why |= WHY(why);
    if (stream->waiting || stream->writing || stream->bytes || stream->ended)
        return;
    stream->waiting = true;
    g_queue_push_tail_link(&events->line, &stream->in_line);
    g_cond_broadcast(&events->changed);
}

static void resume(Stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    http_book_set(stream->events->server->book, stream->exchange->fd,
                  http_step_end(stream->events->server) +
                      http_time_for(stream->bytes ? g_bytes_get_size(stream->bytes) : 0),
                  true);
    MHD_resume_connection(stream->exchange->connection);
}

static void end(Stream *stream)
{
    stream->ended = true;
    resume(stream);
}

static void stream_free(Stream *stream)
{
    http_stream_clear(&stream->spec);
    if (stream->bytes)
        g_bytes_unref(stream->bytes);
    g_free(stream);
}

/* ---------------------------------------------------------------- the library's side */

/* It wants bytes. Without any the connection sleeps until somebody resumes it. */
static ssize_t on_read(void *data, uint64_t position, char *buffer, size_t room)
{
    Stream *stream = data;
    HttpEvents *events = stream->events;
    ssize_t given = 0;
    (void)position;
    g_mutex_lock(&events->lock);
    if (stream->bytes) {
        size_t size = 0;
        const char *bytes = g_bytes_get_data(stream->bytes, &size);
        given = (ssize_t)MIN(room, size - stream->taken);
        memcpy(buffer, bytes + stream->taken, (size_t)given);
        stream->taken += (size_t)given;
        if (stream->taken == size)
            g_clear_pointer(&stream->bytes, g_bytes_unref);
    } else if (stream->ended) {
        /* Also where the client has left. Of END_WITH_ERROR the library (0.9.75) takes note at the
         * connection's next event, and there is none. */
        given = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        if (stream->why)
            wake(stream, HTTP_STREAM_TOPIC);
        stream->suspended = true;
        http_book_set(events->server->book, stream->exchange->fd, HTTP_STEP_NONE, true);
        MHD_suspend_connection(stream->exchange->connection);
    }
    g_mutex_unlock(&events->lock);
    return given;
}

/* The response is over, and with it the connection's part. */
static void on_gone(void *data)
{
    Stream *stream = data;
    HttpEvents *events = stream->events;
    g_mutex_lock(&events->lock);
    leave_topics(stream);
    set_person(events, stream->account, count_person(events, stream->account) - 1);
    g_queue_unlink(&events->all, &stream->in_all);
    if (stream->waiting)
        g_queue_unlink(&events->line, &stream->in_line);
    stream->waiting = false;
    stream->gone = true;
    bool writing = stream->writing;
    g_mutex_unlock(&events->lock);
    if (!writing)
        stream_free(stream);
}

static const char *find_hindrance(HttpEvents *events, int64_t account)
{
    unsigned connections_max = events->server->config.connections_max;
    unsigned max = MIN(HTTP_STREAMS_MAX, MAX(connections_max - connections_max / 4, 1));
    if (events->closed)
        return "this node hands over: come again";
    if (g_queue_get_length(&events->all) >= max)
        return "too many streams are open: come again";
    if (account != 0 && count_person(events, account) >= HTTP_STREAMS_PERSON_MAX)
        return "too many streams of this account are open: close one";
    return NULL;
}

static Stream *stream_new(HttpEvents *events, HttpExchange *exchange)
{
    Stream *stream = g_new0(Stream, 1);
    stream->in_all.data = stream->in_line.data = stream;
    stream->events = events;
    stream->exchange = exchange;
    stream->spec = *exchange->answer.stream;
    stream->account = exchange->call->account;
    stream->every_us =
        stream->spec.every_ms > 0 ? now_us(events) + stream->spec.every_ms * 1000 : INT64_MAX;
    if (stream->spec.ping_ms <= 0)
        stream->spec.ping_ms = HTTP_PING_MS;
    stream->ping_us = now_us(events) + stream->spec.ping_ms * 1000;
    g_clear_pointer(&exchange->answer.stream, g_free);
    return stream;
}

struct MHD_Response *http_events_open(HttpEvents *events, HttpExchange *exchange)
{
    const HttpHouse *house = events->server->config.house;
    struct MHD_Response *response = NULL;
    g_autofree char *unready = house->unready(house->data);
    g_mutex_lock(&events->lock);
    const char *hindrance = unready ? unready : find_hindrance(events, exchange->call->account);
    if (!hindrance) {
        Stream *stream = stream_new(events, exchange);
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, stream,
                                                     on_gone);
        MUST(response);
        join_topics(stream);
        set_person(events, stream->account, count_person(events, stream->account) + 1);
        g_queue_push_tail_link(&events->all, &stream->in_all);
        wake(stream, HTTP_STREAM_BEGINS);
    }
    g_mutex_unlock(&events->lock);
    if (hindrance) {
        http_answer_problem(&exchange->answer, 503, "%s", hindrance);
        http_answer_add_header(&exchange->answer, "Retry-After", "5");
    }
    return response;
}

/* ---------------------------------------------------------------- the thread */

static HttpStreamWhy take_why(Stream *stream)
{
    unsigned why = stream->why;
    stream->why = 0;
    if (why == WHY(HTTP_STREAM_PING))
        return HTTP_STREAM_PING; /* what is to be tried again waits for its own time */
    why |= stream->again;
    stream->again = 0;
    if (why & WHY(HTTP_STREAM_BEGINS))
        return HTTP_STREAM_BEGINS;
    return why & WHY(HTTP_STREAM_TOPIC) ? HTTP_STREAM_TOPIC : HTTP_STREAM_EVERY;
}

/* Without the lock. */
static HttpStreamNext call_writer(HttpEvents *events, Stream *stream, HttpStreamWhy why,
                                  GString *out)
{
    g_autoptr(GError) error = NULL;
    if (!events->db)
        events->db = db_open(events->server->config.db, &error);
    HttpStreamNext next = stream->spec.write(stream->spec.state, why, events->db, out);
    if (events->db && db_in_transaction(events->db))
        db_rollback(events->db);
    if (out->len > HTTP_EVENTS_BYTES_MAX) {
        log_event(LOG_LEVEL_ERROR, "http.stream-too-long",
                  "a stream was ended: %zu bytes at once are more than %d", out->len,
                  HTTP_EVENTS_BYTES_MAX);
        g_string_truncate(out, 0);
        next = HTTP_STREAM_ENDS;
    }
    if (out->len == 0 && why == HTTP_STREAM_PING && next != HTTP_STREAM_ENDS)
        g_string_append(out, ": \n\n");
    return next;
}

static void take_written(Stream *stream, HttpStreamWhy why, HttpStreamNext next, GString *out)
{
    int64_t now = now_us(stream->events);
    if (next == HTTP_STREAM_AGAIN) { /* for the same reason, but not at once */
        stream->again |= WHY(why == HTTP_STREAM_BEGINS ? why : HTTP_STREAM_TOPIC);
        stream->every_us = MIN(stream->every_us, now + AGAIN_MS * 1000);
    }
    if (out->len > 0) {
        stream->ping_us = now + stream->spec.ping_ms * 1000;
        stream->bytes = g_bytes_new(out->str, out->len); /* as long as it is, no longer */
        stream->taken = 0;
        resume(stream);
    }
    if (next == HTTP_STREAM_ENDS)
        end(stream);
    else if (stream->why && next == HTTP_STREAM_GOES_ON && !stream->bytes)
        wake(stream, HTTP_STREAM_TOPIC);
}

/* With the lock, which it lets go meanwhile. */
static void write_stream(HttpEvents *events, Stream *stream)
{
    g_autoptr(GString) out = g_string_new(NULL);
    HttpStreamWhy why = take_why(stream);
    stream->waiting = false;
    stream->writing = true;
    g_mutex_unlock(&events->lock);
    HttpStreamNext next = call_writer(events, stream, why, out);
    g_mutex_lock(&events->lock);
    stream->writing = false;
    if (!stream->gone) {
        take_written(stream, why, next, out);
        return;
    }
    g_mutex_unlock(&events->lock);
    stream_free(stream);
    g_mutex_lock(&events->lock);
}

/* Whose time is up. */
static void tick(HttpEvents *events, int64_t now)
{
    for (GList *link = events->all.head; link; link = link->next) {
        Stream *stream = link->data;
        if (stream->every_us <= now) {
            stream->every_us =
                stream->spec.every_ms > 0 ? now + stream->spec.every_ms * 1000 : INT64_MAX;
            wake(stream, HTTP_STREAM_EVERY);
        }
        if (stream->ping_us <= now) {
            stream->ping_us = now + stream->spec.ping_ms * 1000;
            wake(stream, HTTP_STREAM_PING);
        }
    }
}

/* Nobody else looks at suspended connections. Their descriptors stay theirs while we hold the lock:
 * they are closed only after on_gone. */
static void end_those_who_left(HttpEvents *events)
{
    unsigned count = 0;
    g_autofree struct pollfd *fds = g_new(struct pollfd, events->all.length);
    g_autofree Stream **streams = g_new(Stream *, events->all.length);
    for (GList *link = events->all.head; link; link = link->next) {
        Stream *stream = link->data;
        if (!stream->suspended)
            continue;
        fds[count] = (struct pollfd){.fd = stream->exchange->fd, .events = POLLRDHUP};
        streams[count++] = stream;
    }
    if (count == 0 || poll(fds, count, 0) <= 0)
        return;
    for (unsigned i = 0; i < count; i++)
        if (fds[i].revents)
            end(streams[i]);
}

static void wake_topic(Topic *topic)
{
    for (unsigned i = 0; i < topic->streams->len; i++)
        wake(g_ptr_array_index(topic->streams, i), HTTP_STREAM_TOPIC);
}

static GArray *list_accounts(HttpEvents *events)
{
    GArray *accounts = g_array_new(false, false, sizeof(int64_t));
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, events->topics);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Topic *topic = value;
        if (topic->account > 0)
            g_array_append_val(accounts, topic->account);
    }
    return accounts;
}

/* Without the lock. NULL: the store does not answer. */
static GArray *read_states(HttpEvents *events, const GArray *accounts)
{
    g_autoptr(GError) error = NULL;
    if (!events->db)
        events->db = db_open(events->server->config.db, &error);
    if (!events->db || !db_begin(events->db, DB_READ, &error))
        return NULL;
    g_auto(DbScope) scope = db_scope(events->db);
    return change_states(events->db, (const int64_t *)(const void *)accounts->data, accounts->len,
                         &error);
}

/* With the lock, which it lets go meanwhile. What was not seen yet may have changed between the
 * writer's first look and ours. */
static void poll_accounts(HttpEvents *events)
{
    g_autoptr(GArray) accounts = list_accounts(events);
    if (accounts->len == 0)
        return;
    g_mutex_unlock(&events->lock);
    g_autoptr(GArray) states = read_states(events, accounts);
    g_mutex_lock(&events->lock);
    for (unsigned i = 0; states && i < states->len; i++) {
        const ChangeState *state = &g_array_index(states, ChangeState, i);
        g_autofree char *name = g_strdup_printf(CHANGE_TOPIC "%" G_GINT64_FORMAT, state->account);
        Topic *topic = g_hash_table_lookup(events->topics, name);
        if (!topic || topic->seq == state->seq)
            continue;
        topic->seq = state->seq;
        wake_topic(topic);
    }
}

static gpointer events_thread(gpointer data)
{
    HttpEvents *events = data;
    g_mutex_lock(&events->lock);
    while (!events->ending) {
        int64_t now = now_us(events);
        if (now >= events->tick_us) {
            tick(events, now);
            end_those_who_left(events);
            events->tick_us = now + HTTP_STREAM_TICK_MS * 1000;
        }
        if (now >= events->poll_us) {
            poll_accounts(events);
            events->poll_us = now + HTTP_STREAM_POLL_MS * 1000;
        }
        GList *first = g_queue_pop_head_link(&events->line);
        if (first)
            write_stream(events, first->data);
        else if (g_queue_is_empty(&events->all))
            g_cond_wait(&events->changed, &events->lock);
        else
            g_cond_wait_until(&events->changed, &events->lock, events->tick_us);
    }
    g_mutex_unlock(&events->lock);
    db_close(events->db);
    g_mutex_lock(&events->lock);
    events->ended = true;
    g_cond_broadcast(&events->changed);
    g_mutex_unlock(&events->lock);
    return NULL;
}

/* ---------------------------------------------------------------- from outside */

void http_events_publish(HttpEvents *events, const char *name)
{
    g_mutex_lock(&events->lock);
    Topic *topic = g_hash_table_lookup(events->topics, name);
    if (topic)
        wake_topic(topic);
    g_mutex_unlock(&events->lock);
}

unsigned http_events_count(HttpEvents *events)
{
    g_mutex_lock(&events->lock);
    unsigned count = g_queue_get_length(&events->all);
    g_mutex_unlock(&events->lock);
    return count;
}

void http_events_end_all(HttpEvents *events, bool for_good)
{
    g_mutex_lock(&events->lock);
    events->closed |= for_good;
    for (GList *link = events->all.head; link; link = link->next)
        end(link->data);
    g_mutex_unlock(&events->lock);
}

HttpEvents *http_events_start(HttpServer *server)
{
    HttpEvents *events = g_new0(HttpEvents, 1);
    events->server = server;
    g_mutex_init(&events->lock);
    g_cond_init(&events->changed);
    events->topics = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, topic_free);
    events->people = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    events->thread = g_thread_new("http-events", events_thread, events);
    return events;
}

bool http_events_stop(HttpEvents *events, int64_t until_us)
{
    g_mutex_lock(&events->lock);
    events->ending = true;
    g_cond_broadcast(&events->changed);
    while (!events->ended && g_cond_wait_until(&events->changed, &events->lock, until_us))
        continue;
    bool ended = events->ended;
    g_mutex_unlock(&events->lock);
    return ended;
}

void http_events_free(HttpEvents *events)
{
    if (!events)
        return;
    g_thread_join(events->thread);
    g_hash_table_unref(events->topics);
    g_hash_table_unref(events->people);
    g_mutex_clear(&events->lock);
    g_cond_clear(&events->changed);
    g_free(events);
}
