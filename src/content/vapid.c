/* vapid: see vapid.h. A JSON Web Token (RFC 7519) of three claims.
 *
 * How it fits: duty/push_notifications keeps a token for each origin for some hours. Failures: a
 * key that is none. Known weak point: the contact is taken as it was written in the settings.
 */
#include "content/vapid.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "content/base64url.h"
#include "content/jose.h"

struct VapidKey {
    EVP_PKEY *pair;
    char *public_text;
};

VapidKey *vapid_key_new(const uint8_t private_key[P256_PRIVATE_BYTES],
                        const uint8_t public_key[P256_PUBLIC_BYTES], GError **error)
{
    EVP_PKEY *pair = p256_import(private_key, public_key);
    if (!pair) {
        fail(error, ERROR_REJECT, "the key for push services is no key pair of P-256");
        return NULL;
    }
    VapidKey *key = g_new0(VapidKey, 1);
    key->pair = pair;
    key->public_text = base64url_format(public_key, P256_PUBLIC_BYTES);
    return key;
}

void vapid_key_free(VapidKey *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pair);
    g_free(key->public_text);
    g_free(key);
}

const char *vapid_key_public(const VapidKey *key)
{
    return key->public_text;
}

char *vapid_origin(const char *url)
{
    bool secure = g_ascii_strncasecmp(url, "https://", 8) == 0;
    if (!secure && g_ascii_strncasecmp(url, "http://", 7) != 0)
        return NULL;
    const char *host = url + (secure ? 8 : 7);
    size_t size = strcspn(host, "/?#");
    if (size == 0 || memchr(host, '@', size) || memchr(host, '\\', size))
        return NULL;
    g_autofree char *name = g_ascii_strdown(host, (gssize)size);
    if (g_str_has_suffix(name, secure ? ":443" : ":80"))
        *strrchr(name, ':') = '\0';
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr(".-_:[]", *c))
            return NULL;
    return *name ? g_strdup_printf("%s://%s", secure ? "https" : "http", name) : NULL;
}

char *vapid_authorization(const VapidKey *key, const char *origin, int64_t expires_s,
                          const char *contact)
{
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ES256\"}";
    json_t *claims = json_pack("{s:s, s:I}", "aud", origin, "exp", (json_int_t)expires_s);
    MUST(claims != NULL);
    if (contact && *contact)
        json_object_set_new(claims, "sub", json_string(contact));
    char *text = json_dumps(claims, JSON_COMPACT);
    MUST(text != NULL);
    json_decref(claims);
    g_autofree char *token = jose_sign_compact(key->pair, header, text, NULL);
    MUST(token != NULL); /* the pair is one of P-256 */
    free(text);
    return g_strdup_printf("vapid t=%s, k=%s", token, key->public_text);
}
