/* webpush: see webpush.h. The words of the RFC: ua is the device ("user agent"), as is us
 * ("application server").
 *
 * How it fits: duty/push_notifications encrypts what it sends. What OpenSSL fetches by name and
 * what it makes of the curve is made once in webpush_new; of each message's cost nine tenths are
 * the curve's arithmetic: a key pair and one multiplication.
 *
 * Failures: a device's key that is no point of P-256 (decoding checks that; the curve's cofactor is
 * 1, so a point of it is a valid key). That OpenSSL has no P-256 or no AES is our bug. Known weak
 * points: no padding, so the length of the text can be seen; StateChange texts say nothing by it.
 */
#include "content/webpush.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "base/rand.h"
#include "content/base64url.h"
#include "content/p256.h"

#define RECORD_BYTES 4096
#define SECRET_BYTES 32 /* of SHA-256, and of the curve's shared secret */
#define TAG_BYTES    16
#define HEAD_BYTES   (WEBPUSH_SALT_BYTES + 4 + 1 + P256_PUBLIC_BYTES)

G_STATIC_ASSERT(HEAD_BYTES + 1 + TAG_BYTES == WEBPUSH_MORE_BYTES);
G_STATIC_ASSERT(WEBPUSH_TEXT_BYTES_MAX + WEBPUSH_MORE_BYTES == RECORD_BYTES);

struct WebPush {
    EVP_PKEY *curve;      /* parameters alone */
    EVP_PKEY_CTX *keygen; /* makes key pairs */
    EVP_MAC_CTX *hmac;    /* SHA-256 */
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *sealing;
};

WebPush *webpush_new(void)
{
    WebPush *push = g_new0(WebPush, 1);
    g_autofree char *digest = g_strdup("SHA256");
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_PKEY_CTX *curve = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    MUST(EVP_PKEY_paramgen_init(curve) > 0 && EVP_PKEY_CTX_set_group_name(curve, "P-256") > 0 &&
         EVP_PKEY_paramgen(curve, &push->curve) > 0);
    push->keygen = EVP_PKEY_CTX_new_from_pkey(NULL, push->curve, NULL);
    MUST(push->keygen && EVP_PKEY_keygen_init(push->keygen) > 0);
    push->hmac = EVP_MAC_CTX_new(hmac);
    MUST(push->hmac && EVP_MAC_CTX_set_params(push->hmac, params));
    push->cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    push->sealing = EVP_CIPHER_CTX_new();
    MUST(push->cipher && push->sealing);
    EVP_PKEY_CTX_free(curve);
    EVP_MAC_free(hmac);
    return push;
}

void webpush_free(WebPush *push)
{
    if (!push)
        return;
    EVP_PKEY_free(push->curve);
    EVP_PKEY_CTX_free(push->keygen);
    EVP_MAC_CTX_free(push->hmac);
    EVP_CIPHER_free(push->cipher);
    EVP_CIPHER_CTX_free(push->sealing);
    g_free(push);
}

/* A device's public key; NULL: it is no point of the curve. */
static EVP_PKEY *import_public(const WebPush *push, const uint8_t *point)
{
    EVP_PKEY *key = EVP_PKEY_new();
    MUST(key && EVP_PKEY_copy_parameters(key, push->curve) > 0);
    if (EVP_PKEY_set1_encoded_public_key(key, point, P256_PUBLIC_BYTES) > 0)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool webpush_keys_parse(const char *p256dh, const char *auth, WebPushKeys *ret, GError **error)
{
    WebPushKeys keys = {{0}, {0}};
    size_t size = 0, auth_size = 0;
    if (!base64url_parse(p256dh, keys.p256dh, sizeof keys.p256dh, &size) ||
        size != sizeof keys.p256dh || keys.p256dh[0] != 4)
        return fail(error, ERROR_REJECT,
                    "\"p256dh\" is not %d bytes of base64url, an "
                    "uncompressed point",
                    P256_PUBLIC_BYTES);
    if (!base64url_parse(auth, keys.auth, sizeof keys.auth, &auth_size) ||
        auth_size != sizeof keys.auth)
        return fail(error, ERROR_REJECT, "\"auth\" is not %d bytes of base64url",
                    WEBPUSH_AUTH_BYTES);
    g_autoptr(WebPush) push = webpush_new();
    EVP_PKEY *key = import_public(push, keys.p256dh);
    if (!key)
        return fail(error, ERROR_REJECT, "\"p256dh\" is no point of P-256");
    EVP_PKEY_free(key);
    *ret = keys;
    return true;
}

/* HMAC-SHA-256 over up to three pieces, under a key. */
typedef struct {
    const void *bytes;
    size_t size;
} Piece;
static void hmac(WebPush *push, Piece key, const Piece *pieces, unsigned count,
                 uint8_t ret[SECRET_BYTES])
{
    size_t size = 0;
    MUST(EVP_MAC_init(push->hmac, key.bytes, key.size, NULL));
    for (unsigned i = 0; i < count; i++)
        MUST(EVP_MAC_update(push->hmac, pieces[i].bytes, pieces[i].size));
    MUST(EVP_MAC_final(push->hmac, ret, &size, SECRET_BYTES) && size == SECRET_BYTES);
}

/* RFC 8291 §3.4: from the shared secret to the record's key and nonce. */
typedef struct {
    uint8_t key[SECRET_BYTES], nonce[SECRET_BYTES]; /* the first 16 and 12 bytes count */
} Sealing;
static void derive(WebPush *push, const WebPushKeys *keys, const WebPushChance *chance,
                   const uint8_t secret[SECRET_BYTES], Sealing *ret)
{
    static const char key_info[] = "WebPush: info", cek_info[] = "Content-Encoding: aes128gcm\0\1",
                      nonce_info[] = "Content-Encoding: nonce\0\1";
    uint8_t prk[SECRET_BYTES], ikm[SECRET_BYTES];
    hmac(push, (Piece){keys->auth, sizeof keys->auth}, (Piece[]){{secret, SECRET_BYTES}}, 1, prk);
    Piece info[] = {{key_info, sizeof key_info}, /* with its NUL */
                    {keys->p256dh, sizeof keys->p256dh},
                    {chance->public_key, sizeof chance->public_key},
                    {"\1", 1}};
    hmac(push, (Piece){prk, sizeof prk}, info, 4, ikm);
    hmac(push, (Piece){chance->salt, sizeof chance->salt}, (Piece[]){{ikm, sizeof ikm}}, 1, prk);
    hmac(push, (Piece){prk, sizeof prk}, (Piece[]){{cek_info, sizeof cek_info - 1}}, 1, ret->key);
    hmac(push, (Piece){prk, sizeof prk}, (Piece[]){{nonce_info, sizeof nonce_info - 1}}, 1,
         ret->nonce);
    OPENSSL_cleanse(prk, sizeof prk);
    OPENSSL_cleanse(ikm, sizeof ikm);
}

static bool agree(EVP_PKEY *ours, EVP_PKEY *theirs, uint8_t ret[SECRET_BYTES])
{
    size_t size = SECRET_BYTES;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
    /* Decoding has checked the point; set_peer would check it again, by another multiplication. */
    bool good = context && EVP_PKEY_derive_init(context) > 0 &&
                EVP_PKEY_derive_set_peer_ex(context, theirs, 0) > 0 &&
                EVP_PKEY_derive(context, ret, &size) > 0 && size == SECRET_BYTES;
    EVP_PKEY_CTX_free(context);
    return good;
}

/* One message on its way. */
typedef struct {
    const WebPushKeys *keys;
    const WebPushChance *chance;
    EVP_PKEY *ours; /* of the chance's key pair */
    const void *text;
    size_t size;
} Letter;

/* Head and the one record: text, the mark of the last record, tag. */
static void seal(WebPush *push, const Letter *letter, const Sealing *sealing, GString *out)
{
    static const uint8_t record[5] = {0, 0, RECORD_BYTES >> 8, RECORD_BYTES & 0xff,
                                      P256_PUBLIC_BYTES};
    const WebPushChance *chance = letter->chance;
    size_t start = out->len;
    int part = 0, last = 0, end = 0;
    g_string_append_len(out, (const char *)chance->salt, sizeof chance->salt);
    g_string_append_len(out, (const char *)record, sizeof record);
    g_string_append_len(out, (const char *)chance->public_key, sizeof chance->public_key);
    g_string_set_size(out, start + letter->size + WEBPUSH_MORE_BYTES);
    uint8_t *at = (uint8_t *)out->str + start + HEAD_BYTES;
    MUST(EVP_EncryptInit_ex2(push->sealing, push->cipher, sealing->key, sealing->nonce, NULL) > 0);
    MUST(letter->size == 0 ||
         EVP_EncryptUpdate(push->sealing, at, &part, letter->text, (int)letter->size) > 0);
    MUST(EVP_EncryptUpdate(push->sealing, at + part, &last, (const uint8_t *)"\2", 1) > 0);
    MUST(EVP_EncryptFinal_ex(push->sealing, at + part + last, &end) > 0);
    MUST((size_t)(part + last + end) == letter->size + 1);
    MUST(EVP_CIPHER_CTX_ctrl(push->sealing, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
                             at + letter->size + 1) > 0);
}

static bool encrypt(WebPush *push, const Letter *letter, GString *out, GError **error)
{
    if (letter->size > WEBPUSH_TEXT_BYTES_MAX)
        return fail(error, ERROR_REJECT, "a push has at most %d bytes, this one has %zu",
                    WEBPUSH_TEXT_BYTES_MAX, letter->size);
    EVP_PKEY *theirs = import_public(push, letter->keys->p256dh);
    uint8_t secret[SECRET_BYTES];
    bool good = theirs && agree(letter->ours, theirs, secret);
    EVP_PKEY_free(theirs);
    if (!good)
        return fail(error, ERROR_REJECT, "the device's key is no point of P-256");
    Sealing sealing;
    derive(push, letter->keys, letter->chance, secret, &sealing);
    seal(push, letter, &sealing, out);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(&sealing, sizeof sealing);
    return true;
}

bool webpush_encrypt(WebPush *push, const WebPushKeys *keys, const void *text, size_t size,
                     GString *out, GError **error)
{
    WebPushChance chance;
    Letter letter = {.keys = keys, .chance = &chance, .text = text, .size = size};
    size_t got = 0;
    MUST(EVP_PKEY_generate(push->keygen, &letter.ours) > 0);
    MUST(EVP_PKEY_get_octet_string_param(letter.ours, OSSL_PKEY_PARAM_PUB_KEY, chance.public_key,
                                         sizeof chance.public_key, &got) > 0 &&
         got == sizeof chance.public_key && chance.public_key[0] == 4);
    rand_secret(chance.salt, sizeof chance.salt);
    bool good = encrypt(push, &letter, out, error);
    EVP_PKEY_free(letter.ours);
    return good;
}

bool webpush_encrypt_with(WebPush *push, const WebPushKeys *keys, const WebPushChance *chance,
                          GBytes *text, GString *out, GError **error)
{
    Letter letter = {.keys = keys, .chance = chance};
    letter.text = g_bytes_get_data(text, &letter.size);
    letter.ours = p256_import(chance->private_key, chance->public_key);
    if (!letter.ours)
        return fail(error, ERROR_REJECT, "these are no key pair of P-256");
    bool good = encrypt(push, &letter, out, error);
    EVP_PKEY_free(letter.ours);
    return good;
}
