/* listener.h: the sockets that a door listens on.
 *
 * Calling sequence: open → accept from `fds` → close, which also removes the files of unix sockets.
 * A zeroed Listeners may be closed. One thread.
 */
#ifndef ROTA_APP_LISTENER_H
#define ROTA_APP_LISTENER_H

#include <glib.h>
#include <stdbool.h>

#define LISTENERS_MAX 8 /* addresses of one door of a node */

typedef struct {
    int fds[LISTENERS_MAX]; /* nonblocking */
    unsigned count;
    GPtrArray *addresses; /* of char *, NULL at the end */
} Listeners;

/* Listens on each of `names` ("127.0.0.1:11024", "[::1]:11024", "unix:/path"; port 0: any free one;
 * NULL-terminated), or on none: ERROR_REJECT: not an address; ERROR_CONFLICT: another listens
 * there; ERROR_RETRY: the system has no room. */
bool listeners_open(Listeners *listeners, const char *const *names, GError **error);
/* Where, with the ports that were found: "127.0.0.1:40001", "unix:/path"; NULL-terminated,
 * borrowed. */
const char *const *listeners_addresses(const Listeners *listeners);
void listeners_close(Listeners *listeners);

#endif
