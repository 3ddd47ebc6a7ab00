/* hash.h: the fixed hash of the key space, and digests of content.
 *
 * hash64(key) is the first eight bytes, big-endian, of SHA-256(key): the same on every node, build
 * and year, and anyone can check it with sha256sum. Durable rows depend on it (buckets), so it
 * never changes. Thread safety: all functions, any thread.
 */
#ifndef ROTA_BASE_HASH_H
#define ROTA_BASE_HASH_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

typedef struct {
    uint8_t bytes[DIGEST_BYTES]; /* SHA-256 */
} Digest;

uint64_t hash64(const void *bytes, size_t size);
Digest digest_of(const void *bytes, size_t size);
/* 64 lower-case hex digits; the caller frees it. */
char *digest_format(const Digest *digest);

#endif
