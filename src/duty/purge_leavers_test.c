/* purge_leavers_test: a deleted account leaves no row in any table, wherever its removal is cut
 * off, and can be undeleted until that has begun. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_accounts_support.h"

#include "base/error.h"
#include "base/limits.h"
#include "model/calendar_object.h"
#include "model/purge.h"
#include "model/search.h"
#include "model/subscription.h"
#include "roster/task.h"

static void deliver_all(Db *db, int64_t account, unsigned count)
{
    for (unsigned done = 0; done < count; done += DELIVER_BATCH_MAX) {
        Delivery deliveries[DELIVER_BATCH_MAX];
        Delivered results[DELIVER_BATCH_MAX];
        Letter *letters[DELIVER_BATCH_MAX];
        char *keys[DELIVER_BATCH_MAX];
        unsigned batch = MIN(count - done, DELIVER_BATCH_MAX);
        for (unsigned i = 0; i < batch; i++) {
            keys[i] = g_strdup_printf("%d/message %u", (int)account, done + i);
            letters[i] = model_letter("", NULL, "test", strchr(keys[i], '/'));
            letters[i]->junk = i % 3 == 0;
            deliveries[i] = (Delivery){.letter = letters[i], .account = account, .key = keys[i]};
        }
        assert_true(deliver_many(db, deliveries, batch, results, NULL));
        for (unsigned i = 0; i < batch; i++) {
            assert_int_equal(results[i].result, DELIVER_STORED);
            letter_free(letters[i]);
            g_free(keys[i]);
        }
    }
}

/* What the roster and training keep of an account. */
static void fill_beside(Db *db, int64_t id)
{
    char key[ACCOUNT_KEY_BYTES];
    unsigned bucket = account_bucket(id, key);
    purge_exec(db,
               "INSERT INTO spam_verdict (account, digest, verdict, noted_at) SELECT %d, blob, 1, "
               "1 FROM email WHERE account = %d",
               (int)id, (int)id);
    purge_exec(db,
               "INSERT INTO spam_features (digest, features) SELECT blob, blob FROM email WHERE "
               "account = %d ON CONFLICT DO NOTHING",
               (int)id);
    purge_exec(db,
               "INSERT INTO spam_model (account, version, spam, ham, made_at, data) "
               "SELECT %d, 1, 1, 0, 1, blob FROM email WHERE account = %d AND id = 1",
               (int)id, (int)id);
    purge_exec(db,
               "INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at, "
               "buried_at, last_error, node) VALUES (%u, 'fts-indexing', '%s', '', 1, 0, 1, 1, "
               "'why', 1)",
               bucket, key);
    purge_exec(db,
               "INSERT INTO task_history (id, role, shard, key, node, outcome, attempts, "
               "started_at, ended_at, detail) VALUES (rota_now() * 1048576 + %d, 'fts-indexing', "
               "1, '%s', 1, 'failed', 1, 1, 1, 'why')",
               (int)id, key);
    purge_exec(db,
               "INSERT INTO imip_in (account, email, at, outcome, method, uid, recurrence, "
               "sequence, stamp, sender, why) VALUES (%d, 1, 1, '', '', '', '', 0, 0, '', '')",
               (int)id);
    purge_exec(db,
               "INSERT INTO imip_letter (account, id, method, uid, recurrence, sequence, stamp, "
               "sender, recipients, calendar, at) SELECT %d, 1, 'REPLY', 'u', '', 0, 1, 's', 1, "
               "blob, 1 FROM email WHERE account = %d AND id = 1",
               (int)id, (int)id);
    purge_exec(db,
               "INSERT INTO imip_out (account, letter, recipient, state, due_at, attempts, "
               "uncertain, error, at) VALUES (%d, 1, 'bob@example.com', 0, 0, 0, 0, '', 1)",
               (int)id);
    purge_exec(db,
               "INSERT INTO upload (account, blob, size, expires_at) SELECT account, blob, size, "
               "rota_now() + 9999999 FROM email WHERE account = %d AND id = 1",
               (int)id);
    TaskNew task = {.role = "bayes-training", .bucket = bucket, .key = key};
    assert_true(task_add(db, &task, NULL));
    purge_exec(db, "DELETE FROM task WHERE role = 'fts-indexing'");
}

/* An event with an alarm to come, one that is gone, an alarm that is being sent. */
static void fill_calendar(Db *db, int64_t id)
{
    static const char text[] = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20360101T000000Z\n"
                               "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:PT0S\nEND:VALARM\nEND:VEVENT\n"
                               "END:VCALENDAR\n";
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, sizeof text - 1);
    CalendarDraftAsk ask = {.zone = zone_utc(), .now = 1};
    g_autoptr(CalendarDraft) draft = calendar_draft_new(bytes, &ask, NULL);
    CalendarPut gone = {.name = "gone"}, stays = {.name = "stays"};
    CalendarEnd end;
    assert_true(calendar_ensure(db, id, NULL, NULL));
    g_autoptr(Calendar) calendar = calendar_find(db, id, CALENDAR_DEFAULT, NULL);
    assert_true(calendar_object_put(db, calendar, &gone, draft, &end, NULL));
    assert_true(calendar_object_remove(db, calendar, "gone", NULL, &end, NULL));
    assert_true(calendar_object_put(db, calendar, &stays, draft, &end, NULL));
    assert_int_equal(end, CALENDAR_CREATED);
    purge_exec(db,
               "INSERT INTO calendar_alert (account, object, ring, noted_at, tries) VALUES "
               "(%d, 1, 'x', 1, 1)",
               (int)id);
    purge_exec(db,
               "INSERT INTO push_alert (account, subscription, object, ring, text, made_at, "
               "expires_at, sending_at, next_at) VALUES (%d, 1, 1, 'x', '{}', 1, 1, 0, 0)",
               (int)id);
}

/* Rows of an account in every table that can have some. */
static int64_t fill_account(Db *db, const char *address, unsigned messages)
{
    int64_t id = model_account(db, address, 0);
    g_autofree char *alias = g_strdup_printf("alias-%s", address);
    assert_true(account_add_alias(db, address, alias, NULL));
    deliver_all(db, id, messages);
    SearchState indexed = {.position = 1000000, .rebuild_after = SEARCH_NO_REBUILD};
    assert_true(db_begin(db, DB_WRITE, NULL));
    for (unsigned i = 1; i <= messages; i++)
        assert_true(search_add(db, id, i, "* word", NULL));
    assert_true(search_state_set(db, id, &indexed, NULL));
    fill_beside(db, id);
    fill_calendar(db, id);
    int64_t subscription;
    SubscriptionNew device = {.device = "phone", .url = "https://push.example.net/1"};
    assert_true(subscription_add(db, id, &device, &subscription, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    return id;
}

/* Tables that have no rows of accounts, or that the engine keeps for itself. */
static const char *const OTHER_TABLES[] = {
    "cluster",
    "member",
    "uncovered",
    "takeover",
    "migration",
    "certificate",
    "acme_account",
    "certificate_epoch",
    "round",
    "sequence",
    "load_sample",
    "metric_sample",
    "metric_mark",
    "push_origin",
    "push_key",
    "metric_outbox",
    "metric_target",
    "search_index_data",
    "search_index_idx",
    "search_index_config",
    NULL,
};

static void run_both(TestStore *store)
{
    static const char *const roles[] = {ROLE, "purge.stores"};
    for (unsigned i = 0; i < 2; i++) {
        DutyLane lane;
        duty_lane_init(&lane, store, roles[i], &SETTINGS);
        purge_round(&lane, roles[i]);
        duty_lane_clear(&lane);
        purge_exec(store->db, "DELETE FROM member");
    }
    assert_true(db_begin(store->db, DB_WRITE, NULL));
    purge_exec(store->db, "DELETE FROM task_history WHERE key LIKE 'round/%%'");
    purge_exec(store->db, "UPDATE blob SET touched_at = 0"); /* by deliveries of others */
    assert_int_equal(db_commit(store->db, NULL), DB_DONE);
}

/* Rows of each table; a statement of the test's own. */
static int64_t rows_in(Db *db, const char *table)
{
    g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM %s", table);
    return model_count(db, sql);
}

static void nothing_is_left_in_any_table(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    fill_account(db, "bob@example.org", 4);
    run_both(store); /* what it has to do for him */
    g_autofree char *before = store_whole_text(db, OTHER_TABLES);
    g_autoptr(GPtrArray) tables = store_tables(db);
    g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (unsigned i = 0; i < tables->len; i++) {
        int64_t rows = rows_in(db, g_ptr_array_index(tables, i));
        g_array_append_val(counts, rows);
    }
    int64_t ada = fill_account(db, "ada@example.org", 2 * PURGE_PAGE_MESSAGES + 7);
    for (unsigned i = 0; i < tables->len; i++) {
        const char *table = g_ptr_array_index(tables, i);
        if (g_strv_contains(OTHER_TABLES, table) || strcmp(table, "blob_loose") == 0)
            continue;
        if (rows_in(db, table) <= g_array_index(counts, int64_t, i))
            fail_msg("table %s has no row of an account: if it can have one, make one here, and "
                     "let purge.accounts remove it (model/purge_account.c); else it is one of "
                     "OTHER_TABLES",
                     table);
    }
    delete_account(db, ada, "ada@example.org", 30 * DAY + 1000);
    g_autoptr(GHashTable) all = rows_of(db), told = purge_set_new();
    g_autofree char *text = store_whole_text(db, NULL);
    purge_dry(db, ROLE, &SETTINGS, 1, 1, told);
    g_autofree char *text_after = store_whole_text(db, NULL);
    store_assert_same(text, text_after);
    run_both(store);
    g_autoptr(GHashTable) left = rows_of(db), gone = purge_set_minus(all, left);
    purge_set_assert_same("what the dry run told", told, gone);
    g_autofree char *after = store_whole_text(db, OTHER_TABLES);
    store_assert_same(before, after);
    model_check(db);
}

static void undelete_works_until_the_removal_begins(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = fill_account(db, "ada@example.org", 3);
    delete_account(db, ada, "ada@example.org", 30 * DAY - HOUR);
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    purge_round(&lane, ROLE);
    duty_lane_clear(&lane);
    GError *error = NULL;
    assert_true(account_undelete(db, "ada@example.org", &error));
    assert_int_equal(model_count(db, "SELECT count(*) FROM email"), 3);
    /* undeleted between the look and the mark */
    bool begun = true, stays = false;
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(purge_account_begin(db, ada, INT64_MAX, &begun, NULL));
    assert_false(begun);
    db_rollback(db);
    delete_account(db, ada, "ada@example.org", 31 * DAY);
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(account_keep(db, ada, &stays, NULL) && stays);
    assert_true(purge_account_begin(db, ada, INT64_MAX, &begun, NULL) && begun);
    assert_true(account_keep(db, ada, &stays, NULL) && !stays);
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    assert_false(account_undelete(db, "ada@example.org", &error));
    assert_int_equal(error_kind(error), ERROR_GONE);
    g_clear_error(&error);
}

/* The index of an account that is half gone does not begin anew. */
static void nobody_writes_for_an_account_that_leaves(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = fill_account(db, "ada@example.org", 3);
    char key[ACCOUNT_KEY_BYTES];
    TaskNew task = {.role = "fts-indexing", .bucket = account_bucket(ada, key), .key = key};
    assert_true(db_begin(db, DB_WRITE, NULL));
    purge_exec(db, "UPDATE account SET deleted_at = -1");
    purge_exec(db, "DELETE FROM search_state");
    purge_exec(db, "DELETE FROM search_index");
    assert_true(task_add(db, &task, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    index_all(store);
    assert_int_equal(model_count(db, "SELECT count(*) FROM search_index"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM search_state"), 0);
}

/* Each pause takes a minute, so a run's time is over after some pages; the next goes on. */
static void a_deadline_cuts_it_and_the_next_run_goes_on(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = fill_account(db, "ada@example.org", 30 * PURGE_PAGE_INDEX);
    delete_account(db, ada, "ada@example.org", 31 * DAY);
    DutyLane lane;
    duty_lane_init_more(&lane, store, ROLE, &SETTINGS,
                        &(DutyLaneMore){.node = 1, .pause_us = 60000000, .lease_ms = 100000000});
    purge_ask_round(db, ROLE, NULL);
    int64_t last = INT64_MAX;
    unsigned runs = 0;
    for (; model_count(db, "SELECT count(*) FROM account") && runs < 100; runs++) {
        duty_lane_step(&lane);
        int64_t rows = model_count(db, "SELECT count(*) FROM search_index") +
                       model_count(db, "SELECT count(*) FROM email");
        assert_true(rows < last || rows == 0); /* it goes on, not anew */
        last = rows;
    }
    assert_true(runs > 2 && runs < 100);
    assert_true(model_count(db, "SELECT count(*) FROM task_history WHERE outcome = 'again'") > 1);
    duty_lane_clear(&lane);
}

/* Fault number n, for n = 1, 2, … until none is met: the end is the same. */
static void fails_anywhere(void **state, Fault fault)
{
    TestStore *store = *state;
    Db *db = store->db;
    fill_account(db, "bob@example.org", 3);
    run_both(store);
    g_autofree char *stays = store_whole_text(db, OTHER_TABLES);
    bool met = true;
    Db *behind = test_store_open(store);
    PurgeFault at;
    DutyLane lane;
    duty_lane_init_more(&lane, store, ROLE, &SETTINGS,
                        &(DutyLaneMore){.node = 1, .lease_ms = 100000000});
    for (unsigned n = 1; met; n++) {
        g_autofree char *address = g_strdup_printf("ada%u@example.org", n);
        int64_t ada = fill_account(db, address, 3);
        delete_account(db, ada, address, 31 * DAY);
        at = (PurgeFault){.at = {.number = n, .fault = fault}};
        duty_lane_restart(&lane, db_open_fault(behind, purge_fault_plan, &at));
        purge_round(&lane, ROLE);
        met = at.at.met;
        if (model_count(db, "SELECT count(*) FROM account") != 1)
            fail_msg("fault %u: the account is still there", n);
        if (n > 1000)
            fail_msg("it never ends");
        if (!met)
            assert_true(n > (fault == FAULT_RETRY ? 40 : 10)); /* there were places to fail */
    }
    duty_lane_clear(&lane);
    db_close(behind);
    purge_exec(db, "DELETE FROM member");
    run_both(store);
    purge_exec(db, "DELETE FROM task_history WHERE role = '" ROLE "'");
    g_autofree char *after = store_whole_text(db, OTHER_TABLES);
    store_assert_same(stays, after);
    model_check(db);
}

static void a_lost_connection_anywhere(void **state)
{
    fails_anywhere(state, FAULT_RETRY);
}

static void a_commit_that_was_done_unheard(void **state)
{
    fails_anywhere(state, FAULT_UNKNOWN_DONE);
}

static void a_commit_that_was_not_done(void **state)
{
    fails_anywhere(state, FAULT_UNKNOWN_NOT_DONE);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_in_any_table),
        cmocka_unit_test(undelete_works_until_the_removal_begins),
        cmocka_unit_test(nobody_writes_for_an_account_that_leaves),
        cmocka_unit_test(a_deadline_cuts_it_and_the_next_run_goes_on),
        cmocka_unit_test(a_lost_connection_anywhere),
        cmocka_unit_test(a_commit_that_was_done_unheard),
        cmocka_unit_test(a_commit_that_was_not_done),
    };
    return test_on_both_stores("purge_leavers", tests, G_N_ELEMENTS(tests));
}
