/* jose: signed JSON as ACME and push services want it.
 *
 * How it fits: remote/acme makes each of its requests with it, vapid.c its tokens. Header and
 * payload are texts that the caller made with Jansson; nothing is parsed here.
 *
 * Failures: keys of other kinds, and OpenSSL without room.
 */
#include "content/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

#include "content/base64url.h"

#define COORDINATE_BYTES_MAX 48 /* of P-384 */
#define SIGNATURE_BYTES_MAX  1024

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ECDSA_SIG, ECDSA_SIG_free)

GBytes *jose_base64url_parse(const char *text)
{
    size_t room = strlen(text) / 4 * 3 + 3, size = 0;
    g_autofree void *bytes = g_malloc(room);
    return base64url_parse(text, bytes, room, &size) ? g_bytes_new(bytes, size) : NULL;
}

static bool is_curve(const EVP_PKEY *key, int bits)
{
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == bits;
}

const char *jose_algorithm(const EVP_PKEY *key)
{
    if (is_curve(key, 256))
        return "ES256";
    if (is_curve(key, 384))
        return "ES384";
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? "RS256" : NULL;
}

/* A number of the key, of so many bytes (0: as many as it has); NULL: it has none. */
static char *number_of(const EVP_PKEY *key, const char *name, int bytes)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1)
        return NULL;
    int size = bytes > 0 ? bytes : BN_num_bytes(number);
    g_autofree unsigned char *raw = g_malloc0((gsize)MAX(size, 1));
    bool fits = BN_bn2binpad(number, raw, size) == size;
    BN_free(number);
    return fits ? base64url_format(raw, (size_t)size) : NULL;
}

char *jose_jwk(const EVP_PKEY *key, GError **error)
{
    const char *algorithm = jose_algorithm(key);
    bool ec = algorithm && *algorithm == 'E';
    int bytes = ec ? EVP_PKEY_get_bits(key) / 8 : 0;
    g_autofree char *one =
        algorithm ? number_of(key, ec ? OSSL_PKEY_PARAM_EC_PUB_X : OSSL_PKEY_PARAM_RSA_E, bytes)
                  : NULL;
    g_autofree char *two =
        algorithm ? number_of(key, ec ? OSSL_PKEY_PARAM_EC_PUB_Y : OSSL_PKEY_PARAM_RSA_N, bytes)
                  : NULL;
    ERR_clear_error();
    if (!one || !two) {
        fail(error, ERROR_REJECT, "the key is neither of P-256 or P-384 nor RSA");
        return NULL;
    }
    if (ec)
        return g_strdup_printf("{\"crv\":\"P-%d\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                               bytes * 8, one, two);
    return g_strdup_printf("{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", one, two);
}

char *jose_thumbprint(const EVP_PKEY *key, GError **error)
{
    g_autofree char *jwk = jose_jwk(key, error);
    if (!jwk)
        return NULL;
    Digest digest = digest_of(jwk, strlen(jwk));
    return base64url_format(digest.bytes, DIGEST_BYTES);
}

/* ---------------------------------------------------------------- signing */

/* What OpenSSL gives is DER; JOSE wants both numbers side by side (RFC 7518 3.4). */
static char *plain_signature(const unsigned char *der, size_t size, int coordinate)
{
    unsigned char raw[2 * COORDINATE_BYTES_MAX];
    g_autoptr(ECDSA_SIG) signature = d2i_ECDSA_SIG(NULL, &der, (long)size);
    if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, coordinate) != coordinate ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + coordinate, coordinate) != coordinate)
        return NULL;
    return base64url_format(raw, 2 * (size_t)coordinate);
}

static char *signature_of(EVP_PKEY *key, const char *text)
{
    unsigned char bytes[SIGNATURE_BYTES_MAX];
    size_t size = sizeof bytes;
    const char *algorithm = jose_algorithm(key);
    const EVP_MD *digest =
        algorithm && strcmp(algorithm, "ES384") == 0 ? EVP_sha384() : EVP_sha256();
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    if (!algorithm || !context || EVP_DigestSignInit(context, NULL, digest, NULL, key) != 1 ||
        EVP_DigestSign(context, bytes, &size, (const unsigned char *)text, strlen(text)) != 1)
        return NULL;
    return *algorithm == 'E' ? plain_signature(bytes, size, EVP_PKEY_get_bits(key) / 8)
                             : base64url_format(bytes, size);
}

static char *signed_part(const char *header, const char *payload)
{
    g_autofree char *first = base64url_format(header, strlen(header));
    g_autofree char *second = base64url_format(payload, strlen(payload));
    return g_strdup_printf("%s.%s", first, second);
}

/* "protected.payload.signature" as JSON. */
static char *flatten(const char *compact)
{
    g_auto(GStrv) parts = g_strsplit(compact, ".", 3);
    return g_strdup_printf("{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
                           parts[0], parts[1], parts[2]);
}

char *jose_sign_compact(EVP_PKEY *key, const char *header, const char *payload, GError **error)
{
    g_autofree char *part = signed_part(header, payload);
    g_autofree char *signature = signature_of(key, part);
    ERR_clear_error();
    if (signature)
        return g_strdup_printf("%s.%s", part, signature);
    fail(error, ERROR_REJECT, "could not sign with the key");
    return NULL;
}

char *jose_sign(EVP_PKEY *key, const char *header, const char *payload, GError **error)
{
    g_autofree char *compact = jose_sign_compact(key, header, payload, error);
    return compact ? flatten(compact) : NULL;
}

char *jose_sign_with_secret(GBytes *secret, const char *header, const char *payload, GError **error)
{
    g_autofree char *part = signed_part(header, payload);
    gsize size = 0;
    const void *bytes = g_bytes_get_data(secret, &size);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    if (size == 0 || !HMAC(EVP_sha256(), bytes, (int)size, (const unsigned char *)part,
                           strlen(part), mac, &mac_size)) {
        fail(error, ERROR_REJECT, "could not sign with the secret");
        return NULL;
    }
    g_autofree char *signature = base64url_format(mac, mac_size);
    g_autofree char *compact = g_strdup_printf("%s.%s", part, signature);
    return flatten(compact);
}
