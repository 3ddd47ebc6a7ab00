/* upload: bytes on their way into an email.
 *
 * How it fits: JMAP's upload adds, all that reads blobs for JMAP gets; the bytes lie in model/blob
 * with all others, and a row of `upload` is a link to them as an email's is. purge.stores takes
 * links away that have expired (model/purge_kinds.c), and then the bytes as any others.
 *
 * Order of locks: the account, its uploads, the blob: as deliveries.
 *
 * Failures: the store's; ERROR_REJECT for what does not fit at all. Known weak point: an email that
 * was made of an upload does not end it: its bytes count for the account's uploads until it
 * expires.
 */
#include "model/upload.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_jmap.h"
#include "model/account.h"

typedef struct {
    Digest digest;
    int64_t size;
} Row;

/* The account's, the one that ends first before the others; expired ones too. */
static GArray *read_all(Db *db, int64_t account, GError **error)
{
    static const DbSql sql = {
        "SELECT blob, size FROM upload WHERE account = $1 ORDER BY expires_at, blob", NULL};
    g_autoptr(GArray) all = g_array_new(false, false, sizeof(Row));
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        size_t size;
        const void *digest = db_rows_bytes(rows, 0, &size);
        Row row = {.size = db_rows_int(rows, 1)};
        if (size == DIGEST_BYTES)
            memcpy(row.digest.bytes, digest, DIGEST_BYTES);
        g_array_append_val(all, row);
    }
    return step < 0 ? NULL : g_steal_pointer(&all);
}

static bool is_same(const Digest *a, const Digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

/* Takes the oldest away until one more of `size` fits; not the same bytes. */
static bool make_room(Db *db, int64_t account, const Blob *blob, GError **error)
{
    static const DbSql remove = {"DELETE FROM upload WHERE account = $1 AND blob = $2", NULL};
    g_autoptr(GArray) all = read_all(db, account, error);
    g_autoptr(GArray) gone = g_array_new(false, false, sizeof(Digest));
    if (!all)
        return false;
    int64_t bytes = (int64_t)blob->size;
    unsigned count = 1;
    for (guint i = all->len; i-- > 0;) {
        const Row *row = &g_array_index(all, Row, i);
        if (is_same(&row->digest, &blob->digest))
            continue;
        bytes += row->size;
        if (bytes <= UPLOADS_BYTES_MAX && ++count <= UPLOADS_MAX)
            continue;
        bytes = UPLOADS_BYTES_MAX + 1; /* and so are all that are older */
        g_array_append_val(gone, row->digest);
    }
    g_autofree DbValue *args = g_new(DbValue, 2 * (size_t)MAX(gone->len, 1));
    for (guint i = 0; i < gone->len; i++) {
        args[2 * i] = db_int(account);
        args[2 * i + 1] = db_bytes(g_array_index(gone, Digest, i).bytes, DIGEST_BYTES);
    }
    return gone->len == 0 ||
           (db_exec_many(db, &remove, args, 2, gone->len, NULL, error) &&
            blob_loosen(db, (const Digest *)(const void *)gone->data, gone->len, error));
}

bool upload_add(Db *db, int64_t account, const Blob *blob, GError **error)
{
    static const DbSql sql = {
        "INSERT INTO upload (account, blob, size, expires_at) VALUES ($1, $2, $3, rota_now() + $4) "
        "ON CONFLICT (account, blob) DO UPDATE SET expires_at = excluded.expires_at",
        NULL};
    if (blob->size > UPLOADS_BYTES_MAX)
        return fail(error, ERROR_REJECT, "an upload of %zu bytes is larger than all may be",
                    blob->size);
    return account_lock_row(db, account, error) && make_room(db, account, blob, error) &&
           db_exec(db, &sql,
                   DB_ARGS(db_int(account), db_bytes(blob->digest.bytes, DIGEST_BYTES),
                           db_int((int64_t)blob->size), db_int(UPLOAD_MS)),
                   error) >= 0 &&
           blob_put(db, blob, error);
}

GBytes *upload_get(Db *db, int64_t account, const Digest *digest, GError **error)
{
    static const DbSql sql = {
        "SELECT size FROM upload WHERE account = $1 AND blob = $2 AND expires_at > rota_now()",
        NULL};
    int64_t size;
    int got = db_query_int(
        db, &sql, DB_ARGS(db_int(account), db_bytes(digest->bytes, DIGEST_BYTES)), &size, error);
    if (got == 0)
        fail(error, ERROR_GONE, "there is no such upload");
    return got > 0 ? blob_get(db, digest, error) : NULL;
}
