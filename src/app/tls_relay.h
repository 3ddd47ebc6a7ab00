/* tls_relay.h: takes TLS off a connection: a door hands in a client's descriptor and gets one with
 * plain bytes in its place. One TLS for all doors: HTTP (libmicrohttpd speaks only GnuTLS by
 * itself) and LMTP after STARTTLS; docs/decisions/0010-tls.md.
 *
 * TLS_THREADS event threads do the handshakes and carry the bytes; nothing blocks. Who shuts down
 * or closes the plain end ends the connection; what was written before reaches the client, for at
 * most TLS_LINGER_MS. The end of the client is the end of the plain side's input. A client that
 * does not finish its handshake within TLS_HANDSHAKE_MS is hung up on. A connection costs three
 * descriptors.
 *
 * Calling sequence: start → take* → stop. take: any thread; start and stop: one.
 */
#ifndef ROTA_APP_TLS_RELAY_H
#define ROTA_APP_TLS_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#include "app/tls.h"

typedef struct TlsRelay TlsRelay;
/* All is borrowed until stop. */
TlsRelay *tls_relay_start(Tls *tls, const Clock *clock, unsigned connections_max);
/* The plain end, nonblocking and the caller's; `fd`, nonblocking too, is the relay's from now on.
 * -1: there is no room, and `fd` is closed. SIGPIPE must be ignored. */
int tls_relay_take(TlsRelay *relay, int fd);
typedef struct {
    unsigned connections;          /* now */
    uint64_t handshakes, failures; /* since the start */
} TlsCounts;
void tls_relay_counts(TlsRelay *relay, TlsCounts *ret); /* any thread */
/* Hangs up on all that are left, and frees it. NULL is fine. */
void tls_relay_stop(TlsRelay *relay);

#endif
