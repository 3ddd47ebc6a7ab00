/* email: messages that are there: reading, keywords, moves. Their end is in email_destroy.c.
 *
 * How it fits: people's doors and `rota mail` change through here; model/deliver inserts. Each verb
 * locks the account's row first (on SQLite the write transaction is that lock), then reads what it
 * changes, so that counts and change numbers stay right whoever else works on the account.
 *
 * Failures: the store's; ERROR_GONE for what is not there (any more).
 */
#include "model/email.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/must.h"
#include "model/account.h"
#include "model/blob.h"
#include "model/change.h"
#include "model/spam.h"
#include "roster/task.h"

void email_free(Email *email)
{
    if (!email)
        return;
    g_free(email->message_id);
    g_free(email->subject);
    g_free(email->sender);
    g_free(email->preview);
    g_free(email->keywords);
    g_free(email->trace);
    g_free(email);
}

#define EMAIL_COLUMNS                                                                              \
    "e.account, e.id, e.size, e.received_at, e.sent_at, e.thread, e.blob, e.message_id, "          \
    "e.subject, e.sender, e.preview, e.keywords, "                                                 \
    "e.trace, e.has_attachment, e.spam_score"

static Email *email_read(DbRows *rows)
{
    Email *email = g_new0(Email, 1);
    email->account = db_rows_int(rows, 0);
    email->id = db_rows_int(rows, 1);
    email->size = db_rows_int(rows, 2);
    email->received_at = db_rows_int(rows, 3);
    email->sent_at = db_rows_int(rows, 4);
    email->thread = db_rows_int(rows, 5);
    size_t size;
    const void *digest = db_rows_bytes(rows, 6, &size);
    if (size == DIGEST_BYTES)
        memcpy(email->blob.bytes, digest, DIGEST_BYTES);
    email->message_id = g_strdup(db_rows_text(rows, 7));
    email->subject = g_strdup(db_rows_text(rows, 8));
    email->sender = g_strdup(db_rows_text(rows, 9));
    email->preview = g_strdup(db_rows_text(rows, 10));
    email->keywords = g_strdup(db_rows_text(rows, 11));
    email->trace = g_strdup(db_rows_text(rows, 12));
    email->has_attachment = db_rows_int(rows, 13) != 0;
    email->spam_score = db_rows_real(rows, 14);
    return email;
}

static bool gone(int64_t account, int64_t id, GError **error)
{
    return fail(error, ERROR_GONE, "account %" G_GINT64_FORMAT " has no message %" G_GINT64_FORMAT,
                account, id);
}

Email *email_get(Db *db, int64_t account, int64_t id, GError **error)
{
    static const DbSql sql = {
        "SELECT " EMAIL_COLUMNS " FROM email e WHERE e.account = $1 AND e.id = $2", NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(id)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step == 0)
        gone(account, id, error);
    return step > 0 ? email_read(rows) : NULL;
}

static void shown_free(void *data)
{
    EmailShown *shown = data;
    email_free(shown->email);
    g_free(shown->envelope);
    g_free(shown);
}

#define SHOWN                                                                                      \
    "SELECT " EMAIL_COLUMNS ", e.envelope, (SELECT MIN(m.mailbox) FROM email_mailbox m WHERE "     \
    "m.account = e.account AND m.email = e.id) FROM email e WHERE e.account = $1 AND e.id "

GPtrArray *email_get_many(Db *db, int64_t account, const int64_t *ids, unsigned count,
                          GError **error)
{
    static const DbSql sql = {SHOWN "IN (SELECT value FROM json_each($2)) ORDER BY e.id",
                              SHOWN "= ANY(CAST($2 AS BIGINT[])) ORDER BY e.id"};
    MUST(count <= DB_ROWS_FETCH_MAX);
    bool braces = db_kind(db) == DB_POSTGRESQL;
    g_autoptr(GString) wanted = g_string_new(braces ? "{" : "[");
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(wanted, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", ids[i]);
    g_string_append_c(wanted, braces ? '}' : ']');
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(shown_free);
    g_autoptr(DbRows) rows =
        db_query(db, &sql, DB_ARGS(db_int(account), db_text(wanted->str)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        EmailShown *shown = g_new0(EmailShown, 1);
        shown->email = email_read(rows);
        shown->envelope = g_strdup(db_rows_text(rows, 15));
        shown->mailbox = db_rows_int(rows, 16);
        g_ptr_array_add(list, shown);
    }
    return step < 0 ? NULL : g_steal_pointer(&list);
}

static GPtrArray *read_list(Db *db, const DbSql *sql, const DbValue *args, unsigned count,
                            GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)email_free);
    g_autoptr(DbRows) rows = db_query(db, sql, args, count, error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0)
        g_ptr_array_add(list, email_read(rows));
    return step < 0 ? NULL : g_steal_pointer(&list);
}

#define OF_ACCOUNT "SELECT " EMAIL_COLUMNS " FROM email e WHERE e.account = $1 "
#define OF_MAILBOX                                                                                 \
    "SELECT " EMAIL_COLUMNS " FROM email_mailbox m JOIN email e ON e.account = m.account AND "     \
    "e.id = m.email WHERE m.account = $1 AND m.mailbox = $4 "

GPtrArray *email_list(Db *db, int64_t account, int64_t mailbox, int64_t after, unsigned limit,
                      GError **error)
{
    static const DbSql of_account = {OF_ACCOUNT "AND e.id > $2 ORDER BY e.id LIMIT $3", NULL};
    static const DbSql of_mailbox = {OF_MAILBOX "AND m.email > $2 ORDER BY m.email LIMIT $3", NULL};
    DbValue args[] = {db_int(account), db_int(after), db_int(limit), db_int(mailbox)};
    return read_list(db, mailbox ? &of_mailbox : &of_account, args, mailbox ? 4 : 3, error);
}

GPtrArray *email_list_newest(Db *db, int64_t account, int64_t mailbox, int64_t before,
                             unsigned limit, GError **error)
{
    static const DbSql of_account = {OF_ACCOUNT "AND e.id < $2 ORDER BY e.id DESC LIMIT $3", NULL};
    static const DbSql of_mailbox = {OF_MAILBOX "AND m.email < $2 ORDER BY m.email DESC LIMIT $3",
                                     NULL};
    DbValue args[] = {db_int(account), db_int(before ? before : INT64_MAX), db_int(limit),
                      db_int(mailbox)};
    return read_list(db, mailbox ? &of_mailbox : &of_account, args, mailbox ? 4 : 3, error);
}

GArray *email_mailboxes(Db *db, int64_t account, int64_t id, GError **error)
{
    static const DbSql sql = {
        "SELECT mailbox FROM email_mailbox WHERE account = $1 AND email = $2 ORDER BY mailbox",
        NULL};
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(int64_t));
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(id)), error);
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        int64_t mailbox = db_rows_int(rows, 0);
        g_array_append_val(list, mailbox);
    }
    return step < 0 ? NULL : g_steal_pointer(&list);
}

/* What a verb has to know of the message it changes. */
typedef struct {
    int64_t account, id, size;
    Digest blob;
    char *keywords;
} Row;

static void row_clear(Row *row)
{
    g_free(row->keywords);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Row, row_clear)

/* 1 found, 0 not there, -1 an error. The account is locked. */
static int row_read(Db *db, int64_t account, int64_t id, Row *row, GError **error)
{
    static const DbSql sql = {
        "SELECT size, blob, keywords FROM email WHERE account = $1 AND id = $2", NULL};
    g_autoptr(DbRows) rows = db_query(db, &sql, DB_ARGS(db_int(account), db_int(id)), error);
    int step = rows ? db_rows_next(rows, error) : -1;
    if (step <= 0)
        return step;
    size_t size;
    const void *digest = db_rows_bytes(rows, 1, &size);
    row->account = account;
    row->id = id;
    row->size = db_rows_int(rows, 0);
    if (size == DIGEST_BYTES)
        memcpy(row->blob.bytes, digest, DIGEST_BYTES);
    row->keywords = g_strdup(db_rows_text(rows, 2));
    return 1;
}

static bool row_get(Db *db, int64_t account, int64_t id, Row *row, GError **error)
{
    int got = account_lock_row(db, account, error) ? row_read(db, account, id, row, error) : -1;
    return got > 0 || (got == 0 && gone(account, id, error));
}

/* Adds to the counts of all mailboxes that hold the message. */
static bool count(Db *db, const Row *row, int total, int unread, GError **error)
{
    static const DbSql sql = {
        "UPDATE mailbox SET total = total + $3, unread = unread + $4 WHERE account = $1 AND id IN "
        "(SELECT mailbox FROM email_mailbox WHERE account = $1 AND email = $2)",
        NULL};
    if (total == 0 && unread == 0)
        return true;
    return db_exec(db, &sql,
                   DB_ARGS(db_int(row->account), db_int(row->id), db_int(total), db_int(unread)),
                   error) >= 0;
}

/* What a keyword that comes or goes says of a message; false: nothing. */
static bool keyword_verdict(const char *keyword, bool on, SpamVerdict *ret)
{
    bool junk = g_ascii_strcasecmp(keyword, "$junk") == 0;
    if (!junk && g_ascii_strcasecmp(keyword, "$notjunk") != 0)
        return false;
    *ret = !on ? SPAM_VERDICT_NONE : junk ? SPAM_VERDICT_SPAM : SPAM_VERDICT_HAM;
    return true;
}

bool email_set_keyword(Db *db, int64_t account, int64_t id, const char *keyword, bool on,
                       GError **error)
{
    static const DbSql sql = {
        "UPDATE email SET keywords = $3, changed_seq = $4 WHERE account = $1 AND id = $2", NULL};
    g_auto(Row) row = {0};
    if (!row_get(db, account, id, &row, error))
        return false;
    g_autofree char *keywords = keywords_set(row.keywords, keyword, on, error);
    if (!keywords)
        return false;
    if (strcmp(keywords, row.keywords) == 0)
        return true;
    int64_t seq;
    int unread = keywords_unread(keywords) - keywords_unread(row.keywords);
    SpamVerdict verdict;
    if (keyword_verdict(keyword, on, &verdict) && !spam_note(db, account, id, verdict, error))
        return false;
    return (seq = change_append(db, account, CHANGE_EMAIL, id, CHANGE_UPDATED, error)) > 0 &&
           db_exec(db, &sql, DB_ARGS(db_int(account), db_int(id), db_text(keywords), db_int(seq)),
                   error) >= 0 &&
           count(db, &row, 0, unread, error);
}

static bool mailbox_there(Db *db, int64_t account, int64_t mailbox, GError **error)
{
    static const DbSql sql = {"SELECT id FROM mailbox WHERE account = $1 AND id = $2", NULL};
    int64_t id;
    int got = db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(mailbox)), &id, error);
    return got > 0 ||
           (got == 0 && fail(error, ERROR_GONE, "there is no mailbox %" G_GINT64_FORMAT, mailbox));
}

/* 1 where a mailbox has a role, 0 where not, -1 an error. */
static int has_role(Db *db, int64_t account, int64_t mailbox, const char *role, GError **error)
{
    static const DbSql sql = {"SELECT id FROM mailbox WHERE account = $1 AND id = $2 AND role = $3",
                              NULL};
    int64_t id;
    return db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(mailbox), db_text(role)), &id,
                        error);
}

/* Into Junk says spam; out of it says ham, but into Trash says nothing. */
static bool note_move(Db *db, const Row *row, const GArray *from, int64_t to, GError **error)
{
    int was = 0;
    for (guint i = 0; i < from->len && was == 0; i++)
        was = has_role(db, row->account, g_array_index(from, int64_t, i), "junk", error);
    int is = was < 0 ? -1 : has_role(db, row->account, to, "junk", error);
    int trash = is < 0 ? -1 : has_role(db, row->account, to, "trash", error);
    if (trash < 0)
        return false;
    if (is == was || (was && trash))
        return true;
    return spam_note(db, row->account, row->id, is ? SPAM_VERDICT_SPAM : SPAM_VERDICT_HAM, error);
}

static const DbSql SQL_UNFILE = {"DELETE FROM email_mailbox WHERE account = $1 AND email = $2",
                                 NULL};

bool email_move(Db *db, int64_t account, int64_t id, int64_t to, GError **error)
{
    static const DbSql file = {"INSERT INTO email_mailbox (account, mailbox, email, filed_at, "
                               "received_at, thread) SELECT account, $2, id, rota_now(), "
                               "received_at, thread FROM email WHERE account = $1 AND id = $3",
                               NULL};
    static const DbSql mark = {"UPDATE email SET changed_seq = $3 WHERE account = $1 AND id = $2",
                               NULL};
    g_auto(Row) row = {0};
    if (!row_get(db, account, id, &row, error) || !mailbox_there(db, account, to, error))
        return false;
    g_autoptr(GArray) from = email_mailboxes(db, account, id, error);
    if (!from)
        return false;
    if (from->len == 1 && g_array_index(from, int64_t, 0) == to)
        return true;
    int unread = keywords_unread(row.keywords);
    int64_t seq;
    return note_move(db, &row, from, to, error) && count(db, &row, -1, -unread, error) &&
           db_exec(db, &SQL_UNFILE, DB_ARGS(db_int(account), db_int(id)), error) >= 0 &&
           db_exec(db, &file, DB_ARGS(db_int(account), db_int(to), db_int(id)), error) >= 0 &&
           count(db, &row, 1, unread, error) &&
           (seq = change_append(db, account, CHANGE_EMAIL, id, CHANGE_UPDATED, error)) > 0 &&
           db_exec(db, &mark, DB_ARGS(db_int(account), db_int(id), db_int(seq)), error) >= 0;
}
