/* push_bare: the steps of an encrypted and signed push with nothing around them but OpenSSL, for
 * benches/push.sh: a key pair, its agreement with the device's, five HMACs, one sealed record, a
 * signature. What can be made once is made once. Prints "bare N/s", "bare-kept N/s" (without the
 * signature).
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"

#define DEVICES    100
#define TEXT_BYTES 133
#define SIGN_BYTES 190

typedef struct {
    EVP_PKEY *curve, *signer;
    EVP_PKEY_CTX *keygen;
    EVP_MAC_CTX *hmac;
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *sealing;
    EVP_MD_CTX *signing;
} Bare;

static void bare_init(Bare *bare)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    bare->curve = bare->signer = EVP_EC_gen("P-256");
    bare->keygen = EVP_PKEY_CTX_new_from_pkey(NULL, bare->curve, NULL);
    MUST(EVP_PKEY_keygen_init(bare->keygen) > 0);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    bare->hmac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    MUST(EVP_MAC_CTX_set_params(bare->hmac, params));
    bare->cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    bare->sealing = EVP_CIPHER_CTX_new();
    bare->signing = EVP_MD_CTX_new();
}

static void bare_clear(Bare *bare)
{
    EVP_PKEY_CTX_free(bare->keygen);
    EVP_PKEY_free(bare->curve); /* and the signer */
    EVP_MAC_CTX_free(bare->hmac);
    EVP_CIPHER_free(bare->cipher);
    EVP_CIPHER_CTX_free(bare->sealing);
    EVP_MD_CTX_free(bare->signing);
}

static void hmac(Bare *bare, const uint8_t *key, size_t key_size, const uint8_t *bytes, size_t size,
                 uint8_t *ret)
{
    size_t got;
    MUST(EVP_MAC_init(bare->hmac, key, key_size, NULL) && EVP_MAC_update(bare->hmac, bytes, size) &&
         EVP_MAC_final(bare->hmac, ret, &got, 32));
}

static void seal(Bare *bare, const uint8_t *device, uint8_t *out)
{
    static const uint8_t text[TEXT_BYTES], info[200], auth[16];
    EVP_PKEY *ours = NULL, *theirs = EVP_PKEY_new();
    uint8_t point[65], secret[32], a[32], b[32], salt[16];
    size_t size = sizeof point, secret_size = sizeof secret;
    MUST(EVP_PKEY_generate(bare->keygen, &ours) > 0);
    MUST(EVP_PKEY_get_octet_string_param(ours, OSSL_PKEY_PARAM_PUB_KEY, point, size, &size) > 0);
    MUST(RAND_bytes(salt, sizeof salt) > 0);
    MUST(EVP_PKEY_copy_parameters(theirs, bare->curve) > 0 &&
         EVP_PKEY_set1_encoded_public_key(theirs, device, 65) > 0);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
    MUST(EVP_PKEY_derive_init(context) > 0 && EVP_PKEY_derive_set_peer_ex(context, theirs, 0) > 0 &&
         EVP_PKEY_derive(context, secret, &secret_size) > 0);
    hmac(bare, auth, sizeof auth, secret, sizeof secret, a);
    hmac(bare, a, sizeof a, info, 145, b);
    hmac(bare, salt, sizeof salt, b, sizeof b, a);
    hmac(bare, a, sizeof a, info, 29, secret);
    hmac(bare, a, sizeof a, info, 25, b);
    int part, end;
    MUST(EVP_EncryptInit_ex2(bare->sealing, bare->cipher, secret, b, NULL) > 0 &&
         EVP_EncryptUpdate(bare->sealing, out, &part, text, sizeof text) > 0 &&
         EVP_EncryptFinal_ex(bare->sealing, out + part, &end) > 0 &&
         EVP_CIPHER_CTX_ctrl(bare->sealing, EVP_CTRL_AEAD_GET_TAG, 16, out + part) > 0);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}

static void sign(Bare *bare)
{
    static const uint8_t token[SIGN_BYTES];
    uint8_t der[80];
    size_t size = sizeof der;
    MUST(EVP_DigestSignInit_ex(bare->signing, NULL, "SHA256", NULL, NULL, bare->signer, NULL) > 0 &&
         EVP_DigestSign(bare->signing, der, &size, token, sizeof token) > 0);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)g_ascii_strtoull(argv[1], NULL, 10) : 0;
    if (count == 0)
        return 2;
    Bare bare;
    bare_init(&bare);
    uint8_t devices[DEVICES][65], out[TEXT_BYTES + 32];
    for (unsigned i = 0; i < DEVICES; i++) {
        size_t size = 65;
        EVP_PKEY *key = EVP_EC_gen("P-256");
        MUST(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, devices[i], 65, &size));
        EVP_PKEY_free(key);
    }
    for (int kept = 0; kept < 2; kept++) {
        int64_t begin_us = clock_monotonic_us(clock_real());
        for (unsigned i = 0; i < count; i++) {
            seal(&bare, devices[i % DEVICES], out);
            if (!kept)
                sign(&bare);
        }
        int64_t us = clock_monotonic_us(clock_real()) - begin_us;
        printf("%s %.0f/s\n", kept ? "bare-kept" : "bare", (double)count * 1e6 / (double)us);
    }
    bare_clear(&bare);
    return 0;
}
