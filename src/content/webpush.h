/* webpush.h: a push message made unreadable for all but the device (RFC 8291, in the coding
 * aes128gcm of RFC 8188), one record for each.
 *
 * A WebPush holds what is costly to make and the same for each message (curve, ciphers); it belongs
 * to one thread. Each message has a key pair and a salt of its own, from the system's generator.
 */
#ifndef ROTA_CONTENT_WEBPUSH_H
#define ROTA_CONTENT_WEBPUSH_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content/p256.h"

#define WEBPUSH_AUTH_BYTES 16
#define WEBPUSH_SALT_BYTES 16
/* what every push service takes (RFC 8030 §7.2: 4096), less the coding's own */
#define WEBPUSH_TEXT_BYTES_MAX 3993
/* A body is so much longer than its text. */
#define WEBPUSH_MORE_BYTES 103

/* A device's, from its subscription. */
typedef struct {
    uint8_t p256dh[P256_PUBLIC_BYTES];
    uint8_t auth[WEBPUSH_AUTH_BYTES];
} WebPushKeys;
/* From base64url texts. ERROR_REJECT: wrong lengths, or no point of the curve. */
bool webpush_keys_parse(const char *p256dh, const char *auth, WebPushKeys *ret, GError **error);

typedef struct WebPush WebPush;
WebPush *webpush_new(void);
void webpush_free(WebPush *push);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WebPush, webpush_free)

/* Appends the body to `out`: Content-Encoding aes128gcm. ERROR_REJECT: the text is too long, or the
 * key is no point of the curve; `out` is as it was. */
bool webpush_encrypt(WebPush *push, const WebPushKeys *keys, const void *text, size_t size,
                     GString *out, GError **error);

/* What is a message's own; known values are for tests. */
typedef struct {
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    uint8_t salt[WEBPUSH_SALT_BYTES];
} WebPushChance;
bool webpush_encrypt_with(WebPush *push, const WebPushKeys *keys, const WebPushChance *chance,
                          GBytes *text, GString *out, GError **error);

#endif
