/* push_support.h: a push service of a test's own: a thread that answers as it is told and keeps
 * what it was sent. Plain HTTP, one connection after the other.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_PUSH_SUPPORT_H
#define ROTA_TESTS_PUSH_SUPPORT_H

#include "model_support.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "model/subscription.h"

typedef struct {
    int fd;
    unsigned port;
    GThread *thread;
    GMutex lock;
    GPtrArray *pushes;  /* of char *: requests, whole; under lock */
    const char *answer; /* under lock: "201 Created"; "hang": none comes, "die": it hangs up */
} PushService;

/* One whole request; NULL: the other side is gone. Caller frees. */
static inline char *push_service_hear(int fd)
{
    GString *text = g_string_new(NULL);
    char buffer[8192];
    for (;;) {
        const char *end = strstr(text->str, "\r\n\r\n");
        const char *length = strstr(text->str, "Content-Length: ");
        size_t want = end && length ? (size_t)g_ascii_strtoull(length + 16, NULL, 10) : 0;
        if (end && text->len - (size_t)(end + 4 - text->str) >= want)
            return g_string_free(text, FALSE);
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0)
            break;
        g_string_append_len(text, buffer, got);
    }
    g_string_free(text, TRUE);
    return NULL;
}

static inline gpointer push_service_serve(gpointer data)
{
    PushService *service = data;
    int fd;
    while ((fd = accept4(service->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        char *request = push_service_hear(fd);
        g_mutex_lock(&service->lock);
        const char *answer = service->answer;
        if (request)
            g_ptr_array_add(service->pushes, request);
        g_mutex_unlock(&service->lock);
        g_autofree char *text = g_strdup_printf(
            "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", answer);
        if (request && strcmp(answer, "die") != 0)
            send(fd, text, strlen(text), MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static inline void push_service_start(PushService *service)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    *service = (PushService){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                             .pushes = g_ptr_array_new_with_free_func(g_free),
                             .answer = "201 Created"};
    g_mutex_init(&service->lock);
    assert_int_equal(bind(service->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(service->fd, 100), 0);
    assert_int_equal(getsockname(service->fd, (struct sockaddr *)&address, &size), 0);
    service->port = ntohs(address.sin_port);
    service->thread = g_thread_new("push-service", push_service_serve, service);
}

static inline void push_service_stop(PushService *service)
{
    shutdown(service->fd, SHUT_RDWR);
    g_thread_join(service->thread);
    close(service->fd);
    g_ptr_array_unref(service->pushes);
    g_mutex_clear(&service->lock);
}

static inline void push_service_answer(PushService *service, const char *answer)
{
    g_mutex_lock(&service->lock);
    service->answer = answer;
    g_mutex_unlock(&service->lock);
}

/* How many pushes have come; and the last of them, whole, NULL: none. Caller frees. */
static inline unsigned push_service_count(PushService *service)
{
    g_mutex_lock(&service->lock);
    unsigned count = service->pushes->len;
    g_mutex_unlock(&service->lock);
    return count;
}

/* Of these, those that begin so. */
static inline unsigned push_service_count_of(PushService *service, const char *begin)
{
    unsigned count = 0;
    g_mutex_lock(&service->lock);
    for (unsigned i = 0; i < service->pushes->len; i++)
        count += g_str_has_prefix(g_ptr_array_index(service->pushes, i), begin);
    g_mutex_unlock(&service->lock);
    return count;
}

static inline char *push_service_last(PushService *service)
{
    g_mutex_lock(&service->lock);
    unsigned count = service->pushes->len;
    char *last = count ? g_strdup(g_ptr_array_index(service->pushes, count - 1)) : NULL;
    g_mutex_unlock(&service->lock);
    return last;
}

/* A subscription of a device, already verified; its number. */
static inline int64_t push_subscribe(Db *db, int64_t account, const char *url,
                                     const WebPushKeys *keys)
{
    GError *error = NULL;
    int64_t id = 0;
    SubscriptionNew new = {.device = url, .url = url, .keys = keys, .allow_private = true};
    if (!db_begin(db, DB_WRITE, &error) || !subscription_add(db, account, &new, &id, &error))
        fail_msg("%s", error->message);
    GPtrArray *list = subscription_list(db, account, &error);
    for (unsigned i = 0; i < list->len; i++) {
        const Subscription *one = g_ptr_array_index(list, i);
        SubscriptionChange change = {.code = one->code};
        if (one->id == id && !subscription_change(db, account, id, &change, &error))
            fail_msg("%s", error->message);
    }
    g_ptr_array_unref(list);
    assert_int_equal(db_commit(db, &error), DB_DONE);
    return id;
}

#endif
