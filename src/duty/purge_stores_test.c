/* purge_stores_test: what has served its time goes, all else stays, whatever comes in between; and
 * a dry run says exactly what goes. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/email.h"
#include "model/expiring.h"
#include "model/purge.h"
#include "model/search.h"
#include "model/upload.h"

#define ROLE  "purge.stores"
#define HOUR  3600000
#define DAY   (24 * (int64_t)HOUR)
#define PAUSE 0

static const DutySettings SETTINGS = {.undelete_retention_ms = HOUR,
                                      .auto_expunge_ms = 30 * DAY,
                                      .changes_max_history = 10000,
                                      .account_retention_ms = 30 * DAY,
                                      .history_retention_ms = 30 * DAY,
                                      .purge_pause_us = PAUSE};

/* Of all that purge.stores may remove, what is there. */
static GHashTable *rows_of(Db *db)
{
    bool sqlite = db_kind(db) == DB_SQLITE;
    GHashTable *set = purge_set_new();
    purge_add_rows(db, "expired keys", "SELECT account || '/' || kind || '/' || key FROM expiring",
                   set);
    purge_add_rows(db, "blobs",
                   sqlite ? "SELECT lower(hex(digest)) FROM blob"
                          : "SELECT encode(digest, 'hex') FROM blob",
                   set);
    purge_add_rows(db, "task history", "SELECT CAST(id AS TEXT) FROM task_history", set);
    purge_add_rows(db, "load samples",
                   "SELECT minute || '/' || node || '/' || role || '/' || shard FROM load_sample",
                   set);
    purge_add_rows(db, "invitations", "SELECT account || '/' || email FROM imip_in", set);
    purge_add_rows(db, "invitations sent", "SELECT account || '/' || id FROM imip_letter", set);
    purge_add_rows(db, "index states", "SELECT CAST(account AS TEXT) FROM search_state", set);
    purge_add_rows(db, "index rows",
                   sqlite ? "SELECT (rowid >> 32) || '/' || (rowid & 4294967295) FROM search_index"
                          : "SELECT account || '/' || email FROM search_index",
                   set);
    return set;
}

/* ---------------------------------------------------------------- a store full of things */

static Blob *blob_of(const char *text)
{
    return blob_new(text, strlen(text));
}

/* A blob that nothing links to, listed for so long and touched so long ago. */
static void add_loose(Db *db, const char *text, int64_t since_ago, int64_t touched_ago)
{
    g_autoptr(Blob) blob = blob_of(text);
    GError *error = NULL;
    bool own = !db_in_transaction(db);
    assert_true(!own || db_begin(db, DB_WRITE, &error));
    assert_true(blob_put(db, blob, &error) && blob_loosen(db, &blob->digest, 1, &error));
    static const DbSql since = {"UPDATE blob_loose SET since = rota_now() - $2 WHERE digest = $1",
                                NULL};
    static const DbSql touched = {"UPDATE blob SET touched_at = rota_now() - $2 WHERE digest = $1",
                                  NULL};
    DbValue digest = db_bytes(blob->digest.bytes, DIGEST_BYTES);
    assert_int_equal(db_exec(db, &since, DB_ARGS(digest, db_int(since_ago)), &error), 1);
    assert_int_equal(db_exec(db, &touched, DB_ARGS(digest, db_int(touched_ago)), &error), 1);
    assert_true(!own || db_commit(db, &error) == DB_DONE);
}

static void add_key(Db *db, int64_t account, const char *key, int64_t left)
{
    purge_exec(
        db,
        "INSERT INTO expiring (account, kind, key, value, expires_at) VALUES (%d, 'delivery', "
        "'%s', '1/2', CASE WHEN %d = 0 THEN 0 ELSE rota_now() + (%d) END)",
        (int)account, key, (int)left, (int)left);
}

static void add_history(Db *db, int64_t age_ms, unsigned chance)
{
    purge_exec(db,
               "INSERT INTO task_history (id, role, shard, key, node, outcome, attempts, "
               "started_at, ended_at, detail) VALUES ((rota_now() - %lld) * 1048576 + %u, 'x', 1, "
               "'k', 1, 'done', 0, 0, 0, 'did it')",
               (long long)age_ms, chance);
}

static void add_load(Db *db, int64_t age_ms, const char *role)
{
    purge_exec(db,
               "INSERT INTO load_sample (minute, node, role, shard, done, failed, retried, dead, "
               "busy_us, bytes) VALUES ((rota_now() - %lld) / 60000, 1, '%s', 1, 1, 0, 0, 0, 0, 0)",
               (long long)age_ms, role);
}

/* One that came, and one that went out to two: the second of these may wait still. */
static void add_invitations(Db *db, int64_t age_ms, unsigned id, const char *outcome,
                            unsigned state)
{
    purge_exec(db,
               "INSERT INTO imip_in (account, email, at, outcome, method, uid, recurrence, "
               "sequence, stamp, sender, why) VALUES (1, %u, rota_now() - %lld, '%s', '', '', '', "
               "0, 0, '', '')",
               id, (long long)age_ms, outcome);
    purge_exec(db,
               "INSERT INTO imip_letter (account, id, method, uid, recurrence, sequence, stamp, "
               "sender, recipients, calendar, at) SELECT 1, %u, 'REPLY', 'u', '', 0, %u, 's', 2, "
               "data, rota_now() - %lld FROM blob LIMIT 1",
               id, id, (long long)age_ms);
    for (unsigned i = 0; i < 2; i++)
        purge_exec(db,
                   "INSERT INTO imip_out (account, letter, recipient, state, due_at, attempts, "
                   "uncertain, error, at) VALUES (1, %u, 'p%u@example.com', %u, 0, 1, 0, '', 1)",
                   id, i, i ? state : 2);
}

static void deliver(Db *db, int64_t account, const char *text, int64_t *ret_email)
{
    g_autoptr(Letter) letter = model_letter("", NULL, "test", text);
    g_autofree char *key = g_strdup_printf("%d/%s", (int)account, text);
    Delivered result;
    GError *error = NULL;
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    if (!deliver_many(db, &delivery, 1, &result, &error))
        fail_msg("%s", error->message);
    assert_int_equal(result.result, DELIVER_STORED);
    if (ret_email)
        *ret_email = result.email;
}

static void index_row(Db *db, int64_t account, int64_t email)
{
    GError *error = NULL;
    assert_true(search_add(db, account, email, "* ghost", &error));
}

/* All of one kind at the border on both sides; `round` makes the names differ. */
static void fill_going(Db *db, unsigned round)
{
    assert_true(db_begin(db, DB_WRITE, NULL));
    g_autofree char *old = g_strdup_printf("old%u", round);
    add_key(db, 0, old, -1);
    add_key(db, 1, old, -1000);
    add_key(db, 7, old, -1000);
    for (unsigned i = 0; i < 5; i++) {
        g_autofree char *text = g_strdup_printf("loose %u %u", round, i);
        add_loose(db, text, HOUR + 1000, HOUR + 1000);
    }
    add_history(db, 30 * DAY + 1000, 2 * round);
    add_history(db, 31 * DAY, 2 * round + 1);
    g_autofree char *role = g_strdup_printf("r%u", round);
    add_load(db, 30 * DAY + 61000, role);
    add_load(db, 60 * DAY, role);
    add_invitations(db, 30 * DAY + 61000, 100 + round, "added", 3);
    index_row(db, 1, 1000 + round); /* a message that account 1 never had */
    index_row(db, 4711, 1 + round); /* an account that is not there */
    purge_exec(db, "INSERT INTO search_state (account, position, rebuild_after, languages) VALUES "
                   "(4711, 0, -1, 0)");
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

static int64_t fill_staying(TestStore *store)
{
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0), email;
    assert_int_equal(ada, 1);
    DutyLane index;
    duty_lane_init(&index, store, "fts-indexing", NULL);
    deliver(db, ada, "stays", &email);
    deliver(db, ada, "stays too", &email);
    duty_lane_work(&index, "fts-indexing", 20);
    duty_lane_clear(&index);
    purge_exec(db, "DELETE FROM member");
    add_key(db, 1, "living", 60000);
    add_key(db, 1, "for ever", 0);
    add_loose(db, "within the grace", HOUR - 60000, 2 * HOUR);
    add_loose(db, "touched within the grace", 2 * HOUR, HOUR - 60000);
    add_history(db, 30 * DAY - 60000, 0);
    add_load(db, 30 * DAY - 120000, "x");
    add_invitations(db, 30 * DAY - 120000, 1, "added", 2);
    add_invitations(db, 40 * DAY, 2, "", 0); /* they wait */
    /* listed, but linked again */
    purge_exec(db, "INSERT INTO blob_loose (digest, since) SELECT blob, 0 FROM email WHERE account "
                   "= 1 AND id = 1");
    purge_exec(db, "UPDATE blob SET touched_at = 0 WHERE digest IN (SELECT blob FROM email)");
    return ada;
}

/* ---------------------------------------------------------------- what goes and what stays */

static void old_things_go_and_others_stay(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    fill_staying(store);
    g_autoptr(GHashTable) stays = rows_of(db);
    fill_going(db, 1);
    g_autoptr(GHashTable) before = rows_of(db), told = purge_set_new();
    g_autofree char *text = store_whole_text(db, NULL);
    purge_dry(db, ROLE, &SETTINGS, 1, 1, told);
    g_autofree char *text_after = store_whole_text(db, NULL);
    store_assert_same(text, text_after); /* a dry run leaves no trace */

    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    purge_round(&lane, ROLE);
    /* the round's own history is new */
    purge_exec(db, "DELETE FROM task_history WHERE role = '" ROLE "'");
    g_autoptr(GHashTable) after = rows_of(db), gone = purge_set_minus(before, after);
    purge_set_assert_same("what stays", after, stays);
    purge_set_assert_same("what the dry run told", told, gone);
    assert_int_equal(g_hash_table_size(gone), 3 + 5 + 2 + 2 + 2 + 2 + 1);
    g_autofree char *said =
        store_text(db, g_strdup("SELECT last_result FROM round WHERE role = '" ROLE "'"));
    assert_non_null(strstr(said,
                           "; kept 2 (40 bytes) whose grace has not passed; kept 1 (110 bytes) "
                           "that are linked again"));
    /* the linked one left the list, the ones within the grace did not */
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 2);
    model_check(db);
    duty_lane_clear(&lane);
}

/* Its bytes stay though they are listed; then it goes, and they after their grace. */
static void an_upload_keeps_its_bytes_until_it_expires(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    int64_t ada = model_account(db, "ada@example.org", 0);
    g_autoptr(Blob) blob = blob_of("a picture");
    IN_TX(db, upload_add(db, ada, blob, why));
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    add_loose(db, "a picture", 2 * HOUR, 2 * HOUR);
    purge_round(&lane, ROLE);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob"), 1);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 0);
    purge_exec(db, "UPDATE upload SET expires_at = rota_now()");
    g_autoptr(GHashTable) told = purge_set_new(), want = purge_set_new();
    purge_dry(db, ROLE, &SETTINGS, 1, 1, told);
    g_autofree char *name = digest_format(&blob->digest);
    g_hash_table_add(want, g_strdup_printf("uploads\t%d/%s", (int)ada, name));
    purge_set_assert_same("what the dry run told", told, want);
    purge_round(&lane, ROLE);
    assert_int_equal(model_count(db, "SELECT count(*) FROM upload"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 1);
    model_check(db);
    add_loose(db, "a picture", 2 * HOUR, 2 * HOUR);
    purge_round(&lane, ROLE);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob"), 0);
    duty_lane_clear(&lane);
}

static void the_result_says_what_was_done(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    add_loose(store->db, "loose", 2 * HOUR, 2 * HOUR);
    add_key(store->db, 0, "old", -1);
    purge_round(&lane, ROLE);
    g_autofree char *result =
        store_text(store->db, g_strdup("SELECT last_result FROM round WHERE role = '" ROLE "'"));
    assert_true(g_str_has_prefix(result, "removed 1 expired keys (6 bytes), 1 blobs (5 bytes)"));
    purge_round(&lane, ROLE);
    g_autofree char *second =
        store_text(store->db, g_strdup("SELECT last_result FROM round WHERE role = '" ROLE "'"));
    assert_true(g_str_has_prefix(second, "nothing to remove"));
    duty_lane_clear(&lane);
}

/* More than a page of each, with keys of one time. */
static void many_go_page_by_page(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    enum { MANY = 2 * PURGE_PAGE_ROWS + 50 };
    assert_true(db_begin(db, DB_WRITE, NULL));
    for (unsigned i = 0; i < MANY; i++)
        purge_exec(db,
                   "INSERT INTO expiring (account, kind, key, value, expires_at) VALUES (%u, "
                   "'k', 'key%u', '', %u)",
                   i % 3, i, 1 + i / 100);
    for (unsigned i = 0; i < 2 * PURGE_PAGE_BLOBS + 5; i++) {
        g_autofree char *text = g_strdup_printf("loose %u", i);
        add_loose(db, text, 2 * HOUR, 2 * HOUR);
    }
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    g_autoptr(GHashTable) told = purge_set_new();
    for (unsigned shard = 1; shard <= 3; shard++)
        purge_dry(db, ROLE, &SETTINGS, shard, 3, told);
    g_autoptr(GHashTable) rows = rows_of(db);
    purge_set_assert_same("three dry shards", told, rows);
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &SETTINGS);
    purge_round(&lane, ROLE);
    assert_int_equal(model_count(db, "SELECT count(*) FROM expiring"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 0);
    duty_lane_clear(&lane);
}

/* Six nodes, three shards: all goes, and each round removed what was its own. */
static void shards_divide_the_work(void **state)
{
    static const char *const shards[] = {"1,4", "2,3", "5,6", NULL};
    TestStore *store = *state;
    Db *db = store->db;
    assert_true(db_begin(db, DB_WRITE, NULL));
    for (unsigned i = 0; i < 90; i++) {
        g_autofree char *text = g_strdup_printf("loose %u", i);
        add_loose(db, text, 2 * HOUR, 2 * HOUR);
        add_key(db, i, text, -1000);
    }
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    DutyLane lanes[6];
    for (unsigned i = 0; i < 6; i++)
        duty_lane_init_more(&lanes[i], store, ROLE, &SETTINGS,
                            &(DutyLaneMore){.node = i + 1, .shards = shards});
    purge_ask_round(db, ROLE, shards);
    for (unsigned i = 0; i < 60; i++)
        duty_lane_step(&lanes[i % 6]);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM expiring"), 0);
    assert_int_equal(model_count(db, "SELECT count(*) FROM task_history WHERE role = '" ROLE "'"),
                     3);
    g_autoptr(GHashTable) results = purge_set_new();
    purge_add_rows(db, "", "SELECT detail FROM task_history WHERE role = '" ROLE "'", results);
    GHashTableIter iter;
    gpointer text;
    unsigned keys = 0, blobs = 0;
    g_hash_table_iter_init(&iter, results);
    while (g_hash_table_iter_next(&iter, &text, NULL)) {
        unsigned k = 0, b = 0;
        int bytes;
        if (sscanf(text, "\tremoved %u expired keys (%d bytes), %u blobs", &k, &bytes, &b) != 3)
            fail_msg("what does \"%s\" mean?", (char *)text);
        assert_true(k > 0 && b > 0);
        keys += k;
        blobs += b;
    }
    assert_int_equal(keys, 90);
    assert_int_equal(blobs, 90);
    for (unsigned i = 0; i < 6; i++)
        duty_lane_clear(&lanes[i]);
}

/* ---------------------------------------------------------------- cut off anywhere */

/* Fault number n, for n = 1, 2, … until none is met: the end is the same. An unknown outcome is of
 * a commit, so for those only commits are counted. */
static void fails_anywhere(void **state, Fault fault)
{
    TestStore *store = *state;
    Db *db = store->db;
    fill_staying(store);
    g_autoptr(GHashTable) stays = rows_of(db);
    bool met = true;
    Db *behind = test_store_open(store);
    PurgeFault at;
    DutyLane lane;
    duty_lane_init_more(&lane, store, ROLE, &SETTINGS,
                        &(DutyLaneMore){.node = 1, .lease_ms = 100000000});
    for (unsigned n = 1; met; n++) {
        fill_going(db, n);
        at = (PurgeFault){.at = {.number = n, .fault = fault}};
        duty_lane_restart(&lane, db_open_fault(behind, purge_fault_plan, &at));
        purge_round(&lane, ROLE);
        met = at.at.met;
        purge_exec(db, "DELETE FROM task_history WHERE role = '" ROLE "'");
        g_autoptr(GHashTable) after = rows_of(db);
        g_autofree char *what = g_strdup_printf("fault %u", n);
        purge_set_assert_same(what, after, stays);
        if (n > 1000)
            fail_msg("it never ends");
        if (!met)
            assert_true(n > (fault == FAULT_RETRY ? 20 : 5)); /* there were places to fail */
    }
    duty_lane_clear(&lane);
    db_close(behind);
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

/* ---------------------------------------------------------------- beside deliveries */

/* Delivers the same few messages and destroys them again, so that their blobs are linked, loosened
 * and put anew all the time. */
typedef struct {
    TestStore *store;
    int64_t account;
    unsigned seed;
    atomic_bool *stop;
    unsigned delivered;
} Postman;

static void *postman_thread(void *data)
{
    Postman *man = data;
    Db *db = test_store_open(man->store);
    for (unsigned i = 0; !atomic_load(man->stop); i++) {
        g_autofree char *text = g_strdup_printf("message %u", (i * 7 + man->seed) % 4);
        g_autofree char *key = g_strdup_printf("%u/%u", man->seed, i);
        g_autoptr(Letter) letter = model_letter("", NULL, "test", text);
        g_autoptr(GError) error = NULL;
        Delivered result = {0};
        Delivery delivery = {.letter = letter, .account = man->account, .key = key};
        if (!deliver_many(db, &delivery, 1, &result, &error) || result.result != DELIVER_STORED)
            continue; /* it would be told, and tried again */
        man->delivered++;
        if (i % 8 == 0)
            continue; /* this one stays */
        if (db_begin(db, DB_WRITE, NULL)) {
            if (email_destroy(db, man->account, result.email, NULL))
                db_commit(db, NULL);
            db_rollback(db);
        }
    }
    db_close(db);
    return NULL;
}

static bool purge_blobs_once(Db *db, GError **error)
{
    PurgeScope scope = {.shard = 1, .shards = 1, .loose_before = INT64_MAX};
    for (unsigned i = 0; purge_of_store[i]; i++) {
        if (strcmp(purge_kind_name(purge_of_store[i]), "blobs") != 0)
            continue;
        g_autoptr(PurgeWalk) walk = purge_walk_new(purge_of_store[i], &scope);
        PurgeCount count;
        if (!db_begin(db, DB_READ, error))
            return false;
        bool good = purge_walk_next(walk, db, PURGE_SHARE_MAX, error);
        db_rollback(db);
        good = good && db_begin(db, DB_WRITE, error);
        if (good && purge_walk_remove(walk, db, &count, error))
            good = db_commit(db, error) == DB_DONE;
        db_rollback(db);
        if (!good)
            return false;
    }
    return true;
}

/* The grace is nothing, so that no clock but only the locks keep what is linked at this moment. */
static void no_blob_of_a_living_row_goes(void **state)
{
    TestStore *store = *state;
    Db *db = store->db, *purger = test_store_open(store);
    atomic_bool stop = false;
    Postman men[2];
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *address = g_strdup_printf("a%u@example.org", i);
        men[i] = (Postman){store, model_account(db, address, 0), i, &stop, 0};
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, postman_thread, &men[i]), 0);
    unsigned rounds = 0;
    for (gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC; g_get_monotonic_time() < end;) {
        g_autoptr(GError) error = NULL;
        rounds += purge_blobs_once(purger, &error);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(rounds > 3 && men[0].delivered > 3 && men[1].delivered > 3);
    purge_blobs_once(purger, NULL);
    model_check(db); /* an email has its blob; a blob is linked or listed */
    assert_int_equal(model_count(db, "SELECT count(*) FROM blob_loose"), 0);
    db_close(purger);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_things_go_and_others_stay),
        cmocka_unit_test(an_upload_keeps_its_bytes_until_it_expires),
        cmocka_unit_test(the_result_says_what_was_done),
        cmocka_unit_test(many_go_page_by_page),
        cmocka_unit_test(shards_divide_the_work),
        cmocka_unit_test(a_lost_connection_anywhere),
        cmocka_unit_test(a_commit_that_was_done_unheard),
        cmocka_unit_test(a_commit_that_was_not_done),
        cmocka_unit_test(no_blob_of_a_living_row_goes),
    };
    return test_on_both_stores("purge_stores", tests, G_N_ELEMENTS(tests));
}
