/* lmtp_server.h: sockets and threads around front/lmtp: a listener, and a thread for each session,
 * as many as the settings allow.
 *
 * Calling sequence: start → (sessions come and go) → stop. Over the limit of sessions a client
 * hears 421 and is closed. A step (one command, or LMTP_STEP_BYTES of a message) that takes longer
 * than the time-out ends its session with 421.
 *
 * Thread safety: start and stop from one thread.
 */
#ifndef ROTA_APP_LMTP_SERVER_H
#define ROTA_APP_LMTP_SERVER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "front/lmtp.h"

#include "app/tls_relay.h"

typedef struct LmtpServer LmtpServer;

typedef struct {
    const char *const *listen; /* "127.0.0.1:11024", "[::1]:11024", "unix:/path", port 0: any free
                                  one; NULL-terminated; at least one */
    unsigned sessions_max;
    int64_t timeout_ms;
    const LmtpHouse *house;
    TlsRelay *relay; /* for STARTTLS; NULL: house->starttls must be false */
    const Clock *clock;
} LmtpServerConfig;

/* Listens and serves. The config's parts are borrowed until stop. ERROR_REJECT: not an address;
 * ERROR_CONFLICT: another listens there; ERROR_RETRY: the system has no room. */
LmtpServer *lmtp_server_start(const LmtpServerConfig *config, GError **error);
/* Where it listens, with the port that was found: "127.0.0.1:40001", "unix:/path"; NULL-terminated,
 * borrowed. */
const char *const *lmtp_server_addresses(const LmtpServer *server);
typedef struct {
    unsigned sessions; /* now */
    uint64_t taken, turned_away;
} LmtpCounts;
/* Since the start. Any thread. */
void lmtp_server_counts(LmtpServer *server, LmtpCounts *ret);
/* Listens no more; tells idle sessions goodbye at once, and lets those with a message in their
 * hands end it, for at most grace_ms; then frees it. False: a session did not end in time; its
 * memory is left to the end of the process. */
bool lmtp_server_stop(LmtpServer *server, int64_t grace_ms);

#endif
