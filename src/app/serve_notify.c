/* serve_notify: the service manager's socket, spoken by hand, since the whole protocol is one
 * datagram.
 *
 * How it fits: app/serve calls it at the turns of a node's life. Failures: none are told, as
 * sd_notify(3) advises: a node works the same without a manager. Known weak point: $NOTIFY_SOCKET
 * of the vsock kind is not understood.
 */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <glib.h>

#include "app/serve_notify.h"

void serve_notify(const char *state)
{
    const char *name = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!name || (*name != '/' && *name != '@') || strlen(name) >= sizeof(to.sun_path))
        return;
    size_t length = strlen(name);
    memcpy(to.sun_path, name, length);
    if (*name == '@')
        to.sun_path[0] = '\0'; /* the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    (void)sent; /* lost, then */
    close(fd);
}

int64_t serve_notify_watchdog_us(void)
{
    const char *text = g_getenv("WATCHDOG_USEC"), *pid = g_getenv("WATCHDOG_PID");
    guint64 interval = 0, wanted_pid = 0;
    if (!text || !g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &interval, NULL))
        return 0;
    if (pid && g_ascii_string_to_unsigned(pid, 10, 1, G_MAXINT64, &wanted_pid, NULL) &&
        wanted_pid != (guint64)getpid())
        return 0;
    return (int64_t)interval / 2;
}
