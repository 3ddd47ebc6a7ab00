/* model_support.h: what the tests of model/, duty/ and app/ share: an account, a letter, a count,
 * and the invariants of the mail tables.
 *
 * For tests only; static inline, so that a test file needs no more than this include.
 */
#ifndef ROTA_TESTS_MODEL_SUPPORT_H
#define ROTA_TESTS_MODEL_SUPPORT_H

#include "support.h"

#include "model/account.h"
#include "model/deliver.h"

/* Runs a call that is true when it is done, with `why` for its error, in a transaction of its own.
 */
#define IN_TX(db, call)                                                                            \
    do {                                                                                           \
        g_autoptr(GError) in_error = NULL;                                                         \
        assert_true(db_begin((db), DB_WRITE, &in_error));                                          \
        GError **why = &in_error;                                                                  \
        bool in_good = (call);                                                                     \
        assert_no_error(in_error);                                                                 \
        assert_true(in_good);                                                                      \
        assert_int_equal(db_commit((db), &in_error), DB_DONE);                                     \
    } while (0)

static inline int64_t model_account(Db *db, const char *address, int64_t quota)
{
    GError *error = NULL;
    int64_t id = 0;
    if (!account_add(db, address, "", quota, &id, &error))
        fail_msg("account %s: %s", address, error->message);
    return id;
}

/* A message of our own; `refs` is a References line or NULL, id "" leaves the Message-ID out. */
static inline Letter *model_letter(const char *id, const char *refs, const char *subject,
                                   const char *body)
{
    g_autoptr(GString) text =
        g_string_new("From: Ada <ada@example.org>\r\nTo: bob@example.org\r\n");
    g_string_append_printf(text, "Subject: %s\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n",
                           subject);
    if (*id)
        g_string_append_printf(text, "Message-ID: <%s>\r\n", id);
    if (refs)
        g_string_append_printf(text, "References: %s\r\n", refs);
    g_string_append_printf(text, "\r\n%s", body);
    return letter_new(text->str, text->len);
}

/* One number by a statement of the test's own; inside a transaction or not. */
static inline int64_t model_count(Db *db, const char *sql)
{
    /* A handle finds a prepared statement by its address: each is made once, and kept. */
    static GHashTable *statements;
    if (!statements)
        statements = g_hash_table_new(g_str_hash, g_str_equal);
    DbSql *statement = g_hash_table_lookup(statements, sql);
    if (!statement) {
        statement = g_new0(DbSql, 1);
        statement->sql = g_strdup(sql);
        g_hash_table_insert(statements, (char *)(uintptr_t)statement->sql, statement);
    }
    GError *error = NULL;
    int64_t value = 0;
    bool own = !db_in_transaction(db);
    if ((own && !db_begin(db, DB_READ, &error)) ||
        db_query_int(db, statement, DB_NO_ARGS, &value, &error) < 0)
        fail_msg("%s: %s", sql, error->message);
    if (own)
        db_rollback(db);
    return value;
}

/* What always holds between the mail tables, whatever was cut off where. */
static inline void model_check(Db *db)
{
    static const struct {
        const char *what, *sql;
    } checks[] = {
        {"an email has its blob", "SELECT COUNT(*) FROM email e WHERE NOT EXISTS (SELECT 1 FROM "
                                  "blob b WHERE b.digest = e.blob)"},
        {"an email is in a mailbox",
         "SELECT COUNT(*) FROM email e WHERE NOT EXISTS (SELECT 1 FROM email_mailbox m WHERE "
         "m.account = e.account AND m.email = e.id)"},
        {"a place has its email", "SELECT COUNT(*) FROM email_mailbox m WHERE NOT EXISTS (SELECT 1 "
                                  "FROM email e WHERE m.account = e.account AND m.email = e.id)"},
        {"a place has its mailbox",
         "SELECT COUNT(*) FROM email_mailbox m WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE "
         "m.account = b.account AND m.mailbox = b.id)"},
        {"a mailbox counts its messages",
         "SELECT COUNT(*) FROM mailbox b WHERE total <> (SELECT COUNT(*) FROM email_mailbox m "
         "WHERE m.account = b.account AND m.mailbox = b.id)"},
        {"a mailbox counts its unread messages",
         "SELECT COUNT(*) FROM mailbox b WHERE unread <> (SELECT COUNT(*) FROM email_mailbox m "
         "JOIN email e ON e.account = m.account AND "
         "e.id = m.email WHERE m.account = b.account AND m.mailbox = b.id AND e.keywords NOT LIKE "
         "'% $seen %' AND e.keywords NOT LIKE '% $draft %')"},
        {"an account counts its messages", "SELECT COUNT(*) FROM account a WHERE used_messages <> "
                                           "(SELECT COUNT(*) FROM email e WHERE e.account = a.id)"},
        {"an account counts its bytes",
         "SELECT COUNT(*) FROM account a WHERE used_bytes <> (SELECT COALESCE(SUM(size), 0) FROM "
         "email e WHERE e.account = a.id) + (SELECT COALESCE(SUM(size), 0) FROM calendar_object "
         "o WHERE o.account = a.id)"},
        {"the change log has no gaps",
         "SELECT COUNT(*) FROM account a WHERE change_seq - change_floor <> (SELECT COUNT(*) FROM "
         "change c WHERE c.account = a.id "
         "AND c.seq > a.change_floor AND c.seq <= a.change_seq)"},
        {"ids are not given out twice",
         "SELECT COUNT(*) FROM account a WHERE next_email <= (SELECT COALESCE(MAX(id), 0) FROM "
         "email e WHERE e.account = a.id)"},
        {"a thread is led by one of its account",
         "SELECT COUNT(*) FROM email WHERE thread > id OR thread < 1"},
        {"a blob is linked or listed",
         "SELECT COUNT(*) FROM blob b WHERE NOT EXISTS (SELECT 1 FROM email e WHERE e.blob = "
         "b.digest) "
         "AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.blob = b.digest) "
         "AND NOT EXISTS (SELECT 1 FROM blob_loose l WHERE l.digest = b.digest)"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        int64_t broken = model_count(db, checks[i].sql);
        if (broken)
            fail_msg("%d rows break \"%s\"", (int)broken, checks[i].what);
    }
}

#endif
