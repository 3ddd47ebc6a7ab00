/* deliver: the one way of a message into an account.
 *
 * How it fits: LMTP and import make letters (parse, compress) outside any transaction, and hand in
 * up to a few hundred deliveries; one durable commit answers all of them. What the batch needs of
 * an account is read once under its row's lock and written once at the end, and what is written
 * goes to the store together with the commit, so that the cost of a delivery is a few inserts.
 *
 * Order of locks, the same for all who write mail: accounts by id, then what is theirs, then blobs
 * by digest, then tasks.
 *
 * Failures: ours none. Of one delivery: no account, over quota, stored before: decided before
 * anything is written. Of the store: the whole batch is RETRY or, where the commit's outcome is not
 * known, UNKNOWN; the caller tries again with the same keys, and the marks keep a second copy out.
 * A batch that the store refuses for its content is taken apart, so that one letter costs no other
 * its delivery. Known weak point: a reply that comes before the message it answers begins a thread
 * of its own.
 */
#include "model/deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "db/set.h"
#include "model/account.h"
#include "model/change.h"
#include "model/deliver_batch.h"
#include "model/email.h"
#include "model/expiring.h"
#include "model/invitation.h"
#include "model/mailbox.h"
#include "model/tally.h"
#include "roster/task.h"

#define DELIVERY_MARK_MS                                                                           \
    (24 * 3600 * 1000ll) /* how long a second try is known: RFC 5321 senders give up after days,   \
                            but retry within hours */

static bool write_accounts(Batch *batch, GError **error)
{
    static const DbSql account = {"UPDATE account SET used_bytes = used_bytes + $2, used_messages "
                                  "= used_messages + $3, next_email = $4, "
                                  "change_seq = change_seq + $3 WHERE id = $1",
                                  NULL};
    static const DbSql mailbox = {"UPDATE mailbox SET total = total + $3, unread = unread + $4 "
                                  "WHERE account = $1 AND id = $2",
                                  NULL};
    for (unsigned i = 0; i < batch->account_count; i++) {
        const AccountUse *use = &batch->accounts[i];
        if (!use->stored)
            continue;
        if (!db_exec_later(batch->db, &account,
                           DB_ARGS(db_int(use->id), db_int(use->stored_bytes), db_int(use->stored),
                                   db_int(use->next_email)),
                           1, error))
            return false;
        change_publish(batch->db, use->id);
        for (guint k = 0; k < use->mailboxes->len; k++) {
            const MailboxUse *box = use->mailboxes->pdata[k];
            if (box->total && !db_exec_later(batch->db, &mailbox,
                                             DB_ARGS(db_int(use->id), db_int(box->id),
                                                     db_int(box->total), db_int(box->unread)),
                                             1, error))
                return false;
        }
    }
    return true;
}

/* An invitation of today: not one that is read in from an old mailbox or that a person put into
 * one, and none that is spam. */
static bool is_invitation(const Delivery *delivery)
{
    return delivery->letter->message->calendar && !delivery->import && !delivery->mailbox &&
           !delivery->letter->junk;
}

static bool add_invitations(Batch *batch, GError **error)
{
    ImipArrival arrivals[DELIVER_BATCH_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const Delivery *delivery = &batch->deliveries[i];
        if (batch->results[i].result != DELIVER_STORED || !is_invitation(delivery))
            continue;
        arrivals[count++] = (ImipArrival){delivery->account, batch->results[i].email};
        batch->account_of[i]->invited = true;
    }
    return imip_in_add_many(batch->db, arrivals, count, error);
}

/* For the index, for those who are told of changes, and for invitations. */
static bool add_tasks(Batch *batch, GError **error)
{
    g_autofree TaskNew *tasks = g_new0(TaskNew, 3 * (size_t)batch->account_count);
    char keys[DELIVER_BATCH_MAX][ACCOUNT_KEY_BYTES];
    unsigned count = 0;
    for (unsigned i = 0; i < batch->account_count; i++) {
        if (!batch->accounts[i].stored)
            continue;
        unsigned bucket = account_bucket(batch->accounts[i].id, keys[i]);
        tasks[count++] = (TaskNew){.role = "fts-indexing", .bucket = bucket, .key = keys[i]};
        if (batch->accounts[i].subscribed) {
            tasks[count++] =
                (TaskNew){.role = "push-notifications", .bucket = bucket, .key = keys[i]};
            batch->told = true;
        }
        if (batch->accounts[i].invited) {
            tasks[count++] = (TaskNew){.role = IMIP_ROLE, .bucket = bucket, .key = keys[i]};
            batch->invited = true;
        }
    }
    return task_add_many(batch->db, tasks, count, error) &&
           (!batch->invited || task_announce(batch->db, IMIP_ROLE, error)) &&
           task_announce(batch->db, "fts-indexing", error) &&
           (!batch->told || task_announce(batch->db, "push-notifications", error));
}

/* Is it the same message for the same account, as its key says? */
static bool is_same(const Delivery *a, const Delivery *b)
{
    return a->account == b->account && strcmp(mark_kind(a), mark_kind(b)) == 0 &&
           strcmp(a->key, b->key) == 0;
}

/* The ids of what was stored before. A mark that is not there any more was one of this batch that
 * did not get in: this one fares no better. */
static bool read_mark(Batch *batch, unsigned i, GError **error)
{
    const Delivery *delivery = &batch->deliveries[i];
    g_autofree char *value = NULL;
    Delivered *result = &batch->results[i];
    if (!expiring_find(batch->db, delivery->account, mark_kind(delivery), delivery->key, &value,
                       error))
        return false;
    *result = (Delivered){.result = DELIVER_RETRY}; /* it expired at this very moment */
    if (value && sscanf(value, "%" SCNd64 " %" SCNd64, &result->email, &result->mailbox) == 2)
        result->result = DELIVER_DUPLICATE;
    for (unsigned k = 0; k < i && !value; k++) {
        if (is_same(&batch->deliveries[k], delivery)) {
            *result = batch->results[k];
            break;
        }
    }
    return true;
}

/* 1 the account has these very bytes, 0 not, -1 an error. The account is locked. */
static int find_bytes(Batch *batch, const Delivery *delivery, int64_t *ret_email, GError **error)
{
    /* By the bytes and not by the account, which has more emails than these bytes have owners:
     * without statistics the planners take the primary key. */
    static const DbSql sql = {
        "SELECT MIN(id) FROM email INDEXED BY email_blob WHERE blob = $2 AND account = $1",
        "SELECT MIN(id) FROM email WHERE blob = $2 AND account + 0 = $1"};
    const Digest *digest = &delivery->letter->blob->digest;
    return db_query_int(batch->db, &sql,
                        DB_ARGS(db_int(delivery->account), db_bytes(digest->bytes, DIGEST_BYTES)),
                        ret_email, error);
}

/* Not to be stored, for `result`: its mark goes again. */
static bool turn_away(Batch *batch, unsigned i, Delivered result, GError **error)
{
    const Delivery *delivery = &batch->deliveries[i];
    batch->results[i] = result;
    return expiring_remove(batch->db, delivery->account, mark_kind(delivery), delivery->key, error);
}

/* Marks all, so that what was stored before is known; each gets the id that it would have. */
static bool mark_all(Batch *batch, bool *ret_added, GError **error)
{
    ExpiringNew marks[DELIVER_BATCH_MAX] = {0};
    char values[DELIVER_BATCH_MAX][2 * ACCOUNT_KEY_BYTES];
    bool added[DELIVER_BATCH_MAX];
    unsigned places[DELIVER_BATCH_MAX], count = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        const Delivery *delivery = &batch->deliveries[i];
        AccountUse *use = batch->account_of[i];
        if (!use->there)
            continue;
        batch->results[i] = (Delivered){.result = DELIVER_STORED,
                                        .email = use->next_tentative++,
                                        .mailbox = batch->mailbox_of[i]->id};
        snprintf(values[count], sizeof values[count], "%" PRId64 " %" PRId64,
                 batch->results[i].email, batch->results[i].mailbox);
        marks[count] = (ExpiringNew){delivery->account, mark_kind(delivery), delivery->key,
                                     values[count], delivery->import ? 0 : DELIVERY_MARK_MS};
        places[count++] = i;
    }
    if (!expiring_add_many(batch->db, marks, count, added, error))
        return false;
    memset(ret_added, 0, DELIVER_BATCH_MAX * sizeof *ret_added);
    for (unsigned k = 0; k < count; k++)
        ret_added[places[k]] = added[k];
    return true;
}

/* Decides each delivery's result; what is to be stored is counted into its account and mailbox. */
static bool decide_all(Batch *batch, GError **error)
{
    bool added[DELIVER_BATCH_MAX];
    if (!mark_all(batch, added, error))
        return false;
    for (unsigned i = 0; i < batch->count; i++) {
        const Delivery *delivery = &batch->deliveries[i];
        AccountUse *use = batch->account_of[i];
        int64_t size = (int64_t)delivery->letter->blob->size;
        Delivered same = {.result = DELIVER_DUPLICATE};
        int had;
        if (!use->there) {
            batch->results[i] = (Delivered){.result = DELIVER_NO_ACCOUNT};
        } else if (!added[i]) {
            if (!read_mark(batch, i, error))
                return false;
        } else if (!batch->mailbox_of[i]->id) {
            if (!turn_away(batch, i, (Delivered){.result = DELIVER_NO_MAILBOX}, error))
                return false;
        } else if (delivery->unique &&
                   (had = find_bytes(batch, delivery, &same.email, error)) != 0) {
            if (had < 0 || !turn_away(batch, i, same, error))
                return false;
        } else if (use->quota && use->used_bytes + use->stored_bytes + size > use->quota) {
            if (!turn_away(batch, i, (Delivered){.result = DELIVER_OVER_QUOTA}, error))
                return false;
        } else {
            use->next_email = batch->results[i].email + 1;
            use->stored_bytes += size;
            batch->seqs[i] = use->change_seq + ++use->stored;
            batch->mailbox_of[i]->total++;
            batch->mailbox_of[i]->unread +=
                keywords_unread(delivery->keywords ? delivery->keywords : "");
            batch->stored++;
        }
    }
    return true;
}

static void count_stored(const Batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        const Delivery *delivery = &batch->deliveries[i];
        if (batch->results[i].result != DELIVER_STORED || delivery->import || delivery->mailbox)
            continue;
        tally_add(TALLY_DELIVERIES, 1);
        tally_add(TALLY_SPAM, delivery->letter->junk);
    }
}

/* One transaction for all. False: nothing is stored, or it is not known (ERROR_UNKNOWN). */
static bool deliver_batch(Db *db, const Delivery *deliveries, unsigned count, Delivered *results,
                          GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    g_autoptr(Batch) batch = batch_new(db, deliveries, count, results);
    if (!batch_read(batch, error) || !decide_all(batch, error))
        return false;
    if (!batch->stored) {
        db_rollback(db);
        return true;
    }
    if (!batch_insert(batch, error) || !write_accounts(batch, error) ||
        !add_invitations(batch, error) || !add_tasks(batch, error) ||
        db_commit(db, error) != DB_DONE)
        return false;
    count_stored(batch);
    task_wake("fts-indexing");
    if (batch->invited)
        task_wake(IMIP_ROLE);
    if (batch->told)
        change_wake();
    return true;
}

static void fill(Delivered *results, unsigned count, const GError *error)
{
    for (unsigned i = 0; i < count; i++)
        results[i] = (Delivered){.result = error_kind(error) == ERROR_UNKNOWN ? DELIVER_UNKNOWN
                                                                              : DELIVER_RETRY};
}

bool deliver_many(Db *db, const Delivery *deliveries, unsigned count, Delivered *results,
                  GError **error)
{
    MUST(count <= DELIVER_BATCH_MAX);
    g_autoptr(GError) why = NULL;
    if (count == 0 || deliver_batch(db, deliveries, count, results, &why))
        return true;
    bool refused = error_kind(why) != ERROR_RETRY && error_kind(why) != ERROR_UNKNOWN;
    if (!refused || count == 1) {
        fill(results, count, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    g_autoptr(GError) last = NULL;
    for (unsigned i = 0; i < count; i++) {
        g_autoptr(GError) one = NULL;
        if (deliver_batch(db, &deliveries[i], 1, &results[i], &one))
            continue;
        fill(&results[i], 1, one);
        g_clear_error(&last);
        last = g_steal_pointer(&one);
    }
    if (!last)
        return true;
    g_propagate_error(error, g_steal_pointer(&last));
    return false;
}
