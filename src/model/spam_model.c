/* spam_model: the way between the ledger's rows and what the classifier makes of them.
 *
 * How it fits: duty/bayes_training reads a set, trains, and puts the model; app/spam_scorer asks
 * for the versions and gets a model when its version has grown.
 *
 * A version is the store's time in milliseconds at least, so that it grows also where a model was
 * taken away in between.
 *
 * Failures: the store's; a stored model that cannot be read is ERROR_REJECT, and is replaced by the
 * next fold.
 * Known weak points: the newest are chosen over the whole ledger each time, which costs a walk
 * through an index of it.
 */
#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "base/limits.h"

#include "model/spam.h"
#include "model/spam_model.h"

#define MODEL_BYTES_MAX (4 * 1024 * 1024) /* of a stored model; ours have half a megabyte */
#define COMPRESS_LEVEL  3

#define JUDGED(having)                                                                             \
    "SELECT f.digest, f.features FROM (SELECT digest FROM spam_verdict GROUP BY digest"            \
    " HAVING " having " ORDER BY MAX(noted_at) DESC, digest LIMIT $1) AS x"                        \
    " JOIN spam_features f ON f.digest = x.digest WHERE length(f.features) > 0"

/* ham, spam */
static const DbSql sql_judged_by_all[2] = {
    {.sql = JUDGED("SUM(verdict) < 0")},
    {.sql = JUDGED("SUM(verdict) > 0")},
};
static const DbSql sql_judged_by_one = {
    .sql = "SELECT f.digest, f.features FROM (SELECT digest FROM spam_verdict"
           " WHERE account = $2 AND verdict = $3 ORDER BY noted_at DESC, digest LIMIT $1) AS x"
           " JOIN spam_features f ON f.digest = x.digest WHERE length(f.features) > 0",
};
static const DbSql sql_counts_of_all = {
    .sql = "SELECT COUNT(CASE WHEN v > 0 AND length(f.features) > 0 THEN 1 END),"
           " COUNT(CASE WHEN v < 0 AND length(f.features) > 0 THEN 1 END),"
           " COUNT(CASE WHEN f.digest IS NULL THEN 1 END)"
           " FROM (SELECT digest, SUM(verdict) AS v FROM spam_verdict GROUP BY digest) AS x"
           " LEFT JOIN spam_features f ON f.digest = x.digest",
};
static const DbSql sql_counts_of_one = {
    .sql = "SELECT COUNT(CASE WHEN v.verdict > 0 AND length(f.features) > 0 THEN 1 END),"
           " COUNT(CASE WHEN v.verdict < 0 AND length(f.features) > 0 THEN 1 END),"
           " COUNT(CASE WHEN f.digest IS NULL THEN 1 END)"
           " FROM spam_verdict v LEFT JOIN spam_features f ON f.digest = v.digest"
           " WHERE v.account = $1",
};
static const DbSql sql_versions = {
    .sql = "SELECT account, version FROM spam_model"
           " ORDER BY CASE WHEN account = 0 THEN 0 ELSE 1 END, made_at DESC, account LIMIT $1",
};
static const DbSql sql_info = {
    .sql = "SELECT MAX(CASE WHEN account = 0 THEN spam ELSE 0 END),"
           " MAX(CASE WHEN account = 0 THEN ham ELSE 0 END),"
           " MAX(CASE WHEN account = 0 THEN made_at ELSE 0 END),"
           " COUNT(CASE WHEN account <> 0 THEN 1 END) FROM spam_model",
};
static const DbSql sql_get = {.sql = "SELECT version, data FROM spam_model WHERE account = $1"};
static const DbSql sql_remove = {.sql = "DELETE FROM spam_model WHERE account = $1"};
static const DbSql sql_put = {
    .sql = "INSERT INTO spam_model (account, version, spam, ham, made_at, data)"
           " VALUES ($1, rota_now(), $2, $3, rota_now(), $4)"
           " ON CONFLICT (account) DO UPDATE SET spam = excluded.spam, ham = excluded.ham,"
           " made_at = excluded.made_at, data = excluded.data,"
           " version = CASE WHEN spam_model.version >= excluded.version"
           " THEN spam_model.version + 1 ELSE excluded.version END"
           " WHERE spam_model.data <> excluded.data",
};

static bool counts_of(DbRows *take_rows, SpamCounts *ret, GError **error)
{
    g_autoptr(DbRows) rows = take_rows;
    if (!rows || db_rows_next(rows, error) < 0)
        return false;
    *ret = (SpamCounts){db_rows_int(rows, 0), db_rows_int(rows, 1), db_rows_int(rows, 2)};
    return true;
}

bool spam_counts(Db *db, int64_t account, SpamCounts *ret, GError **error)
{
    return account == SPAM_CLUSTER
               ? counts_of(db_query(db, &sql_counts_of_all, DB_NO_ARGS, error), ret, error)
               : counts_of(db_query(db, &sql_counts_of_one, DB_ARGS(db_int(account)), error), ret,
                           error);
}

bool spam_trained(Db *db, SpamCounts *ret, GError **error)
{
    DbRows *rows = db_query(db, &sql_counts_of_one, DB_ARGS(db_int(SPAM_TRAIN_ACCOUNT)), error);
    return counts_of(rows, ret, error);
}

bool spam_model_info(Db *db, SpamModelInfo *ret, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &sql_info, DB_NO_ARGS, error);
    if (!rows || db_rows_next(rows, error) < 0)
        return false;
    *ret = (SpamModelInfo){db_rows_int(rows, 0), db_rows_int(rows, 1), db_rows_int(rows, 2),
                           db_rows_int(rows, 3)};
    return true;
}

static bool add_row(ClassifierSet *set, DbRows *rows, bool spam, unsigned *unreadable)
{
    Digest digest;
    size_t size = 0;
    const void *bytes = db_rows_bytes(rows, 0, &size);
    if (size != DIGEST_BYTES)
        return false;
    memcpy(digest.bytes, bytes, size);
    bytes = db_rows_bytes(rows, 1, &size);
    if (!classifier_set_add(set, &digest, spam, bytes, size, NULL))
        *unreadable += 1;
    return true;
}

static bool add_rows(ClassifierSet *set, DbRows *take_rows, bool spam, unsigned *unreadable,
                     GError **error)
{
    g_autoptr(DbRows) rows = take_rows;
    if (!rows)
        return false;
    int step;
    while ((step = db_rows_next(rows, error)) > 0)
        if (!add_row(set, rows, spam, unreadable))
            *unreadable += 1;
    return step == 0;
}

ClassifierSet *spam_set_get(Db *db, int64_t account, unsigned *ret_unreadable, GError **error)
{
    g_autoptr(ClassifierSet) set = classifier_set_new();
    bool own = account != SPAM_CLUSTER;
    *ret_unreadable = 0;
    for (int spam = 0; spam < 2; spam++) {
        DbValue most = db_int(own ? SPAM_ANCHOR_MAX : SPAM_LEARN_MAX);
        DbRows *rows = db_query(db, &sql_judged_by_all[spam], DB_ARGS(most), error);
        if (!add_rows(set, rows, spam, ret_unreadable, error))
            return NULL;
    }
    for (int spam = 0; own && spam < 2; spam++) {
        DbRows *rows = db_query(
            db, &sql_judged_by_one,
            DB_ARGS(db_int(SPAM_LEARN_MAX), db_int(account), db_int(spam ? 1 : -1)), error);
        if (!add_rows(set, rows, spam, ret_unreadable, error))
            return NULL;
    }
    return g_steal_pointer(&set);
}

GArray *spam_model_versions(Db *db, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &sql_versions, DB_ARGS(db_int(SPAM_OWN_MAX + 1)), error);
    if (!rows)
        return NULL;
    g_autoptr(GArray) versions = g_array_new(FALSE, FALSE, sizeof(SpamVersion));
    int step;
    while ((step = db_rows_next(rows, error)) > 0) {
        SpamVersion version = {db_rows_int(rows, 0), db_rows_int(rows, 1)};
        g_array_append_val(versions, version);
    }
    return step < 0 ? NULL : g_steal_pointer(&versions);
}

static ClassifierModel *model_of(const void *data, size_t size, GError **error)
{
    unsigned long long plain = ZSTD_getFrameContentSize(data, size);
    if (plain > MODEL_BYTES_MAX) { /* what cannot be told is more */
        fail(error, ERROR_REJECT, "the stored spam model is damaged");
        return NULL;
    }
    g_autofree uint8_t *bytes = g_malloc((size_t)plain + 1);
    size_t got = ZSTD_decompress(bytes, (size_t)plain, data, size);
    if (ZSTD_isError(got) || got != plain) {
        fail(error, ERROR_REJECT, "the stored spam model is damaged");
        return NULL;
    }
    return classifier_model_parse(bytes, got, error);
}

ClassifierModel *spam_model_get(Db *db, int64_t account, int64_t *ret_version, GError **error)
{
    g_autoptr(DbRows) rows = db_query(db, &sql_get, DB_ARGS(db_int(account)), error);
    if (!rows)
        return NULL;
    int step = db_rows_next(rows, error);
    if (step <= 0) {
        if (step == 0)
            *ret_version = 0;
        return NULL;
    }
    size_t size = 0;
    const void *data = db_rows_bytes(rows, 1, &size);
    ClassifierModel *model = model_of(data, size, error);
    if (model)
        *ret_version = db_rows_int(rows, 0);
    return model;
}

bool spam_model_put(Db *db, int64_t account, const ClassifierModel *model, GError **error)
{
    if (!model)
        return db_exec(db, &sql_remove, DB_ARGS(db_int(account)), error) >= 0;
    g_autoptr(GBytes) bytes = classifier_model_format(model);
    gsize size;
    const void *plain = g_bytes_get_data(bytes, &size);
    size_t room = ZSTD_compressBound(size);
    g_autofree void *data = g_malloc(room);
    size_t packed = ZSTD_compress(data, room, plain, size, COMPRESS_LEVEL);
    if (ZSTD_isError(packed))
        return fail(error, ERROR_REJECT, "could not compress a spam model: %s",
                    ZSTD_getErrorName(packed));
    int64_t spam = classifier_model_count(model, true), ham = classifier_model_count(model, false);
    return db_exec(db, &sql_put,
                   DB_ARGS(db_int(account), db_int(spam), db_int(ham), db_bytes(data, packed)),
                   error) >= 0;
}
