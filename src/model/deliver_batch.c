/* deliver_batch: reads what a batch of deliveries needs and writes its rows.
 *
 * How it fits: half of model/deliver: this one knows the tables, deliver.c the order of things. The
 * thread of a message is found here: that of the earliest message that it names and shares its base
 * subject with, in the store first and then in this very batch.
 *
 * Failures: the store's, handed up; the caller rolls back.
 */
#include "model/deliver_batch.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "content/envelope.h"
#include "content/subject.h"
#include "db/set.h"
#include "model/change.h"
#include "model/mailbox.h"

#define THREAD_NAMES                                                                               \
    8 /* message ids by which a thread is looked for: its own, the first it refers to, and the     \
         last six; longer chains are cut by senders too */

static void mailbox_use_free(gpointer data)
{
    MailboxUse *use = data;
    g_free(use->path);
    g_free(use);
}

const char *mark_kind(const Delivery *delivery)
{
    return delivery->import ? "import" : "delivery";
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

Batch *batch_new(Db *db, const Delivery *deliveries, unsigned count, Delivered *results)
{
    Batch *batch = g_new0(Batch, 1);
    batch->db = db;
    batch->deliveries = deliveries;
    batch->count = count;
    batch->results = results;
    batch->accounts = g_new0(AccountUse, count);
    int64_t ids[DELIVER_BATCH_MAX] = {0};
    for (unsigned i = 0; i < count; i++)
        ids[i] = deliveries[i].account;
    qsort(ids, count, sizeof *ids, compare_ids);
    for (unsigned i = 0; i < count; i++) {
        if (i && ids[i] == ids[i - 1])
            continue;
        AccountUse *use = &batch->accounts[batch->account_count++];
        use->id = ids[i];
        use->mailboxes = g_ptr_array_new_with_free_func(mailbox_use_free);
    }
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < batch->account_count; k++)
            if (batch->accounts[k].id == deliveries[i].account)
                batch->account_of[i] = &batch->accounts[k];
    return batch;
}

void batch_free(Batch *batch)
{
    if (!batch)
        return;
    for (unsigned i = 0; i < batch->account_count; i++)
        g_ptr_array_unref(batch->accounts[i].mailboxes);
    g_free(batch->accounts);
    g_free(batch);
}

static bool account_lock(Batch *batch, AccountUse *use, GError **error)
{
#define COLUMNS                                                                                    \
    "SELECT deleted_at, quota_bytes, used_bytes, next_email, change_seq, rota_now(), subscribers " \
    "FROM account WHERE id = $1"
    static const DbSql sql = {COLUMNS, COLUMNS " FOR NO KEY UPDATE"};
    g_autoptr(DbRows) rows = db_query(batch->db, &sql, DB_ARGS(db_int(use->id)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step < 0)
        return false;
    use->there = step > 0 && db_rows_int(rows, 0) == 0;
    if (!use->there)
        return true;
    use->quota = db_rows_int(rows, 1);
    use->used_bytes = db_rows_int(rows, 2);
    use->next_email = use->next_tentative = db_rows_int(rows, 3);
    use->change_seq = db_rows_int(rows, 4);
    batch->now = db_rows_int(rows, 5);
    use->subscribed = db_rows_int(rows, 6) > 0;
    return true;
}

static bool mailbox_find(Batch *batch, AccountUse *use, const Delivery *delivery, MailboxUse *box,
                         GError **error)
{
    bool made = false;
    g_autoptr(GError) why = NULL;
    if (*box->path && delivery->make_folder) {
        if (!mailbox_ensure(batch->db, use->id, box->path, &box->id, &made, error))
            return false;
        return !made || account_lock(batch, use, error); /* its change row took a number */
    }
    if (*box->path && mailbox_by_path(batch->db, use->id, box->path, &box->id, &why))
        return true;
    if (why && error_kind(why) != ERROR_GONE && error_kind(why) != ERROR_REJECT) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return mailbox_by_role(batch->db, use->id, box->junk ? "junk" : "inbox", &box->id, error);
}

/* Asked for by its id: 0 stays where it is not there. */
static bool mailbox_look(Batch *batch, const Delivery *delivery, MailboxUse *box, GError **error)
{
    static const DbSql sql = {"SELECT id FROM mailbox WHERE account = $1 AND id = $2", NULL};
    return db_query_int(batch->db, &sql,
                        DB_ARGS(db_int(delivery->account), db_int(delivery->mailbox)), &box->id,
                        error) >= 0;
}

/* Two names of one mailbox must share its counts: found by id, once it is known. */
static MailboxUse *mailbox_share(AccountUse *use, MailboxUse *box)
{
    for (guint i = 0; i < use->mailboxes->len; i++) {
        MailboxUse *other = use->mailboxes->pdata[i];
        if (other->id == box->id)
            return other;
    }
    return box;
}

static bool mailbox_of(Batch *batch, unsigned i, GError **error)
{
    const Delivery *delivery = &batch->deliveries[i];
    AccountUse *use = batch->account_of[i];
    bool junk = delivery->letter->junk && !delivery->make_folder;
    g_autofree char *number = g_strdup_printf("/%" G_GINT64_FORMAT, delivery->mailbox);
    const char *path = delivery->mailbox           ? number /* as no path is */
                       : delivery->folder && !junk ? delivery->folder
                                                   : "";
    for (guint k = 0; k < use->mailboxes->len; k++) {
        MailboxUse *box = use->mailboxes->pdata[k];
        if (box->junk == junk && strcmp(box->path, path) == 0) {
            batch->mailbox_of[i] = mailbox_share(use, box);
            return true;
        }
    }
    MailboxUse *box = g_new0(MailboxUse, 1);
    box->path = g_strdup(path);
    box->junk = junk;
    if (delivery->mailbox ? !mailbox_look(batch, delivery, box, error)
                          : !mailbox_find(batch, use, delivery, box, error)) {
        mailbox_use_free(box);
        return false;
    }
    g_ptr_array_add(use->mailboxes, box);
    batch->mailbox_of[i] = mailbox_share(use, box);
    return true;
}

bool batch_read(Batch *batch, GError **error)
{
    for (unsigned i = 0; i < batch->account_count; i++)
        if (!account_lock(batch, &batch->accounts[i], error))
            return false;
    for (unsigned i = 0; i < batch->count; i++)
        if (batch->account_of[i]->there && !mailbox_of(batch, i, error))
            return false;
    return true;
}

/* A message id as the column holds it: cut where it is longer than an index bears. */
static size_t id_size(const char *id)
{
    size_t size = strlen(id);
    if (size <= MESSAGE_ID_BYTES_MAX)
        return size;
    const char *end = g_utf8_find_prev_char(id, id + MESSAGE_ID_BYTES_MAX + 1);
    return end ? (size_t)(end - id) : 0;
}

static DbValue id_value(const char *id)
{
    DbValue value = db_text(id);
    value.size = id_size(id);
    return value;
}

/* The ids a thread is looked for by; returns how many. */
static unsigned thread_names(const Message *message, const char *names[THREAD_NAMES])
{
    unsigned count = 0, refs = message->references->len;
    if (*message->message_id)
        names[count++] = message->message_id;
    for (unsigned i = 0; i < refs && count < THREAD_NAMES; i++)
        if (i == 0 || i + (THREAD_NAMES - 2) >= refs)
            names[count++] = message->references->pdata[i];
    return count;
}

/* The account and a message id, as the key of this batch's own threads; NULL table entries are
 * never made. */
static char *thread_key(int64_t account, const char *id)
{
    return g_strdup_printf("%" G_GINT64_FORMAT " %.*s", account, (int)id_size(id), id);
}

/* What this batch's own messages have begun or joined. */
typedef struct {
    int64_t thread;
    char *subject; /* about_of */
} Joined;

static void joined_free(void *data)
{
    Joined *joined = data;
    g_free(joined->subject);
    g_free(joined);
}

/* What a message is about, to be compared; the caller's. */
static char *about_of(const char *subject)
{
    g_autofree char *base = subject_base(subject);
    return g_utf8_casefold(base, -1);
}

/* The earliest thread in the store of a message of these names that is about the same; 0: none. */
static bool find_thread(Batch *batch, const DbValue *args, unsigned count, const char *subject,
                        int64_t *ret_thread, GError **error)
{
    /* Without statistics the planners take the primary key's first column and read the whole
     * account for each message: on SQLite the index is named, on PostgreSQL no other one fits
     * (schema 0009). */
#define ONE(hint, account) "SELECT thread, subject FROM email " hint "WHERE " account " = $1"
#define FIRST              " ORDER BY thread LIMIT 50"
    static const DbSql sql = {
        ONE("INDEXED BY email_message_id ",
            "account") " AND message_id IN ($2, $3, $4, $5, $6, $7, $8, $9)" FIRST,
        "SELECT thread, subject FROM unnest(ARRAY[$2, $3, $4, $5, $6, $7, $8, $9]) AS name(id)"
        " CROSS JOIN LATERAL (" ONE("", "account + 0") " AND message_id = name.id) found" FIRST,
    };
    static const DbSql sql_one = {
        ONE("INDEXED BY email_message_id ", "account") " AND message_id = $2" FIRST,
        ONE("", "account + 0") " AND message_id = $2" FIRST,
    };
#undef FIRST
#undef ONE
    bool one = count == 1;
    g_autoptr(DbRows) rows =
        db_query(batch->db, one ? &sql_one : &sql, args, one ? 2 : 1 + THREAD_NAMES, error);
    int step = rows ? 0 : -1;
    while (rows && (step = db_rows_next(rows, error)) == 1 && !*ret_thread) {
        g_autofree char *about = about_of(db_rows_text(rows, 1));
        if (strcmp(about, subject) == 0)
            *ret_thread = db_rows_int(rows, 0);
    }
    return step >= 0;
}

/* RFC 8621 §3: a message joins a thread where both name one message id and are about the same. */
static bool thread_of(Batch *batch, unsigned i, GHashTable *threads, int64_t *ret_thread,
                      GError **error)
{
    const char *names[THREAD_NAMES];
    const Message *message = batch->deliveries[i].letter->message;
    int64_t account = batch->deliveries[i].account, thread = 0;
    unsigned count = thread_names(message, names);
    g_autofree char *subject = about_of(message->subject);
    DbValue args[1 + THREAD_NAMES] = {db_int(account)};
    for (unsigned k = 0; k < THREAD_NAMES; k++)
        args[1 + k] = k < count ? id_value(names[k]) : db_null();
    if (count && !find_thread(batch, args, count, subject, &thread, error))
        return false;
    for (unsigned k = 0; k < count && !thread; k++) {
        g_autofree char *key = thread_key(account, names[k]);
        const Joined *joined = g_hash_table_lookup(threads, key);
        if (joined && strcmp(joined->subject, subject) == 0)
            thread = joined->thread;
    }
    *ret_thread = thread ? thread : batch->results[i].email;
    if (*message->message_id) {
        Joined *own = g_new(Joined, 1);
        *own = (Joined){.thread = *ret_thread, .subject = g_steal_pointer(&subject)};
        g_hash_table_replace(threads, thread_key(account, message->message_id), own);
    }
    return true;
}

static bool insert_blobs(Batch *batch, GError **error)
{
    const Blob *blobs[DELIVER_BATCH_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < batch->count; i++)
        if (batch->results[i].result == DELIVER_STORED)
            blobs[count++] = batch->deliveries[i].letter->blob;
    return blob_put_many(batch->db, blobs, count, error);
}

#define EMAIL_WIDTH 17
static bool insert_emails(Batch *batch, GError **error)
{
    static const DbSql sql = {
        "INSERT INTO email (account, id, blob, size, received_at, sent_at, "
        "message_id, thread, subject, sender, preview, keywords, "
        "has_attachment, spam_score, trace, changed_seq, envelope) VALUES ($1, "
        "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
        "$17)",
        NULL};
    g_autofree DbValue *args = g_new(DbValue, (size_t)EMAIL_WIDTH * batch->count);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) threads =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, joined_free);
    unsigned rows = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const Delivery *d = &batch->deliveries[i];
        const Message *m = d->letter->message;
        int64_t thread;
        if (batch->results[i].result != DELIVER_STORED)
            continue;
        if (!thread_of(batch, i, threads, &thread, error))
            return false;
        batch->results[i].thread = thread;
        char *sender = message_addresses_format(m->from);
        char *envelope = envelope_text(m);
        g_ptr_array_add(texts, sender);
        g_ptr_array_add(texts, envelope);
        DbValue row[EMAIL_WIDTH] = {db_int(d->account),
                                    db_int(batch->results[i].email),
                                    db_bytes(d->letter->blob->digest.bytes, DIGEST_BYTES),
                                    db_int((int64_t)d->letter->blob->size),
                                    db_int(d->received_at ? d->received_at : batch->now),
                                    db_int(m->date_ms),
                                    id_value(m->message_id),
                                    db_int(thread),
                                    db_text(m->subject),
                                    db_text(sender),
                                    db_text(m->preview),
                                    db_text(d->keywords ? d->keywords : ""),
                                    db_int(m->has_attachment),
                                    db_real(d->letter->spam_score),
                                    db_text(d->trace ? d->trace : ""),
                                    db_int(batch->seqs[i]),
                                    db_text(envelope)};
        memcpy(args + (size_t)EMAIL_WIDTH * rows++, row, sizeof row);
    }
    return db_exec_later(batch->db, &sql, args, EMAIL_WIDTH, rows, error);
}

static bool insert_places(Batch *batch, GError **error)
{
    static const DbSql file = {
        "INSERT INTO email_mailbox (account, mailbox, email, filed_at, received_at, thread) VALUES "
        "($1, $2, $3, $4, $5, $6)",
        NULL};
    static const DbSql change = {"INSERT INTO change (account, seq, kind, object, action, at) "
                                 "VALUES ($1, $2, $3, $4, $5, $6)",
                                 NULL};
    DbValue places[DELIVER_BATCH_MAX * 6], changes[DELIVER_BATCH_MAX * 6];
    unsigned rows = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const Delivered *result = &batch->results[i];
        if (result->result != DELIVER_STORED)
            continue;
        const Delivery *d = &batch->deliveries[i];
        DbValue account = db_int(d->account);
        DbValue place[] = {account,
                           db_int(result->mailbox),
                           db_int(result->email),
                           db_int(batch->now),
                           db_int(d->received_at ? d->received_at : batch->now),
                           db_int(result->thread)};
        DbValue row[] = {account,
                         db_int(batch->seqs[i]),
                         db_int(CHANGE_EMAIL),
                         db_int(result->email),
                         db_int(CHANGE_CREATED),
                         db_int(batch->now)};
        memcpy(places + 6 * rows, place, sizeof place);
        memcpy(changes + 6 * rows, row, sizeof row);
        rows++;
    }
    return db_exec_later(batch->db, &file, places, 6, rows, error) &&
           db_exec_later(batch->db, &change, changes, 6, rows, error);
}

bool batch_insert(Batch *batch, GError **error)
{
    return insert_emails(batch, error) && insert_places(batch, error) && insert_blobs(batch, error);
}
