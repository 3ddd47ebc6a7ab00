/* sim_chaos: what happens to the cluster from outside: work, crashes, pauses, partitions, clocks,
 * operators.
 *
 * Each seed has a weather of its own: some faults often, some never, so that seeds differ more than
 * their dice do. A tick comes every 50 ms or so, and does a few of these things.
 */
#include "base/error.h"
#include "base/must.h"

#include "sim_oracle.h"

#define TICK_US (50 * MSEC)

static unsigned strength(World *world, unsigned most)
{
    return sim_chance(world, 3500) ? 0 : (unsigned)sim_between(world, 1, most);
}

void weather_draw(World *world)
{
    world->restart_us = 15 * SEC;
    world->weather = (Weather){
        .crash = strength(world, 400),
        .pause = strength(world, 300),
        .cut = strength(world, 300),
        .outage = strength(world, 20),
        .wall = strength(world, 200),
        .drain = strength(world, 60),
        .stop = strength(world, 100),
        .rival = strength(world, 80),
        .rollout = strength(world, 100),
        .force = strength(world, 30),
        .stall = strength(world, 60),
        .slow = strength(world, 8),
        .unknown = strength(world, 200),
        .retry = strength(world, 40),
        .fail = strength(world, 1500),
    };
}

/* ---- tables */

static void add_shard(World *world, RoleTableBuilder *builder, const Role *role)
{
    g_autoptr(GString) nodes = g_string_new(NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    unsigned want =
        (unsigned)sim_between(world, 1, sim_chance(world, 3000) ? 4 : world->machine_count / 3);
    for (unsigned i = 0; i < want; i++) {
        unsigned node = (unsigned)sim_between(world, 1, world->machine_count);
        if (g_hash_table_add(seen, GUINT_TO_POINTER(node)))
            g_string_append_printf(nodes, "%s%u", nodes->len > 0 ? "," : "", node);
    }
    g_autoptr(GError) error = NULL;
    MUST(table_builder_add_shard(builder, role, nodes->str, &error));
}

RoleTable *chaos_table(World *world)
{
    g_autoptr(RoleTableBuilder) builder = table_builder_new(&sim_roles);
    for (unsigned i = 0; i < sim_roles.count; i++) {
        unsigned shards = sim_chance(world, 2000) ? 0 : (unsigned)sim_between(world, 1, 7);
        for (unsigned shard = 0; shard < shards; shard++)
            add_shard(world, builder, &sim_roles.roles[i]);
    }
    return table_builder_seal(builder);
}

static void set_table(Machine *machine, RoleTable *table)
{
    if (machine->table == table)
        return;
    table_unref(machine->table);
    machine->table = table_ref(table);
}

/* ---- whom it strikes */

static Process *any_process(World *world)
{
    if (world->processes->len == 0)
        return NULL;
    Process *process =
        g_ptr_array_index(world->processes, rand_below(&world->rand, world->processes->len));
    return process->dead ? NULL : process;
}

static Machine *any_machine(World *world)
{
    return &world->machines[rand_below(&world->rand, world->machine_count)];
}

/* The operator's commands go to the store by a handle of their own. */
static bool command(World *world, bool (*write)(Db *db, int64_t node, GError **error), int64_t node)
{
    g_autoptr(GError) error = NULL;
    bool done = db_begin(world->store, DB_WRITE, &error) && write(world->store, node, &error) &&
                db_commit(world->store, &error) == DB_DONE;
    db_rollback(world->store);
    return done;
}

static bool wish_drain(Db *db, int64_t node, GError **error)
{
    return member_set_wish(db, node, "drain", error) >= 0;
}

static bool wish_reload(Db *db, int64_t node, GError **error)
{
    return member_set_wish(db, node, "reload", error) >= 0;
}

/* ---- what strikes */

static void crash(World *world)
{
    Process *process = any_process(world);
    if (process)
        process_kill(process);
}

static void pause_one(World *world)
{
    Process *process = any_process(world);
    if (!process)
        return;
    int64_t us = sim_between(world, 100 * MSEC, sim_chance(world, 5000) ? 5 * SEC : 20 * SEC);
    trace(world, "node %d.%u paused for %d ms", (int)process->machine->node, process->serial,
          (int)(us / 1000));
    process->paused_until = MAX(process->paused_until, world->now + us);
    process_schedule(process);
}

static void cut_off(World *world)
{
    Process *process = any_process(world);
    if (!process)
        return;
    int64_t us = sim_between(world, 100 * MSEC, sim_chance(world, 5000) ? 4 * SEC : 15 * SEC);
    trace(world, "node %d.%u cut off for %d ms", (int)process->machine->node, process->serial,
          (int)(us / 1000));
    process->cut_until = MAX(process->cut_until, world->now + us);
}

/* The store restarts, or another takes over, whose clock is a little different. */
static void outage(World *world)
{
    int64_t us = sim_between(world, 100 * MSEC, sim_chance(world, 7000) ? 3 * SEC : 12 * SEC);
    trace(world, "the store is away for %d ms", (int)(us / 1000));
    world->outage_until = MAX(world->outage_until, world->now + us);
    world->store_step_ms = sim_between(world, -100, 100);
}

static void step_wall(World *world)
{
    any_machine(world)->wall_ms = sim_between(world, -3600000, 3600000);
}

static void drain(World *world)
{
    Machine *machine = any_machine(world);
    trace(world, "drain %d", (int)machine->node);
    MUST(command(world, wish_drain, machine->node));
}

static void stop(World *world)
{
    Process *process = any_process(world);
    if (!process)
        return;
    trace(world, "node %d.%u is asked to stop", (int)process->machine->node, process->serial);
    node_ask_stop(process->node);
    process->stopping = true;
    process->node_next = world->now;
    process_schedule(process);
}

static void start_rival(World *world)
{
    Machine *machine = any_machine(world);
    if (machine->living == 1)
        process_start(world, machine);
}

static void new_target(World *world)
{
    table_unref(world->target);
    world->target =
        sim_chance(world, 2000) ? table_ref(any_machine(world)->table) : chaos_table(world);
    trace(world, "target is now %.12s", table_digest(world->target));
}

static void force(World *world)
{
    Process *process = any_process(world);
    if (!process)
        return;
    oracle_note_forced(world);
    bool done = command(world, adoption_force, process->machine->node);
    trace(world, "adopt by force what %d proposes: %s", (int)process->machine->node,
          done ? "done" : "no");
}

/* The operator's file arrives at a machine, which is told by signal or by the store. */
static void roll_out_to(World *world, Machine *machine)
{
    set_table(machine, world->target);
    if (sim_chance(world, 3000))
        command(world, wish_reload, machine->node);
    for (unsigned i = 0; i < world->processes->len; i++) {
        Process *process = g_ptr_array_index(world->processes, i);
        if (process->machine != machine || process->dead || sim_chance(world, 100))
            continue;
        node_ask_reload(process->node);
        process->node_next = MIN(process->node_next, world->now);
        process_schedule(process);
    }
}

/* The next machines in turn; now and then the operator begins again, for those that did not hear.
 */
static void roll_out(World *world)
{
    if (world->rolled_out >= world->machine_count && sim_chance(world, 1000))
        world->rolled_out = 0;
    for (int64_t count = sim_between(world, 1, world->machine_count / 4);
         count > 0 && world->rolled_out < world->machine_count; count--)
        roll_out_to(world, &world->machines[world->rolled_out++]);
}

/* ---- work */

static void wake_one(World *world, const char *role)
{
    Process *process = any_process(world);
    if (!process)
        return;
    for (unsigned i = 0; i < SIM_LANES; i++) {
        Lane *lane = &process->lanes[i];
        if (lane->role->name == role && !lane->holding && !lane->on_stack)
            lane->next = world->now;
    }
    process_schedule(process);
}

void chaos_enqueue(World *world, SimKey *key)
{
    g_autoptr(GError) error = NULL;
    int64_t due = sim_chance(world, 1500) ? world_store_ms(world) + sim_between(world, 1, 5000) : 0;
    MUST(db_begin(world->store, DB_WRITE, &error));
    MUST(work_ask(world->store, key, due, &error));
    MUST(db_commit(world->store, &error) == DB_DONE);
    world->stats->enqueued++;
    if (sim_chance(world, 5000))
        wake_one(world, sim_roles.roles[key->kind].name);
}

static void enqueue_some(World *world)
{
    unsigned count = (unsigned)sim_between(world, 0, 4);
    for (unsigned i = 0; i < count; i++) {
        SimKey *key = g_ptr_array_index(world->keys, rand_below(&world->rand, world->keys->len));
        bool once = key->poison || key->fails == UINT_MAX; /* asked again it would kill again */
        if (key->kind == KIND_SWEEP || (once && key->asked_once))
            continue;
        key->asked_once = true;
        chaos_enqueue(world, key);
    }
}

static void restart_some(World *world)
{
    for (unsigned i = 0; i < world->machine_count; i++) {
        Machine *machine = &world->machines[i];
        if (machine->living == 0 && machine->restart_at > 0 && machine->restart_at <= world->now)
            process_start(world, machine);
    }
    /* A drained node is there until somebody restarts it. */
    for (unsigned i = 0; i < world->processes->len; i++) {
        Process *process = g_ptr_array_index(world->processes, i);
        bool drained = !process->dead && node_state(process->node) == NODE_DRAINED;
        if (!drained || process->stopping || !sim_chance(world, world->calm ? 10000 : 100))
            continue;
        node_ask_stop(process->node);
        process->stopping = true;
        process->node_next = world->now;
        process_schedule(process);
    }
}

void chaos_tick(World *world)
{
    const Weather *weather = &world->weather;
    const struct {
        unsigned per;
        void (*strike)(World *world);
    } events[] = {
        {weather->crash, crash},
        {weather->pause, pause_one},
        {weather->cut, cut_off},
        {weather->outage, outage},
        {weather->wall, step_wall},
        {weather->drain, drain},
        {weather->stop, stop},
        {weather->rival, start_rival},
        {weather->rollout, new_target},
        {weather->force, force},
        {weather->rollout * 40, roll_out},
    };
    world->next_chaos = world->now + sim_between(world, 1, 2 * TICK_US);
    restart_some(world);
    if (world->calm)
        return;
    enqueue_some(world);
    for (unsigned i = 0; i < G_N_ELEMENTS(events); i++)
        if (sim_chance(world, events[i].per))
            events[i].strike(world);
    oracle_look(world);
}
