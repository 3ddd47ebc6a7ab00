/* blob.h: bytes by their digest. Equal bytes are kept once, compressed by zstd where that helps. All (tx).
 *
 * Linking and purging never miss each other: blob_put touches the row it links under the row's lock, and the purge removes only what was not touched
 * within the grace and has no link at that moment.
 */
#ifndef ROTA_MODEL_BLOB_H
#define ROTA_MODEL_BLOB_H

#include <glib.h>
#include <stdbool.h>

#include "base/hash.h"
#include "db/db.h"

/* What is stored, made outside any transaction, since it costs time. */
typedef struct {
    Digest digest;
    size_t size; /* plain */
    int codec;   /* 0 as it is, 1 zstd */
    GBytes *data;
} Blob;
Blob *blob_new(const void *bytes, size_t size);
void blob_free(Blob *blob);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Blob, blob_free)

bool blob_put(Db *db, const Blob *blob, GError **error);
/* The plain bytes, owned by the caller; checked against the digest (ERROR_REJECT: damaged). ERROR_GONE. */
GBytes *blob_get(Db *db, const Digest *digest, GError **error);
/* Up to `limit` blobs of the buckets that a purge owns (first two digest bytes, big-endian, % BUCKETS % shards == shard - 1), that nothing links to
 * and that were last touched before `before` (ms), are removed (or, dry, only counted). Returns their number, -1 on error; adds their stored size. */
int64_t blob_purge(Db *db, unsigned shard, unsigned shards, int64_t before, unsigned limit, bool dry, int64_t *bytes, GError **error);

#endif
