/* tls_keeper.h: keeps the certificates that this node serves: from files (tls.certificate), from
 * the store (acme.NAME), and a stand-in that is signed by itself until there is one. What is
 * exchanged in the store is served within KEEPER_POLL_MS, and exported where this node exports it.
 *
 * Calling sequence: start → { reload }* → stop. start and stop: one thread; reload: any. Those that
 * take a keeper take NULL too, and do nothing.
 */
#ifndef ROTA_APP_TLS_KEEPER_H
#define ROTA_APP_TLS_KEEPER_H

#include <glib.h>
#include <stdbool.h>

#include "base/clock.h"

#include "app/settings.h"
#include "app/tls_relay.h"

typedef struct TlsKeeper TlsKeeper;
/* Does any door speak TLS by these settings? */
bool tls_keeper_is_wanted(const Settings *settings);
/* ERROR_REJECT: the files hold no certificate with its key. All is borrowed until stop. */
TlsKeeper *tls_keeper_start(const Settings *settings, const Clock *clock, GError **error);
TlsRelay *tls_keeper_relay(TlsKeeper *keeper);
/* Reads the files again, soon. What cannot be read is logged, and the old one stays. */
void tls_keeper_reload(TlsKeeper *keeper);
void tls_keeper_stop(TlsKeeper *keeper);

#endif
