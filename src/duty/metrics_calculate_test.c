/* metrics_calculate_test: what is kept is what there is, on both stores. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"

#include <string.h>

#include "base/rand.h"
#include "model/email.h"
#include "model/metric.h"
#include "model/tally.h"
#include "roster/load.h"

#define ROLE     "metrics.calculate"
#define DAY      (24 * (int64_t)3600000)
#define ACCOUNTS 12
#define CHANGES  200

static const DutySettings settings = {.metrics_recount_ms = DAY};

static void calculate(DutyLane *lane)
{
    purge_exec(lane->node_db, "DELETE FROM metric_sample WHERE step = 60000");
    purge_ask_round(lane->node_db, ROLE, NULL);
    duty_lane_work(lane, ROLE, 200);
}

static int64_t sum_of(Db *db, const char *series)
{
    g_autofree char *text = g_strdup_printf("SELECT CAST(sum(total) AS BIGINT) FROM metric_sample"
                                            " WHERE step = 60000 AND series = '%s'",
                                            series);
    return model_count(db, text);
}

static void deliver(Db *db, int64_t account, unsigned number)
{
    g_autofree char *text =
        g_strdup_printf("Subject: %u\r\n\r\n%*u\r\n", number, (int)(number % 97) + 1, number);
    g_autoptr(Letter) letter = model_letter("", NULL, "test", text);
    g_autofree char *key = g_strdup_printf("%u", number);
    Delivery delivery = {.letter = letter, .account = account, .key = key};
    Delivered result;
    assert_true(deliver_many(db, &delivery, 1, &result, NULL));
    assert_int_equal(result.result, DELIVER_STORED);
}

/* The oldest message that the account still has; many have none. */
static void destroy(Db *db, int64_t account)
{
    g_autofree char *text =
        g_strdup_printf("SELECT coalesce(min(id), 0) FROM email WHERE account = %d", (int)account);
    int64_t email = model_count(db, text);
    if (email == 0)
        return;
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(email_destroy(db, account, email, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
}

/* Mail comes and goes, in any order: the totals are those of a recount. */
static void totals_are_those_of_a_recount(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    DutyLane lane;
    Rand rand;
    rand_init(&rand, 4);
    duty_lane_init(&lane, store, ROLE, &settings);
    int64_t accounts[ACCOUNTS];
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        g_autofree char *address = g_strdup_printf("a%u@%s.example.org", i, i % 3 ? "x" : "y");
        accounts[i] = model_account(db, address, i % 4 ? 0 : 100000);
    }
    for (unsigned i = 1; i <= CHANGES; i++) {
        deliver(db, accounts[rand_below(&rand, ACCOUNTS)], i);
        if (i % 3 == 0)
            destroy(db, accounts[rand_below(&rand, ACCOUNTS)]);
        if (i % (CHANGES / 4) == 0) {
            calculate(&lane);
            assert_int_equal(sum_of(db, "accounts"), ACCOUNTS);
            assert_int_equal(sum_of(db, "messages"), model_count(db, "SELECT count(*) FROM email"));
            assert_int_equal(sum_of(db, "bytes"),
                             model_count(db, "SELECT CAST(sum(size) AS BIGINT) FROM email"));
            assert_int_equal(sum_of(db, "domain_messages"), sum_of(db, "messages"));
            assert_int_equal(sum_of(db, "domain_bytes"), sum_of(db, "bytes"));
        }
    }
    assert_in_range(model_count(db, "SELECT count(*) FROM email"), 1, CHANGES * 4 / 5);
    assert_int_equal(model_count(db, "SELECT corrected FROM metric_mark"), 0);
    assert_int_equal(model_count(db, "SELECT checked FROM metric_mark"), ACCOUNTS);
    assert_int_equal(model_count(db, "SELECT count(DISTINCT label) FROM metric_sample WHERE "
                                     "series = 'domain_accounts'"),
                     2);
    duty_lane_clear(&lane);
}

static void a_wrong_count_is_mended_and_counted(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &settings);
    int64_t account = 0;
    for (unsigned i = 0; i < 45; i++) { /* more than two pages */
        g_autofree char *address = g_strdup_printf("a%u@example.org", i);
        account = model_account(db, address, 0);
    }
    deliver(db, account, 1);
    purge_exec(db, "UPDATE account SET used_messages = 7, used_bytes = 1 WHERE id IN (1, %d)",
               (int)account);
    calculate(&lane);
    assert_int_equal(model_count(db, "SELECT corrected FROM metric_mark"), 2);
    assert_int_equal(model_count(db, "SELECT checked FROM metric_mark"), 45);
    assert_int_equal(model_count(db, "SELECT sum(used_messages) FROM account"), 1);
    model_check(db);
    /* Not again before a day is over. */
    purge_exec(db, "UPDATE account SET used_messages = 7 WHERE id = 1");
    calculate(&lane);
    assert_int_equal(model_count(db, "SELECT corrected FROM metric_mark"), 2);
    assert_int_equal(sum_of(db, "accounts_corrected"), 2);
    purge_exec(db, "UPDATE metric_mark SET recount_at = recount_at - 86400000");
    calculate(&lane);
    assert_int_equal(model_count(db, "SELECT corrected FROM metric_mark"), 3);
    duty_lane_clear(&lane);
}

static void quotas_and_tasks_are_counted(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    DutyLane lane;
    duty_lane_init(&lane, store, ROLE, &settings);
    static const struct {
        int quota, used;
    } rows[] = {{0, 99}, {100, 79}, {100, 80}, {100, 94}, {100, 95}, {100, 120}, {1, 0}};
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *address = g_strdup_printf("a%u@example.org", i);
        int64_t account = model_account(db, address, 0);
        purge_exec(db, "UPDATE account SET quota_bytes = %d, used_bytes = %d WHERE id = %d",
                   rows[i].quota, rows[i].used, (int)account);
    }
    purge_exec(db, "DELETE FROM task");
    purge_exec(db,
               "INSERT INTO task (bucket, role, key, due_at, payload, version, owner, generation, "
               "claimed_at, attempts, deaths, created_at, last_error) VALUES "
               "(3, 'fts-indexing', '1', rota_now() - 50000, '', 1, 0, 0, 0, 0, 0, 0, ''), "
               "(4, 'fts-indexing', '2', rota_now() - 10000, '', 1, 0, 0, 0, 0, 0, 0, ''), "
               "(5, 'fts-indexing', '3', rota_now() + 90000, '', 1, 0, 0, 0, 0, 0, 0, '')");
    purge_exec(db,
               "INSERT INTO load_sample (minute, node, role, shard, done, failed, retried, dead,"
               " busy_us, bytes) VALUES"
               " (rota_now() / 60000 - 3, 1, 'x', 1, 4, 1, 1, 0, 10, 0),"
               " (rota_now() / 60000 - 3, 2, 'x', 2, 5, 0, 0, 1, 20, 0),"
               " (rota_now() / 60000, 2, 'x', 2, 100, 0, 0, 1, 20, 0)");
    calculate(&lane);
    assert_int_equal(sum_of(db, "nodes"), 1);
    assert_int_equal(sum_of(db, "accounts_over_80"), 4);
    assert_int_equal(sum_of(db, "accounts_over_95"), 2);
    assert_int_equal(sum_of(db, "tasks_due"), 2);
    assert_in_range(model_count(db, "SELECT CAST(greatest AS BIGINT) FROM metric_sample WHERE "
                                    "series = 'lag_ms' AND label = 'fts-indexing'"),
                    50000, 59000);
    assert_int_equal(model_count(db, "SELECT CAST(sum(total) AS BIGINT) FROM metric_sample WHERE "
                                     "series = 'tasks_done' AND label = 'x'"),
                     9);
    /* What was taken is not taken again. */
    purge_exec(db, "UPDATE load_sample SET done = 50");
    purge_ask_round(db, ROLE, NULL);
    duty_lane_work(&lane, ROLE, 200);
    assert_int_equal(model_count(db, "SELECT CAST(sum(total) AS BIGINT) FROM metric_sample WHERE "
                                     "series = 'tasks_done' AND label = 'x'"),
                     9);
    duty_lane_clear(&lane);
}

static int64_t point(Db *db, const char *series, const char *label)
{
    g_autofree char *text = g_strdup_printf("SELECT CAST(sum(total) AS BIGINT) FROM metric_sample"
                                            " WHERE series = '%s' AND label = '%s'",
                                            series, label);
    return model_count(db, text);
}

static void plant_shards(Db *db)
{
    purge_exec(db, "DELETE FROM task");
    purge_exec(db,
               "INSERT INTO task (bucket, role, key, due_at, payload, version, owner, generation, "
               "claimed_at, attempts, deaths, created_at, last_error) VALUES "
               "(1, 'metrics.calculate', '1', rota_now() - 50000, '', 1, 0, 0, 0, 0, 0, 0, ''), "
               "(4, 'metrics.calculate', '2', rota_now() - 40000, '', 1, 0, 0, 0, 0, 0, 0, ''), "
               "(3, 'metrics.calculate', '3', rota_now() - 10000, '', 1, 0, 0, 0, 0, 0, 0, ''), "
               "(5, 'fts-indexing', '3', rota_now() - 10000, '', 1, 0, 0, 0, 0, 0, 0, '')");
    purge_exec(db,
               "INSERT INTO load_sample (minute, node, role, shard, done, failed, retried, dead,"
               " busy_us, bytes) VALUES"
               " (rota_now() / 60000 - 3, 1, 'metrics.calculate', 2, 4, 0, 0, 0, 10, 0),"
               " (rota_now() / 60000 - 3, 2, 'metrics.calculate', 2, 5, 3, 0, 1, 20, 0),"
               " (rota_now() / 60000 - 3, 2, 'metrics.calculate', 3, 7, 0, 0, 0, 20, 0),"
               " (rota_now() / 60000 - 3, 2, 'fts-indexing', 1, 2, 0, 0, 0, 20, 0)");
    purge_exec(db, "UPDATE member SET health = '{\"cores\": 4, \"load\": 2.0,"
                   " \"memory_bytes\": 100, \"beat_gap_ms\": 7}'");
    purge_exec(db, "INSERT INTO member (node, incarnation, host, pid, version, started_at,"
                   " lease_until, state, wish, proposed_table, proposed_digest, health) VALUES"
                   " (8, 99, 'h', 1, '1', 0, rota_now() + 900000, 'up', '', '', '', 'odd'),"
                   " (9, 98, 'h', 1, '1', 0, 5, 'up', '', '', '', '{\"cores\": 4}')");
}

/* Of a role with three shards, each by itself; how nodes are, as they tell it. */
static void shards_and_nodes_have_series(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    DutyLane lane;
    static const char *const shards[] = {"1", "1", "1", NULL};
    static const struct {
        const char *series, *label;
        int64_t want;
    } rows[] = {
        {"shard_due", ROLE "/1", 1},
        {"shard_due", ROLE "/2", 2},
        {"shard_due", ROLE "/3", 0},
        {"shard_done", ROLE "/2", 9},
        {"shard_failed", ROLE "/2", 3},
        {"shard_done", ROLE "/3", 7},
        {"shard_done", "fts-indexing/1", 0}, /* its role has one shard */
        {"tasks_done", ROLE, 16},
        {"tasks_done", "fts-indexing", 2},
        {"nodes", "", 2},
        {"node_cores", "1", 4},
        {"node_load", "1", 2},
        {"node_memory_bytes", "1", 100},
        {"heartbeat_gap_ms", "1", 7},
        {"node_cores", "8", 0},
        {"node_cores", "9", 0}, /* its lease is over */
    };
    duty_lane_init_more(&lane, store, ROLE, &settings,
                        &(DutyLaneMore){.node = 1, .shards = shards});
    plant_shards(db);
    g_autoptr(GArray) roles = g_array_new(FALSE, FALSE, sizeof(MetricRole));
    MetricRole role = {ROLE, 3};
    g_array_append_val(roles, role);
    assert_true(db_begin(db, DB_WRITE, NULL));
    g_autoptr(MetricBatch) batch = metric_calculate(db, 1, 1, roles, NULL);
    assert_true(batch && metric_write(db, batch, NULL));
    assert_int_equal(db_commit(db, NULL), DB_DONE);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (point(db, rows[i].series, rows[i].label) != rows[i].want)
            fail_msg("%s %s: got %d, want %d", rows[i].series, rows[i].label,
                     (int)point(db, rows[i].series, rows[i].label), (int)rows[i].want);
    assert_in_range(point(db, "shard_lag_ms", ROLE "/2"), 50000, 59000);
    /* A run knows how many shards the table has that its node works by. */
    purge_exec(db, "DELETE FROM metric_sample");
    purge_exec(db, "DELETE FROM task");
    purge_exec(db, "UPDATE load_sample SET minute = minute + 1 WHERE shard = 2");
    purge_exec(db, "UPDATE metric_mark SET load_minute = load_minute - 1");
    purge_ask_round(db, ROLE, NULL);
    duty_lane_work(&lane, ROLE, 200);
    assert_int_equal(point(db, "shard_done", ROLE "/2"), 9);
    duty_lane_clear(&lane);
}

/* What the doors have done goes with the heartbeat: once, and again where it was not written. */
static void doors_tell_with_the_heartbeat(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    int64_t account = model_account(db, "ada@example.org", 0);
    g_autoptr(Load) load = load_new();
    for (Tally tally = 0; tally < TALLY_COUNT; tally++)
        tally_take(tally);
    deliver(db, account, 1);
    deliver(db, account, 2);
    static const bool done[] = {false, true, true};
    for (size_t beat = 0; beat < G_N_ELEMENTS(done); beat++) {
        for (Tally tally = 0; tally < TALLY_COUNT; tally++)
            load_count(load, tally_series(tally), tally_take(tally));
        assert_true(db_begin(db, DB_WRITE, NULL));
        assert_true(load_flush(load, db, 3, NULL));
        if (done[beat])
            assert_int_equal(db_commit(db, NULL), DB_DONE);
        else
            db_rollback(db);
        load_flushed(load, done[beat]);
        deliver(db, account, 10 + (unsigned)beat);
    }
    assert_int_equal(point(db, "deliveries", ""), 4);
    assert_int_equal(point(db, "spam", ""), 0);
    assert_int_equal(model_count(db, "SELECT min(shard) FROM metric_sample"), 3);
    for (Tally tally = 0; tally < TALLY_COUNT; tally++)
        assert_non_null(metric_series_find(tally_series(tally)));
}

/* Minutes into hours, hours into days, each once, whatever was rolled up before. */
static void what_is_old_is_rolled_up(void **state)
{
    TestStore *store = *state;
    Db *db = store->db;
    for (unsigned minute = 0; minute < 60 * 26; minute++)
        purge_exec(db,
                   "INSERT INTO metric_sample (step, series, at, label, shard, count, total, "
                   "greatest) VALUES (60000, 'messages', %u, '', 1, 1, %u, %u)",
                   minute * 60000, minute, minute);
    MetricMark mark = {0};
    static const struct {
        int64_t now, hours, days;
    } table[] = {{3600000, 0, 0},           {3600000 + 299999, 0, 0}, {3600000 + 300000, 1, 0},
                 {3600000 * 3, 2, 0},       {DAY + 300000, 24, 1},    {DAY + 300001, 24, 1},
                 {DAY + 3600000 * 2, 25, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        assert_true(db_begin(db, DB_WRITE, NULL));
        assert_true(metric_roll_up(db, &mark, table[i].now, NULL));
        assert_int_equal(db_commit(db, NULL), DB_DONE);
        assert_int_equal(model_count(db, "SELECT count(*) FROM metric_sample WHERE step = 3600000"),
                         table[i].hours);
        assert_int_equal(
            model_count(db, "SELECT count(*) FROM metric_sample WHERE step = 86400000"),
            table[i].days);
    }
    assert_int_equal(model_count(db, "SELECT count FROM metric_sample WHERE step = 86400000"),
                     1440);
    assert_int_equal(
        model_count(db, "SELECT CAST(total AS BIGINT) FROM metric_sample WHERE step = 86400000"),
        1440 * 1439 / 2);
    assert_int_equal(
        model_count(db, "SELECT CAST(greatest AS BIGINT) FROM metric_sample WHERE step = 86400000"),
        1439);
}

int main(void)
{
    message_library_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_are_those_of_a_recount),
        cmocka_unit_test(a_wrong_count_is_mended_and_counted),
        cmocka_unit_test(quotas_and_tasks_are_counted),
        cmocka_unit_test(shards_and_nodes_have_series),
        cmocka_unit_test(doors_tell_with_the_heartbeat),
        cmocka_unit_test(what_is_old_is_rolled_up),
    };
    return test_on_both_stores("metrics_calculate", tests, G_N_ELEMENTS(tests));
}
