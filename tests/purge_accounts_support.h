/* purge_accounts_support.h: what the two tests of purge.accounts share.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_PURGE_ACCOUNTS_SUPPORT_H
#define ROTA_TESTS_PURGE_ACCOUNTS_SUPPORT_H

#include "purge_support.h"

#define ROLE "purge.accounts"
#define HOUR 3600000
#define DAY  (24 * (int64_t)HOUR)

static const DutySettings SETTINGS = {.undelete_retention_ms = -1000,
                                      .auto_expunge_ms = 30 * DAY,
                                      .changes_max_history = 20,
                                      .account_retention_ms = 30 * DAY,
                                      .history_retention_ms = 30 * DAY,
                                      .purge_pause_us = 1};

/* Of all that purge.accounts may remove, what is there. */
static inline GHashTable *rows_of(Db *db)
{
    static const char *const rows[][2] = {
        {"messages", "SELECT account || '/' || id FROM email"},
        {"index states", "SELECT CAST(account AS TEXT) FROM search_state"},
        {"changes", "SELECT account || '/' || seq FROM change"},
        {"keys", "SELECT account || '/' || kind || '/' || key FROM expiring"},
        {"spam models", "SELECT CAST(account AS TEXT) FROM spam_model"},
        {"mailboxes", "SELECT account || '/' || id FROM mailbox"},
        {"calendars", "SELECT account || '/' || id FROM calendar"},
        {"calendar objects", "SELECT account || '/' || id FROM calendar_object"},
        {"names of calendar objects",
         "SELECT account || '/' || calendar || '/' || seq FROM calendar_gone"},
        {"calendar alerts", "SELECT account || '/' || object || '/' || ring FROM calendar_alert"},
        {"alerts to push",
         "SELECT account || '/' || subscription || '/' || object || '/' || ring FROM push_alert"},
        {"invitations", "SELECT account || '/' || email FROM imip_in"},
        {"invitations sent", "SELECT account || '/' || id FROM imip_letter"},
        {"recipients of invitations",
         "SELECT account || '/' || letter || '/' || recipient FROM imip_out"},
        {"push subscriptions", "SELECT account || '/' || id FROM push_subscription"},
        {"aliases", "SELECT account || '/' || address FROM alias"},
        {"tasks", "SELECT role || '/' || key FROM task WHERE key NOT LIKE '%.%'"},
        {"tasks of alerts", "SELECT key FROM task WHERE key LIKE '%.%'"},
        {"dead letters", "SELECT role || '/' || key FROM dead_letter"},
        {"task history", "SELECT CAST(id AS TEXT) FROM task_history"},
        {"accounts", "SELECT address FROM account"},
    };
    bool sqlite = db_kind(db) == DB_SQLITE;
    GHashTable *set = purge_set_new();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        purge_add_rows(db, rows[i][0], rows[i][1], set);
    purge_add_rows(db, "index rows",
                   sqlite ? "SELECT (rowid >> 32) || '/' || (rowid & 4294967295) FROM search_index"
                          : "SELECT account || '/' || email FROM search_index",
                   set);
    purge_add_rows(db, "spam verdicts",
                   sqlite ? "SELECT account || '/' || lower(hex(digest)) FROM spam_verdict"
                          : "SELECT account || '/' || encode(digest, 'hex') FROM spam_verdict",
                   set);
    purge_add_rows(db, "uploads",
                   sqlite ? "SELECT account || '/' || lower(hex(blob)) FROM upload"
                          : "SELECT account || '/' || encode(blob, 'hex') FROM upload",
                   set);
    return set;
}

static inline int64_t deliver(Db *db, int64_t account, const char *text, bool junk)
{
    g_autoptr(Letter) letter = model_letter("", NULL, "test", text);
    letter->junk = junk;
    g_autofree char *key = g_strdup_printf("%d/%s", (int)account, text);
    Delivered result;
    GError *error = NULL;
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    if (!deliver_many(db, &delivery, 1, &result, &error))
        fail_msg("%s", error->message);
    assert_int_equal(result.result, DELIVER_STORED);
    return result.email;
}

static inline void index_all(TestStore *store)
{
    DutyLane lane;
    purge_exec(store->db, "DELETE FROM member");
    duty_lane_init(&lane, store, "fts-indexing", NULL);
    duty_lane_work(&lane, "fts-indexing", 50);
    duty_lane_clear(&lane);
    purge_exec(store->db, "DELETE FROM member");
}

static inline void delete_account(Db *db, int64_t account, const char *address, int64_t ago_ms)
{
    GError *error = NULL;
    if (!account_delete(db, address, &error))
        fail_msg("%s", error->message);
    purge_exec(db, "UPDATE account SET deleted_at = rota_now() - %lld WHERE id = %d",
               (long long)ago_ms, (int)account);
}

#endif
