/* connect_pause.h: when this process may try again to reach a server that it could not reach.
 *
 * A node has a dozen handles, a cluster many nodes, and all lose their connections at one moment.
 * So that they do not all knock at once and all the time: after a failed attempt nobody of this
 * process tries again before a pause is over, which doubles with each failure up to
 * CONNECT_PAUSE_MAX_MS and is half chance; and then one at a time. The others are told the last
 * reason. The first success lets all in.
 *
 * Any thread. Servers are told apart by their connection strings.
 */
#ifndef ROTA_DB_CONNECT_PAUSE_H
#define ROTA_DB_CONNECT_PAUSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* True: try now, and tell connect_pause_leave how it went. False: ERROR_RETRY with the last reason.
 */
bool connect_pause_enter(const char *url, int64_t now_us, GError **error);
/* reason NULL: it was reached. */
void connect_pause_leave(const char *url, int64_t now_us, const GError *reason);

#endif
