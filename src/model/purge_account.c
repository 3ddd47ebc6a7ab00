/* purge_account: what purge.accounts removes, kind by kind; and which accounts have something to
 * do.
 *
 * How it fits: data for the walk of purge.c, and the looks of duty/purge_accounts.
 *
 * An account that leaves is marked first, by a negative deleted_at, under the row's lock, for which
 * all have to have ended that write for the account (deliveries and people lock the row, the index
 * and training keep it by account_keep). Who comes later sees the mark and writes nothing. So what
 * was removed stays removed, the steps may be cut off anywhere, and the row itself goes last.
 *
 * A table with rows of accounts must be listed here: a test finds the tables by introspection.
 *
 * Failures: the store's. Known weak points: a task that runs at this moment is left to its own end;
 * a message in a mailbox below Trash is not in Trash.
 */
#include "base/limits.h"
#include "model/account.h"
#include "model/change.h"
#include "model/email.h"
#include "model/purge_private.h"

/* ---------------------------------------------------------------- removing a page */

static bool destroy_silently(Db *db, const PurgeScope *scope, const int64_t *keys, unsigned count,
                             PurgeCount *ret, GError **error)
{
    EmailDestroyed destroyed;
    EmailDestroy emails = {.account = scope->account, .ids = keys, .count = count, .silent = true};
    if (!email_destroy_many(db, &emails, &destroyed, error))
        return false;
    *ret = (PurgeCount){destroyed.count, destroyed.bytes};
    return true;
}

/* clang-format off */
/* In a mailbox that is neither Trash nor Junk; or in both of these, and found in the other. */
#define ELSEWHERE \
    "EXISTS (SELECT 1 FROM email_mailbox o WHERE o.account = m.account AND o.email = m.email" \
    " AND o.mailbox <> m.mailbox AND (o.mailbox < m.mailbox OR NOT EXISTS (SELECT 1" \
    " FROM mailbox b WHERE b.account = o.account AND b.id = o.mailbox" \
    " AND b.role IN ('trash', 'junk'))))"
static const DbSql still_expired = {
    "SELECT 1 FROM email_mailbox m WHERE m.account = $1 AND m.mailbox = $2 AND m.email = $3"
    " AND m.filed_at < $4 AND NOT " ELSEWHERE, NULL};
/* clang-format on */

/* A person may have taken one out of Trash since the page was read. */
static bool expunge(Db *db, const PurgeScope *scope, const int64_t *keys, unsigned count,
                    PurgeCount *ret, GError **error)
{
    g_autofree DbValue *args = g_new(DbValue, 4 * (size_t)count);
    g_autofree int64_t *still = g_new0(int64_t, count), *ids = g_new(int64_t, count);
    unsigned left = 0;
    for (unsigned i = 0; i < count; i++) {
        args[4 * i] = db_int(scope->account);
        args[4 * i + 1] = db_int(scope->mailbox);
        args[4 * i + 2] = db_int(keys[i]);
        args[4 * i + 3] = db_int(scope->filed_before);
    }
    if (!account_lock_row(db, scope->account, error) ||
        !db_exec_many(db, &still_expired, args, 4, count, still, error))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (still[i])
            ids[left++] = keys[i];
    EmailDestroyed destroyed;
    EmailDestroy emails = {.account = scope->account, .ids = ids, .count = left};
    if (!email_destroy_many(db, &emails, &destroyed, error))
        return false;
    *ret = (PurgeCount){destroyed.count, destroyed.bytes};
    return true;
}

static bool trim(Db *db, const PurgeScope *scope, const int64_t *keys, unsigned count,
                 PurgeCount *ret, GError **error)
{
    (void)keys; /* they are the oldest */
    ret->count = change_trim(db, scope->account, scope->keep, count, error);
    return ret->count >= 0;
}

/* ---------------------------------------------------------------- the kinds */

/* clang-format off */
static const PurgeKind expunged = {
    .name = "messages", .key = "i", .path = "a/0", .limit = PURGE_PAGE_MESSAGES,
    .list = {"SELECT m.email, e.size, 1 FROM email_mailbox m"
             " JOIN email e ON e.account = m.account AND e.id = m.email"
             " WHERE m.account = $2 AND m.mailbox = $3 AND m.email > $1 AND m.filed_at < $4"
             " AND NOT " ELSEWHERE " ORDER BY m.email LIMIT $5", NULL},
    .list_args = "0aMfl",
    .remove_page = expunge,
};
const PurgeKind *const purge_expunged = &expunged;

static const PurgeKind trimmed = {
    .name = "changes", .key = "i", .path = "a/0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT seq, 0, 1 FROM change WHERE account = $2 AND seq > $1"
             " AND seq <= (SELECT change_seq - $3 FROM account WHERE id = $2)"
             " ORDER BY seq LIMIT $4",
             NULL},
    .list_args = "0akl",
    .remove_page = trim,
};
const PurgeKind *const purge_trimmed = &trimmed;

static const PurgeKind messages = {
    .name = "messages", .key = "i", .path = "a/0", .limit = PURGE_PAGE_MESSAGES,
    .list = {"SELECT id, size, 1 FROM email WHERE account = $2 AND id > $1"
             " ORDER BY id LIMIT $3", NULL},
    .list_args = "0al",
    .remove_page = destroy_silently,
};

static const PurgeKind index_rows = {
    .name = "index rows", .key = "i", .path = "a/0", .limit = PURGE_PAGE_INDEX,
    .list = {"SELECT s.rowid - ($2 << 32), 0, 1 FROM search_index s"
             " WHERE s.rowid > ($2 << 32) + max($1, 0) AND s.rowid <= ($2 << 32) + 4294967295"
             " ORDER BY s.rowid LIMIT $3",
             "SELECT s.email, 0, 1 FROM search_index s WHERE s.account = $2 AND s.email > $1"
             " ORDER BY s.email LIMIT $3"},
    .list_args = "0al",
    .remove = {"DELETE FROM search_index WHERE rowid = ($2 << 32) + $1",
               "DELETE FROM search_index WHERE account = $2 AND email = $1"},
    .remove_args = "0a",
};

/* A table with one row for an account. */
#define ONE_ROW(table, column, kind_name) { \
    .name = kind_name, .key = "i", .path = "0", .limit = PURGE_PAGE_ROWS, \
    .list = {"SELECT " column ", 0, 1 FROM " table " WHERE " column " = $2 AND " column " > $1" \
             " LIMIT $3", NULL}, \
    .list_args = "0al", \
    .remove = {"DELETE FROM " table " WHERE " column " = $1", NULL}, .remove_args = "0", \
}
/* A table whose key is the account and one column more. */
#define ROWS(table, column, type, kind_name) { \
    .name = kind_name, .key = type, .path = "a/0", .limit = PURGE_PAGE_ROWS, \
    .list = {"SELECT " column ", 0, 1 FROM " table " WHERE account = $2 AND " column " > $1" \
             " ORDER BY " column " LIMIT $3", NULL}, \
    .list_args = "0al", \
    .remove = {"DELETE FROM " table " WHERE account = $2 AND " column " = $1", NULL}, \
    .remove_args = "0a", \
}
static const PurgeKind index_state = ONE_ROW("search_state", "account", "index states");
static const PurgeKind spam_model = ONE_ROW("spam_model", "account", "spam models");
static const PurgeKind verdicts = ROWS("spam_verdict", "digest", "d", "spam verdicts");
static const PurgeKind mailboxes = ROWS("mailbox", "id", "i", "mailboxes");
static const PurgeKind subscriptions =
    ROWS("push_subscription", "id", "i", "push subscriptions");
static const PurgeKind aliases = ROWS("alias", "address", "t", "aliases");

static const PurgeKind uploads = {
    .name = "uploads", .key = "d", .path = "a/0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT blob, size, 1 FROM upload WHERE account = $2 AND blob > $1"
             " ORDER BY blob LIMIT $3", NULL},
    .list_args = "0al",
    .remove = {"DELETE FROM upload WHERE account = $2 AND blob = $1", NULL}, .remove_args = "0a",
    .after = {"INSERT INTO blob_loose (digest, since) VALUES ($1, rota_now())"
              " ON CONFLICT (digest) DO UPDATE SET since = excluded.since", NULL},
    .after_args = "0",
};

/* Its bytes are counted down with each: the account is whole until its own row goes. */
static const PurgeKind events = {
    .name = "calendar objects", .key = "i", .path = "a/0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT id, size, 1 FROM calendar_object WHERE account = $2 AND id > $1"
             " ORDER BY id LIMIT $3", NULL},
    .list_args = "0al",
    .lock = {"UPDATE account SET used_bytes = used_bytes - coalesce((SELECT size FROM"
             " calendar_object WHERE account = $2 AND id = $1), 0) WHERE id = $2", NULL},
    .lock_args = "0a",
    .remove = {"DELETE FROM calendar_object WHERE account = $2 AND id = $1", NULL},
    .remove_args = "0a",
};
static const PurgeKind calendars = ROWS("calendar", "id", "i", "calendars");
static const PurgeKind gone_names = {
    .name = "names of calendar objects", .key = "ii", .path = "a/0/1", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT calendar, seq, length(name), 1 FROM calendar_gone WHERE account = $3"
             " AND (calendar, seq) > ($1, $2) ORDER BY calendar, seq LIMIT $4", NULL},
    .list_args = "01al",
    .remove = {"DELETE FROM calendar_gone WHERE account = $3 AND calendar = $1 AND seq = $2", NULL},
    .remove_args = "01a",
};
static const PurgeKind alerts = {
    .name = "calendar alerts", .key = "it", .path = "a/0/1", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT object, ring, length(ring), 1 FROM calendar_alert WHERE account = $3"
             " AND (object, ring) > ($1, $2) ORDER BY object, ring LIMIT $4", NULL},
    .list_args = "01al",
    .remove = {"DELETE FROM calendar_alert WHERE account = $3 AND object = $1 AND ring = $2", NULL},
    .remove_args = "01a",
};

static const PurgeKind alert_pushes = {
    .name = "alerts to push", .key = "iit", .path = "a/0/1/2", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT subscription, object, ring, length(text), 1 FROM push_alert"
             " WHERE account = $4 AND (subscription, object, ring) > ($1, $2, $3)"
             " ORDER BY subscription, object, ring LIMIT $5", NULL},
    .list_args = "012al",
    .remove = {"DELETE FROM push_alert WHERE account = $4 AND subscription = $1 AND object = $2"
               " AND ring = $3", NULL},
    .remove_args = "012a",
};

static const PurgeKind arrivals = ROWS("imip_in", "email", "i", "invitations");
static const PurgeKind letters = ROWS("imip_letter", "id", "i", "invitations sent");
static const PurgeKind recipients = {
    .name = "recipients of invitations", .key = "it", .path = "a/0/1", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT letter, recipient, length(error), 1 FROM imip_out WHERE account = $3"
             " AND (letter, recipient) > ($1, $2) ORDER BY letter, recipient LIMIT $4", NULL},
    .list_args = "01al",
    .remove = {"DELETE FROM imip_out WHERE account = $3 AND letter = $1 AND recipient = $2", NULL},
    .remove_args = "01a",
};

static const PurgeKind keys = {
    .name = "keys", .key = "tt", .path = "a/0/1", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT kind, key, length(key) + length(value), 1 FROM expiring WHERE account = $3"
             " AND (kind, key) > ($1, $2) ORDER BY kind, key LIMIT $4", NULL},
    .list_args = "01al",
    .remove = {"DELETE FROM expiring WHERE account = $3 AND kind = $1 AND key = $2", NULL},
    .remove_args = "01a",
};

#define NOT_RUNNING " AND NOT EXISTS (SELECT 1 FROM member m WHERE m.incarnation = task.owner)"
static const PurgeKind tasks = {
    .name = "tasks", .key = "t", .path = "0/a", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT role, 0, 1 FROM task WHERE bucket = $2 AND key = $3 AND role > $1" NOT_RUNNING
             " ORDER BY role LIMIT $4", NULL},
    .list_args = "0bAl",
    .remove = {"DELETE FROM task WHERE bucket = $2 AND role = $1 AND key = $3" NOT_RUNNING, NULL},
    .remove_args = "0bA",
};

/* Of calendar-alerts, whose keys are "ACCOUNT.OBJECT": '/' comes after '.'. */
#define OF_ALERTS " AND role = 'calendar-alerts' AND key > $3 || '.' AND key < $3 || '/'"
static const PurgeKind alert_tasks = {
    .name = "tasks of alerts", .key = "t", .path = "0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT key, 0, 1 FROM task WHERE bucket = $2 AND key > $1" OF_ALERTS NOT_RUNNING
             " ORDER BY key LIMIT $4", NULL},
    .list_args = "0bAl",
    .remove = {"DELETE FROM task WHERE bucket = $2 AND key = $1" OF_ALERTS NOT_RUNNING, NULL},
    .remove_args = "0bA",
};
static const PurgeKind alert_dead_letters = {
    .name = "dead letters of alerts", .key = "t", .path = "0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT key, 0, 1 FROM dead_letter WHERE bucket = $2 AND key > $1" OF_ALERTS
             " ORDER BY key LIMIT $4", NULL},
    .list_args = "0bAl",
    .remove = {"DELETE FROM dead_letter WHERE bucket = $2 AND key = $1" OF_ALERTS, NULL},
    .remove_args = "0bA",
};

static const PurgeKind dead_letters = {
    .name = "dead letters", .key = "t", .path = "0/a", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT role, 0, 1 FROM dead_letter WHERE bucket = $2 AND key = $3 AND role > $1"
             " ORDER BY role LIMIT $4", NULL},
    .list_args = "0bAl",
    .remove = {"DELETE FROM dead_letter WHERE bucket = $2 AND role = $1 AND key = $3", NULL},
    .remove_args = "0bA",
};

static const PurgeKind history = {
    .name = "task history", .key = "i", .path = "0", .limit = PURGE_PAGE_ROWS,
    .list = {"SELECT id, length(detail), 1 FROM task_history WHERE key = $2 AND id > $1"
             " ORDER BY id LIMIT $3", NULL},
    .list_args = "0Al",
    .remove = {"DELETE FROM task_history WHERE id = $1", NULL}, .remove_args = "0",
};

static const PurgeKind account_row = {
    .name = "accounts", .key = "it", .path = "1", .limit = 1,
    .list = {"SELECT id, address, 0, 1 FROM account WHERE id = $3 AND id > $1"
             " AND address >= $2 LIMIT $4", NULL},
    .list_args = "01al",
    .remove = {"DELETE FROM account WHERE id = $1 AND deleted_at < 0", NULL}, .remove_args = "0",
};

const PurgeKind *const purge_of_account[] = {
    &messages, &uploads, &index_rows, &index_state, &trimmed, &keys, &verdicts, &spam_model,
    &events, &calendars, &gone_names, &alerts, &alert_pushes, &arrivals, &recipients,
    &letters, &mailboxes, &subscriptions,
    &aliases, &tasks, &alert_tasks, &dead_letters, &alert_dead_letters,
    &history, &account_row, NULL,
};

/* ---------------------------------------------------------------- who has something to do */

/* $1 bucket, $2 id, $3 shard, $4 shards, $5 deleted before, $6 keep, $7 filed before, $8 limit */
static const DbSql accounts_due = {
    "SELECT a.bucket, a.id,"
    " CASE WHEN a.deleted_at < 0 OR (a.deleted_at > 0 AND a.deleted_at < $5) THEN 1 ELSE 0 END,"
    " CASE WHEN a.deleted_at = 0 AND a.change_seq - a.change_floor > $6 THEN 1 ELSE 0 END,"
    " CASE WHEN a.deleted_at = 0 AND EXISTS (SELECT 1 FROM mailbox m WHERE m.account = a.id"
    " AND m.role IN ('trash', 'junk') AND m.total > 0 AND m.oldest_at < $7) THEN 1 ELSE 0 END"
    " FROM account a WHERE (a.bucket, a.id) > ($1, $2)"
    " AND a.bucket % CAST($4 AS BIGINT) = CAST($3 AS BIGINT) - 1"
    " ORDER BY a.bucket, a.id LIMIT $8", NULL};
/* clang-format on */

GArray *purge_accounts_due(Db *db, PurgeAccountsAsk *ask, bool *ret_ended, GError **error)
{
    g_autoptr(GArray) due = g_array_new(false, false, sizeof(PurgeAccount));
    g_autoptr(DbRows) rows =
        db_query(db, &accounts_due,
                 DB_ARGS(db_int(ask->bucket), db_int(ask->id), db_int(ask->shard),
                         db_int(ask->shards), db_int(ask->deleted_before), db_int(ask->keep),
                         db_int(ask->filed_before), db_int(ask->limit)),
                 error);
    int step = -1;
    unsigned looked = 0;
    for (; rows && (step = db_rows_next(rows, error)) > 0; looked++) {
        ask->bucket = db_rows_int(rows, 0);
        ask->id = db_rows_int(rows, 1);
        PurgeAccount account = {.id = ask->id,
                                .leaves = db_rows_int(rows, 2) != 0,
                                .trim = db_rows_int(rows, 3) != 0,
                                .expunge = db_rows_int(rows, 4) != 0};
        if (account.leaves || account.trim || account.expunge)
            g_array_append_val(due, account);
    }
    if (step < 0)
        return NULL;
    *ret_ended = looked < ask->limit;
    return g_steal_pointer(&due);
}

bool purge_account_begin(Db *db, int64_t account, int64_t deleted_before, bool *ret_begun,
                         GError **error)
{
    static const DbSql lock = {"SELECT id FROM account WHERE id = $1",
                               "SELECT id FROM account WHERE id = $1 FOR UPDATE"};
    static const DbSql mark = {"UPDATE account SET deleted_at = -abs(deleted_at) WHERE id = $1 "
                               "AND deleted_at <> 0 AND deleted_at < $2",
                               NULL};
    if (db_exec(db, &lock, DB_ARGS(db_int(account)), error) < 0)
        return false;
    int64_t marked = db_exec(db, &mark, DB_ARGS(db_int(account), db_int(deleted_before)), error);
    *ret_begun = marked > 0;
    return marked >= 0;
}

GArray *purge_mailboxes_due(Db *db, int64_t account, int64_t filed_before, GError **error)
{
    static const DbSql sql = {
        "SELECT id FROM mailbox WHERE account = $1 AND role IN ('trash', 'junk') AND total > 0 "
        "AND oldest_at < $2 ORDER BY id",
        NULL};
    g_autoptr(GArray) due = g_array_new(false, false, sizeof(int64_t));
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_int(filed_before)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t id = db_rows_int(rows, 0);
        g_array_append_val(due, id);
    }
    return step < 0 ? NULL : g_steal_pointer(&due);
}

bool purge_mailbox_oldest(Db *db, int64_t account, int64_t mailbox, int64_t *ret_oldest,
                          GError **error)
{
    static const DbSql sql = {"SELECT coalesce(min(filed_at), rota_now()) FROM email_mailbox "
                              "WHERE account = $1 AND mailbox = $2",
                              NULL};
    return db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(mailbox)), ret_oldest, error) >=
           0;
}

bool purge_mailbox_note_oldest(Db *db, int64_t account, int64_t mailbox, int64_t oldest,
                               GError **error)
{
    static const DbSql sql = {"UPDATE mailbox SET oldest_at = $3 WHERE account = $1 AND id = $2",
                              NULL};
    return db_exec(db, &sql, DB_ARGS(db_int(account), db_int(mailbox), db_int(oldest)), error) >= 0;
}
