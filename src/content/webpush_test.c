/* webpush_test: the RFCs' known values, the way back by another road (OpenSSL's HKDF), and what is
 * refused. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "base/error.h"
#include "content/base64url.h"
#include "content/vapid.h"
#include "content/webpush.h"
#include "support.h"

static void base64url_goes_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
    uint8_t bytes[16];
    size_t size;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = base64url_format(rows[i].bytes, strlen(rows[i].bytes));
        assert_string_equal(text, rows[i].text);
        assert_true(base64url_parse(rows[i].text, bytes, sizeof bytes, &size));
        assert_int_equal(size, strlen(rows[i].bytes));
        assert_memory_equal(bytes, rows[i].bytes, size);
    }
    assert_true(base64url_parse("Zg==", bytes, sizeof bytes, &size) && size == 1);
    assert_true(base64url_parse("Zm8=", bytes, sizeof bytes, &size) && size == 2);
    assert_true(base64url_parse("Zm8", bytes, 2, &size));
    assert_false(base64url_parse("Zm8", bytes, 1, &size));
    static const char *const wrong[] = {
        "Z", "Zg=", "Zh", "Zm9", "Z=g=", "+/+/", "Zm 9v", "====", "="};
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        if (base64url_parse(wrong[i], bytes, sizeof bytes, &size))
            fail_msg("\"%s\" was taken", wrong[i]);
}

static void parse_exactly(const char *text, void *bytes, size_t want)
{
    size_t size = 0;
    assert_true(base64url_parse(text, bytes, want, &size));
    assert_int_equal(size, want);
}

#define UA_PUBLIC                                                                                  \
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define UA_PRIVATE "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
#define AUTH       "BTBZMqHH6r4Tts7J_aSIgg"
#define TEXT       "When I grow up, I want to be a watermelon"

static void rfc_8291_has_known_values(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    WebPushKeys keys;
    WebPushChance chance;
    assert_true(webpush_keys_parse(UA_PUBLIC, AUTH, &keys, &error));
    parse_exactly("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", chance.private_key,
                  sizeof chance.private_key);
    parse_exactly(
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
        chance.public_key, sizeof chance.public_key);
    parse_exactly("DGv6ra1nlYgDCS1FRnbzlw", chance.salt, sizeof chance.salt);
    g_autoptr(WebPush) push = webpush_new();
    g_autoptr(GBytes) text = g_bytes_new_static(TEXT, strlen(TEXT));
    for (int again = 0; again < 2; again++) {
        g_autoptr(GString) out = g_string_new("before");
        assert_true(webpush_encrypt_with(push, &keys, &chance, text, out, &error));
        g_autofree char *got = base64url_format(out->str + 6, out->len - 6);
        assert_string_equal(got,
                            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
                            "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
                            "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN");
    }
    chance.private_key[5] ^= 1;
    g_autoptr(GString) out = g_string_new(NULL);
    assert_false(webpush_encrypt_with(push, &keys, &chance, text, out, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
}

static void hkdf(const void *salt, size_t salt_size, const uint8_t *key, GString *info, size_t want,
                 uint8_t *ret)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, salt_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, 32),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info->str, info->len),
        OSSL_PARAM_construct_end()};
    assert_true(EVP_KDF_derive(context, ret, want, params) > 0);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

static void device_secret(const uint8_t *ours, uint8_t ret[32])
{
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    size_t size = 32;
    parse_exactly(UA_PRIVATE, private_key, sizeof private_key);
    parse_exactly(UA_PUBLIC, public_key, sizeof public_key);
    EVP_PKEY *device = p256_import(private_key, public_key), *sender = EVP_PKEY_new();
    assert_true(EVP_PKEY_copy_parameters(sender, device) > 0);
    assert_true(EVP_PKEY_set1_encoded_public_key(sender, ours, P256_PUBLIC_BYTES) > 0);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(device, NULL);
    assert_true(EVP_PKEY_derive_init(context) > 0 && EVP_PKEY_derive_set_peer(context, sender) > 0);
    assert_true(EVP_PKEY_derive(context, ret, &size) > 0);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(device);
    EVP_PKEY_free(sender);
}

/* As the device does it; the text without its mark. */
static char *decrypt(const uint8_t *body, size_t size, const WebPushKeys *keys)
{
    uint8_t secret[32], ikm[32], key[16], nonce[12];
    const uint8_t *sender = body + 21;
    device_secret(sender, secret);
    g_autoptr(GString) info = g_string_new_len("WebPush: info", 14);
    g_string_append_len(info, (const char *)keys->p256dh, 65);
    g_string_append_len(info, (const char *)sender, 65);
    hkdf(keys->auth, 16, secret, info, 32, ikm);
    g_string_assign(info, "Content-Encoding: aes128gcm");
    g_string_append_c(info, '\0');
    hkdf(body, 16, ikm, info, 16, key);
    g_string_assign(info, "Content-Encoding: nonce");
    g_string_append_c(info, '\0');
    hkdf(body, 16, ikm, info, 12, nonce);
    int cipher_size = (int)size - 86 - 16, part = 0, end = 0;
    uint8_t *text = g_malloc0((gsize)cipher_size + 1);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_true(EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, nonce) > 0);
    assert_true(EVP_DecryptUpdate(context, text, &part, body + 86, cipher_size) > 0);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(uintptr_t)(body + size - 16));
    assert_true(EVP_DecryptFinal_ex(context, text + part, &end) > 0);
    EVP_CIPHER_CTX_free(context);
    assert_int_equal(text[cipher_size - 1], 2);
    text[cipher_size - 1] = '\0';
    return (char *)text;
}

static void each_message_is_its_own(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(WebPush) push = webpush_new();
    g_autoptr(GHashTable) heads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    WebPushKeys keys;
    assert_true(webpush_keys_parse(UA_PUBLIC, AUTH, &keys, &error));
    for (size_t size = 0; size <= WEBPUSH_TEXT_BYTES_MAX; size = size * 3 + 1) {
        g_autofree char *text = g_strnfill(size, 'x');
        g_autoptr(GString) out = g_string_new(NULL);
        assert_true(webpush_encrypt(push, &keys, text, size, out, &error));
        assert_int_equal(out->len, size + WEBPUSH_MORE_BYTES);
        g_autofree char *got = decrypt((const uint8_t *)out->str, out->len, &keys);
        assert_string_equal(got, text);
        assert_true(g_hash_table_add(heads, base64url_format(out->str, 16)));
        assert_true(g_hash_table_add(heads, base64url_format(out->str + 21, 65)));
    }
    g_autofree char *large = g_strnfill(WEBPUSH_TEXT_BYTES_MAX + 1, 'x');
    g_autoptr(GString) out = g_string_new(NULL);
    assert_true(webpush_encrypt(push, &keys, large, WEBPUSH_TEXT_BYTES_MAX, out, &error));
    assert_int_equal(out->len, 4096);
    assert_false(webpush_encrypt(push, &keys, large, WEBPUSH_TEXT_BYTES_MAX + 1, out, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
    assert_int_equal(out->len, 4096);
}

static void wrong_keys_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *p256dh, *auth;
    } rows[] = {
        {"", AUTH},
        {"BCVxsr7N", AUTH},
        {UA_PUBLIC "AA", AUTH},
        {"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw8",
         AUTH},
        {"AiVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
         AUTH},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         AUTH},
        {UA_PUBLIC, ""},
        {UA_PUBLIC, "BTBZMqHH6r4Tts7J_aSI"},
        {UA_PUBLIC, AUTH "AA"},
        {UA_PUBLIC, "BTBZMqHH6r4Tts7J/aSIgg"},
    };
    WebPushKeys keys = {{0}, {0}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        if (webpush_keys_parse(rows[i].p256dh, rows[i].auth, &keys, &error))
            fail_msg("row %zu was taken", i);
        assert_int_equal(error_kind(error), ERROR_REJECT);
    }
    g_autoptr(WebPush) push = webpush_new();
    g_autoptr(GString) out = g_string_new(NULL);
    assert_false(webpush_encrypt(push, &keys, "x", 1, out, NULL));
    assert_int_equal(out->len, 0);
}

/* A token's signature, by its own words. */
static bool is_signed(const char *token, const char *public_text)
{
    uint8_t public_key[P256_PUBLIC_BYTES], both[64];
    parse_exactly(public_text, public_key, sizeof public_key);
    const char *dot = strrchr(token, '.');
    parse_exactly(dot + 1, both, sizeof both);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    assert_true(
        ECDSA_SIG_set0(signature, BN_bin2bn(both, 32, NULL), BN_bin2bn(both + 32, 32, NULL)));
    uint8_t *der = NULL;
    int size = i2d_ECDSA_SIG(signature, &der);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_true(EVP_PKEY_set1_encoded_public_key(key, public_key, sizeof public_key) > 0);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_true(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) > 0);
    bool good = EVP_DigestVerify(context, der, (size_t)size, (const uint8_t *)token,
                                 (size_t)(dot - token)) > 0;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    ECDSA_SIG_free(signature);
    OPENSSL_free(der);
    return good;
}

static void rfc_8292_has_known_values(void **state)
{
    (void)state;
    static const char known[] =
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9."
        "eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3"
        "NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0."
        "i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA";
    assert_true(is_signed(known, "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RC"
                                 "PCfA5aq9ojSwk5Y2EmClBPs"));
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    p256_generate(private_key, public_key);
    g_autoptr(VapidKey) key = vapid_key_new(private_key, public_key, NULL);
    g_autofree char *got =
        vapid_authorization(key, "https://push.example.net", 1453523768, "mailto:push@example.com");
    assert_true(g_str_has_prefix(got, "vapid t="));
    char *k = strstr(got, ", k=");
    assert_non_null(k);
    assert_string_equal(k + 4, vapid_key_public(key));
    *k = '\0';
    const char *token = got + 8;
    assert_int_equal(strlen(token), strlen(known));
    assert_memory_equal(token, known, strrchr(known, '.') - known);
    assert_true(is_signed(token, k + 4));
    private_key[3] ^= 1;
    g_autoptr(GError) error = NULL;
    assert_null(vapid_key_new(private_key, public_key, &error));
    assert_int_equal(error_kind(error), ERROR_REJECT);
}

static void origins_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *url, *origin;
    } rows[] = {
        {"https://push.example.net/a/b?c", "https://push.example.net"},
        {"HTTPS://Push.Example.NET", "https://push.example.net"},
        {"https://push.example.net:443/", "https://push.example.net"},
        {"https://push.example.net:8443/", "https://push.example.net:8443"},
        {"http://127.0.0.1:80/x", "http://127.0.0.1"},
        {"https://[::1]:9/x", "https://[::1]:9"},
        {"https://a?b", "https://a"},
        {"https://user@host/", NULL},
        {"https:///x", NULL},
        {"https://:443/x", NULL},
        {"ftp://a/", NULL},
        {"https://a\"b/", NULL},
        {"https://a\\b/", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *got = vapid_origin(rows[i].url);
        if (g_strcmp0(got, rows[i].origin) != 0)
            fail_msg("%s: got %s", rows[i].url, got ? got : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_goes_both_ways),  cmocka_unit_test(rfc_8291_has_known_values),
        cmocka_unit_test(each_message_is_its_own),   cmocka_unit_test(wrong_keys_are_refused),
        cmocka_unit_test(rfc_8292_has_known_values), cmocka_unit_test(origins_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
