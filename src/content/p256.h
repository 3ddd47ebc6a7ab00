/* p256.h: a key pair of the curve P-256 as bytes, and as OpenSSL's. Pure; any thread.
 */
#ifndef ROTA_CONTENT_P256_H
#define ROTA_CONTENT_P256_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#define P256_PUBLIC_BYTES  65 /* a point, uncompressed: 4, x, y */
#define P256_PRIVATE_BYTES 32

/* A new key pair, from the system's generator. */
void p256_generate(uint8_t ret_private[P256_PRIVATE_BYTES], uint8_t ret_public[P256_PUBLIC_BYTES]);
/* NULL: these are no key pair. The caller frees it with EVP_PKEY_free. */
EVP_PKEY *p256_import(const uint8_t private_key[P256_PRIVATE_BYTES],
                      const uint8_t public_key[P256_PUBLIC_BYTES]);

#endif
