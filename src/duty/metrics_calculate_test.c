/* metrics_calculate_test: what is kept is what there is, on both stores. */
#include "support.h"
#include "duty_support.h"
#include "model_support.h"
#include "purge_support.h"

#include <string.h>

#include "base/rand.h"
#include "model/email.h"
#include "model/metric.h"

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
        cmocka_unit_test(what_is_old_is_rolled_up),
    };
    return test_on_both_stores("metrics_calculate", tests, G_N_ELEMENTS(tests));
}
