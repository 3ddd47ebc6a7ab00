/* outage_test: a node and its lanes while the store is away, slow, or has forgotten them; on both
 * stores. Each case was found by the simulator (tests/sim) or the fault suite (tests/faults).
 */
#include "cluster_test.h"

#include "base/log.h"
#include "db/fault.h"
#include "roster/node_private.h"

/* A door that refuses everything, or takes some time to begin, when it is told to. */
typedef struct {
    bool away, unknown;
    ClockManual *clock;
    int64_t begin_us, commit_us;
} Weather;

static Fault plan(FaultPoint point, uint64_t call, void *data)
{
    Weather *weather = data;
    (void)call;
    if (point == FAULT_POINT_BEGIN && weather->begin_us > 0)
        clock_manual_advance(weather->clock, weather->begin_us);
    if (point == FAULT_POINT_COMMIT && weather->commit_us > 0)
        clock_manual_advance(weather->clock, weather->commit_us);
    if (point == FAULT_POINT_COMMIT && weather->unknown)
        return FAULT_UNKNOWN_NOT_DONE;
    return weather->away ? FAULT_RETRY : FAULT_NONE;
}

static void drop_line(LogLevel level, const char *line, void *data)
{
    (void)level;
    (void)line;
    (void)data;
}

static RoleTable *reload(void *data, GError **error)
{
    (void)data;
    (void)error;
    return box_table("1|2");
}

static void wish_drain(Box *box)
{
    g_autoptr(GError) error = NULL;
    test_begin(box->store->db);
    assert_int_equal(member_set_wish(box->store->db, 1, "drain", &error), 1);
    test_commit(box->store->db);
    node_add_held(box->node, 1);
    box_step(box, 2000000);
    assert_int_equal(node_state(box->node), NODE_DRAINING);
    node_add_held(box->node, -1);
}

static void wish_reload(Box *box)
{
    box->node->config.reload = reload;
    node_ask_reload(box->node);
}

/* Called whenever it wishes, a node that cannot reach the store must let time pass. */
static void test_store_away_is_not_asked_without_a_pause(void **state)
{
    static void (*const wishes[])(Box * box) = {wish_drain, wish_reload};
    for (unsigned i = 0; i < G_N_ELEMENTS(wishes); i++) {
        Weather weather = {0};
        Box box;
        box_init(&box, *state, 1, "1", 0);
        g_autoptr(Db) door = db_open_fault(box.db, plan, &weather);
        box.node->config.db = door;
        box_join(&box);
        wishes[i](&box);
        weather.away = true;
        log_sink_set(drop_line, NULL);
        int64_t began = clock_monotonic_us(&box.clock.clock), now = began;
        for (unsigned step = 0; step < 300; step++) {
            int64_t next = node_step(box.node);
            clock_manual_advance(&box.clock, MAX(next - now, 0));
            now = clock_monotonic_us(&box.clock.clock);
        }
        log_sink_set(NULL, NULL);
        assert_true(now - began > 5000000);
        box_clear(&box);
        box_age(*state, 1);
    }
}

/* A join that was rolled back leaves its number to the next one, which may be of the same node. */
static void test_number_of_a_lost_join_is_not_ours(void **state)
{
    Db *db = ((TestStore *)*state)->db;
    g_autoptr(GError) error = NULL;
    g_autoptr(RoleTable) table = box_table("1");
    g_autoptr(Member) one = member_new(1, 6000, "box", 101, "1");
    g_autoptr(Member) two = member_new(1, 6000, "box", 102, "1");
    test_begin(db);
    assert_true(member_join(one, db, table, &error));
    db_rollback(db);
    test_begin(db);
    assert_true(member_join(two, db, table, &error));
    test_commit(db);
    assert_int_equal(one->pending, two->pending);
    test_begin(db);
    assert_false(member_join(one, db, table, &error));
    assert_int_equal(error_kind(error), ERROR_CONFLICT);
    db_rollback(db);
    test_begin(db); /* but what it wrote itself it may take again */
    g_clear_error(&error);
    assert_true(member_join(two, db, table, &error));
    test_commit(db);
}

/* Trust counts from the moment a heartbeat was sent, however late its answer; and an answer that
 * did not come gives none. */
static void test_trust_is_for_what_was_confirmed(void **state)
{
    Box box;
    Weather weather = {.clock = &box.clock};
    box_init(&box, *state, 1, "1", 0);
    g_autoptr(Db) door = db_open_fault(box.db, plan, &weather);
    box.node->config.db = door;
    box_join(&box);
    const int64_t trusted_us = (6000 - LEASE_MARGIN_MS) * 1000;
    int64_t sent = clock_monotonic_us(&box.clock.clock) + 2000000;
    weather.commit_us = 1500000;
    box_step(&box, 2000000);
    assert_int_equal(node_member(box.node)->trusted_until_us, sent + trusted_us);
    weather.commit_us = 0;
    weather.unknown = true;
    log_sink_set(drop_line, NULL);
    box_step(&box, 2000000);
    log_sink_set(NULL, NULL);
    assert_int_equal(node_member(box.node)->trusted_until_us, sent + trusted_us);
    weather.unknown = false;
    box_step(&box, 2000000);
    assert_int_equal(node_member(box.node)->trusted_until_us,
                     clock_monotonic_us(&box.clock.clock) + trusted_us);
    box_clear(&box);
}

/* The store's clock is set back by an hour while nobody lives: the dead one's lease seems to run
 * for that long, and is taken when it has not been renewed for as long as a lease is. */
static void test_clock_set_back_keeps_nobody_out(void **state)
{
    static const DbSql ahead = {"UPDATE member SET lease_until = rota_now() + 3600000", NULL};
    Box one, two;
    box_init(&one, *state, 1, "1", 0);
    box_join(&one);
    box_clear(&one);
    test_exec(((TestStore *)*state)->db, &ahead, DB_NO_ARGS);
    box_init(&two, *state, 1, "1", 0);
    log_sink_set(drop_line, NULL);
    box_step(&two, 0);
    for (unsigned i = 0; i < 11; i++)
        box_step(&two, 500000);
    assert_int_equal(node_state(two.node), NODE_STARTING); /* not before a whole lease */
    for (unsigned i = 0; i < 4; i++)
        box_step(&two, 500000);
    log_sink_set(NULL, NULL);
    assert_int_equal(node_state(two.node), NODE_UP);
    box_clear(&two);
}

/* The lease is looked at again when the transaction has begun. */
static void test_claim_that_begins_too_late_claims_nothing(void **state)
{
    TestStore *store = *state;
    Box box;
    Weather weather = {.clock = &box.clock};
    g_autoptr(Db) behind = test_store_open(store);
    g_autoptr(Db) door = db_open_fault(behind, plan, &weather);
    box_init_on(&box, store, 1, "1", door);
    box.lane_dbs[0] = NULL;
    box_join(&box);
    ledger_ask(store->db, 1, "a");
    int64_t next;
    weather.begin_us = 6000000;
    assert_false(worker_claim(box.lanes[0], &next));
    static const DbSql claims = {"SELECT generation FROM task", NULL};
    assert_int_equal(test_int(store->db, &claims, DB_NO_ARGS), 0);
    weather.begin_us = 0;
    box_step(&box, 0);
    assert_true(worker_claim(box.lanes[0], &next));
    box_clear(&box);
}

static Box lost_box;

static void lose_and_join(void)
{
    box_age(lost_box.store, 1);
    test_member_dies(lost_box.store->db, node_member(lost_box.node)->incarnation);
    log_sink_set(drop_line, NULL);
    box_step(&lost_box, 2000000);
    assert_int_equal(node_state(lost_box.node), NODE_STARTING);
    box_join(&lost_box);
    log_sink_set(NULL, NULL);
}

/* A node that was lost and joined anew trusts itself, but not for what it claimed before. */
static void test_new_life_does_not_go_on_with_the_old_ones_tasks(void **state)
{
    TestStore *store = *state;
    for (unsigned during = 0; during < 2; during++) {
        script = (Script){.meanwhile = during ? lose_and_join : NULL};
        box_init(&lost_box, store, 1, "1", 1);
        box_join(&lost_box);
        ledger_ask(store->db, 1, "a");
        int64_t next;
        assert_true(worker_claim(lost_box.lanes[0], &next));
        if (!during)
            lose_and_join();
        worker_finish(lost_box.lanes[0]);
        assert_int_equal(script.runs, during);
        assert_true(!during || script.should_stop);
        assert_int_equal(ledger_runs(store->db, "a"), 0);
        script.meanwhile = NULL;
        box_work(&lost_box, 50);
        assert_int_equal(ledger_runs(store->db, "a"), 1);
        box_clear(&lost_box);
        box_age(store, 1);
        static const DbSql clean = {"DELETE FROM expiring", NULL};
        test_exec(store->db, &clean, DB_NO_ARGS);
    }
}

/* All leases have run out together, since the store was away, and all nodes come back at once: who
 * renews holds its own row, and nobody may wait for it while holding another. SQLite has one writer
 * at a time. */
static void test_expiry_does_not_wait_for_a_member_that_renews(void **state)
{
    TestStore *store = *state;
    if (store->config.kind != DB_POSTGRESQL)
        return;
    g_autoptr(GError) error = NULL;
    DbConfig impatient = store->config;
    impatient.statement_seconds = 2;
    g_autoptr(Db) other = db_open(&impatient, &error);
    assert_no_error(error);
    for (int64_t node = 1; node <= 3; node++) {
        test_member(store->db, node);
        box_age(store, node);
    }
    static const DbSql renew = {"UPDATE member SET lease_until = rota_now() + 60000 WHERE node = 1",
                                NULL};
    test_begin(store->db);
    assert_int_equal(db_exec(store->db, &renew, DB_NO_ARGS, &error), 1);
    test_begin(other);
    g_autoptr(GArray) expired = g_array_new(FALSE, FALSE, sizeof(int64_t));
    assert_int_equal(member_expire(other, expired, &error), 2);
    assert_no_error(error);
    test_commit(other);
    test_commit(store->db);
    static const DbSql left = {"SELECT sum(node) FROM member", NULL};
    assert_int_equal(test_int(store->db, &left, DB_NO_ARGS), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_away_is_not_asked_without_a_pause),
        cmocka_unit_test(test_number_of_a_lost_join_is_not_ours),
        cmocka_unit_test(test_trust_is_for_what_was_confirmed),
        cmocka_unit_test(test_clock_set_back_keeps_nobody_out),
        cmocka_unit_test(test_claim_that_begins_too_late_claims_nothing),
        cmocka_unit_test(test_new_life_does_not_go_on_with_the_old_ones_tasks),
        cmocka_unit_test(test_expiry_does_not_wait_for_a_member_that_renews),
    };
    return test_on_both_stores("outage", tests, G_N_ELEMENTS(tests));
}
