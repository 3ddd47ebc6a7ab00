/* chain.h: a certificate with its chain and its private key, as TLS serves them.
 *
 * Immutable once made, and counted: any thread may hold a reference. Bounded by PEM_BYTES_MAX,
 * CHAIN_LENGTH_MAX and CHAIN_NAMES_MAX. The first certificate of the PEM text is the one whose key
 * it is; the others follow as they are sent. Nothing is trusted or refused here: whoever asks looks
 * at names and times.
 */
#ifndef ROTA_CONTENT_CHAIN_H
#define ROTA_CONTENT_CHAIN_H

#include <glib.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    _Atomic unsigned references;
    X509 *leaf;
    STACK_OF(X509) * rest;         /* may be empty */
    EVP_PKEY *key;                 /* NULL: read without one */
    char **names;                  /* DNS names, small letters, NULL-ended */
    int64_t not_before, not_after; /* wall ms */
    char *issuer;                  /* its common name, or all of it */
    char *serial;                  /* hexadecimal */
} Chain;

/* ERROR_REJECT: it is no chain in PEM form, too large, or the key is another's. key_pem NULL: a
 * chain without its key. */
Chain *chain_parse(const char *pem, size_t size, const char *key_pem, GError **error);
Chain *chain_ref(Chain *chain);
void chain_unref(Chain *chain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chain, chain_unref)

/* Can this be a DNS name of a certificate: letters, digits, "-", two labels or more, or
 * "localhost"? `wildcard`: the first label may be "*". */
bool chain_name_is_valid(const char *name, bool wildcard);
/* The name that a certificate for `host` has, in small letters, and the wildcard that covers it
 * ("*.example.org"; NULL: none can). The caller frees it. */
char *chain_wildcard_of(const char *host);
bool chain_covers(const Chain *chain, const char *host);
/* Is one of the certificates behind the first one issued by, or named, so? (RFC 8555 7.4.2) */
bool chain_has_issuer(const Chain *chain, const char *name);
/* What renewal information is asked by (RFC 9773 4.1); NULL: it has no authority key identifier.
 * The caller frees it. */
char *chain_renewal_id(const Chain *chain);
/* Where its state can be asked (OCSP); NULL: it names nobody. The caller frees it. */
char *chain_responder(const Chain *chain);

/* Signed by itself: until a real one is there. `now` in wall ms. */
Chain *chain_stand_in(const char *const *names, int64_t now, GError **error);
/* The answer to a tls-alpn-01 challenge (RFC 8737 3): signed by itself, with the digest of the key
 * authorisation. */
Chain *chain_answer(const char *domain, const char *authorisation, int64_t now, GError **error);

#endif
