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
 * Known weak points: where one account takes back the only verdict on a message while another gives
 * one, the features may go with the first; the second's count again with its next verdict. An email
 * that is destroyed and purged before bayes-training came teaches
 * nothing (its verdict is dropped then).
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "db/db.h"
#include "roster/shard.h"
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

static const DbSql sql_set = {
    .sql = "INSERT INTO spam_verdict (account, digest, verdict, noted_at)"
           " VALUES ($1, $2, $3, rota_now()) ON CONFLICT (account, digest) DO UPDATE SET"
           " verdict = excluded.verdict, noted_at = excluded.noted_at"
           " WHERE spam_verdict.verdict <> excluded.verdict",
};
static const DbSql sql_waiting = {
    .sql = "SELECT v.digest FROM spam_verdict v LEFT JOIN spam_features f ON f.digest = v.digest"
           " WHERE v.account = $1 AND f.digest IS NULL ORDER BY v.digest LIMIT $2",
};
static const DbSql sql_put_features = {
    .sql = "INSERT INTO spam_features (digest, features) VALUES ($1, $2)"
           " ON CONFLICT (digest) DO NOTHING",
};
static const DbSql sql_now = {.sql = "SELECT rota_now()"};

static bool add_task(Db *db, int64_t account, unsigned bucket, int64_t due_at, GError **error)
{
    char key[24];
    g_snprintf(key, sizeof key, "%" PRId64, account);
    TaskNew task = {.role = "bayes-training", .bucket = bucket, .key = key, .due_at = due_at};
    return task_add(db, &task, error);
}

/* And the message's features, if nobody else judges it. */
static bool remove_verdict(Db *db, int64_t account, DbValue digest, int64_t *ret_removed,
                           GError **error)
{
    *ret_removed = db_exec(db, &sql_remove, DB_ARGS(db_int(account), digest), error);
    return *ret_removed >= 0 && db_exec(db, &sql_remove_features, DB_ARGS(digest), error) >= 0;
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
    int64_t removed;
    return remove_verdict(db, account, key, &removed, error);
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
    return !changed || add_task(db, account, bucket, 0, error);
}

/* ---------------------------------------------------------------- rota train */

static bool teach(Db *db, const SpamLesson *lesson, int64_t *ret_changed, GError **error)
{
    DbValue key = db_bytes(lesson->digest.bytes, DIGEST_BYTES);
    if (lesson->verdict == SPAM_VERDICT_NONE)
        return remove_verdict(db, SPAM_TRAIN_ACCOUNT, key, ret_changed, error);
    *ret_changed = db_exec(
        db, &sql_set, DB_ARGS(db_int(SPAM_TRAIN_ACCOUNT), key, db_int(lesson->verdict)), error);
    return *ret_changed >= 0 && spam_features_put(db, &lesson->digest, lesson->features, error);
}

bool spam_teach(Db *db, const SpamLesson *lessons, unsigned count, unsigned *ret_changed,
                GError **error)
{
    unsigned all = 0;
    for (unsigned i = 0; i < count; i++) {
        int64_t changed = 0;
        if (!teach(db, &lessons[i], &changed, error))
            return false;
        all += changed > 0;
    }
    if (all && !spam_fold_later(db, SPAM_FOLD_MS, error))
        return false;
    *ret_changed = all;
    return true;
}

/* ---------------------------------------------------------------- features */

static GArray *digests_of(DbRows *rows, GError **error)
{
    g_autoptr(GArray) digests = g_array_new(FALSE, FALSE, sizeof(Digest));
    int step;
    while ((step = db_rows_next(rows, error)) > 0) {
        size_t size = 0;
        const void *bytes = db_rows_bytes(rows, 0, &size);
        if (size == DIGEST_BYTES)
            g_array_append_vals(digests, bytes, 1);
    }
    return step < 0 ? NULL : g_steal_pointer(&digests);
}

GArray *spam_waiting(Db *db, int64_t account, unsigned limit, GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &sql_waiting, DB_ARGS(db_int(account), db_int(limit)), error);
    return rows ? digests_of(rows, error) : NULL;
}

bool spam_features_put(Db *db, const Digest *digest, GBytes *features, GError **error)
{
    gsize size = 0;
    const void *bytes = features ? g_bytes_get_data(features, &size) : "";
    return db_exec(db, &sql_put_features,
                   DB_ARGS(db_bytes(digest->bytes, DIGEST_BYTES), db_bytes(bytes, size)),
                   error) >= 0;
}

bool spam_fold_later(Db *db, int64_t delay_ms, GError **error)
{
    int64_t now = 0;
    if (delay_ms && db_query_int(db, &sql_now, DB_NO_ARGS, &now, error) < 0)
        return false;
    return add_task(db, SPAM_TRAIN_ACCOUNT, bucket_of("0"), delay_ms ? now + delay_ms : 0, error);
}
