/* jose_test: the vectors of RFC 7515 and RFC 7638, and signatures that are verified. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <string.h>

#include "base/error.h"
#include "content/base64url.h"
#include "content/jose.h"
#include "content/private_key.h"
#include "support.h"

static void base64url_and_back(void **state)
{
    (void)state;
    /* RFC 7515, appendix C */
    static const unsigned char bytes[] = {3, 236, 255, 224, 193};
    g_autofree char *text = base64url_format(bytes, sizeof bytes);
    assert_string_equal(text, "A-z_4ME");
    g_autoptr(GBytes) back = jose_base64url_parse("A-z_4ME");
    assert_memory_equal(g_bytes_get_data(back, NULL), bytes, sizeof bytes);
    g_autoptr(GBytes) filled = jose_base64url_parse("A-z_4ME=");
    assert_true(g_bytes_equal(back, filled));
    static const char *const wrong[] = {"A+z", "A/z", "A", "AAAAA", "A z", "A\nzz", NULL};
    for (const char *const *one = wrong; *one; one++)
        assert_null(jose_base64url_parse(*one));
}

/* RFC 7515 A.1: HS256 */
static void signs_with_a_secret(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) secret = jose_base64url_parse(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    g_autofree char *got = jose_sign_with_secret(
        secret, "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
        "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
        &error);
    assert_no_error(error);
    assert_non_null(strstr(got, "\"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\""));
    assert_non_null(strstr(got, "\"protected\":\"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\""));
}

/* RFC 7638 3.1: an RSA key and its thumbprint */
static void thumbprint_of_rsa(void **state)
{
    (void)state;
    static const char n[] =
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
        "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI"
        "4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) modulus = jose_base64url_parse(n);
    gsize size = 0;
    const void *bytes = g_bytes_get_data(modulus, &size);
    /* OpenSSL takes numbers in the machine's order. */
    g_autofree unsigned char *native = g_malloc(size);
    for (gsize i = 0; i < size; i++)
        native[i] = ((const unsigned char *)bytes)[size - 1 - i];
    unsigned char exponent[] = {1, 0, 1};
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native, size),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, exponent, sizeof exponent),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *made = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(context);
    g_autoptr(EVP_PKEY) key = made;
    g_autofree char *thumbprint = jose_thumbprint(key, &error);
    assert_no_error(error);
    assert_string_equal(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

static char *member(const char *json, const char *name)
{
    g_autofree char *head = g_strdup_printf("\"%s\":\"", name);
    const char *at = strstr(json, head);
    assert_non_null(at);
    at += strlen(head);
    return g_strndup(at, strcspn(at, "\""));
}

/* The signature in the form that OpenSSL verifies. */
static GBytes *der_of(const char *text, bool ec)
{
    GBytes *raw = jose_base64url_parse(text);
    if (!ec)
        return raw;
    gsize size = 0;
    const unsigned char *bytes = g_bytes_get_data(raw, &size);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    ECDSA_SIG_set0(signature, BN_bin2bn(bytes, (int)size / 2, NULL),
                   BN_bin2bn(bytes + size / 2, (int)size / 2, NULL));
    unsigned char *der = NULL;
    int der_size = i2d_ECDSA_SIG(signature, &der);
    GBytes *made = g_bytes_new(der, (gsize)der_size);
    OPENSSL_free(der);
    ECDSA_SIG_free(signature);
    g_bytes_unref(raw);
    return made;
}

static void signatures_verify(void **state)
{
    (void)state;
    static const struct {
        KeyKind kind;
        const char *algorithm;
        size_t letters; /* of the signature */
    } cases[] = {{KEY_P256, "ES256", 86}, {KEY_P384, "ES384", 128}, {KEY_RSA_2048, "RS256", 342}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EVP_PKEY) key = private_key_new(cases[i].kind, NULL);
        assert_string_equal(jose_algorithm(key), cases[i].algorithm);
        g_autofree char *got = jose_sign(key, "{\"alg\":\"x\"}", "", &error);
        assert_no_error(error);
        g_autofree char *header = member(got, "protected"), *payload = member(got, "payload"),
                        *signature = member(got, "signature");
        assert_string_equal(payload, "");
        assert_int_equal(strlen(signature), cases[i].letters);
        g_autofree char *part = g_strdup_printf("%s.%s", header, payload);
        g_autoptr(GBytes) der = der_of(signature, cases[i].kind != KEY_RSA_2048);
        gsize size = 0;
        const unsigned char *bytes = g_bytes_get_data(der, &size);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        assert_int_equal(
            EVP_DigestVerifyInit(context, NULL, i == 1 ? EVP_sha384() : EVP_sha256(), NULL, key),
            1);
        assert_int_equal(
            EVP_DigestVerify(context, bytes, size, (const unsigned char *)part, strlen(part)), 1);
        EVP_MD_CTX_free(context);
        g_autofree char *jwk = jose_jwk(key, &error);
        assert_non_null(strstr(jwk, i == 2 ? "\"kty\":\"RSA\"" : "\"kty\":\"EC\""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_and_back),
        cmocka_unit_test(signs_with_a_secret),
        cmocka_unit_test(thumbprint_of_rsa),
        cmocka_unit_test(signatures_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
