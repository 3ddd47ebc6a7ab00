/* sim_oracle: the nine promises, checked after every step.
 *
 *  1  an effect is in the ledger at most as often as its ask wants; nothing of a failed run is
 * there 2  no task is held by two lanes whose incarnations have member rows 3  in the end every ask
 * is done, or a dead letter with its error (sim_ending.c waits for it) 4  a node that trusts itself
 * has a row whose lease runs; so has one whose effect is committed, at the moment the commit was
 * sent, and one that begins an act 5  a claim is of a bucket of a shard of the node, by the table
 * in force; or of another shard of its role that has had no working member for takeover_ms 6  a
 * shard's rounds ran no more often than its row moved to another slot 7  the last ask of each key
 * has its effect in the end 8  what a killed process held is claimed again in time (sim_ending.c
 * kills) 9  all of this under the faults of sim_chaos.c And: a table comes into force only when
 * every living member proposes it, or by force.
 *
 * It reads the member rows again after each heartbeat: all of them if one came or went, else the
 * one that was renewed.
 */
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "roster/shard.h"

#include "sim_oracle.h"

#define PART_BAD    (-1)
#define STEP_MS_MAX 200 /* of the store's clock, back: see outage() */

typedef struct {
    int64_t last_slot;
    unsigned slots, runs;
} Shard;

#define ROLES_MAX 4 /* of sim_roles */

struct Oracle {
    bool dirty, members_dirty, all_dirty, forced;
    Process *renewed;
    int64_t last_id;
    int64_t rows, newest; /* of member, as last seen */
    int64_t epoch;
    RoleTable *table; /* in force */
    Shard shards[SHARDS_MAX];
    int64_t works;                             /* fingerprint of the members that work */
    int64_t bare_since[ROLES_MAX][SHARDS_MAX]; /* store's ms: no member serves it; 0: one does */
};

/* clang-format off */
static const DbSql SQL_LOG = {
    "SELECT id, key, ask, part, process, incarnation FROM sim_log"
    " WHERE id > $1 ORDER BY id", NULL,
};
static const DbSql SQL_ROWS = {
    "SELECT count(*), COALESCE(max(incarnation), 0), COALESCE(sum(CASE WHEN state = 'up'"
    " THEN incarnation * incarnation ELSE 0 END), 0) FROM member", NULL,
};
static const DbSql SQL_WORKING = {"SELECT node FROM member WHERE state = 'up'", NULL};
static const DbSql SQL_ROW = {
    "SELECT lease_until FROM member WHERE incarnation = $1 AND pid = $2", NULL,
};
static const DbSql SQL_MEMBERS = {
    "SELECT incarnation, lease_until, pid FROM member WHERE state <> 'drained'", NULL,
};
static const DbSql SQL_EPOCH = {"SELECT epoch, role_table FROM cluster", NULL};
static const DbSql SQL_AGAINST = {
    "SELECT count(*) FROM member WHERE lease_until >= rota_now() AND state <> 'drained'"
    " AND proposed_digest <> (SELECT digest FROM cluster)", NULL,
};
static const DbSql SQL_SLOTS = {"SELECT shard, last_slot, last_started_at FROM round", NULL};
static const DbSql SQL_ASKS = {
    "SELECT a.key, a.asked, COALESCE(d.payload, ''), COALESCE(d.last_error, '') FROM sim_ask a"
    " LEFT JOIN dead_letter d ON d.key = a.key", NULL,
};
static const DbSql SQL_TASKS = {"SELECT count(*) FROM task WHERE role <> 'sweep'", NULL};
/* clang-format on */

void oracle_new(World *world)
{
    world->oracle = g_new0(struct Oracle, 1);
}

void oracle_free(World *world)
{
    if (world->oracle->table)
        table_unref(world->oracle->table);
    g_free(world->oracle);
}

const RoleTable *oracle_table(const World *world)
{
    return world->oracle->table;
}

void oracle_note_commit(Process *process, bool node)
{
    struct Oracle *oracle = process->world->oracle;
    oracle->dirty = true;
    if (!node)
        return;
    oracle->all_dirty |= oracle->members_dirty && oracle->renewed != process;
    oracle->members_dirty = true;
    oracle->renewed = process;
}

void oracle_note_forced(World *world)
{
    struct Oracle *oracle = world->oracle;
    oracle->dirty = oracle->members_dirty = oracle->all_dirty = oracle->forced = true;
}

/* ---- reading */

static DbRows *ask(World *world, const DbSql *sql, const DbValue *args, unsigned count)
{
    g_autoptr(GError) error = NULL;
    DbRows *rows = db_query(world->store, sql, args, count, &error);
    MUST(rows);
    return rows;
}

static bool next_row(DbRows *rows)
{
    int step = db_rows_next(rows, NULL);
    MUST(step >= 0);
    return step > 0;
}

/* ---- members: promise 4 */

static bool has_lease(const Process *process, int64_t at_ms)
{
    int64_t incarnation = node_member(process->node)->incarnation;
    return incarnation != 0 && process->row == incarnation && process->lease_until >= at_ms;
}

static void check_trust(World *world, const Process *process)
{
    if (process->dead || !member_trusts(node_member(process->node), &process->clock.clock))
        return;
    if (!has_lease(process, world_store_ms(world)))
        sim_broken(world, 4, "node %d.%u trusts itself, and its lease is over",
                   (int)process->machine->node, process->serial);
}

static void read_one_member(World *world, Process *process)
{
    g_autoptr(DbRows) rows =
        ask(world, &SQL_ROW,
            DB_ARGS(db_int(node_member(process->node)->pending), db_int(process->serial)));
    process->row = next_row(rows) ? node_member(process->node)->pending : 0;
    process->lease_until = process->row ? db_rows_int(rows, 0) : 0;
}

static void read_all_members(World *world)
{
    for (unsigned i = 0; i < world->processes->len; i++)
        ((Process *)g_ptr_array_index(world->processes, i))->row = 0;
    g_autoptr(DbRows) rows = ask(world, &SQL_MEMBERS, DB_NO_ARGS);
    while (next_row(rows)) {
        int64_t incarnation = db_rows_int(rows, 0);
        for (unsigned i = 0; i < world->processes->len; i++) {
            Process *process = g_ptr_array_index(world->processes, i);
            if (process->serial != db_rows_int(rows, 2))
                continue;
            process->row = incarnation;
            process->lease_until = db_rows_int(rows, 1);
            break;
        }
    }
}

/* ---- shards that nobody serves: promise 5 */

static bool serves_one(const RoleTable *table, const char *role, unsigned shard,
                       const GArray *working)
{
    for (unsigned i = 0; i < working->len; i++)
        if (table_may(table, role, shard, g_array_index(working, int64_t, i)))
            return true;
    return false;
}

static void look_at_bare_shards(World *world, bool anew)
{
    struct Oracle *oracle = world->oracle;
    g_autoptr(GArray) working = g_array_new(FALSE, FALSE, sizeof(int64_t));
    {
        g_autoptr(DbRows) rows = ask(world, &SQL_WORKING, DB_NO_ARGS);
        while (next_row(rows)) {
            int64_t node = db_rows_int(rows, 0);
            g_array_append_val(working, node);
        }
    }
    MUST(sim_roles.count <= ROLES_MAX);
    for (unsigned r = 0; oracle->table && r < sim_roles.count; r++) {
        const char *role = sim_roles.roles[r].name;
        for (unsigned shard = 1; shard <= table_shards(oracle->table, role); shard++) {
            int64_t *since = &oracle->bare_since[r][shard - 1];
            if (serves_one(oracle->table, role, shard, working))
                *since = 0;
            else if (*since == 0 || anew)
                *since = world_store_ms(world);
        }
    }
}

/* May a node claim in a shard that is not its own? */
static bool may_take_over(const World *world, const TaskClaim *held, int64_t node)
{
    const struct Oracle *oracle = world->oracle;
    const Role *role = role_find(&sim_roles, held->role);
    int64_t since = oracle->bare_since[role - sim_roles.roles][held->shard - 1];
    g_autoptr(GArray) own = table_shards_of_node(oracle->table, held->role, node);
    return world->takeover_ms > 0 && own->len > 0 && since != 0 &&
           world_store_ms(world) - since + STEP_MS_MAX >= world->takeover_ms;
}

static void look_at_members(World *world)
{
    struct Oracle *oracle = world->oracle;
    int64_t count, newest, works;
    {
        g_autoptr(DbRows) rows = ask(world, &SQL_ROWS, DB_NO_ARGS);
        MUST(next_row(rows));
        count = db_rows_int(rows, 0);
        newest = db_rows_int(rows, 1);
        works = db_rows_int(rows, 2);
    }
    if (works != oracle->works)
        look_at_bare_shards(world, false);
    oracle->works = works;
    bool all = oracle->all_dirty || count != oracle->rows || newest != oracle->newest;
    oracle->rows = count;
    oracle->newest = newest;
    if (!all && oracle->renewed) {
        read_one_member(world, oracle->renewed);
        check_trust(world, oracle->renewed);
        return;
    }
    read_all_members(world);
    for (unsigned i = 0; i < world->processes->len; i++)
        check_trust(world, g_ptr_array_index(world->processes, i));
}

/* ---- the table in force */

static void look_at_table(World *world)
{
    struct Oracle *oracle = world->oracle;
    int64_t epoch, against = 0;
    {
        g_autoptr(DbRows) rows = ask(world, &SQL_EPOCH, DB_NO_ARGS);
        MUST(next_row(rows));
        epoch = db_rows_int(rows, 0);
        if (epoch == oracle->epoch)
            return;
        if (oracle->table)
            table_unref(oracle->table);
        oracle->table = table_parse(&sim_roles, db_rows_text(rows, 1), NULL);
        MUST(oracle->table);
    }
    trace(world, "epoch %d: table %.12s", (int)epoch, table_digest(oracle->table));
    world->stats->adoptions++;
    MUST(db_query_int(world->store, &SQL_AGAINST, DB_NO_ARGS, &against, NULL) > 0);
    if (against > 0 && oracle->epoch != 0 && !oracle->forced)
        sim_broken(world, 0, "a table came into force that %d living nodes do not propose",
                   (int)against);
    oracle->epoch = epoch;
    look_at_bare_shards(world, true);
}

/* ---- rounds: promise 6 */

static void look_at_slots(World *world)
{
    g_autoptr(DbRows) rows = ask(world, &SQL_SLOTS, DB_NO_ARGS);
    while (next_row(rows)) {
        Shard *shard = &world->oracle->shards[db_rows_int(rows, 0) - 1];
        int64_t slot = db_rows_int(rows, 1);
        if (shard->last_slot != 0 && slot < shard->last_slot)
            sim_broken(world, 6, "the last slot of shard %d went back", (int)db_rows_int(rows, 0));
        /* A new row may be moved at once, by the transaction that makes it. */
        bool moved = shard->last_slot == 0 ? db_rows_int(rows, 2) != 0 : slot != shard->last_slot;
        shard->slots += moved;
        shard->last_slot = slot;
    }
}

static void note_round(World *world, unsigned number)
{
    Shard *shard = &world->oracle->shards[number - 1];
    if (++shard->runs > shard->slots)
        sim_broken(world, 6, "shard %u had %u slots and ran %u times", number, shard->slots,
                   shard->runs);
}

/* ---- effects: promise 1 */

static unsigned *counter(GArray *counts, guint index)
{
    if (counts->len <= index)
        g_array_set_size(counts, index + 1);
    return &g_array_index(counts, unsigned, index);
}

static void note_effect(World *world, const char *name, int64_t number, int64_t part)
{
    SimKey *key = work_get_key(world, name);
    world->stats->effects += part == 0;
    if (part == PART_BAD)
        sim_broken(world, 1, "%s: a run that failed left its effect", name);
    if (part == 0 && ++*counter(key->effects, (guint)number) > key->wanted)
        sim_broken(world, 1, "%s: ask %d has %u effects", name, (int)number,
                   *counter(key->effects, (guint)number));
    if (part >= 1 && part <= LONG_PARTS &&
        ++*counter(key->parts, (guint)(number * LONG_PARTS + part - 1)) > 1)
        sim_broken(world, 1, "%s: part %d of ask %d was committed twice", name, (int)part,
                   (int)number);
}

static void check_writer(World *world, unsigned serial, int64_t incarnation, const char *name)
{
    for (unsigned i = 0; i < world->processes->len; i++) {
        const Process *process = g_ptr_array_index(world->processes, i);
        if (process->serial != serial)
            continue;
        int64_t sent_ms = SIM_WALL_MS + process->commit_at / 1000 + world->store_step_ms;
        if (process->row == 0 || process->row != incarnation)
            sim_broken(world, 1, "%s: node %d.%u wrote with incarnation %d, which has no row", name,
                       (int)process->machine->node, serial, (int)incarnation);
        else if (process->lease_until < sent_ms)
            sim_broken(world, 4, "%s: node %d.%u sent a commit %d ms past its lease", name,
                       (int)process->machine->node, serial, (int)(sent_ms - process->lease_until));
        return;
    }
    MUST(false);
}

static void look_at_log(World *world)
{
    struct Oracle *oracle = world->oracle;
    g_autoptr(DbRows) rows = ask(world, &SQL_LOG, DB_ARGS(db_int(oracle->last_id)));
    while (next_row(rows)) {
        const char *name = db_rows_text(rows, 1);
        int64_t number = db_rows_int(rows, 2), part = db_rows_int(rows, 3);
        oracle->last_id = db_rows_int(rows, 0);
        trace(world, "committed: %s ask %d part %d by process %d", name, (int)number, (int)part,
              (int)db_rows_int(rows, 4));
        check_writer(world, (unsigned)db_rows_int(rows, 4), db_rows_int(rows, 5), name);
        if (g_str_has_prefix(name, "round/"))
            note_round(world, (unsigned)number);
        else
            note_effect(world, name, number, part);
    }
}

void oracle_look(World *world)
{
    struct Oracle *oracle = world->oracle;
    if (!oracle->dirty)
        return;
    MUST(db_begin(world->store, DB_READ, NULL));
    if (oracle->members_dirty) {
        look_at_members(world);
        look_at_table(world);
        look_at_slots(world);
    }
    look_at_log(world);
    db_rollback(world->store);
    oracle->dirty = oracle->members_dirty = oracle->all_dirty = oracle->forced = false;
    oracle->renewed = NULL;
}

/* ---- what lanes hold: promises 2, 5, 8 */

static SimKey *key_of(World *world, const char *role, const Task *task)
{
    return work_kind(role) == KIND_SWEEP ? work_round_key(world, task->key, task->bucket)
                                         : work_get_key(world, task->key);
}

static bool holds(const Lane *lane, const SimKey *key)
{
    const TaskClaim *held = lane->worker->held;
    if (lane->process->dead || !held || lane->worker->doubtful)
        return false;
    for (unsigned i = 0; i < held->tasks->len; i++)
        if (key_of(lane->process->world, held->role, &g_array_index(held->tasks, Task, i)) == key)
            return held->owner == lane->process->row;
    return false;
}

static void check_shard(Lane *lane, const Task *task)
{
    World *world = lane->process->world;
    const TaskClaim *held = lane->worker->held;
    const RoleTable *table = world->oracle->table;
    int64_t node = lane->process->machine->node;
    unsigned shards = table_shards(table, held->role);
    if (held->shards != shards || shard_of_bucket(task->bucket, shards) != held->shard ||
        (!table_may(table, held->role, held->shard, node) && !may_take_over(world, held, node)))
        sim_broken(world, 5, "node %d claimed %s:%s of bucket %u as shard %u of %u", (int)node,
                   held->role, task->key, task->bucket, held->shard, held->shards);
    world->stats->claims_for_others += !table_may(table, held->role, held->shard, node);
}

static void note_claim(Lane *lane, SimKey *key, const Task *task)
{
    World *world = lane->process->world;
    key->holder = lane;
    key->generation = task->generation;
    trace(world, "node %d.%u lane %d claims %s", (int)lane->process->machine->node,
          lane->process->serial, (int)(lane - lane->process->lanes), key->name);
    if (!lane->doubted)
        check_shard(lane, task);
    if (key->orphaned_at == 0)
        return;
    int64_t ms = (world->now - key->orphaned_at) / 1000;
    g_array_append_val(world->stats->takeover_ms, ms);
    world->stats->takeovers++;
    key->orphaned_at = 0;
}

void oracle_look_at_lane(Lane *lane)
{
    World *world = lane->process->world;
    const TaskClaim *held = lane->worker->held;
    bool doubtful = lane->worker->doubtful;
    /* What was claimed by an incarnation that is gone is nobody's. */
    bool ours = held && !doubtful && !lane->process->dead && held->owner == lane->process->row;
    for (unsigned i = 0; ours && i < held->tasks->len; i++) {
        const Task *task = &g_array_index(held->tasks, Task, i);
        SimKey *key = key_of(world, held->role, task);
        if (key->holder == lane && key->generation == task->generation)
            continue;
        if (key->holder && key->holder != lane && holds(key->holder, key))
            sim_broken(world, 2, "%s is held by node %d.%u and by node %d.%u", key->name,
                       (int)key->holder->process->machine->node, key->holder->process->serial,
                       (int)lane->process->machine->node, lane->process->serial);
        note_claim(lane, key, task);
    }
    lane->doubted = doubtful;
}

void oracle_note_kill(Process *process)
{
    World *world = process->world;
    for (unsigned i = 0; world->measuring && i < SIM_LANES; i++) {
        const Worker *worker = process->lanes[i].worker;
        for (unsigned t = 0; worker->held && !worker->doubtful && t < worker->held->tasks->len;
             t++) {
            const Task *task = &g_array_index(worker->held->tasks, Task, t);
            key_of(world, worker->held->role, task)->orphaned_at = world->now;
        }
    }
}

void oracle_forget_process(Process *process)
{
    World *world = process->world;
    if (world->oracle->renewed == process)
        world->oracle->all_dirty = true;
    for (unsigned i = 0; i < world->keys->len; i++) {
        SimKey *key = g_ptr_array_index(world->keys, i);
        if (key->holder && key->holder->process == process)
            key->holder = NULL;
    }
}

void oracle_note_act(Lane *lane, SimKey *key, int64_t number)
{
    Process *process = lane->process;
    World *world = process->world;
    oracle_look(world);
    trace(world, "node %d.%u acts for %s ask %d", (int)process->machine->node, process->serial,
          key->name, (int)number);
    world->stats->acts++;
    if (process->dead || !has_lease(process, world_store_ms(world)) ||
        lane->worker->held->owner != process->row)
        sim_broken(world, 4, "node %d.%u begins an act for %s past its lease",
                   (int)process->machine->node, process->serial, key->name);
    if (*counter(key->effects, (guint)number) >= key->wanted)
        sim_broken(world, 1, "an act for %s ask %d after it was recorded", key->name, (int)number);
    world->stats->acts_twice += key->acted == number;
    key->acted = number;
}

/* ---- the end: promises 3 and 7 */

int64_t oracle_count_tasks(World *world)
{
    int64_t count;
    MUST(db_begin(world->store, DB_READ, NULL));
    MUST(db_query_int(world->store, &SQL_TASKS, DB_NO_ARGS, &count, NULL) > 0);
    db_rollback(world->store);
    return count;
}

void oracle_check_end(World *world)
{
    MUST(db_begin(world->store, DB_READ, NULL));
    {
        g_autoptr(DbRows) rows = ask(world, &SQL_ASKS, DB_NO_ARGS);
        while (next_row(rows)) {
            const SimKey *key = work_get_key(world, db_rows_text(rows, 0));
            int64_t asked = db_rows_int(rows, 1);
            bool done = *counter(key->effects, (guint)asked) == key->wanted;
            int64_t buried = g_ascii_strtoll(db_rows_text(rows, 2), NULL, 10);
            world->stats->burials += !done;
            if (!done && buried != asked)
                sim_broken(world, 7, "%s was asked for %d times, and the last ask has no effect",
                           key->name, (int)asked);
            else if (!done && *db_rows_text(rows, 3) == 0)
                sim_broken(world, 3, "%s is a dead letter without an error", key->name);
        }
    }
    db_rollback(world->store);
}
