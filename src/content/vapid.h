/* vapid.h: who we are to a push service (RFC 8292): a signed token for its origin, ES256.
 *
 * Making a token costs a signature; it may be used again for the same origin until it expires. A
 * VapidKey may be read by any thread.
 */
#ifndef ROTA_CONTENT_VAPID_H
#define ROTA_CONTENT_VAPID_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "content/p256.h"

typedef struct VapidKey VapidKey;
/* ERROR_REJECT: these are no key pair of P-256. */
VapidKey *vapid_key_new(const uint8_t private_key[P256_PRIVATE_BYTES],
                        const uint8_t public_key[P256_PUBLIC_BYTES], GError **error);
void vapid_key_free(VapidKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VapidKey, vapid_key_free)
/* The public key in base64url, as RFC 9749's applicationServerKey; borrowed. */
const char *vapid_key_public(const VapidKey *key);

/* The origin of an https (or http) URL, as the token's audience: scheme, host in lower case, and
 * the port where it is not the scheme's own. NULL: it is no such URL. The caller frees it. */
char *vapid_origin(const char *url);
/* The value of the header Authorization: "vapid t=…, k=…". `expires_s`: seconds since 1970, at most
 * a day from now; `contact`: "mailto:…" or "https:…", NULL or "": none. The caller frees it. */
char *vapid_authorization(const VapidKey *key, const char *origin, int64_t expires_s,
                          const char *contact);

#endif
