/* blob: the bytes of messages, by digest.
 *
 * How it fits: model/deliver puts, the doors and the index get, email_destroy loosens, purge.stores
 * purges.
 *
 * A delivery that links a blob touches its row, on PostgreSQL under the row's lock, and the purge
 * (model/purge.c) looks at the links under the same lock: they never miss each other. On SQLite
 * writers follow one another, and a put of bytes that are there has nothing to write.
 *
 * Failures: the store's (handed up as they are); a blob whose bytes do not have its digest
 * (ERROR_REJECT, the store is damaged). Known weak point: compression of each blob by itself; a
 * dictionary would save more on small messages.
 */
#include "model/blob.h"

#include <string.h>

#include <zstd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "db/set.h"

/* Speed first: level 1 takes in mail at more than 300 MB/s on one core, level 3 saves 4 % more and
 * takes half as long again. */
#define BLOB_ZSTD_LEVEL 1
/* Less than this is not worth a decompression at each read. */
#define BLOB_GAIN_MIN(size) ((size) / 16)

static void packer_free(gpointer context)
{
    ZSTD_freeCCtx(context);
}

static void unpacker_free(gpointer context)
{
    ZSTD_freeDCtx(context);
}

/* Contexts cost more to make than a message to compress: one of each for each thread. */
static GPrivate packer_of_thread = G_PRIVATE_INIT(packer_free);
static GPrivate unpacker_of_thread = G_PRIVATE_INIT(unpacker_free);

static ZSTD_CCtx *packer_get(void)
{
    ZSTD_CCtx *context = g_private_get(&packer_of_thread);
    if (!context) {
        context = ZSTD_createCCtx();
        MUST(context != NULL);
        g_private_set(&packer_of_thread, context);
    }
    return context;
}

static ZSTD_DCtx *unpacker_get(void)
{
    ZSTD_DCtx *context = g_private_get(&unpacker_of_thread);
    if (!context) {
        context = ZSTD_createDCtx();
        MUST(context != NULL);
        g_private_set(&unpacker_of_thread, context);
    }
    return context;
}

static GBytes *compress(const void *bytes, size_t size)
{
    ZSTD_CCtx *context = packer_get();
    size_t bound = ZSTD_compressBound(size);
    if (ZSTD_isError(bound))
        return NULL;
    g_autofree char *room = g_malloc(bound);
    size_t got = ZSTD_compressCCtx(context, room, bound, bytes, size, BLOB_ZSTD_LEVEL);
    if (ZSTD_isError(got) || got + BLOB_GAIN_MIN(size) >= size)
        return NULL;
    return g_bytes_new(room, got);
}

Blob *blob_new(const void *bytes, size_t size)
{
    Blob *blob = g_new0(Blob, 1);
    blob->digest = digest_of(bytes, size);
    blob->size = size;
    blob->data = compress(bytes, size);
    blob->codec = blob->data ? 1 : 0;
    if (!blob->data)
        blob->data = g_bytes_new(bytes, size);
    return blob;
}

void blob_free(Blob *blob)
{
    if (!blob)
        return;
    g_bytes_unref(blob->data);
    g_free(blob);
}

static const DbSql SQL_PUT = {
    "INSERT INTO blob (digest, size, codec, touched_at, data) VALUES ($1, $2, $3, rota_now(), $4) "
    "ON CONFLICT (digest) DO NOTHING",
    "INSERT INTO blob (digest, size, codec, touched_at, data) VALUES ($1, $2, $3, rota_now(), $4) "
    "ON CONFLICT (digest) DO UPDATE SET touched_at = GREATEST(blob.touched_at, "
    "excluded.touched_at)"};

static int compare_blobs(const void *a, const void *b)
{
    const Blob *const *x = a, *const *y = b;
    return memcmp((*x)->digest.bytes, (*y)->digest.bytes, DIGEST_BYTES);
}

bool blob_put_many(Db *db, const Blob *const *blobs, unsigned count, GError **error)
{
    g_autofree const Blob **sorted = g_memdup2(blobs, count * sizeof *blobs);
    qsort(sorted, count, sizeof *sorted, compare_blobs);
    g_autoptr(GArray) args = g_array_sized_new(false, false, sizeof(DbValue), 4 * count);
    unsigned rows = 0;
    for (unsigned i = 0; i < count; i++) {
        if (i && !compare_blobs(&sorted[i - 1], &sorted[i]))
            continue;
        size_t size;
        const void *data = g_bytes_get_data(sorted[i]->data, &size);
        DbValue row[] = {db_bytes(sorted[i]->digest.bytes, DIGEST_BYTES),
                         db_int((int64_t)sorted[i]->size), db_int(sorted[i]->codec),
                         db_bytes(data, size)};
        g_array_append_vals(args, row, G_N_ELEMENTS(row));
        rows++;
    }
    return db_exec_later(db, &SQL_PUT, (const DbValue *)args->data, 4, rows, error);
}

bool blob_put(Db *db, const Blob *blob, GError **error)
{
    return blob_put_many(db, &blob, 1, error);
}

static GBytes *unpack(const void *data, size_t size, size_t plain_size, int64_t codec,
                      GError **error)
{
    if (codec == 0)
        return g_bytes_new(data, size);
    if (codec != 1 || plain_size > MESSAGE_BYTES_MAX * 4ul) {
        fail(error, ERROR_REJECT,
             "could not read stored bytes: codec %" G_GINT64_FORMAT ", %zu bytes", codec,
             plain_size);
        return NULL;
    }
    g_autofree char *plain = g_malloc(plain_size ? plain_size : 1);
    size_t got = ZSTD_decompressDCtx(unpacker_get(), plain, plain_size, data, size);
    if (ZSTD_isError(got) || got != plain_size) {
        fail(error, ERROR_REJECT, "could not unpack stored bytes: %s",
             ZSTD_isError(got) ? ZSTD_getErrorName(got) : "they are too few");
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&plain), plain_size);
}

GBytes *blob_get(Db *db, const Digest *digest, GError **error)
{
    static const DbSql sql = {"SELECT size, codec, data FROM blob WHERE digest = $1", NULL};
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_bytes(digest->bytes, DIGEST_BYTES)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return NULL;
    g_autofree char *name = digest_format(digest);
    if (step == 0) {
        fail(error, ERROR_GONE, "there are no bytes %s", name);
        return NULL;
    }
    size_t size;
    const void *data = db_rows_bytes(rows, 2, &size);
    g_autoptr(GBytes) plain =
        unpack(data, size, (size_t)db_rows_int(rows, 0), db_rows_int(rows, 1), error);
    if (!plain) {
        g_prefix_error(error, "bytes %s: ", name);
        return NULL;
    }
    size_t plain_size;
    const void *bytes = g_bytes_get_data(plain, &plain_size);
    Digest found = digest_of(bytes, plain_size);
    if (memcmp(found.bytes, digest->bytes, DIGEST_BYTES) != 0) {
        fail(error, ERROR_REJECT, "stored bytes %s are damaged", name);
        return NULL;
    }
    return g_steal_pointer(&plain);
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(((const Digest *)a)->bytes, ((const Digest *)b)->bytes, DIGEST_BYTES);
}

bool blob_loosen(Db *db, const Digest *digests, unsigned count, GError **error)
{
    static const DbSql sql = {"INSERT INTO blob_loose (digest, since) VALUES ($1, rota_now()) "
                              "ON CONFLICT (digest) DO UPDATE SET since = excluded.since",
                              NULL};
    /* In the order in which the purge takes them, so that the two cannot lock each other out. */
    g_autofree Digest *sorted = g_memdup2(digests, count * sizeof *digests);
    g_autofree DbValue *args = g_new(DbValue, MAX(count, 1));
    qsort(sorted, count, sizeof *sorted, compare_digests);
    for (unsigned i = 0; i < count; i++)
        args[i] = db_bytes(sorted[i].bytes, DIGEST_BYTES);
    return count == 0 || db_exec_many(db, &sql, args, 1, count, NULL, error);
}
