/* fts_indexing_test: what is delivered is found, what is destroyed is not, whatever comes in
 * between. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "model/change.h"
#include "model/email.h"
#include "model/search.h"
#include "roster/shard.h"
#include "roster/task.h"

#define ROLE "fts-indexing"

/* `count` mails in batches; each has the word `word`, its number, and the word all. */
static void deliver(Db *db, int64_t account, const char *word, unsigned count)
{
    for (unsigned done = 0; done < count;) {
        Delivery deliveries[DELIVER_BATCH_MAX];
        Delivered results[DELIVER_BATCH_MAX];
        char *keys[DELIVER_BATCH_MAX];
        unsigned batch = MIN(count - done, DELIVER_BATCH_MAX);
        for (unsigned i = 0; i < batch; i++) {
            g_autofree char *body = g_strdup_printf("all %s number%u\r\n", word, done + i);
            keys[i] = g_strdup_printf("%s%u", word, done + i);
            deliveries[i] = (Delivery){
                .letter = model_letter("", NULL, "test", body), .account = account, .key = keys[i]};
        }
        g_autoptr(GError) error = NULL;
        deliver_many(db, deliveries, batch, results, &error);
        assert_no_error(error);
        for (unsigned i = 0; i < batch; i++) {
            assert_int_equal(results[i].result, DELIVER_STORED);
            Letter *letter = NULL;
            memcpy(&letter, &deliveries[i].letter, sizeof(letter));
            letter_free(letter);
            g_free(keys[i]);
        }
        done += batch;
    }
}

static void assert_count(Db *db, int64_t account, const char *text, int64_t want)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(QueryNode) query = query_parse(text, &error);
    assert_no_error(error);
    assert_true(db_begin(db, DB_READ, &error));
    int64_t count = -1;
    search_count(db, account, query, &count, &error);
    assert_no_error(error);
    g_autoptr(GArray) found = search_find(db, account, query, 0, 100000, &error);
    assert_no_error(error);
    db_rollback(db);
    if (count != want || found->len != want)
        fail_msg("%s: got %d, counted %d, want %d", text, (int)found->len, (int)count, (int)want);
}

static void destroy(Db *db, int64_t account, int64_t id)
{
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(db, DB_WRITE, &error));
    email_destroy(db, account, id, &error);
    assert_no_error(error);
    assert_int_equal(db_commit(db, &error), DB_DONE);
}

static void delivered_is_found_and_destroyed_is_not(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, NULL);
    int64_t ada = model_account(store->db, "ada@example.org", 0),
            bob = model_account(store->db, "bob@example.org", 0);
    deliver(store->db, ada, "apple", 3);
    deliver(store->db, bob, "pear", 2);
    assert_count(store->db, ada, "apple", 0);
    duty_lane_work(&lane, ROLE, 10);
    assert_count(store->db, ada, "apple", 3);
    assert_count(store->db, ada, "pear", 0);
    assert_count(store->db, bob, "pear", 2);
    destroy(store->db, ada, 2);
    assert_count(store->db, ada, "apple", 2); /* at once */
    deliver(store->db, ada, "plum", 1);
    destroy(store->db, ada, 4); /* gone before it was indexed */
    duty_lane_work(&lane, ROLE, 10);
    assert_count(store->db, ada, "apple", 2);
    assert_count(store->db, ada, "plum", 0);
    duty_lane_clear(&lane);
}

static void many_messages_come_in_bounded_runs(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, NULL);
    int64_t ada = model_account(store->db, "ada@example.org", 0),
            bob = model_account(store->db, "bob@example.org", 0);
    deliver(store->db, ada, "apple", 2 * INDEX_BATCH_MESSAGES + 10);
    deliver(store->db, bob, "pear", 5);
    duty_lane_step(&lane);
    int64_t indexed = model_count(store->db, "SELECT count(*) FROM search_index");
    assert_true(indexed > 0 && indexed <= INDEX_BATCH_MESSAGES);
    assert_true(duty_lane_work(&lane, ROLE, 20) >= 2);
    assert_count(store->db, ada, "all", 2 * INDEX_BATCH_MESSAGES + 10);
    assert_count(store->db, bob, "all", 5);
    duty_lane_clear(&lane);
}

static void add_task(Db *db, int64_t account)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *key = g_strdup_printf("%d", (int)account);
    TaskNew task = {.role = ROLE, .bucket = bucket_of(key), .key = key};
    assert_true(task_add(db, &task, &error));
}

static void a_rebuild_replaces_all(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, NULL);
    int64_t ada = model_account(store->db, "ada@example.org", 0);
    deliver(store->db, ada, "apple", INDEX_BATCH_MESSAGES + 50);
    duty_lane_work(&lane, ROLE, 20);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, &error));
    assert_true(search_add(store->db, ada, 3, "* wrong",
                           &error)); /* an index that is wrong, in three ways */
    assert_true(search_add(store->db, ada, 100000, "* all ghost", &error));
    assert_true(search_remove(store->db, ada, 5, &error));
    assert_true(search_rebuild(store->db, ada, &error));
    add_task(store->db, ada);
    assert_int_equal(db_commit(store->db, &error), DB_DONE);
    assert_count(store->db, ada, "all", INDEX_BATCH_MESSAGES + 48);
    duty_lane_step(&lane);
    deliver(store->db, ada, "plum", 1); /* while it goes on */
    destroy(store->db, ada, 1);
    destroy(store->db, ada, INDEX_BATCH_MESSAGES + 50);
    duty_lane_work(&lane, ROLE, 20);
    assert_count(store->db, ada, "apple", INDEX_BATCH_MESSAGES + 48);
    assert_count(store->db, ada, "plum", 1);
    assert_count(store->db, ada, "wrong", 0);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM search_index"),
                     INDEX_BATCH_MESSAGES + 49);
    duty_lane_clear(&lane);
}

static void a_trimmed_log_makes_a_rebuild(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, NULL);
    int64_t ada = model_account(store->db, "ada@example.org", 0);
    deliver(store->db, ada, "apple", 20);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, &error));
    assert_true(change_trim(store->db, ada, 2, 1000, &error) > 0);
    assert_int_equal(db_commit(store->db, &error), DB_DONE);
    duty_lane_work(&lane, ROLE, 20);
    assert_count(store->db, ada, "apple", 20);
    duty_lane_clear(&lane);
}

static void unreadable_bytes_cost_one_message(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, NULL);
    int64_t ada = model_account(store->db, "ada@example.org", 0);
    deliver(store->db, ada, "apple", 5);
    static const DbSql damage = {"UPDATE blob SET data = $1, codec = 1 WHERE digest = (SELECT blob "
                                 "FROM email WHERE account = $2 AND id = 3)",
                                 NULL};
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, &error));
    assert_int_equal(db_exec(store->db, &damage, DB_ARGS(db_bytes("x", 1), db_int(ada)), &error),
                     1);
    assert_int_equal(db_commit(store->db, &error), DB_DONE);
    duty_lane_work(&lane, ROLE, 10);
    assert_count(store->db, ada, "apple", 4);
    duty_lane_clear(&lane);
}

static void an_account_that_is_gone_is_done(void **state)
{
    TestStore *store = *state;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, NULL);
    g_autoptr(GError) error = NULL;
    assert_true(db_begin(store->db, DB_WRITE, &error));
    add_task(store->db, 4711);
    assert_int_equal(db_commit(store->db, &error), DB_DONE);
    duty_lane_work(&lane, ROLE, 5);
    assert_int_equal(model_count(store->db, "SELECT count(*) FROM dead_letter"), 0);
    duty_lane_clear(&lane);
}

/* Each look at the clock is a millisecond later, and gives the writer time to come. */
static Db *looked_at;
static int64_t hurried_us(const Clock *clock)
{
    ClockManual *manual = (ClockManual *)(uintptr_t)clock;
    for (unsigned i = 0; i < 1000 && db_in_transaction(looked_at) && !db_is_wanted(looked_at); i++)
        g_thread_yield();
    return manual->monotonic += 1000;
}

typedef struct {
    Db *db;
    int stop, written; /* atomic */
} Writer;

static gpointer write_always(gpointer data)
{
    Writer *writer = data;
    while (!g_atomic_int_get(&writer->stop)) {
        if (db_begin(writer->db, DB_WRITE, NULL))
            db_rollback(writer->db);
        g_atomic_int_inc(&writer->written);
    }
    return NULL;
}

/* A batch is cut where a delivery waits for its end, and all is indexed all the same. */
static void a_batch_gives_way(void **state)
{
    TestStore *store = *state;
    if (store->config.kind != DB_SQLITE)
        return;
    DutyLane lane;
    DbConfig config = store->config;
    config.background = true;
    Db *background = db_open(&config, NULL);
    duty_lane_init_more(
        &lane, store, ROLE, NULL,
        &(DutyLaneMore){.node = 1, .take_lane_db = background, .lease_ms = 100000000});
    int64_t ada = model_account(store->db, "ada@example.org", 0);
    deliver(store->db, ada, "apple", 24);
    looked_at = background;
    lane.clock.clock.monotonic_us = hurried_us;
    Writer writer = {.db = test_store_open(store)};
    GThread *thread = g_thread_new("writer", write_always, &writer);
    while (g_atomic_int_get(&writer.written) < 10)
        g_thread_yield();
    uint64_t before = db_counts(background).transactions;
    duty_lane_work(&lane, ROLE, 200);
    g_atomic_int_set(&writer.stop, 1);
    g_thread_join(thread);
    db_close(writer.db);
    assert_true(db_counts(background).transactions - before > 4);
    assert_count(store->db, ada, "apple", 24);
    duty_lane_clear(&lane);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivered_is_found_and_destroyed_is_not),
        cmocka_unit_test(many_messages_come_in_bounded_runs),
        cmocka_unit_test(a_rebuild_replaces_all),
        cmocka_unit_test(a_trimmed_log_makes_a_rebuild),
        cmocka_unit_test(unreadable_bytes_cost_one_message),
        cmocka_unit_test(an_account_that_is_gone_is_done),
        cmocka_unit_test(a_batch_gives_way),
    };
    return test_on_both_stores("fts_indexing", tests, G_N_ELEMENTS(tests));
}
