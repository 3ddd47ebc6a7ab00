/* email_query: emails as a query sees them.
 *
 * How it fits: the JMAP door filters and sorts what comes from here page by page, since what a
 * filter can ask is more than any index has.
 *
 * Failures: the store's. Known weak point: a query of a mailbox reads a short row for each of its
 * emails.
 */
#include "model/email_query.h"

#include "base/limits.h"

#define THREAD_EMAILS_MAX DB_ROWS_FETCH_MAX

void email_brief_clear(EmailBrief *brief)
{
    g_free(brief->keywords);
    g_free(brief->subject);
    g_free(brief->sender);
}

static void clear_brief(void *brief)
{
    email_brief_clear(brief);
}

#define COLUMNS                                                                                    \
    "SELECT e.id, e.thread, e.size, e.received_at, e.sent_at, e.keywords, e.subject, e.sender, "   \
    "e.has_attachment, "

GArray *email_briefs(Db *db, int64_t account, int64_t mailbox, int64_t after, unsigned limit,
                     GError **error)
{
    static const DbSql of_account = {
        COLUMNS
        "(SELECT MIN(m.mailbox) FROM email_mailbox m WHERE m.account = e.account AND "
        "m.email = e.id) FROM email e WHERE e.account = $1 AND e.id > $2 ORDER BY e.id LIMIT $3",
        NULL};
    static const DbSql of_mailbox = {
        COLUMNS
        "m.mailbox FROM email_mailbox m JOIN email e ON e.account = m.account AND e.id = m.email"
        " WHERE m.account = $1 AND m.mailbox = $4 AND m.email > $2"
        " ORDER BY m.email LIMIT $3",
        NULL};
    DbValue args[] = {db_int(account), db_int(after), db_int(limit), db_int(mailbox)};
    g_autoptr(DbRows) rows =
        db_query(db, mailbox ? &of_mailbox : &of_account, args, mailbox ? 4 : 3, error);
    if (!rows)
        return NULL;
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(EmailBrief));
    g_array_set_clear_func(list, clear_brief);
    int step;
    while ((step = db_rows_next(rows, error)) > 0) {
        EmailBrief brief = {.id = db_rows_int(rows, 0),
                            .thread = db_rows_int(rows, 1),
                            .size = db_rows_int(rows, 2),
                            .received_at = db_rows_int(rows, 3),
                            .sent_at = db_rows_int(rows, 4),
                            .keywords = g_strdup(db_rows_text(rows, 5)),
                            .subject = g_strdup(db_rows_text(rows, 6)),
                            .sender = g_strdup(db_rows_text(rows, 7)),
                            .has_attachment = db_rows_int(rows, 8) != 0,
                            .mailbox = db_rows_int(rows, 9)};
        g_array_append_val(list, brief);
    }
    return step == 0 ? g_steal_pointer(&list) : NULL;
}

GArray *email_newest(Db *db, int64_t account, int64_t mailbox, const EmailPlace *from,
                     unsigned limit, GError **error)
{
#define AFTER                                                                                      \
    " AND mailbox = $2 AND (received_at, email) < ($3, $4) "                                       \
    "ORDER BY received_at DESC, email DESC LIMIT $5"
    static const DbSql sql = {
        "SELECT email, thread, received_at FROM email_mailbox INDEXED BY email_mailbox_newest "
        "WHERE account = $1" AFTER,
        "SELECT email, thread, received_at FROM email_mailbox WHERE account + 0 = $1" AFTER};
#undef AFTER
    g_autoptr(DbRows) rows = db_query(db, &sql,
                                      DB_ARGS(db_int(account), db_int(mailbox),
                                              db_int(from ? from->received_at : INT64_MAX),
                                              db_int(from ? from->id : INT64_MAX), db_int(limit)),
                                      error);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(EmailPlace));
    int step = -1;
    while (rows && (step = db_rows_next(rows, error)) > 0) {
        EmailPlace place = {.id = db_rows_int(rows, 0),
                            .thread = db_rows_int(rows, 1),
                            .received_at = db_rows_int(rows, 2)};
        g_array_append_val(list, place);
    }
    return step == 0 ? g_steal_pointer(&list) : NULL;
}

bool email_total(Db *db, int64_t account, int64_t mailbox, int64_t *ret, GError **error)
{
    static const DbSql sql = {"SELECT total FROM mailbox WHERE account = $1 AND id = $2", NULL};
    *ret = 0;
    return db_query_int(db, &sql, DB_ARGS(db_int(account), db_int(mailbox)), ret, error) >= 0;
}

GArray *email_thread(Db *db, int64_t account, int64_t thread, GError **error)
{
    /* Each store has one index that fits: see schema 0009 and 0014. */
    static const DbSql sql = {
        "SELECT id FROM email INDEXED BY email_thread WHERE account = $1 AND thread = $2"
        " ORDER BY received_at, id LIMIT $3",
        "SELECT id FROM email WHERE account + 0 = $1 AND thread = $2"
        " ORDER BY received_at, id LIMIT $3"};
    g_autoptr(DbRows) rows = db_query(
        db, &sql, DB_ARGS(db_int(account), db_int(thread), db_int(THREAD_EMAILS_MAX)), error);
    if (!rows)
        return NULL;
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(int64_t));
    int step;
    while ((step = db_rows_next(rows, error)) > 0) {
        int64_t id = db_rows_int(rows, 0);
        g_array_append_val(list, id);
    }
    return step == 0 ? g_steal_pointer(&list) : NULL;
}
