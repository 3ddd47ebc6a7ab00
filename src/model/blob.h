/* blob.h: bytes by their digest. Equal bytes are kept once, compressed by zstd where that helps.
 * All but blob_new (tx).
 *
 * Linking and purging never miss each other: blob_put touches the row it links under the row's
 * lock, and the purge removes only what was not touched within the grace and has no link at that
 * moment. Who takes a link away says so with blob_loosen; only what is listed so is looked at by
 * the purge.
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
/* Any thread; `bytes` is borrowed for the call. */
Blob *blob_new(const void *bytes, size_t size);
void blob_free(Blob *blob);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Blob, blob_free)

bool blob_put(Db *db, const Blob *blob, GError **error);
/* blob_put for many, in the order of their digests, so that two writers cannot lock each other out.
 */
bool blob_put_many(Db *db, const Blob *const *blobs, unsigned count, GError **error);
/* The plain bytes, owned by the caller; checked against the digest (ERROR_REJECT: damaged).
 * ERROR_GONE. */
GBytes *blob_get(Db *db, const Digest *digest, GError **error);
/* A link to each was taken away (the caller's rows are gone in this transaction): the purge looks
 * at them after the grace. */
bool blob_loosen(Db *db, const Digest *digests, unsigned count, GError **error);

#endif
