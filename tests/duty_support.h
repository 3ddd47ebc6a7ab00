/* duty_support.h: a node with one lane of one role, on a clock that is moved by hand, for the tests
 * of duty/.
 *
 * For tests only; static inline.
 */
#ifndef ROTA_TESTS_DUTY_SUPPORT_H
#define ROTA_TESTS_DUTY_SUPPORT_H

#include "support.h"

#include "duty/duty.h"
#include "roster/node.h"
#include "roster/worker.h"

typedef struct {
    ClockManual clock;
    Db *node_db, *lane_db;
    Node *node;
    Worker *worker;
    const Role *role;
    const DutySettings *settings;
    int64_t pause_us;
} DutyLane;

/* `shards` of the role, as in the settings, NULL-ended; NULL: one, of every node. take_lane_db: the
 * lane's handle, NULL: one of its own. */
typedef struct {
    int64_t node;
    const char *const *shards;
    Db *take_lane_db;
    int64_t pause_us; /* by so much a run_pause moves the lane's clock; 0: it does not wait */
    int64_t lease_ms; /* 0: 6 s */
} DutyLaneMore;

static inline void duty_lane_pause(int64_t until_us, void *data)
{
    DutyLane *lane = data;
    (void)until_us;
    clock_manual_advance(&lane->clock, lane->pause_us);
}

static inline void duty_lane_start_worker(DutyLane *lane)
{
    WorkerConfig worker = {.db = lane->lane_db,
                           .clock = &lane->clock.clock,
                           .node = lane->node,
                           .role = lane->role,
                           .batch = lane->role->batch,
                           .attempts = lane->role->attempts,
                           .retry_min_ms = 1,
                           .retry_max_ms = 1,
                           .settings = lane->settings,
                           .seed = 1,
                           .poll_ms = 1000,
                           .pause = lane->pause_us ? duty_lane_pause : NULL,
                           .pause_data = lane};
    lane->worker = worker_new(&worker);
}

/* The lane begins anew on another handle, which it owns; what it held is forgotten. */
static inline void duty_lane_restart(DutyLane *lane, Db *take_db)
{
    worker_crash(lane->worker);
    worker_free(lane->worker);
    db_close(lane->lane_db);
    lane->lane_db = take_db;
    duty_lane_start_worker(lane);
}

static inline void duty_lane_init_more(DutyLane *lane, const TestStore *store,
                                       const char *role_name, const DutySettings *settings,
                                       const DutyLaneMore *more)
{
    const Role *role = role_find(&duty_roles, role_name);
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&duty_roles);
    for (unsigned i = 0; more->shards && more->shards[i]; i++)
        assert_true(table_builder_add_shard(builder, role, more->shards[i], NULL));
    g_autoptr(RoleTable) table = table_builder_seal(builder);
    *lane = (DutyLane){.node_db = test_store_open(store),
                       .lane_db = more->take_lane_db ? more->take_lane_db : test_store_open(store),
                       .pause_us = more->pause_us};
    clock_manual_init(&lane->clock, 1000);
    clock_manual_advance(&lane->clock, 1000000);
    NodeConfig node = {.db = lane->node_db,
                       .clock = &lane->clock.clock,
                       .set = &duty_roles,
                       .node_id = more->node,
                       .lease_ms = more->lease_ms ? more->lease_ms : 6000,
                       .heartbeat_ms = 2000,
                       .host = "test",
                       .version = "1",
                       .pid = 1,
                       .table = table};
    lane->node = node_new(&node);
    for (unsigned i = 0; i < 20 && node_state(lane->node) != NODE_UP; i++) {
        clock_manual_advance(&lane->clock, 500000);
        node_step(lane->node);
    }
    assert_int_equal(node_state(lane->node), NODE_UP);
    lane->role = role;
    lane->settings = settings;
    duty_lane_start_worker(lane);
}

static inline void duty_lane_init(DutyLane *lane, const TestStore *store, const char *role_name,
                                  const DutySettings *settings)
{
    duty_lane_init_more(lane, store, role_name, settings, &(DutyLaneMore){.node = 1});
}

static inline void duty_lane_step(DutyLane *lane)
{
    worker_step(lane->worker);
    clock_manual_advance(&lane->clock, 100000);
    node_step(lane->node);
}

/* Steps until the role has no task left; fails after `limit` steps. Returns the steps taken. */
static inline unsigned duty_lane_work(DutyLane *lane, const char *role, unsigned limit)
{
    static const DbSql tasks = {"SELECT count(*) FROM task WHERE role = $1", NULL};
    for (unsigned step = 0; step <= limit; step++) {
        int64_t left = -1;
        assert_true(db_begin(lane->node_db, DB_READ, NULL));
        assert_true(db_query_int(lane->node_db, &tasks, DB_ARGS(db_text(role)), &left, NULL) > 0);
        db_rollback(lane->node_db);
        if (!left)
            return step;
        duty_lane_step(lane);
    }
    fail_msg("%s has tasks left after %u steps", role, limit);
    return limit;
}

static inline void duty_lane_clear(DutyLane *lane)
{
    worker_crash(lane->worker); /* it may hold a claim that was made with the last end */
    worker_free(lane->worker);
    node_free(lane->node);
    db_close(lane->lane_db);
    db_close(lane->node_db);
}

#endif
