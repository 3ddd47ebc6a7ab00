/* serve_notify.h: what a node tells the service manager that started it (sd_notify(3)): a datagram
 * to the socket named in $NOTIFY_SOCKET. Without that it does nothing.
 *
 * Thread safety: one thread.
 */
#ifndef ROTA_APP_SERVE_NOTIFY_H
#define ROTA_APP_SERVE_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=text", several with newlines. What cannot be sent
 * is lost: nobody waits for it. */
void serve_notify(const char *state);
/* How often a WATCHDOG=1 is wanted: half of $WATCHDOG_USEC, 0 if none is. */
int64_t serve_notify_watchdog_us(void);

#endif
