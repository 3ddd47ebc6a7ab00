/* tls_ocsp.h: what a certificate's responder says of it (OCSP, RFC 6960), for stapling.
 *
 * Only for certificates that name a responder. An answer is kept until a half of its life is over,
 * and served until its end; one that does not come leaves the old one, or none: a handshake without
 * a staple is a good one. Blocking, OCSP_WHOLE_MS at most for each. One thread.
 */
#ifndef ROTA_APP_TLS_OCSP_H
#define ROTA_APP_TLS_OCSP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "content/chain.h"

typedef struct TlsOcsp TlsOcsp;
TlsOcsp *tls_ocsp_new(const Clock *clock);
void tls_ocsp_free(TlsOcsp *ocsp); /* NULL is fine */
/* Asks for those that are due; forgets what is none of `chains` (of Chain *). True: something is
 * there that was not before, or is over. */
bool tls_ocsp_look(TlsOcsp *ocsp, const GPtrArray *chains);
/* What is to be stapled now; NULL: nothing. The caller unrefs it. */
GBytes *tls_ocsp_staple(TlsOcsp *ocsp, const Chain *chain);

#endif
