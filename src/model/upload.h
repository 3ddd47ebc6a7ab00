/* upload.h: bytes that a person uploaded and that no email holds yet (RFC 8620 §6). All (tx).
 *
 * An upload links its blob for UPLOAD_MS, and again for so long when the same bytes come again.
 * What an account has of them is bounded (UPLOADS_BYTES_MAX, UPLOADS_MAX) and counts for no quota:
 * the oldest make room. Expired ones read as gone at once; purge.stores removes them.
 */
#ifndef ROTA_MODEL_UPLOAD_H
#define ROTA_MODEL_UPLOAD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/blob.h"

/* ERROR_REJECT: larger than all that an account may have; ERROR_GONE: no such account. */
bool upload_add(Db *db, int64_t account, const Blob *blob, GError **error);
/* The bytes, the caller's. ERROR_GONE. */
GBytes *upload_get(Db *db, int64_t account, const Digest *digest, GError **error);

#endif
