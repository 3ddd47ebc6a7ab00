/* vapid: see vapid.h. A JSON Web Token (RFC 7519) of three claims.
 *
 * How it fits: duty/push_notifications keeps a token for each origin for some hours. Failures: a
 * key that is none. Known weak point: the contact is taken as it was written in the settings.
 */
#include "content/vapid.h"

#include <jansson.h>
#include <openssl/ecdsa.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "content/base64url.h"

#define HALF_BYTES 32 /* of a signature: r and s */

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

/* ES256 (RFC 7518 §3.4): r and s side by side, where OpenSSL has ASN.1. */
static void append_signature(GString *token, EVP_PKEY *pair)
{
    uint8_t der[80], both[2 * HALF_BYTES];
    size_t size = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    MUST(context && EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, pair, NULL) > 0);
    MUST(EVP_DigestSign(context, der, &size, (const uint8_t *)token->str, token->len) > 0);
    EVP_MD_CTX_free(context);
    const uint8_t *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    MUST(signature != NULL);
    MUST(BN_bn2binpad(ECDSA_SIG_get0_r(signature), both, HALF_BYTES) == HALF_BYTES);
    MUST(BN_bn2binpad(ECDSA_SIG_get0_s(signature), both + HALF_BYTES, HALF_BYTES) == HALF_BYTES);
    ECDSA_SIG_free(signature);
    g_string_append_c(token, '.');
    base64url_append(token, both, sizeof both);
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
    g_autoptr(GString) token = g_string_new(NULL);
    base64url_append(token, header, sizeof header - 1);
    g_string_append_c(token, '.');
    base64url_append(token, text, strlen(text));
    free(text);
    append_signature(token, key->pair);
    return g_strdup_printf("vapid t=%s, k=%s", token->str, key->public_text);
}
