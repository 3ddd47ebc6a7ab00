/* jose.h: signed JSON as ACME wants it (RFC 7515, 7517, 7518, 7638): keys as JWK, the
 * thumbprint of one, and JWS, flattened or compact, by ES256, ES384, RS256 and HS256.
 *
 * Pure but for the chance that ECDSA takes from OpenSSL. Texts are the caller's to free. Any
 * thread.
 */
#ifndef ROTA_CONTENT_JOSE_H
#define ROTA_CONTENT_JOSE_H

#include <glib.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* NULL: it is not base64url; filling is borne. */
GBytes *jose_base64url_parse(const char *text);

/* "ES256", "ES384", "RS256"; NULL: the key is of another kind. */
const char *jose_algorithm(const EVP_PKEY *key);
/* The public key, its members in the order that a thumbprint wants. */
char *jose_jwk(const EVP_PKEY *key, GError **error);
/* RFC 7638, of SHA-256. */
char *jose_thumbprint(const EVP_PKEY *key, GError **error);

/* {"protected":…,"payload":…,"signature":…} of a header and a payload, both as they are.
 * ERROR_REJECT: the key is of a kind that signs nothing. */
char *jose_sign(EVP_PKEY *key, const char *header, const char *payload, GError **error);
/* The same as "protected.payload.signature" (RFC 7515 7.1), a JSON Web Token. */
char *jose_sign_compact(EVP_PKEY *key, const char *header, const char *payload, GError **error);
/* HS256, for external account binding (RFC 8555 7.3.4). */
char *jose_sign_with_secret(GBytes *secret, const char *header, const char *payload,
                            GError **error);

#endif
