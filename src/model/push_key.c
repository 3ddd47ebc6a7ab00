/* push_key: see push_key.h. Two nodes that make it at one moment: one row gets in, and both read
 * that. Failures: the store's; a row that is no key, or that we cannot open. */
#include "model/push_key.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/error.h"

#define WHAT              "push key" /* that it is sealed for */
#define SEALED_HEAD_BYTES 5          /* of the sealed form (seal.h): 1, and which key */

static const DbSql SQL_FIND = {"SELECT private, public FROM push_key WHERE id = 1", NULL};
static const DbSql SQL_ADD = {"INSERT INTO push_key (id, private, public, created_at) "
                              "VALUES (1, $1, $2, rota_now()) ON CONFLICT (id) DO NOTHING",
                              NULL};
static const DbSql SQL_SEAL = {"UPDATE push_key SET private = $1 WHERE id = 1 AND private = $2",
                               NULL};

typedef struct {
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    GBytes *kept; /* the private half as it is in the store; owned */
} Pair;

static void pair_clear(Pair *pair)
{
    OPENSSL_cleanse(pair->private_key, sizeof pair->private_key);
    g_clear_pointer(&pair->kept, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

/* 1 found, 0 not there, -1 an error. */
static int find(Db *db, Pair *pair, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return -1;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(DbRows) rows = db_query(db, &SQL_FIND, DB_NO_ARGS, error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step <= 0)
        return step;
    size_t size;
    const void *bytes = db_rows_bytes(rows, 0, &size);
    pair->kept = g_bytes_new(bytes, size);
    bytes = db_rows_bytes(rows, 1, &size);
    if (size != P256_PUBLIC_BYTES) {
        fail(error, ERROR_REJECT, "the key for push services in the store is damaged");
        return -1;
    }
    memcpy(pair->public_key, bytes, size);
    return 1;
}

/* The private half, from what is kept. */
static bool open_private(const Seal *seal, Pair *pair, GError **error)
{
    size_t size;
    const void *bytes = g_bytes_get_data(pair->kept, &size);
    if (size == P256_PRIVATE_BYTES) {
        memcpy(pair->private_key, bytes, size);
        return true;
    }
    char *text = seal_open(seal, WHAT, bytes, size, error);
    if (!text) {
        g_prefix_error(error, "could not open the key for push services: ");
        return false;
    }
    memcpy(pair->private_key, text, P256_PRIVATE_BYTES); /* of this length alone did we seal */
    OPENSSL_cleanse(text, P256_PRIVATE_BYTES);
    g_free(text);
    return true;
}

/* As it is to be kept: sealed, where there is a key for that. */
static GBytes *close_private(const Seal *seal, const Pair *pair, GError **error)
{
    return seal->count ? seal_close(seal, WHAT, pair->private_key, P256_PRIVATE_BYTES, error)
                       : g_bytes_new(pair->private_key, P256_PRIVATE_BYTES);
}

/* Not known whether: who asks again reads what there is. */
static bool write_pair(Db *db, const DbSql *sql, GBytes *first, GBytes *second, GError **error)
{
    size_t size, second_size;
    const void *bytes = g_bytes_get_data(first, &size);
    const void *others = g_bytes_get_data(second, &second_size);
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return db_exec(db, sql, DB_ARGS(db_bytes(bytes, size), db_bytes(others, second_size)), error) >=
               0 &&
           db_commit(db, error) == DB_DONE;
}

static int make(Db *db, const Seal *seal, Pair *pair, GError **error)
{
    g_auto(Pair) made = {.kept = NULL};
    p256_generate(made.private_key, made.public_key);
    made.kept = close_private(seal, &made, error);
    g_autoptr(GBytes) point = g_bytes_new(made.public_key, sizeof made.public_key);
    if (!made.kept || !write_pair(db, &SQL_ADD, made.kept, point, error))
        return -1;
    int found = find(db, pair, error);
    if (found == 0)
        fail(error, ERROR_RETRY, "the key for push services is not there");
    return found > 0 ? 1 : -1;
}

/* It lies open, or is sealed with the key before: the sealed forms of one key begin alike. */
static bool seal_anew(Db *db, const Seal *seal, const Pair *pair, GError **error)
{
    g_autoptr(GBytes) sealed = close_private(seal, pair, error);
    if (!sealed)
        return false;
    return (g_bytes_get_size(sealed) == g_bytes_get_size(pair->kept) &&
            memcmp(g_bytes_get_data(sealed, NULL), g_bytes_get_data(pair->kept, NULL),
                   SEALED_HEAD_BYTES) == 0) ||
           write_pair(db, &SQL_SEAL, sealed, pair->kept, error);
}

bool push_key_load(Db *db, const Seal *seal, uint8_t ret_private[P256_PRIVATE_BYTES],
                   uint8_t ret_public[P256_PUBLIC_BYTES], GError **error)
{
    g_auto(Pair) pair = {.kept = NULL};
    int found = find(db, &pair, error);
    if (found == 0)
        found = make(db, seal, &pair, error);
    if (found < 0 || (ret_private && !open_private(seal, &pair, error)))
        return false;
    if (ret_private && seal->count && !seal_anew(db, seal, &pair, error))
        return false;
    memcpy(ret_public, pair.public_key, sizeof pair.public_key);
    if (ret_private)
        memcpy(ret_private, pair.private_key, sizeof pair.private_key);
    return true;
}
