/* cluster_test: the fake nodes of the roster's tests. The ledger lives in table `expiring`, whose
 * rows are free for any kind of key.
 */
#include "cluster_test.h"

#include <string.h>

Script script;
int64_t box_takeover_ms;

/* clang-format off */
static const DbSql SQL_ASK = {
    "INSERT INTO expiring (account, kind, key, value, expires_at) VALUES (0, 'asked', $1, '', 1)"
    " ON CONFLICT (account, kind, key) DO UPDATE SET expires_at = expiring.expires_at + 1", NULL,
};
static const DbSql SQL_SEEN = {
    "INSERT INTO expiring (account, kind, key, value, expires_at)"
    " SELECT 0, 'seen', key, '', expires_at FROM expiring e WHERE account = 0 AND kind = 'asked'"
    " AND key = $1"
    " ON CONFLICT (account, kind, key) DO UPDATE SET expires_at = excluded.expires_at", NULL,
};
static const DbSql SQL_RUN = {
    "INSERT INTO expiring (account, kind, key, value, expires_at) VALUES (0, 'runs', $1, '', 1)"
    " ON CONFLICT (account, kind, key) DO UPDATE SET expires_at = expiring.expires_at + 1", NULL,
};
static const DbSql SQL_GET = {
    "SELECT expires_at FROM expiring WHERE account = 0 AND kind = $1 AND key = $2", NULL,
};
static const DbSql SQL_AGE = {
    "UPDATE member SET lease_until = rota_now() - 1 WHERE node = $1", NULL,
};
/* clang-format on */

static int64_t ledger_get(Db *db, const char *kind, const char *key)
{
    int64_t value = test_int(db, &SQL_GET, DB_ARGS(db_text(kind), db_text(key)));
    return value < 0 ? 0 : value;
}

int64_t ledger_asked(Db *db, const char *key)
{
    return ledger_get(db, "asked", key);
}

int64_t ledger_seen(Db *db, const char *key)
{
    return ledger_get(db, "seen", key);
}

int64_t ledger_runs(Db *db, const char *key)
{
    return ledger_get(db, "runs", key);
}

void ledger_ask(Db *db, unsigned bucket, const char *key)
{
    g_autoptr(GError) error = NULL;
    TaskNew task = {.role = "work", .bucket = bucket, .key = key};
    test_begin(db);
    db_exec(db, &SQL_ASK, DB_ARGS(db_text(key)), &error);
    assert_no_error(error);
    task_add(db, &task, &error);
    assert_no_error(error);
    test_commit(db);
}

static bool write_effects(Run *run, GError **error)
{
    if (!run_begin(run, false, error))
        return false;
    for (unsigned i = 0; i < run->count; i++) {
        DbValue key[] = {db_text(run->tasks[i].key)};
        if (db_exec(run->db, &SQL_SEEN, key, 1, error) < 0 ||
            db_exec(run->db, &SQL_RUN, key, 1, error) < 0)
            return false;
    }
    return true;
}

static bool run_script(Run *run, GError **error)
{
    script.runs++;
    script.shard = run->shard;
    script.shards = run->shards;
    bool fails = script.fail;
    for (unsigned i = 0; i < run->count; i++)
        fails |= script.fail_key && strcmp(run->tasks[i].key, script.fail_key) == 0;
    if (script.stop)
        return fail(error, ERROR_STOPPED, "asked to stop");
    if (script.no_effect)
        return true;
    if (script.meanwhile)
        script.meanwhile();
    script.should_stop = run_should_stop(run);
    if (!write_effects(run, error))
        return false;
    if (script.stall)
        clock_manual_advance(script.stall, 6000000);
    script.stall = NULL;
    if (script.checkpoint && !run_checkpoint(run, error))
        return false;
    g_string_append_printf(run->detail, "%u keys", run->count);
    return fails ? fail(error, ERROR_REJECT, "the script says so") : true;
}

static const Handler handler = {.run = run_script};
static const Role roles[] = {
    {.name = "work",
     .setting = "work.work",
     .concurrency = 1,
     .batch = 10,
     .attempts = 3,
     .retry_min_ms = 0,
     .retry_max_ms = 0,
     .run_ms = 60000,
     .handler = &handler},
    {.name = "rounds",
     .setting = "rounds.rounds",
     .schedule = "every 1m",
     .concurrency = 1,
     .batch = 10,
     .attempts = 3,
     .run_ms = 60000,
     .handler = &handler},
};
const RoleSet test_roles = {roles, G_N_ELEMENTS(roles)};

RoleTable *box_table(const char *shards)
{
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&test_roles);
    g_auto(GStrv) items = g_strsplit(shards, "|", -1);
    for (unsigned role = 0; role < test_roles.count; role++)
        for (char **item = items; *item; item++) {
            g_autoptr(GError) error = NULL;
            table_builder_add_shard(builder, &roles[role], *item, &error);
            assert_no_error(error);
        }
    return table_builder_seal(builder);
}

static void wake(const char *role, void *data)
{
    Box *box = data;
    (void)role;
    box->woken++;
}

static void init_node(Box *box, int64_t node, const char *shards)
{
    g_autoptr(RoleTable) table = box_table(shards);
    clock_manual_init(&box->clock, 1000);
    clock_manual_advance(&box->clock, 1000000);
    NodeConfig config = {
        .db = box->db,
        .clock = &box->clock.clock,
        .set = &test_roles,
        .node_id = node,
        .lease_ms = 6000,
        .heartbeat_ms = 2000,
        .takeover_ms = box_takeover_ms,
        .host = "box",
        .version = "1",
        .pid = 100 + node,
        .table = table,
        .wake = wake,
        .data = box,
    };
    box->node = node_new(&config);
}

static void init_lane(Box *box, unsigned index, Db *db)
{
    WorkerConfig config = {
        .db = db,
        .clock = &box->clock.clock,
        .node = box->node,
        .role = &roles[0],
        .batch = roles[0].batch,
        .attempts = roles[0].attempts,
        .seed = index + 1,
        .poll_ms = 1000,
    };
    box->lanes[index] = worker_new(&config);
}

void box_init(Box *box, TestStore *store, int64_t node, const char *shards, unsigned lanes)
{
    assert_true(lanes <= BOX_LANES);
    *box = (Box){.store = store, .db = test_store_open(store), .lane_count = lanes};
    init_node(box, node, shards);
    for (unsigned i = 0; i < lanes; i++) {
        box->lane_dbs[i] = test_store_open(store);
        init_lane(box, i, box->lane_dbs[i]);
    }
}

void box_init_on(Box *box, TestStore *store, int64_t node, const char *shards, Db *lane)
{
    *box = (Box){.store = store, .db = test_store_open(store), .lane_count = 1};
    init_node(box, node, shards);
    init_lane(box, 0, lane);
}

void box_clear(Box *box)
{
    for (unsigned i = 0; i < box->lane_count; i++) {
        worker_crash(box->lanes[i]);
        worker_free(box->lanes[i]);
        db_close(box->lane_dbs[i]);
    }
    node_free(box->node);
    db_close(box->db);
    *box = (Box){0};
}

void box_step(Box *box, int64_t us)
{
    clock_manual_advance(&box->clock, us);
    node_step(box->node);
}

void box_join(Box *box)
{
    for (unsigned i = 0; i < 20 && node_state(box->node) != NODE_UP; i++)
        box_step(box, 500000);
    assert_int_equal(node_state(box->node), NODE_UP);
    /* let it look at coverage and poll */
    for (unsigned i = 0; i < 3; i++)
        box_step(box, 0);
}

void box_age(TestStore *store, int64_t node)
{
    test_exec(store->db, &SQL_AGE, DB_ARGS(db_int(node)));
}

void box_work(Box *box, unsigned limit)
{
    for (unsigned i = 0; i < limit; i++) {
        int64_t now = clock_monotonic_us(&box->clock.clock);
        bool idle = true;
        for (unsigned lane = 0; lane < box->lane_count; lane++)
            idle &= worker_step(box->lanes[lane]) >= now + 1000000;
        if (idle)
            return;
        box_step(box, 100000);
    }
    fail_msg("still work after %u steps", limit);
}
