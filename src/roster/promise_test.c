/* promise_test: the roster's promises under chance and under faults; on both stores.
 *
 * Chance: two or three nodes on one thread, each step drawn by a seed: enqueue, heartbeat, claim,
 * finish, kill -9, pause past the lease, stop. After each step no task is held by two living
 * incarnations; in the end every key is done (or a dead letter), its last run has seen its last
 * enqueue, and no run is counted that was not asked for.
 *
 * Faults: fault number n of the door, for n = 1, 2, … until the body passes without meeting it,
 * each of three kinds.
 */
#include "cluster_test.h"

#include <stdio.h>
#include <string.h>

#include "db/fault.h"

#define NODES 3
#define KEYS  12

typedef struct {
    TestStore *store;
    Box boxes[NODES];
    bool up[NODES];
    Rand rand;
    uint64_t seed;
    unsigned kills;
} World;

static const char *key_name(unsigned key)
{
    static char names[KEYS][8];
    snprintf(names[key], sizeof names[key], "k%u", key);
    return names[key];
}

static void start(World *world, unsigned i)
{
    box_init(&world->boxes[i], world->store, i + 1, "1,2|2,3", BOX_LANES);
    world->up[i] = true;
}

static void kill_node(World *world, unsigned i)
{
    box_age(world->store, i + 1);
    box_clear(&world->boxes[i]);
    world->up[i] = false;
    world->kills++;
}

/* The lease of a node that goes on running is taken away, as after a pause. */
static void pause_node(World *world, unsigned i)
{
    box_age(world->store, i + 1);
    clock_manual_advance(&world->boxes[i].clock, 7000000);
}

static bool lives(World *world, int64_t incarnation)
{
    static const DbSql sql = {"SELECT 1 FROM member WHERE incarnation = $1", NULL};
    return incarnation != 0 && test_int(world->store->db, &sql, DB_ARGS(db_int(incarnation))) == 1;
}

static void check_one_holder(World *world)
{
    g_autoptr(GHashTable) held = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned lane = 0; world->up[i] && lane < BOX_LANES; lane++) {
            const Worker *worker = world->boxes[i].lanes[lane];
            if (!worker->held || worker->doubtful || !lives(world, worker->held->owner))
                continue;
            for (unsigned t = 0; t < worker->held->tasks->len; t++) {
                const Task *task = &g_array_index(worker->held->tasks, Task, t);
                if (!g_hash_table_add(held, task->key))
                    fail_msg("seed %" G_GUINT64_FORMAT ": %s is held twice", world->seed,
                             task->key);
            }
        }
    }
}

static void random_step(World *world)
{
    unsigned i = (unsigned)rand_below(&world->rand, NODES);
    unsigned lane = (unsigned)rand_below(&world->rand, BOX_LANES);
    unsigned what = (unsigned)rand_below(&world->rand, 100);
    int64_t next;
    if (what < 15) {
        unsigned key = (unsigned)rand_below(&world->rand, KEYS);
        ledger_ask(world->store->db, key * 7, key_name(key));
    } else if (!world->up[i]) {
        start(world, i);
    } else if (what < 40) {
        box_step(&world->boxes[i], (int64_t)rand_below(&world->rand, 1500000));
    } else if (what < 65) {
        worker_claim(world->boxes[i].lanes[lane], &next);
    } else if (what < 96) {
        worker_finish(world->boxes[i].lanes[lane]);
    } else if (what < 98) {
        pause_node(world, i);
    } else {
        kill_node(world, i);
    }
}

static void check_end(World *world)
{
    Db *db = world->store->db;
    static const DbSql buried = {"SELECT count(*) FROM dead_letter WHERE key = $1", NULL};
    assert_int_equal(test_count(db, "task"), 0);
    for (unsigned i = 0; i < KEYS; i++) {
        const char *key = key_name(i);
        int64_t asked = ledger_asked(db, key), seen = ledger_seen(db, key);
        bool dead = test_int(db, &buried, DB_ARGS(db_text(key))) > 0;
        if (!dead && seen != asked)
            fail_msg("seed %" G_GUINT64_FORMAT ": %s was asked for %d times, seen %d", world->seed,
                     key, (int)asked, (int)seen);
        if (ledger_runs(db, key) > asked)
            fail_msg("seed %" G_GUINT64_FORMAT ": %s ran more often than it was asked for",
                     world->seed, key);
    }
}

static void run_seed(TestStore *store, uint64_t seed, unsigned steps)
{
    static const DbSql clean[] = {{"DELETE FROM expiring", NULL},
                                  {"DELETE FROM dead_letter", NULL},
                                  {"DELETE FROM member", NULL}};
    World world = {.store = store, .seed = seed};
    script = (Script){0};
    rand_init(&world.rand, seed);
    for (unsigned i = 0; i < NODES; i++)
        start(&world, i);
    for (unsigned i = 0; i < steps; i++) {
        random_step(&world);
        check_one_holder(&world);
    }
    /* Liveness: all live, nothing more is asked for. */
    for (unsigned i = 0; i < NODES; i++)
        if (!world.up[i])
            start(&world, i);
    for (unsigned turn = 0; turn < 200 && (turn < 10 || test_count(store->db, "task") > 0); turn++)
        for (unsigned i = 0; i < NODES; i++) {
            box_step(&world.boxes[i], 500000);
            for (unsigned lane = 0; lane < BOX_LANES; lane++)
                worker_step(world.boxes[i].lanes[lane]);
        }
    check_end(&world);
    for (unsigned i = 0; i < NODES; i++)
        kill_node(&world, i);
    for (unsigned i = 0; i < G_N_ELEMENTS(clean); i++)
        test_exec(store->db, &clean[i], DB_NO_ARGS);
}

static void test_random_interleavings(void **state)
{
    TestStore *store = *state;
    unsigned seeds = store->config.kind == DB_SQLITE ? 12 : 4;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        run_seed(store, seed, 200);
}

/* ---- faults */

typedef struct {
    FaultAt at;
    uint64_t calls; /* that this kind of fault can strike, since armed */
    bool armed;
} Plan;

static Fault plan_when_armed(FaultPoint point, uint64_t call, void *data)
{
    Plan *plan = data;
    (void)call;
    if (!plan->armed || (plan->at.fault != FAULT_RETRY && point != FAULT_POINT_COMMIT))
        return FAULT_NONE;
    return fault_plan_at(point, ++plan->calls, &plan->at);
}

/* One body: five keys, one of them asked for again during the run, and one that fails once. */
static bool body_with_fault(TestStore *store, uint64_t number, Fault fault)
{
    static const DbSql clean[] = {{"DELETE FROM expiring", NULL},
                                  {"DELETE FROM dead_letter", NULL},
                                  {"DELETE FROM task", NULL},
                                  {"DELETE FROM member", NULL}};
    Plan plan = {.at = {.number = number, .fault = fault}};
    Box box;
    g_autoptr(Db) behind = test_store_open(store);
    script = (Script){0};
    box_init_on(&box, store, 1, "1", db_open_fault(behind, plan_when_armed, &plan));
    box.lane_dbs[0] = NULL;
    Db *lane = box.lanes[0]->config.db;
    box_join(&box);
    for (unsigned i = 0; i < 5; i++)
        ledger_ask(store->db, i, key_name(i));
    plan.armed = true;
    bool asked_again = false;
    for (unsigned i = 0; i < 60 && test_count(store->db, "task") > 0; i++) {
        int64_t next;
        if (worker_claim(box.lanes[0], &next)) {
            if (!asked_again)
                ledger_ask(store->db, 2, key_name(2));
            asked_again = true;
            worker_finish(box.lanes[0]);
        }
        box_step(&box, 300000);
    }
    for (unsigned i = 0; i < 5; i++) {
        int64_t asked = ledger_asked(store->db, key_name(i));
        if (ledger_seen(store->db, key_name(i)) != asked ||
            ledger_runs(store->db, key_name(i)) != asked)
            fail_msg("fault %u of kind %u: %s asked %d, runs %d", (unsigned)number, fault,
                     key_name(i), (int)asked, (int)ledger_runs(store->db, key_name(i)));
    }
    assert_int_equal(test_count(store->db, "task"), 0);
    assert_int_equal(test_count(store->db, "dead"), 0);
    box_clear(&box);
    db_close(lane);
    for (unsigned i = 0; i < G_N_ELEMENTS(clean); i++)
        test_exec(store->db, &clean[i], DB_NO_ARGS);
    return plan.at.met;
}

static void test_every_fault(void **state)
{
    static const Fault faults[] = {FAULT_RETRY, FAULT_UNKNOWN_DONE, FAULT_UNKNOWN_NOT_DONE};
    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        uint64_t number = 1;
        while (body_with_fault(*state, number, faults[i]))
            number++;
        assert_true(number > 3);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_interleavings),
        cmocka_unit_test(test_every_fault),
    };
    return test_on_both_stores("promise", tests, G_N_ELEMENTS(tests));
}
