/* certificate: TLS certificates as rows.
 *
 * How it fits: duty/acme_renew writes them, app/tls_keeper serves them, front/acme_answer and the
 * keeper read the answers to challenges, `rota cert` shows them. Answers are short-lived keys of
 * model/expiring's table, so purge.stores removes what an order has left behind.
 *
 * Failures: the store's. Known weak point: an exchange writes the one row of certificate_epoch, so
 * exchanges follow one another; there are a few in a night.
 */
#include "model/certificate.h"

#include "base/error.h"
#include "roster/shard.h"
#include "roster/task.h"

#include "model/expiring.h"

#define ROLE          "acme.renew"
#define ANSWER_TTL_MS (INT64_C(86400000)) /* CAs end an authorisation sooner */

/* clang-format off */
#define COLUMNS \
    "name, version, chain, sealed_key, not_before, not_after, exchanged_at, renew_at, info_at," \
    " step, order_url, order_key, order_detail, order_at, next_at, failures, failed_at, problem," \
    " wish, rota_now()"
static const DbSql SQL_READ = {"SELECT " COLUMNS " FROM certificate WHERE name = $1", NULL};
static const DbSql SQL_LIST = {"SELECT " COLUMNS " FROM certificate ORDER BY name", NULL};
static const DbSql SQL_MARKS = {
    "SELECT name, version, exchanged_at FROM certificate ORDER BY name", NULL};
static const DbSql SQL_NOW = {"SELECT rota_now()", NULL};
static const DbSql SQL_WRITE = {
    "INSERT INTO certificate (name, version, chain, sealed_key, not_before, not_after,"
    " exchanged_at, renew_at, info_at, step, order_url, order_key, order_detail, order_at, next_at,"
    " failures, failed_at, problem, wish)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, '')"
    " ON CONFLICT (name) DO UPDATE SET version = excluded.version, chain = excluded.chain,"
    " sealed_key = excluded.sealed_key, not_before = excluded.not_before,"
    " not_after = excluded.not_after, exchanged_at = excluded.exchanged_at,"
    " renew_at = excluded.renew_at, info_at = excluded.info_at, step = excluded.step,"
    " order_url = excluded.order_url, order_key = excluded.order_key,"
    " order_detail = excluded.order_detail, order_at = excluded.order_at,"
    " next_at = excluded.next_at, failures = excluded.failures, failed_at = excluded.failed_at,"
    " problem = excluded.problem", NULL,
};
static const DbSql SQL_FULFIL = {
    "UPDATE certificate SET wish = '' WHERE name = $1 AND wish = $2", NULL};
static const DbSql SQL_WISH = {
    "INSERT INTO certificate (name, version, chain, sealed_key, not_before, not_after,"
    " exchanged_at, renew_at, info_at, step, order_url, order_key, order_detail, order_at, next_at,"
    " failures, failed_at, problem, wish)"
    " VALUES ($1, 0, '', $3, 0, 0, 0, 0, 0, '', '', $3, '', 0, 0, 0, 0, '', $2)"
    " ON CONFLICT (name) DO UPDATE SET wish = excluded.wish, next_at = 0", NULL,
};
static const DbSql SQL_REMOVE = {"DELETE FROM certificate WHERE name = $1", NULL};
static const DbSql SQL_EPOCH = {"SELECT epoch FROM certificate_epoch WHERE id = 1", NULL};
static const DbSql SQL_STEP = {
    "UPDATE certificate_epoch SET epoch = epoch + 1 WHERE id = 1", NULL};
static const DbSql SQL_ACCOUNT_READ = {
    "SELECT url, sealed_key, next_key FROM acme_account WHERE directory = $1 AND eab_kid = $2",
    NULL};
static const DbSql SQL_ACCOUNT_ADD = {
    "INSERT INTO acme_account (directory, eab_kid, url, sealed_key, next_key)"
    " VALUES ($1, $2, '', $3, $4) ON CONFLICT (directory, eab_kid) DO NOTHING", NULL};
static const DbSql SQL_ACCOUNT_WRITE = {
    "UPDATE acme_account SET url = $3, sealed_key = $4, next_key = $5"
    " WHERE directory = $1 AND eab_kid = $2", NULL};
/* clang-format on */

/* ---------------------------------------------------------------- rows */

void certificate_clear(Certificate *certificate)
{
    g_free(certificate->name);
    g_free(certificate->chain);
    g_bytes_unref(certificate->sealed_key);
    g_free(certificate->step);
    g_free(certificate->order_url);
    g_bytes_unref(certificate->order_key);
    g_free(certificate->order_detail);
    g_free(certificate->problem);
    g_free(certificate->wish);
    *certificate = (Certificate){.name = NULL};
}

static GBytes *take_bytes(DbRows *rows, unsigned column)
{
    size_t size = 0;
    const void *bytes = db_rows_bytes(rows, column, &size);
    return g_bytes_new(bytes, size);
}

static void take_row(DbRows *rows, Certificate *ret)
{
    *ret = (Certificate){
        .name = g_strdup(db_rows_text(rows, 0)),
        .version = db_rows_int(rows, 1),
        .chain = g_strdup(db_rows_text(rows, 2)),
        .sealed_key = take_bytes(rows, 3),
        .not_before = db_rows_int(rows, 4),
        .not_after = db_rows_int(rows, 5),
        .exchanged_at = db_rows_int(rows, 6),
        .renew_at = db_rows_int(rows, 7),
        .info_at = db_rows_int(rows, 8),
        .step = g_strdup(db_rows_text(rows, 9)),
        .order_url = g_strdup(db_rows_text(rows, 10)),
        .order_key = take_bytes(rows, 11),
        .order_detail = g_strdup(db_rows_text(rows, 12)),
        .order_at = db_rows_int(rows, 13),
        .next_at = db_rows_int(rows, 14),
        .failures = db_rows_int(rows, 15),
        .failed_at = db_rows_int(rows, 16),
        .problem = g_strdup(db_rows_text(rows, 17)),
        .wish = g_strdup(db_rows_text(rows, 18)),
        .now = db_rows_int(rows, 19),
    };
}

bool certificate_read(Db *db, const char *name, Certificate *ret, GError **error)
{
    {
        g_autoptr(DbRows) rows = db_query(db, &SQL_READ, DB_ARGS(db_text(name)), error);
        int step = rows ? db_rows_next(rows, error) : -1;
        if (step > 0)
            take_row(rows, ret);
        if (step != 0)
            return step > 0;
    }
    int64_t now = 0;
    if (db_query_int(db, &SQL_NOW, DB_NO_ARGS, &now, error) < 0)
        return false;
    *ret = (Certificate){
        .name = g_strdup(name),
        .chain = g_strdup(""),
        .sealed_key = g_bytes_new(NULL, 0),
        .step = g_strdup(""),
        .order_url = g_strdup(""),
        .order_key = g_bytes_new(NULL, 0),
        .order_detail = g_strdup(""),
        .problem = g_strdup(""),
        .wish = g_strdup(""),
        .now = now,
    };
    return true;
}

static DbValue bytes_value(GBytes *bytes)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);
    return db_bytes(size > 0 ? data : "", size);
}

bool certificate_write(Db *db, const Certificate *certificate, bool fulfilled, GError **error)
{
    const Certificate *c = certificate;
    return db_exec(db, &SQL_WRITE,
                   DB_ARGS(db_text(c->name), db_int(c->version), db_text(c->chain),
                           bytes_value(c->sealed_key), db_int(c->not_before), db_int(c->not_after),
                           db_int(c->exchanged_at), db_int(c->renew_at), db_int(c->info_at),
                           db_text(c->step), db_text(c->order_url), bytes_value(c->order_key),
                           db_text(c->order_detail), db_int(c->order_at), db_int(c->next_at),
                           db_int(c->failures), db_int(c->failed_at), db_text(c->problem)),
                   error) >= 0 &&
           (!fulfilled ||
            db_exec(db, &SQL_FULFIL, DB_ARGS(db_text(c->name), db_text(c->wish)), error) >= 0);
}

bool certificate_exchange(Db *db, Certificate *certificate, GError **error)
{
    certificate->version++;
    return certificate_write(db, certificate, true, error) &&
           db_exec(db, &SQL_STEP, DB_NO_ARGS, error) >= 0;
}

static void certificate_free(void *data)
{
    certificate_clear(data);
    g_free(data);
}

GPtrArray *certificate_list(Db *db, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(certificate_free);
    g_autoptr(DbRows) rows = db_query(db, &SQL_LIST, DB_NO_ARGS, error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        Certificate *one = g_new0(Certificate, 1);
        take_row(rows, one);
        g_ptr_array_add(list, one);
    }
    return step < 0 ? NULL : g_steal_pointer(&list);
}

static void mark_clear(void *data)
{
    g_free(((CertificateMark *)data)->name);
}

GArray *certificate_marks(Db *db, GError **error)
{
    g_autoptr(GArray) marks = g_array_new(FALSE, FALSE, sizeof(CertificateMark));
    g_array_set_clear_func(marks, mark_clear);
    g_autoptr(DbRows) rows = db_query(db, &SQL_MARKS, DB_NO_ARGS, error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        CertificateMark one = {g_strdup(db_rows_text(rows, 0)), db_rows_int(rows, 1),
                               db_rows_int(rows, 2)};
        g_array_append_val(marks, one);
    }
    return step < 0 ? NULL : g_steal_pointer(&marks);
}

bool certificate_epoch(Db *db, int64_t *ret_epoch, GError **error)
{
    return db_query_int(db, &SQL_EPOCH, DB_NO_ARGS, ret_epoch, error) >= 0;
}

unsigned certificate_bucket(const char *name)
{
    return bucket_of(name);
}

bool certificate_enqueue(Db *db, const char *name, GError **error)
{
    TaskNew task = {.role = ROLE, .bucket = certificate_bucket(name), .key = name};
    return task_add(db, &task, error) && task_notify(db, ROLE, error);
}

bool certificate_set_wish(Db *db, const char *name, const char *wish, GError **error)
{
    return db_exec(db, &SQL_WISH, DB_ARGS(db_text(name), db_text(wish), db_bytes("", 0)), error) >=
               0 &&
           certificate_enqueue(db, name, error);
}

bool certificate_remove(Db *db, const char *name, bool *ret_removed, GError **error)
{
    int64_t removed = db_exec(db, &SQL_REMOVE, DB_ARGS(db_text(name)), error);
    *ret_removed = removed > 0;
    return removed >= 0 && db_exec(db, &SQL_STEP, DB_NO_ARGS, error) >= 0;
}

char *certificate_seal_name(const char *name)
{
    return g_strdup_printf("certificate \"%s\"", name);
}

char *certificate_open_key(const Certificate *certificate, const Seal *seal, GError **error)
{
    gsize size = 0;
    const void *bytes = g_bytes_get_data(certificate->sealed_key, &size);
    g_autofree char *what = certificate_seal_name(certificate->name);
    return seal_open(seal, what, bytes, size, error);
}

/* ---------------------------------------------------------------- the CA's account */

void acme_account_clear(AcmeAccount *account)
{
    g_clear_pointer(&account->url, g_free);
    g_clear_pointer(&account->sealed_key, g_bytes_unref);
    g_clear_pointer(&account->next_key, g_bytes_unref);
}

bool acme_account_read(Db *db, const char *directory, const char *eab_kid, AcmeAccount *ret,
                       GError **error)
{
    g_autoptr(DbRows) rows =
        db_query(db, &SQL_ACCOUNT_READ, DB_ARGS(db_text(directory), db_text(eab_kid)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    *ret = (AcmeAccount){.url = NULL};
    if (step > 0)
        *ret = (AcmeAccount){g_strdup(db_rows_text(rows, 0)), take_bytes(rows, 1),
                             take_bytes(rows, 2)};
    return step >= 0;
}

bool acme_account_add(Db *db, const char *directory, const char *eab_kid, GBytes *sealed_key,
                      GError **error)
{
    int64_t added = db_exec(
        db, &SQL_ACCOUNT_ADD,
        DB_ARGS(db_text(directory), db_text(eab_kid), bytes_value(sealed_key), db_bytes("", 0)),
        error);
    return added > 0 || (added == 0 && fail(error, ERROR_CONFLICT,
                                            "the account at \"%s\" was made by another order at "
                                            "this moment",
                                            directory));
}

bool acme_account_write(Db *db, const char *directory, const char *eab_kid,
                        const AcmeAccount *account, GError **error)
{
    return db_exec(db, &SQL_ACCOUNT_WRITE,
                   DB_ARGS(db_text(directory), db_text(eab_kid), db_text(account->url),
                           bytes_value(account->sealed_key), bytes_value(account->next_key)),
                   error) >= 0;
}

/* ---------------------------------------------------------------- answers to challenges */

static const char *const kinds[] = {[ANSWER_HTTP] = "acme-http", [ANSWER_TLS_ALPN] = "acme-alpn"};

bool certificate_answer_add(Db *db, AnswerKind kind, const char *key, const char *authorisation,
                            GError **error)
{
    ExpiringNew one = {
        .kind = kinds[kind], .key = key, .value = authorisation, .ttl_ms = ANSWER_TTL_MS};
    bool added = false;
    return expiring_remove(db, 0, kinds[kind], key, error) &&
           expiring_add_many(db, &one, 1, &added, error);
}

bool certificate_answer_find(Db *db, AnswerKind kind, const char *key, char **ret, GError **error)
{
    return expiring_find(db, 0, kinds[kind], key, ret, error);
}

bool certificate_answer_remove(Db *db, AnswerKind kind, const char *key, GError **error)
{
    return expiring_remove(db, 0, kinds[kind], key, error);
}
