/* spam: the ledger of verdicts.
 *
 * How it fits: model/email.c calls spam_note in the transaction of a move or a keyword;
 * duty/bayes_training.c finds the verdicts whose features are missing, reads the messages, and
 * counts; model/spam_model.c folds all into the model that deliveries ask.
 *
 * Why a ledger and no counters: sums cannot say whether a message is in them. Here a verdict is a
 * row under its own key, so what is counted is always a function of the set of rows, whatever was
 * tried twice, crashed, or came in another order.
 *
 * Failures: those of the store, passed on.
 *
 * Known weak points: an email that is destroyed and purged before bayes-training came teaches
 * nothing (its verdict is dropped then).
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "db/db.h"
#include "roster/task.h"

#include "model/spam.h"

static const DbSql sql_email = {
    .sql = "SELECT e.blob, a.bucket FROM email e JOIN account a ON a.id = e.account"
           " WHERE e.account = $1 AND e.id = $2",
};
static const DbSql sql_find = {
    .sql = "SELECT verdict FROM spam_verdict WHERE account = $1 AND digest = $2"};
static const DbSql sql_add = {
    .sql = "INSERT INTO spam_verdict (account, digest, verdict, noted_at)"
           " VALUES ($1, $2, $3, rota_now()) ON CONFLICT (account, digest) DO NOTHING",
};
static const DbSql sql_remove = {.sql =
                                     "DELETE FROM spam_verdict WHERE account = $1 AND digest = $2"};
static const DbSql sql_remove_features = {
    .sql = "DELETE FROM spam_features WHERE digest = $1"
           " AND NOT EXISTS (SELECT 1 FROM spam_verdict v WHERE v.digest = $1)",
};

static bool add_task(Db *db, int64_t account, unsigned bucket, GError **error)
{
    char key[24];
    g_snprintf(key, sizeof key, "%" PRId64, account);
    return task_add(db, &(TaskNew){.role = "bayes-training", .bucket = bucket, .key = key}, error);
}

/* Sets the ledger's row as spam_note promises; *ret_changed. */
static bool verdict_set(Db *db, int64_t account, const Digest *digest, SpamVerdict verdict,
                        bool *ret_changed, GError **error)
{
    DbValue key = db_bytes(digest->bytes, DIGEST_BYTES);
    int64_t before = SPAM_VERDICT_NONE;
    if (db_query_int(db, &sql_find, DB_ARGS(db_int(account), key), &before, error) < 0)
        return false;
    *ret_changed = verdict != (SpamVerdict)before;
    if (!*ret_changed)
        return true;
    if (before == SPAM_VERDICT_NONE)
        return db_exec(db, &sql_add, DB_ARGS(db_int(account), key, db_int(verdict)), error) >= 0;
    return db_exec(db, &sql_remove, DB_ARGS(db_int(account), key), error) >= 0 &&
           db_exec(db, &sql_remove_features, DB_ARGS(key), error) >= 0;
}

bool spam_note(Db *db, int64_t account, int64_t email, SpamVerdict verdict, GError **error)
{
    Digest digest;
    unsigned bucket;
    {
        g_autoptr(DbRows) rows =
            db_query(db, &sql_email, DB_ARGS(db_int(account), db_int(email)), error);
        if (!rows)
            return false;
        int step = db_rows_next(rows, error);
        if (step < 0)
            return false;
        size_t size = 0;
        const void *bytes = step ? db_rows_bytes(rows, 0, &size) : NULL;
        if (size != DIGEST_BYTES)
            return fail(error, ERROR_GONE, "there is no email %" PRId64 " in account %" PRId64,
                        email, account);
        memcpy(digest.bytes, bytes, DIGEST_BYTES);
        bucket = (unsigned)db_rows_int(rows, 1);
    }
    bool changed;
    if (!verdict_set(db, account, &digest, verdict, &changed, error))
        return false;
    return !changed || add_task(db, account, bucket, error);
}
