/* push_key: see push_key.h. Two nodes that make it at one moment: one row gets in, and both read
 * that. Failures: the store's; a row that is no key. */
#include "model/push_key.h"

#include <string.h>

#include "base/error.h"

static const DbSql SQL_FIND = {"SELECT private, public FROM push_key WHERE id = 1", NULL};
static const DbSql SQL_ADD = {"INSERT INTO push_key (id, private, public, created_at) "
                              "VALUES (1, $1, $2, rota_now()) ON CONFLICT (id) DO NOTHING",
                              NULL};

/* 1 found, 0 not there, -1 an error. */
static int find(Db *db, uint8_t *ret_private, uint8_t *ret_public, GError **error)
{
    if (!db_begin(db, DB_READ, error))
        return -1;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(DbRows) rows = db_query(db, &SQL_FIND, DB_NO_ARGS, error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step <= 0)
        return step;
    size_t size, public_size;
    const void *bytes = db_rows_bytes(rows, 0, &size);
    if (size == P256_PRIVATE_BYTES)
        memcpy(ret_private, bytes, size);
    bytes = db_rows_bytes(rows, 1, &public_size);
    if (size != P256_PRIVATE_BYTES || public_size != P256_PUBLIC_BYTES) {
        fail(error, ERROR_REJECT, "the key for push services in the store is damaged");
        return -1;
    }
    memcpy(ret_public, bytes, public_size);
    return 1;
}

bool push_key_load(Db *db, uint8_t ret_private[P256_PRIVATE_BYTES],
                   uint8_t ret_public[P256_PUBLIC_BYTES], GError **error)
{
    int found = find(db, ret_private, ret_public, error);
    if (found != 0)
        return found > 0;
    uint8_t private_key[P256_PRIVATE_BYTES], public_key[P256_PUBLIC_BYTES];
    p256_generate(private_key, public_key);
    if (!db_begin(db, DB_WRITE, error))
        return false;
    {
        g_auto(DbScope) scope = db_scope(db);
        if (db_exec(db, &SQL_ADD,
                    DB_ARGS(db_bytes(private_key, sizeof private_key),
                            db_bytes(public_key, sizeof public_key)),
                    error) < 0 ||
            db_commit(db, error) != DB_DONE)
            return false; /* unknown: who asks again reads what there is */
    }
    found = find(db, ret_private, ret_public, error);
    return found > 0 || (found == 0 && fail(error, ERROR_RETRY, "the key is not there"));
}
