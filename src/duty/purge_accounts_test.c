/* purge_accounts_test: old mail of Trash and Junk goes like a person's own delete, and change logs
 * get shorter; shards divide the work, and who has nothing to do costs nothing. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_accounts_support.h"

#include "base/error.h"
#include "base/limits.h"
#include "model/change.h"
#include "model/email.h"
#include "model/mailbox.h"
#include "model/purge.h"
#include "model/search.h"
#include "roster/task.h"

static int64_t box(Db *db, int64_t account, const char *role)
{
    int64_t id = 0;
    bool own = !db_in_transaction(db);
    assert_true(!own || db_begin(db, DB_READ, NULL));
    assert_true(mailbox_by_role(db, account, role, &id, NULL));
    if (own)
        db_rollback(db);
    return id;
}

static void move(Db *db, int64_t account, int64_t email, const char *role)
{
    GError *error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    if (!email_move(db, account, email, box(db, account, role), &error))
        fail_msg("%s", error->message);
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

static void age(Db *db, int64_t account, int64_t email, int64_t ms)
{
    purge_exec(db,
               "UPDATE email_mailbox SET filed_at = rota_now() - %lld WHERE account = %d AND email "
               "= %d",
               (long long)ms, (int)account, (int)email);
}

/* ---------------------------------------------------------------- Trash, Junk and the change log
 */

typedef struct {
    int64_t ada, gone, stays[8], goes[3];
} Mail;

static void fill_mail(TestStore *store, Mail *mail)
{
    Db *db = store->db;
    int64_t ada = mail->ada = model_account(db, "ada@example.org", 0);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *text = g_strdup_printf("goes %u", i);
        mail->goes[i] = deliver(db, ada, text, i == 2);
        if (i < 2)
            move(db, ada, mail->goes[i], "trash");
        age(db, ada, mail->goes[i], 30 * DAY + (i ? 1000 : 100 * DAY));
    }
    static const struct {
        const char *role;
        int64_t age;
    } stays[] = {{"trash", 30 * DAY - HOUR}, {"junk", 30 * DAY - HOUR}, {"trash", 0},
                 {"inbox", 100 * DAY},       {"archive", 31 * DAY},     {"trash", 31 * DAY}};
    for (unsigned i = 0; i < G_N_ELEMENTS(stays); i++) {
        g_autofree char *text = g_strdup_printf("stays %u", i);
        mail->stays[i] = deliver(db, ada, text, false);
        move(db, ada, mail->stays[i], stays[i].role);
        age(db, ada, mail->stays[i], stays[i].age);
    }
    /* the last one is in the archive too: it is no rubbish */
    purge_exec(db,
               "INSERT INTO email_mailbox (account, mailbox, email, filed_at) VALUES (%d, %d, "
               "%d, 1)",
               (int)ada, (int)box(db, ada, "archive"), (int)mail->stays[5]);
    purge_exec(db,
               "UPDATE mailbox SET total = total + 1, unread = unread + 1 WHERE account = %d "
               "AND role = 'archive'",
               (int)ada);
    /* deleted a short while ago: all of it waits to be undeleted */
    mail->gone = model_account(db, "bob@example.org", 0);
    int64_t email = deliver(db, mail->gone, "rubbish", true);
    age(db, mail->gone, email, 90 * DAY);
    delete_account(db, mail->gone, "bob@example.org", 30 * DAY - HOUR);
    index_all(store);
    model_check(db);
}

static int64_t emails(Db *db, const int64_t *ids, unsigned count)
{
    int64_t there = 0;
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *sql = g_strdup_printf(
            "SELECT count(*) FROM email WHERE account = 1 AND id = %d", (int)ids[i]);
        there += model_count(db, sql);
    }
    return there;
}

static void old_rubbish_goes_like_a_persons_delete(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    Mail mail;
    fill_mail(store, &mail);
    int64_t seq = model_count(db, "SELECT change_seq FROM account WHERE id = 1");
    int64_t floor = model_count(db, "SELECT change_floor FROM account WHERE id = 1");
    assert_true(seq - floor > SETTINGS.changes_max_history);
    g_autoptr(GHashTable) before = rows_of(db), told = purge_set_new();
    g_autofree char *text = store_whole_text(db, NULL);
    purge_dry(db, ROLE, &SETTINGS, 1, 1, told);
    g_autofree char *text_after = store_whole_text(db, NULL);
    store_assert_same(text, text_after);

    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    purge_round(&lane, ROLE);
    g_autoptr(GHashTable) after = rows_of(db), gone = purge_set_minus(before, after);
    purge_set_assert_same("what the dry run told", told, gone);
    assert_int_equal(emails(db, mail.goes, 3), 0);
    assert_int_equal(emails(db, mail.stays, 6), 6);
    model_check(db);
    /* JMAP hears of it, and so does the index */
    assert_int_equal(model_count(db, "SELECT count(*) FROM change WHERE account = 1 AND action = 3 "
                                     "AND kind = 1"),
                     3);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task WHERE role = 'fts-indexing'"), 1);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 3);
    assert_int_equal(model_count(db, "SELECT change_floor FROM account WHERE id = 1"),
                     seq - SETTINGS.changes_max_history);
    assert_true(db_begin(db, DB_READ, NULL));
    g_autoptr(GError) error = NULL;
    assert_null(change_read(db, 1, 0, 100, &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    db_rollback(db);
    assert_int_equal(model_count(db, "SELECT count(*) FROM email WHERE account = 2"), 1);

    /* the second round finds what the first one's changes put over the limit, and nothing else */
    purge_round(&lane, ROLE);
    assert_int_equal(model_count(db, "SELECT change_seq - change_floor FROM account WHERE id = 1"),
                     SETTINGS.changes_max_history);
    assert_int_equal(emails(db, mail.stays, 6), 6);
    duty_lane_clear(&lane);
    index_all(store);
    assert_int_equal(model_count(db, "SELECT count(*) FROM search_index"), 6 + 1);
}

static void never_expunged_where_it_says_never(void **state)
{
    TestStore *store = *state;
    DutySettings settings = SETTINGS;
    Mail mail;
    settings.auto_expunge_ms = 0;
    fill_mail(store, &mail);
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &settings);
    purge_round(&lane, ROLE);
    assert_int_equal(emails(store->db, mail.goes, 3), 3);
    duty_lane_clear(&lane);
}

/* What was found young is not looked at again until it can be old; what comes later is found. */
static void a_young_trash_is_not_looked_through(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    DutySettings settings = SETTINGS;
    Mail mail;
    fill_mail(store, &mail);
    purge_exec(db, "DELETE FROM email_mailbox WHERE email = %d AND mailbox = %d",
               (int)mail.stays[5], (int)box(db, 1, "trash"));
    purge_exec(db,
               "UPDATE mailbox SET total = total - 1, unread = unread - 1 WHERE account = 1 AND "
               "role = 'trash'");
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &settings);
    purge_round(&lane, ROLE);
    assert_int_equal(model_count(db, "SELECT count(*) FROM mailbox m WHERE account = 1 AND role IN "
                                     "('trash', 'junk') AND oldest_at <> (SELECT min(filed_at) "
                                     "FROM email_mailbox p WHERE p.account = 1 AND p.mailbox = "
                                     "m.id)"),
                     0);
    assert_true(db_begin(db, DB_READ, NULL));
    PurgeAccountsAsk ask = {.shard = 1, .shards = 1, .bucket = -1, .keep = 1000, .limit = 9};
    int64_t now;
    bool ended;
    assert_true(purge_now(db, &now, NULL));
    ask.filed_before = now - 30 * DAY;
    g_autoptr(GArray) due = purge_accounts_due(db, &ask, &ended, NULL);
    assert_true(ended && due->len == 0);
    db_rollback(db);
    settings.auto_expunge_ms = 30 * DAY - 2 * HOUR; /* now the oldest are over it */
    purge_round(&lane, ROLE);
    assert_int_equal(emails(db, mail.stays, 2), 0);
    assert_int_equal(emails(db, mail.stays + 2, 4), 4);
    duty_lane_clear(&lane);
}

/* A message that a person saves from Trash while its page is at work stays. */
static void what_is_taken_out_of_trash_stays(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    Mail mail;
    fill_mail(store, &mail);
    PurgeScope scope = {.account = 1, .mailbox = box(db, 1, "trash"), .filed_before = INT64_MAX};
    g_autoptr(PurgeWalk) walk = purge_walk_new(purge_expunged, &scope);
    PurgeCount count = {0};
    unsigned items = 0;
    assert_true(db_begin(db, DB_READ, NULL) && purge_walk_next(walk, db, PURGE_SHARE_MAX, NULL));
    db_rollback(db);
    purge_walk_items(walk, &items);
    assert_int_equal(items, 4);
    move(db, 1, mail.goes[0], "inbox");
    assert_true(db_begin(db, DB_WRITE, NULL) && purge_walk_remove(walk, db, &count, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    assert_int_equal(count.count, 3);
    assert_int_equal(emails(db, mail.goes, 1), 1);
    model_check(db);
}

/* ---------------------------------------------------------------- shards and cost */

static void shards_divide_the_accounts(void **state)
{
    static const char *const shards[] = {"1,4", "2,3", "5,6", NULL};
    TestStore *store = *state;
    Db *db = store->db;
    for (unsigned i = 0; i < 30; i++) {
        g_autofree char *address = g_strdup_printf("a%u@example.org", i);
        int64_t id = model_account(db, address, 0);
        delete_account(db, id, address, 31 * DAY);
    }
    g_autoptr(GHashTable) rows = rows_of(db), told = purge_set_new();
    for (unsigned shard = 1; shard <= 3; shard++)
        purge_dry(db, ROLE, &SETTINGS, shard, 3, told);
    purge_set_assert_same("three dry shards", told, rows);
    DutyLane lanes[6];
    for (unsigned i = 0; i < 6; i++)
        duty_lane_init_more(&lanes[i], store, ROLE, &SETTINGS,
                            &(DutyLaneMore){.node = i + 1, .shards = shards});
    purge_ask_round(db, ROLE, shards);
    for (unsigned i = 0; i < 60; i++)
        duty_lane_step(&lanes[i % 6]);
    assert_int_equal(model_count(db, "SELECT count(*) FROM account"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM mailbox"), 0);
    g_autoptr(GHashTable) results = purge_set_new();
    purge_add_rows(db, "", "SELECT detail FROM task_history WHERE role = '" ROLE "'", results);
    assert_int_equal(g_hash_table_size(results), 3);
    unsigned sum = 0;
    GHashTableIter iter;
    gpointer text;
    g_hash_table_iter_init(&iter, results);
    while (g_hash_table_iter_next(&iter, &text, NULL)) {
        const char *at = strstr(text, " accounts");
        assert_non_null(at);
        while (at > (char *)text && g_ascii_isdigit(at[-1]))
            at--;
        sum += (unsigned)g_ascii_strtoull(at, NULL, 10);
    }
    assert_int_equal(sum, 30);
    for (unsigned i = 0; i < 6; i++)
        duty_lane_clear(&lanes[i]);
}

static uint64_t statements_of_a_dry_run(Db *db)
{
    g_autoptr(GHashTable) told = purge_set_new();
    uint64_t before = db_counts(db).statements;
    purge_dry(db, ROLE, &SETTINGS, 1, 1, told);
    assert_int_equal(g_hash_table_size(told), 0);
    return db_counts(db).statements - before;
}

static void idle_accounts_cost_no_statement(void **state)
{
    TestStore *store = *state;
    uint64_t none = statements_of_a_dry_run(store->db);
    for (unsigned i = 0; i < 40; i++) {
        g_autofree char *address = g_strdup_printf("a%u@example.org", i);
        model_account(store->db, address, 0);
    }
    assert_int_equal(statements_of_a_dry_run(store->db), none);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_rubbish_goes_like_a_persons_delete),
        cmocka_unit_test(never_expunged_where_it_says_never),
        cmocka_unit_test(a_young_trash_is_not_looked_through),
        cmocka_unit_test(what_is_taken_out_of_trash_stays),
        cmocka_unit_test(shards_divide_the_accounts),
        cmocka_unit_test(idle_accounts_cost_no_statement),
    };
    return test_on_both_stores("purge_accounts", tests, G_N_ELEMENTS(tests));
}
