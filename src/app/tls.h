/* tls.h: TLS as this node serves it (OpenSSL): which certificate for which name, exchanged while
 * connections go on.
 *
 * The certificates are a set, immutable and counted, that is exchanged as a whole: a handshake
 * takes the set of its moment, a connection that stands keeps what it has. A handshake picks by the
 * server name (SNI): the exact name, its wildcard, else the set's first. TLS 1.2 and 1.3, ECDHE and
 * AEAD ciphers alone; ALPN http/1.1; sessions are gone on with across an exchange. A client that
 * asks for acme-tls/1 (RFC 8737) gets the answer to the challenge of its name.
 *
 * Calling sequence: tls_new → tls_set (again and again) → tls_free. Any thread.
 */
#ifndef ROTA_APP_TLS_H
#define ROTA_APP_TLS_H

#include <glib.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/chain.h"

typedef struct {
    Chain *chain;   /* with its key */
    GBytes *staple; /* what its responder says of it (OCSP), in DER form; NULL: nothing */
} TlsEntry;
/* Of TlsEntry; freed with g_ptr_array_unref. */
GPtrArray *tls_entries_new(void);
void tls_entries_add(GPtrArray *entries, Chain *take_chain, GBytes *take_staple);

/* Looks for the answer to a tls-alpn-01 challenge that the set does not have: asked once for a
 * name. Returns true where it makes sense to wait for it: it will come by tls_set_answers, or not
 * at all. Must not block. */
typedef bool (*TlsWanted)(const char *domain, void *data);

typedef struct Tls Tls;
/* ERROR_RETRY: the library cannot. */
Tls *tls_new(TlsWanted wanted, void *data, GError **error);
void tls_free(Tls *tls); /* all connections are ended */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tls, tls_free)

/* The certificates from now on; at least one. Takes the list. */
void tls_set(Tls *tls, GPtrArray *take_entries);
/* The answers to challenges from now on: domain (char *) to Chain; takes the table. NULL: none. */
void tls_set_answers(Tls *tls, GHashTable *take_answers);

/* A server's end of a connection; the descriptor stays the caller's. NULL: the library has no
 * room. */
SSL *tls_accept(Tls *tls, int fd);
void tls_end(SSL *ssl); /* frees it; NULL is fine */
/* The handshake shall wait no longer for an answer to its challenge. */
void tls_give_up(SSL *ssl);
/* After its handshake: it was for a challenge, and is over. */
bool tls_is_challenge(SSL *ssl);

#endif
