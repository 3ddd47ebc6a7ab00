/* expiring: keys that live for a time: marks of deliveries and imports, login failures, ….
 *
 * How it fits: model/deliver marks what it stored; purge.stores removes what has expired. A key
 * that has expired reads as gone at once, whether it was purged or not. expires_at 0 is for ever:
 * with its account.
 *
 * Failures: the store's only. Two that add one key at one time: the store's unique key lets one in,
 * the other waits for it and finds it.
 */
#include "model/expiring.h"

/* A conflict with an expired row replaces it; with a living one it changes nothing, and so returns
 * nothing. */
static const DbSql SQL_ADD = {
    "INSERT INTO expiring (account, kind, key, value, expires_at) "
    "VALUES ($1, $2, $3, $4, CASE WHEN CAST($5 AS BIGINT) = 0 THEN 0 ELSE rota_now() + CAST($5 AS "
    "BIGINT) END) "
    "ON CONFLICT (account, kind, key) DO UPDATE SET value = excluded.value, expires_at = "
    "excluded.expires_at "
    "WHERE expiring.expires_at <> 0 AND expiring.expires_at <= rota_now()",
    NULL};

bool expiring_add_many(Db *db, const ExpiringNew *keys, unsigned count, bool *ret_added,
                       GError **error)
{
    g_autofree DbValue *args = g_new(DbValue, 5 * (size_t)count);
    g_autofree int64_t *changed = g_new0(int64_t, count);
    for (unsigned i = 0; i < count; i++) {
        DbValue *row = args + 5 * (size_t)i;
        row[0] = db_int(keys[i].account);
        row[1] = db_text(keys[i].kind);
        row[2] = db_text(keys[i].key);
        row[3] = db_text(keys[i].value ? keys[i].value : "");
        row[4] = db_int(keys[i].ttl_ms);
    }
    if (!db_exec_many(db, &SQL_ADD, args, 5, count, changed, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        ret_added[i] = changed[i] > 0;
    return true;
}

bool expiring_find(Db *db, int64_t account, const char *kind, const char *key, char **ret_value,
                   GError **error)
{
    static const DbSql sql = {
        "SELECT value FROM expiring WHERE account = $1 AND kind = $2 AND key = $3 "
        "AND (expires_at = 0 OR expires_at > rota_now())",
        NULL};
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_text(kind), db_text(key)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    *ret_value = step > 0 ? g_strdup(db_rows_text(rows, 0)) : NULL;
    return true;
}

bool expiring_remove(Db *db, int64_t account, const char *kind, const char *key, GError **error)
{
    static const DbSql sql = {"DELETE FROM expiring WHERE account = $1 AND kind = $2 AND key = $3",
                              NULL};
    return db_exec(db, &sql, DB_ARGS(db_int(account), db_text(kind), db_text(key)), error) >= 0;
}
