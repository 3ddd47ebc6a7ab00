/* seal: secrets that lie in the store.
 *
 * How it fits: model/certificate writes and reads private keys through it; app/settings makes the
 * Seal. Failures: no key, or not the one that it was sealed with: the text says which setting to
 * look at. Known weak point: the setting's text is hashed once, not stretched, so it must have its
 * 128 bits of chance by itself; the example says how to make one.
 */
#include "content/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "base/rand.h"

#define VERSION  1
#define ID_BYTES 4
#define NONCE    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG      crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD     (1 + ID_BYTES + NONCE)

static void make_key(const char *secret, uint8_t *ret)
{
    static const char context[] = "rota storage.secret-key 1";
    MUST(sodium_init() >= 0);
    MUST(crypto_generichash(ret, SEAL_KEY_BYTES, (const unsigned char *)secret, strlen(secret),
                            (const unsigned char *)context, sizeof context - 1) == 0);
}

static void key_id(const uint8_t *key, uint8_t *ret)
{
    uint8_t digest[crypto_generichash_BYTES];
    MUST(crypto_generichash(digest, sizeof digest, key, SEAL_KEY_BYTES, NULL, 0) == 0);
    memcpy(ret, digest, ID_BYTES);
}

void seal_init(Seal *seal, const char *secret, const char *before)
{
    *seal = (Seal){.count = 0};
    if (!*secret)
        return;
    make_key(secret, seal->keys[seal->count++]);
    if (*before)
        make_key(before, seal->keys[seal->count++]);
}

GBytes *seal_close(const Seal *seal, const char *what, const void *bytes, size_t size,
                   GError **error)
{
    if (seal->count == 0) {
        fail(error, ERROR_REJECT, "there is no storage.secret-key to seal a private key with");
        return NULL;
    }
    uint8_t *sealed = g_malloc(HEAD + size + TAG);
    unsigned long long rest = 0;
    sealed[0] = VERSION;
    key_id(seal->keys[0], sealed + 1);
    rand_secret(sealed + 1 + ID_BYTES, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + HEAD, &rest, bytes, size,
                                               (const unsigned char *)what, strlen(what), NULL,
                                               sealed + 1 + ID_BYTES, seal->keys[0]);
    return g_bytes_new_take(sealed, HEAD + (size_t)rest);
}

static int find_key(const Seal *seal, const uint8_t *sealed, size_t size)
{
    for (unsigned i = 0; size >= HEAD + TAG && sealed[0] == VERSION && i < seal->count; i++) {
        uint8_t id[ID_BYTES];
        key_id(seal->keys[i], id);
        if (memcmp(id, sealed + 1, ID_BYTES) == 0)
            return (int)i;
    }
    return -1;
}

char *seal_open(const Seal *seal, const char *what, const void *bytes, size_t size, GError **error)
{
    const uint8_t *sealed = bytes;
    int key = find_key(seal, sealed, size);
    if (key < 0) {
        fail(
            error, ERROR_REJECT,
            "the private key of the %s was sealed with another storage.secret-key; write that one, "
            "or as storage.secret-key-before",
            what);
        return NULL;
    }
    char *text = g_malloc0(size - HEAD - TAG + 1);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)text, NULL, NULL, sealed + HEAD, size - HEAD,
            (const unsigned char *)what, strlen(what), sealed + 1 + ID_BYTES, seal->keys[key]) == 0)
        return text;
    g_free(text);
    fail(error, ERROR_REJECT, "the sealed private key of the %s is damaged", what);
    return NULL;
}
