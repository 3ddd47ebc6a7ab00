/* listener: the sockets that a door listens on, of one or several addresses.
 *
 * It fits below lmtp_server.c and http_server.c, which accept from them. A unix socket's file that
 * a dead process left is taken away; one that is in use stays.
 *
 * Failures: what is no address, what another listens on, what the system has no room for. Known
 * weak point: of a name with several addresses the first is taken.
 */
#include "app/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"

static bool listen_on(Listeners *listeners, int fd, const struct sockaddr *address, socklen_t size,
                      const char *name, GError **error)
{
    if (bind(fd, address, size) < 0 || listen(fd, SOMAXCONN) < 0) {
        int why = errno;
        close(fd);
        return fail(error, why == EADDRINUSE ? ERROR_CONFLICT : ERROR_REJECT,
                    "could not listen on \"%s\": %s", name, g_strerror(why));
    }
    listeners->fds[listeners->count++] = fd;
    return true;
}

/* A socket file that nobody listens on is left from a dead process, and goes; one that is in use
 * stays. */
static void remove_dead_socket(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static bool listen_unix(Listeners *listeners, const char *name, GError **error)
{
    const char *path = name + strlen("unix:");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (*path == '\0' || strlen(path) >= sizeof(address.sun_path))
        return fail(error, ERROR_REJECT,
                    "could not listen on \"%s\": a socket's path has 1 to %zu bytes", name,
                    sizeof(address.sun_path) - 1);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    remove_dead_socket(&address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(error, ERROR_RETRY, "could not make a socket: %s", g_strerror(errno));
    if (!listen_on(listeners, fd, (struct sockaddr *)&address, sizeof(address), name, error))
        return false;
    /* As open as a port on the loopback is; who wants it closed closes the folder. */
    if (chmod(path, 0666) < 0)
        return fail(error, ERROR_REJECT, "could not open socket \"%s\" for all: %s", path,
                    g_strerror(errno));
    g_ptr_array_add(listeners->addresses, g_strdup(name));
    return true;
}

/* "host:port" with the port that the system chose. */
static char *bound_name(int fd, const char *host)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    char port[NI_MAXSERV] = "?";
    if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
        getnameinfo((struct sockaddr *)&bound, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static bool listen_tcp(Listeners *listeners, const char *name, GError **error)
{
    const char *colon = strrchr(name, ':');
    if (!colon)
        return fail(error, ERROR_REJECT,
                    "\"%s\" is no address: write 127.0.0.1:11024, [::1]:11024 or unix:/path", name);
    g_autofree char *host = *name == '[' && colon > name && colon[-1] == ']'
                                ? g_strndup(name + 1, (size_t)(colon - name) - 2)
                                : g_strndup(name, (size_t)(colon - name));
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    int failed = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found);
    if (failed)
        return fail(error, ERROR_REJECT, "\"%s\" is no address: %s", name, gai_strerror(failed));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    bool done = false;
    if (fd < 0) {
        fail(error, ERROR_RETRY, "could not make a socket: %s", g_strerror(errno));
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        done = listen_on(listeners, fd, found->ai_addr, found->ai_addrlen, name, error);
    }
    freeaddrinfo(found);
    if (done)
        g_ptr_array_add(listeners->addresses, bound_name(fd, host));
    return done;
}

bool listeners_open(Listeners *listeners, const char *const *names, GError **error)
{
    *listeners = (Listeners){.addresses = g_ptr_array_new_with_free_func(g_free)};
    for (const char *const *name = names; *name; name++) {
        bool room = listeners->count < LISTENERS_MAX ||
                    fail(error, ERROR_REJECT, "more than %d addresses to listen on", LISTENERS_MAX);
        if (!room || !(g_str_has_prefix(*name, "unix:") ? listen_unix : listen_tcp)(listeners,
                                                                                    *name, error)) {
            listeners_close(listeners);
            return false;
        }
    }
    g_ptr_array_add(listeners->addresses, NULL);
    return true;
}

const char *const *listeners_addresses(const Listeners *listeners)
{
    return (const char *const *)listeners->addresses->pdata;
}

void listeners_close(Listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        close(listeners->fds[i]);
    for (unsigned i = 0; listeners->addresses && i < listeners->addresses->len; i++) {
        const char *address = g_ptr_array_index(listeners->addresses, i);
        if (address && g_str_has_prefix(address, "unix:"))
            unlink(address + strlen("unix:"));
    }
    g_clear_pointer(&listeners->addresses, g_ptr_array_unref);
    listeners->count = 0;
}
