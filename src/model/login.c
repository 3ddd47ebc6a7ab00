/* login: does a password prove who somebody is?
 *
 * How it fits: the doors ask; model/account_password compares. Failures are rows of table expiring,
 * of no account, so that addresses that do not exist count too and look the same; their last time
 * is expires_at less LOGIN_FORGET_MS.
 *
 * Failures: the store's. Where a failure cannot be written the answer is an error, never "wrong":
 * else an outage of writing would make guessing free. Known weak point: tries that run at one
 * moment on several nodes all see the count from before; their number is bounded by what argon2id
 * costs.
 */
#include "model/login.h"

#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "content/address.h"

#include "model/account.h"
#include "model/token.h"

#define KIND      "login-failure"
#define KEY_BYTES 400

/* clang-format off */
static const DbSql SQL_FIND = {
    "SELECT CAST(value AS BIGINT), expires_at - rota_now() FROM expiring"
    " WHERE account = 0 AND kind = '" KIND "' AND key = $1 AND expires_at > rota_now()", NULL,
};
static const DbSql SQL_COUNT = {
    "INSERT INTO expiring (account, kind, key, value, expires_at)"
    " VALUES (0, '" KIND "', $1, '1', rota_now() + $2)"
    " ON CONFLICT (account, kind, key) DO UPDATE SET value = CASE WHEN expiring.expires_at <="
    " rota_now() THEN '1' ELSE CAST(CAST(expiring.value AS BIGINT) + 1 AS TEXT) END,"
    " expires_at = excluded.expires_at", NULL,
};
static const DbSql SQL_FORGET = {
    "DELETE FROM expiring WHERE account = 0 AND kind = '" KIND "' AND key = $1", NULL,
};
static const DbSql SQL_ADMIN = {
    "SELECT count(*) FROM expiring WHERE account = $1 AND kind = '" ADMIN_KIND "' AND key = ''",
    NULL,
};
/* clang-format on */

int64_t login_wait_ms(int64_t failures)
{
    if (failures <= LOGIN_FREE)
        return 0;
    int64_t doublings = MIN(failures - LOGIN_FREE - 1, 30);
    return MIN((int64_t)1000 << doublings, LOGIN_WAIT_MAX_MS);
}

typedef struct {
    char *keys[2]; /* of the address, of the peer; NULL: not counted */
} Counted;

static void counted_clear(Counted *counted)
{
    g_free(counted->keys[0]);
    g_free(counted->keys[1]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Counted, counted_clear)

static bool is_loopback(const char *peer)
{
    return !*peer || g_str_has_prefix(peer, "127.") || strcmp(peer, "::1") == 0 ||
           g_str_has_prefix(peer, "::ffff:127.");
}

static Counted counted_of(const char *address, const char *peer)
{
    g_autoptr(Address) parsed = address_parse(address, NULL); /* without what follows a '+' */
    char digits[KEY_BYTES];
    /* What is no address can prove nobody, but tries of it cost as much. */
    g_snprintf(digits, sizeof digits, "address %s", parsed ? parsed->plain : "");
    return (Counted){
        {g_strdup(digits), is_loopback(peer) ? NULL : g_strconcat("peer ", peer, NULL)}};
}

/* How long the next try has to wait. */
static bool read_wait(Db *db, const Counted *counted, int64_t *ret_ms, GError **error)
{
    *ret_ms = 0;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    for (size_t i = 0; i < G_N_ELEMENTS(counted->keys); i++) {
        if (!counted->keys[i])
            continue;
        g_autoptr(DbRows) rows = db_query(db, &SQL_FIND, DB_ARGS(db_text(counted->keys[i])), error);
        int step = rows ? db_rows_next(rows, error) : -1;
        if (step < 0)
            return false;
        if (step == 0)
            continue;
        int64_t ago_ms = LOGIN_FORGET_MS - db_rows_int(rows, 1);
        *ret_ms = MAX(*ret_ms, login_wait_ms(db_rows_int(rows, 0)) - ago_ms);
    }
    return true;
}

/* A commit whose outcome is not known is an error like another: whoever tries is told to come
 * again, and a failure may count twice. */
static bool commit(Db *db, GError **error)
{
    return db_commit(db, error) == DB_DONE;
}

static bool count_failure(Db *db, const Counted *counted, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    for (size_t i = 0; i < G_N_ELEMENTS(counted->keys); i++)
        if (counted->keys[i] &&
            db_exec(db, &SQL_COUNT, DB_ARGS(db_text(counted->keys[i]), db_int(LOGIN_FORGET_MS)),
                    error) < 0)
            return false;
    return commit(db, error);
}

/* Whose it is; and its failures are forgotten, if there were any. */
static bool let_in(Db *db, const char *address, const Counted *counted, Login *ret, GError **error)
{
    int64_t admin = 0, failures = 0;
    {
        if (!db_begin(db, DB_READ, error))
            return false;
        g_auto(DbScope) scope = db_scope(db);
        if (!account_resolve(db, address, &ret->account, error) ||
            db_query_int(db, &SQL_ADMIN, DB_ARGS(db_int(ret->account)), &admin, error) < 0 ||
            db_query_int(db, &SQL_FIND, DB_ARGS(db_text(counted->keys[0])), &failures, error) < 0)
            return false;
    }
    ret->admin = admin > 0;
    if (failures == 0)
        return true;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return db_exec(db, &SQL_FORGET, DB_ARGS(db_text(counted->keys[0])), error) >= 0 &&
           commit(db, error);
}

bool login_check(Db *db, const char *address, const char *password, const char *peer, Login *ret,
                 GError **error)
{
    g_auto(Counted) counted = counted_of(address, peer);
    Login login = {.result = LOGIN_WAIT};
    bool right = false;
    if (!read_wait(db, &counted, &login.wait_ms, error))
        return false;
    if (login.wait_ms > 0) {
        *ret = login;
        return true;
    }
    if (!account_check_password(db, address, password, &right, error))
        return false;
    login.result = right ? LOGIN_RIGHT : LOGIN_WRONG;
    if (right ? !let_in(db, address, &counted, &login, error) : !count_failure(db, &counted, error))
        return false;
    *ret = login;
    return true;
}

/* False: the store did not answer. *ret_same: the address is the account's. */
static bool is_address_of(Db *db, const char *address, int64_t account, bool *ret_same,
                          GError **error)
{
    g_autoptr(GError) why = NULL;
    int64_t id = 0;
    *ret_same = !address;
    if (!address)
        return true;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    if (account_resolve(db, address, &id, &why)) {
        *ret_same = id == account;
    } else if (error_kind(why) == ERROR_RETRY) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return true;
}

bool login_check_token(Db *db, const char *address, const char *token, const char *peer, Login *ret,
                       GError **error)
{
    g_auto(Counted) counted = counted_of("", peer);
    Login login = {.result = LOGIN_WAIT};
    bool same = false;
    g_clear_pointer(&counted.keys[0], g_free);
    if (!read_wait(db, &counted, &login.wait_ms, error))
        return false;
    if (login.wait_ms > 0) {
        *ret = login;
        return true;
    }
    if (!token_check(db, token, &login.account, &login.admin, error) ||
        !is_address_of(db, address, login.account, &same, error))
        return false;
    login.result = login.account != 0 && same ? LOGIN_RIGHT : LOGIN_WRONG;
    if (login.result == LOGIN_WRONG && !count_failure(db, &counted, error))
        return false;
    *ret = login;
    return true;
}
