/* seal.h: secrets that lie in the store, encrypted with a key that does not: storage.secret-key.
 *
 * XChaCha20-Poly1305 (libsodium). What is sealed is bound to what it is for ("certificate mail"),
 * so that a row's secret cannot be put into another's. The sealed form names the key, so that a key
 * can be exchanged: storage.secret-key-before is tried where it is that one's; whatever is written
 * is sealed with the new one.
 *
 * Sealed form: 1, the first 4 bytes of the key's digest, 24 of a nonce, the rest. Pure but for the
 * nonce. Any thread.
 */
#ifndef ROTA_CONTENT_SEAL_H
#define ROTA_CONTENT_SEAL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_SECRET_BYTES_MIN 32 /* of the setting: 128 bits where they are hexadecimal digits */
#define SEAL_KEY_BYTES        32

typedef struct {
    unsigned count; /* 0: nothing can be sealed or opened */
    uint8_t keys[2][SEAL_KEY_BYTES];
} Seal;

/* `before`: "" none. `secret` "": an empty Seal. */
void seal_init(Seal *seal, const char *secret, const char *before);
/* NULL: there is no key (ERROR_REJECT). */
GBytes *seal_close(const Seal *seal, const char *what, const void *bytes, size_t size,
                   GError **error);
/* ERROR_REJECT: no key of ours, damaged, or another's. The text ends with a NUL, and is wiped and
 * freed by private_key_text_free. */
char *seal_open(const Seal *seal, const char *what, const void *bytes, size_t size, GError **error);

#endif
