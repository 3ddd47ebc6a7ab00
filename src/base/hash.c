/* hash: SHA-256 by OpenSSL, and the 64 bits of it that place a key in the key space.
 *
 * Failures: OpenSSL's one-shot SHA-256 fails only out of memory, which GLib programs do not survive
 * either (MUST).
 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/must.h"

Digest digest_of(const void *bytes, size_t size)
{
    Digest digest;
    MUST(SHA256(bytes ? bytes : "", size, digest.bytes) != NULL);
    return digest;
}

uint64_t hash64(const void *bytes, size_t size)
{
    Digest digest = digest_of(bytes, size);
    uint64_t hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest.bytes[i];
    return hash;
}

char *digest_format(const Digest *digest)
{
    static const char hex[] = "0123456789abcdef";
    char *text = g_malloc(2 * DIGEST_BYTES + 1);
    for (int i = 0; i < DIGEST_BYTES; i++) {
        text[2 * i] = hex[digest->bytes[i] >> 4];
        text[2 * i + 1] = hex[digest->bytes[i] & 15];
    }
    text[2 * DIGEST_BYTES] = '\0';
    return text;
}
