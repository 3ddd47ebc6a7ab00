/* http_exchange: a request from its first line to the end of its answer.
 *
 * How it fits: libmicrohttpd, on an event thread, calls what stands at the end of this file;
 * front/http.c says what the request means; what needs the store goes to the workers
 * (http_work.c), a body to http_body.c, and an answer that goes on to http_events.c.
 *
 * Failures: a client's broken connection ends silently. Known weak point: a client that is refused
 * while it sends a body over HTTP_DISCARD_BYTES_MAX is hung up on, and may not see why; with its
 * length told, or no credentials at all, it hears it before.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "app/http_server_private.h"

int64_t http_step_end(const HttpServer *server)
{
    return clock_monotonic_us(server->config.clock) + server->config.timeout_ms * 1000;
}

/* What so many bytes may take besides. */
int64_t http_time_for(size_t bytes)
{
    return (int64_t)(bytes / HTTP_BYTES_PER_MS) * 1000;
}

typedef struct {
    const char *name, *value; /* borrowed */
    GString *joined;          /* NULL: there is one line at most */
} Field;

static enum MHD_Result add_line(void *data, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    Field *field = data;
    (void)kind;
    if (!value || g_ascii_strcasecmp(name, field->name) != 0)
        return MHD_YES;
    if (!field->value) {
        field->value = value;
        return MHD_YES;
    }
    if (!field->joined)
        field->joined = g_string_new(field->value);
    g_string_append_printf(field->joined, ", %s", value);
    return MHD_YES;
}

/* Several lines of one name are one list (RFC 9110, 5.3): of what proxies add, the last counts. */
static const char *read_header(const char *name, void *data)
{
    HttpExchange *exchange = data;
    Field field = {.name = name};
    MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, add_line, &field);
    if (!field.joined)
        return field.value;
    if (!exchange->joined)
        exchange->joined = g_string_chunk_new(256);
    const char *value = g_string_chunk_insert_const(exchange->joined, field.joined->str);
    g_string_free(field.joined, TRUE);
    return value;
}

int http_fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/* "192.0.2.1", "2001:db8::1"; "": a unix socket. */
char *http_format_peer(const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  sizeof text);
    if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  sizeof text);
    return g_strdup(text);
}

/* The library has a request's first line. What it returns comes with each further call. */
void *http_exchange_target(void *data, const char *target, struct MHD_Connection *connection)
{
    HttpServer *server = data;
    HttpExchange *exchange = g_new0(HttpExchange, 1);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    exchange->server = server;
    exchange->connection = connection;
    exchange->fd = http_fd_of(connection);
    exchange->peer = http_format_peer(info ? info->client_addr : NULL);
    exchange->target = g_strdup(target);
    http_answer_init(&exchange->answer);
    return exchange;
}

void http_exchange_completed(void *data, struct MHD_Connection *connection, void **context,
                             enum MHD_RequestTerminationCode code)
{
    HttpServer *server = data;
    HttpExchange *exchange = *context;
    (void)connection, (void)code;
    if (!exchange)
        return;
    http_book_set(server->book, exchange->fd, http_step_end(server), false);
    http_call_free(exchange->call);
    http_answer_clear(&exchange->answer);
    http_body_free(exchange->body);
    g_clear_pointer(&exchange->joined, g_string_chunk_free);
    g_free(exchange->method);
    g_free(exchange->target);
    g_free(exchange->peer);
    g_free(exchange);
    *context = NULL;
}

static void unref_bytes(void *data)
{
    g_bytes_unref(data);
}

/* Takes the answer's content; nothing of it is copied. */
static struct MHD_Response *take_response(HttpAnswer *answer, size_t *ret_size)
{
    GBytes *bytes = answer->bytes ? g_steal_pointer(&answer->bytes)
                                  : g_string_free_to_bytes(g_steal_pointer(&answer->body));
    void *data = (void *)(uintptr_t)g_bytes_get_data(bytes, ret_size);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(*ret_size, data, unref_bytes, bytes);
    if (!response)
        g_bytes_unref(bytes);
    return response;
}

static enum MHD_Result send_answer(HttpExchange *exchange)
{
    HttpServer *server = exchange->server;
    HttpAnswer *answer = &exchange->answer;
    size_t size = 0;
    struct MHD_Response *response =
        answer->stream ? http_events_open(server->events, exchange) : NULL;
    if (!response)
        response = take_response(answer, &size);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", answer->type);
    for (unsigned i = 0; i < answer->headers->len; i += 2)
        MHD_add_response_header(response, g_ptr_array_index(answer->headers, i),
                                g_ptr_array_index(answer->headers, i + 1));
    server->answers[answer->status / 100 - 1]++;
    if (server->stopping)
        MHD_add_response_header(response, "Connection", "close");
    http_book_set(server->book, exchange->fd, http_step_end(server) + http_time_for(size), true);
    enum MHD_Result result = MHD_queue_response(exchange->connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

void http_exchange_resume(HttpExchange *exchange)
{
    HttpServer *server = exchange->server;
    exchange->body_since_us = clock_monotonic_us(server->config.clock);
    http_book_set(server->book, exchange->fd, http_step_end(server), true);
    MHD_resume_connection(exchange->connection);
}

/* The store's own time-out bounds what comes of it. */
static enum MHD_Result put_to_work(HttpExchange *exchange)
{
    HttpServer *server = exchange->server;
    http_book_set(server->book, exchange->fd, HTTP_STEP_NONE, true);
    if (http_work_put(server->work, exchange))
        return MHD_YES;
    http_answer_problem(&exchange->answer, 503, "too many requests wait for the store: come again");
    http_answer_add_header(&exchange->answer, "Retry-After", "2");
    return send_answer(exchange);
}

/* The head is whole. An answer now means that the body is not read. */
static enum MHD_Result open_exchange(HttpExchange *exchange, const char *method)
{
    exchange->opened = true;
    exchange->method = g_strdup(method);
    exchange->request = (HttpRequest){
        .method = exchange->method,
        .target = exchange->target,
        .header = read_header,
        .data = exchange,
        .peer = exchange->peer,
        .secure = http_book_is_secure(exchange->server->book, exchange->fd),
    };
    HttpServer *server = exchange->server;
    http_book_set(server->book, exchange->fd, http_step_end(server), true);
    exchange->body_since_us = clock_monotonic_us(server->config.clock);
    exchange->call = http_call_new(server->config.house, &exchange->request, &exchange->answer);
    if (!exchange->call)
        return send_answer(exchange);
    exchange->admitting = http_call_asks_first(exchange->call);
    return exchange->admitting ? put_to_work(exchange) : MHD_YES;
}

/* Bytes over the limit are read and thrown away, for a while: a client that sends hears the answer
 * only then. */
static enum MHD_Result take_body(HttpExchange *exchange, const char *bytes, size_t size)
{
    HttpServer *server = exchange->server;
    if (!exchange->body)
        exchange->body = http_body_new(server->bodies);
    size_t had = http_body_size(exchange->body);
    bool wanted = !exchange->ran && !exchange->no_room && exchange->discarded == 0 &&
                  size <= http_call_body_max(exchange->call) - had;
    if (wanted)
        exchange->no_room = !http_body_add(exchange->body, bytes, size);
    else
        exchange->discarded += size;
    if (had + size > HTTP_BODY_BYTES_MAX && wanted) /* it is long, and may take longer */
        http_book_set(server->book, exchange->fd,
                      exchange->body_since_us + server->config.timeout_ms * 1000 +
                          http_time_for(had + size),
                      true);
    return exchange->discarded <= HTTP_DISCARD_BYTES_MAX ? MHD_YES : MHD_NO;
}

/* What stands against running it with the body that came; false: the answer is made. */
static bool body_is_good(HttpExchange *exchange)
{
    HttpRequest *request = &exchange->request;
    if (exchange->body && !exchange->no_room && exchange->discarded == 0) {
        request->body_size = http_body_size(exchange->body);
        request->body = http_body_bytes(exchange->body);
        exchange->no_room = !request->body;
    }
    if (exchange->no_room) {
        http_answer_problem(&exchange->answer, 503, "no room for a body of this size: come again");
        http_answer_add_header(&exchange->answer, "Retry-After", "10");
    } else if (exchange->discarded > 0) {
        http_call_refuse_body(exchange->call);
    } else {
        return true;
    }
    return false;
}

static enum MHD_Result run_exchange(HttpExchange *exchange)
{
    if (!body_is_good(exchange))
        return send_answer(exchange);
    if (http_call_store(exchange->call) != HTTP_STORE_NOT)
        return put_to_work(exchange);
    http_call_run(exchange->call, NULL);
    return send_answer(exchange);
}

/* Called with the head, with each piece of the body, at its end, and when a worker has resumed the
 * connection. */
enum MHD_Result http_exchange_request(void *data, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **context)
{
    HttpExchange *exchange = *context;
    (void)data, (void)connection, (void)url, (void)version;
    if (!exchange->opened)
        return open_exchange(exchange, method);
    /* After a resume the head is told again, without a byte: that is not the body's end. */
    bool again = exchange->awaits && *upload_size == 0;
    exchange->awaits = false;
    if (again)
        return MHD_YES;
    if (*upload_size > 0) {
        size_t size = *upload_size;
        *upload_size = 0;
        return take_body(exchange, upload, size);
    }
    return exchange->ran ? send_answer(exchange) : run_exchange(exchange);
}
