/* email_destroy: the end of messages.
 *
 * How it fits: people's doors destroy one or some, purge.accounts many. All verbs of model/email
 * lock the account first; here too, then the messages are read that are still there, EMAILS_AT_ONCE
 * by one statement, and each table is written in one go, so that on PostgreSQL fifty messages cost
 * eight round trips and not four hundred.
 *
 * Failures: the store's; ERROR_GONE for one that is not there.
 */
#include "model/email.h"

#include <string.h>

#include "base/error.h"
#include "model/account.h"
#include "model/blob.h"
#include "model/change.h"
#include "roster/task.h"

#define EMAILS_AT_ONCE 50

/* The messages of one go that are there. */
typedef struct {
    int64_t account;
    unsigned count;
    int64_t ids[EMAILS_AT_ONCE];
    int64_t threads[EMAILS_AT_ONCE];
    int64_t unread[EMAILS_AT_ONCE];
    Digest blobs[EMAILS_AT_ONCE];
    int64_t bytes;
} Batch;

static bool read_batch(Db *db, Batch *batch, const int64_t *ids, unsigned count, GError **error)
{
    static const DbSql sql = {
        "SELECT id, size, blob, keywords, thread FROM email WHERE account = $1 AND id IN ("
        "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, "
        "$21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, "
        "$38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51) ORDER BY id",
        NULL};
    DbValue args[1 + EMAILS_AT_ONCE] = {db_int(batch->account)};
    for (unsigned i = 0; i < EMAILS_AT_ONCE; i++)
        args[1 + i] = i < count ? db_int(ids[i]) : db_null();
    g_autoptr(DbRows) rows = db_query(db, &sql, args, 1 + EMAILS_AT_ONCE, error);
    int step = -1;
    batch->count = 0;
    batch->bytes = 0;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        unsigned at = batch->count++;
        size_t size;
        const void *digest = db_rows_bytes(rows, 2, &size);
        batch->ids[at] = db_rows_int(rows, 0);
        batch->unread[at] = keywords_unread(db_rows_text(rows, 3));
        batch->blobs[at] = (Digest){{0}};
        if (size == DIGEST_BYTES)
            memcpy(batch->blobs[at].bytes, digest, DIGEST_BYTES);
        batch->threads[at] = db_rows_int(rows, 4);
        batch->bytes += db_rows_int(rows, 1);
    }
    return step == 0;
}

static bool write_batch(Db *db, const Batch *batch, GError **error)
{
    static const DbSql count = {
        "UPDATE mailbox SET total = total - 1, unread = unread - $3 WHERE account = $1 AND id IN "
        "(SELECT mailbox FROM email_mailbox WHERE account = $1 AND email = $2)",
        NULL};
    static const DbSql unfile = {"DELETE FROM email_mailbox WHERE account = $1 AND email = $2",
                                 NULL};
    static const DbSql remove = {"DELETE FROM email WHERE account = $1 AND id = $2", NULL};
    DbValue counts[3 * EMAILS_AT_ONCE], keys[2 * EMAILS_AT_ONCE];
    for (unsigned i = 0; i < batch->count; i++) {
        counts[3 * i] = keys[2 * i] = db_int(batch->account);
        counts[3 * i + 1] = keys[2 * i + 1] = db_int(batch->ids[i]);
        counts[3 * i + 2] = db_int(batch->unread[i]);
    }
    return db_exec_many(db, &count, counts, 3, batch->count, NULL, error) &&
           db_exec_many(db, &unfile, keys, 2, batch->count, NULL, error) &&
           db_exec_many(db, &remove, keys, 2, batch->count, NULL, error) &&
           blob_loosen(db, batch->blobs, batch->count, error);
}

static bool give_back(Db *db, int64_t account, const EmailDestroyed *destroyed, GError **error)
{
    static const DbSql sql = {"UPDATE account SET used_bytes = used_bytes - $2, "
                              "used_messages = used_messages - $3 WHERE id = $1",
                              NULL};
    return db_exec(db, &sql,
                   DB_ARGS(db_int(account), db_int(destroyed->bytes), db_int(destroyed->count)),
                   error) >= 0;
}

bool email_destroy_many(Db *db, const EmailDestroy *emails, EmailDestroyed *ret, GError **error)
{
    EmailDestroyed destroyed = {0, 0};
    Batch batch = {.account = emails->account};
    if (!account_lock_row(db, emails->account, error))
        return false;
    for (unsigned at = 0; at < emails->count; at += EMAILS_AT_ONCE) {
        unsigned count = MIN(emails->count - at, EMAILS_AT_ONCE);
        if (!read_batch(db, &batch, emails->ids + at, count, error))
            return false;
        if (batch.count == 0)
            continue;
        if (!write_batch(db, &batch, error) ||
            (!emails->silent && change_append_destroyed(db, emails->account, batch.ids,
                                                        batch.threads, batch.count, error) < 0))
            return false;
        destroyed.count += batch.count;
        destroyed.bytes += batch.bytes;
    }
    char key[ACCOUNT_KEY_BYTES];
    TaskNew task = {
        .role = "fts-indexing", .bucket = account_bucket(emails->account, key), .key = key};
    if (destroyed.count && (!give_back(db, emails->account, &destroyed, error) ||
                            (!emails->silent && !task_add(db, &task, error))))
        return false;
    *ret = destroyed;
    return true;
}

bool email_destroy(Db *db, int64_t account, int64_t id, GError **error)
{
    EmailDestroyed destroyed;
    EmailDestroy one = {.account = account, .ids = &id, .count = 1};
    if (!email_destroy_many(db, &one, &destroyed, error))
        return false;
    return destroyed.count ||
           fail(error, ERROR_GONE, "account %" G_GINT64_FORMAT " has no message %" G_GINT64_FORMAT,
                account, id);
}
