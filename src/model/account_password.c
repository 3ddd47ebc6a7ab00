/* account_password: what proves a person: argon2id by libsodium.
 *
 * How it fits: `rota account password` sets; model/login checks for the doors. The administrator's
 * mark is set here too: it is nothing without a password. The digest is made outside the
 * transaction, since it takes some 100 ms by design.
 *
 * Failures: the store's; ERROR_RETRY where there is no memory for a digest (64 MB each).
 */
#include "model/account.h"

#include <string.h>

#include <sodium.h>

#include "base/error.h"

#include "model/expiring.h"

static bool library_ready(GError **error)
{
    return sodium_init() >= 0 || fail(error, ERROR_RETRY, "could not start the password library");
}

static bool digest_password(const char *password, char digest[crypto_pwhash_STRBYTES],
                            GError **error)
{
    if (!library_ready(error))
        return false;
    if (crypto_pwhash_str(digest, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0)
        return true;
    return fail(error, ERROR_RETRY,
                "could not make a password's digest: there is no memory for it");
}

bool account_set_password(Db *db, const char *address, const char *password, GError **error)
{
    static const DbSql sql = {"UPDATE account SET password = $2 WHERE id = $1", NULL};
    char digest[crypto_pwhash_STRBYTES] = "";
    if (*password && !digest_password(password, digest, error))
        return false;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    return account_resolve(db, address, &id, error) &&
           db_exec(db, &sql, DB_ARGS(db_int(id), db_text(digest)), error) >= 0 &&
           db_commit(db, error) == DB_DONE;
}

/* The digest of an account; "" where there is none. */
static bool read_digest(Db *db, const char *address, char **ret_digest, GError **error)
{
    static const DbSql sql = {"SELECT password FROM account WHERE id = $1 AND deleted_at = 0",
                              NULL};
    g_autoptr(GError) why = NULL;
    if (!db_begin(db, DB_READ, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    if (!account_resolve(db, address, &id, &why)) {
        if (error_kind(why) != ERROR_GONE && error_kind(why) != ERROR_REJECT) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
        *ret_digest = g_strdup("");
        return true;
    }
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(id)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    *ret_digest = g_strdup(step ? db_rows_text(rows, 0) : "");
    return true;
}

bool account_check_password(Db *db, const char *address, const char *password, bool *ret_right,
                            GError **error)
{
    g_autofree char *digest = NULL;
    if (!read_digest(db, address, &digest, error) || !library_ready(error))
        return false;
    if (!*digest) {
        /* As long as a real check, so that nobody learns from the time which addresses there are.
         */
        char unused[crypto_pwhash_STRBYTES];
        if (!digest_password(password, unused, error))
            return false;
        *ret_right = false;
        return true;
    }
    *ret_right = crypto_pwhash_str_verify(digest, password, strlen(password)) == 0;
    return true;
}

bool account_set_admin(Db *db, const char *address, bool admin, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    int64_t id = 0;
    bool added = false;
    if (!account_resolve(db, address, &id, error))
        return false;
    ExpiringNew mark = {.account = id, .kind = ADMIN_KIND, .key = ""};
    bool done = admin ? expiring_add_many(db, &mark, 1, &added, error)
                      : expiring_remove(db, id, ADMIN_KIND, "", error);
    return done && db_commit(db, error) == DB_DONE; /* unknown: the same again is the same */
}
