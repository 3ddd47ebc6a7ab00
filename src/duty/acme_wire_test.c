/* acme_wire_test: see acme_wire_test.h. A request is a connection: a JSON object each way. */
#include "acme_wire_test.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "support.h"

struct CaWire {
    char *folder, *path;
    int fd;
    GThread *thread;
    GMutex lock;
    Ca *ca; /* under lock, as below */
    bool ending;
};

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    return address;
}

static json_t *hear(int fd)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char piece[4096];
    ssize_t got;
    while ((got = recv(fd, piece, sizeof piece, 0)) > 0)
        g_string_append_len(text, piece, got);
    return json_loadb(text->str, text->len, 0, NULL);
}

static void say(int fd, json_t *take_value)
{
    char *text = json_dumps(take_value, JSON_COMPACT);
    json_decref(take_value);
    for (size_t at = 0, size = strlen(text); at < size;) {
        ssize_t sent = send(fd, text + at, size - at, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    free(text);
    shutdown(fd, SHUT_WR);
}

/* ---------------------------------------------------------------- who asks */

static int dial(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

FetchAnswer *ca_wire_fetch(const FetchAsk *ask, void *data, GError **error)
{
    int fd = dial(data);
    if (fd < 0) {
        fail(error, ERROR_RETRY, "the stand-in is not there");
        return NULL;
    }
    json_t *said = json_pack("{s:s}", "url", ask->url);
    if (ask->body)
        json_object_set_new(said, "body", json_stringn(ask->body, ask->body_size));
    say(fd, said);
    json_t *heard = hear(fd);
    close(fd);
    assert_non_null(heard);
    FetchAnswer *answer = g_new0(FetchAnswer, 1);
    answer->status = (int)json_integer_value(json_object_get(heard, "status"));
    answer->body = g_strdup(json_string_value(json_object_get(heard, "body")));
    answer->body_size = strlen(answer->body);
    answer->headers = g_ptr_array_new_with_free_func(g_free);
    size_t index;
    json_t *header;
    json_array_foreach(json_object_get(heard, "headers"), index, header)
        g_ptr_array_add(answer->headers, g_strdup(json_string_value(header)));
    json_decref(heard);
    return answer;
}

/* ---------------------------------------------------------------- who answers */

static void answer_one(CaWire *wire, int fd)
{
    json_t *heard = hear(fd);
    if (!heard) /* the asker died before it had said all */
        return;
    const char *body = json_string_value(json_object_get(heard, "body"));
    FetchAsk ask = {.url = json_string_value(json_object_get(heard, "url")),
                    .body = body,
                    .body_size = body ? strlen(body) : 0};
    g_mutex_lock(&wire->lock);
    g_autoptr(FetchAnswer) answer = ca_fetch(&ask, wire->ca, NULL);
    g_mutex_unlock(&wire->lock);
    json_t *headers = json_array();
    for (unsigned i = 0; i < answer->headers->len; i++)
        json_array_append_new(headers, json_string(g_ptr_array_index(answer->headers, i)));
    say(fd, json_pack("{s:i, s:s, s:o}", "status", answer->status, "body", answer->body, "headers",
                      headers));
    json_decref(heard);
}

static gpointer serve(gpointer data)
{
    CaWire *wire = data;
    for (;;) {
        int fd = accept(wire->fd, NULL, NULL);
        g_mutex_lock(&wire->lock);
        bool ending = wire->ending;
        g_mutex_unlock(&wire->lock);
        if (!ending && fd >= 0)
            answer_one(wire, fd);
        if (fd >= 0)
            close(fd);
        if (ending || fd < 0)
            return NULL;
    }
}

CaWire *ca_wire_start(void)
{
    CaWire *wire = g_new0(CaWire, 1);
    g_mutex_init(&wire->lock);
    wire->ca = ca_new();
    wire->folder = g_dir_make_tmp("rota-ca-XXXXXX", NULL);
    wire->path = g_build_filename(wire->folder, "socket", NULL);
    struct sockaddr_un address = address_of(wire->path);
    wire->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(wire->fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(listen(wire->fd, 10), 0);
    wire->thread = g_thread_new("ca", serve, wire);
    return wire;
}

void ca_wire_stop(CaWire *wire)
{
    g_mutex_lock(&wire->lock);
    wire->ending = true;
    g_mutex_unlock(&wire->lock);
    int fd = dial(wire->path);
    g_thread_join(wire->thread);
    close(fd);
    close(wire->fd);
    unlink(wire->path);
    rmdir(wire->folder);
    ca_free(wire->ca);
    g_mutex_clear(&wire->lock);
    g_free(wire->path);
    g_free(wire->folder);
    g_free(wire);
}

const char *ca_wire_path(const CaWire *wire)
{
    return wire->path;
}

unsigned ca_wire_orders(CaWire *wire)
{
    g_mutex_lock(&wire->lock);
    unsigned orders = ca_orders(wire->ca);
    g_mutex_unlock(&wire->lock);
    return orders;
}
