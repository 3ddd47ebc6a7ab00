/* private_key.h: private keys and what is signed with them: made, read, written, and the requests
 * for certificates (RFC 2986) that they sign.
 *
 * Pure but for chance: OpenSSL takes it from the kernel. EVP_PKEY is OpenSSL's; whoever gets one
 * frees it with EVP_PKEY_free. Any thread.
 */
#ifndef ROTA_CONTENT_PRIVATE_KEY_H
#define ROTA_CONTENT_PRIVATE_KEY_H

#include <glib.h>
#include <openssl/evp.h>
#include <stdbool.h>

typedef enum { KEY_P256, KEY_P384, KEY_RSA_2048, KEY_RSA_4096 } KeyKind;
/* "p256", "p384", "rsa2048", "rsa4096"; in the order of KeyKind, NULL at the end. */
extern const char *const key_kind_names[];

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

EVP_PKEY *private_key_new(KeyKind kind, GError **error);
/* Unencrypted PEM; at most PEM_BYTES_MAX. ERROR_REJECT: it is no private key in PEM form. */
EVP_PKEY *private_key_parse(const char *pem, size_t size, GError **error);
/* PKCS #8 in PEM form. The caller wipes and frees it (private_key_text_free). */
char *private_key_format(const EVP_PKEY *key, GError **error);
void private_key_text_free(char *text);
/* Is it of this kind? */
bool private_key_is(const EVP_PKEY *key, KeyKind kind);

/* A request for a certificate of these DNS names (NULL-ended, at least one), in DER form. */
GBytes *private_key_request(EVP_PKEY *key, const char *const *names, GError **error);

#endif
