/* sim_world: time, processes, and who acts next.
 *
 * A process has six actors: its node and five lanes. Each says when it wants to be called, by its
 * own clock; the world calls the earliest. That is a scan of two hundred numbers, and cheaper than
 * keeping a heap right when pauses and wake-ups move them.
 */
#include <string.h>

#include "base/error.h"
#include "base/must.h"
#include "db/migrate.h"

#include "sim_oracle.h"

#define LANE_POLL_MS 30000
#define DEPTH_MAX    2 /* of stalls within stalls: the log's fields bear no more */

bool sim_chance(World *world, unsigned per)
{
    return per > 0 && rand_below(&world->rand, 10000) < per;
}

int64_t sim_between(World *world, int64_t low, int64_t high)
{
    return low + (int64_t)rand_below(&world->rand, (uint64_t)(high - low + 1));
}

/* ---- clocks */

int64_t world_store_ms(const World *world)
{
    return SIM_WALL_MS + world->now / 1000 + world->store_step_ms;
}

static int64_t drifted(const Machine *machine, int64_t us)
{
    return us * (1000000 + machine->drift) / 1000000;
}

static int64_t clock_us(const Clock *clock)
{
    const SimClock *sim = (const SimClock *)clock;
    int64_t now = sim->world->now + 1000 * SEC;
    return sim->process ? drifted(sim->process->machine, now) : now;
}

static int64_t clock_ms(const Clock *clock)
{
    const SimClock *sim = (const SimClock *)clock;
    const Process *process = sim->process;
    if (!process)
        return world_store_ms(sim->world);
    return SIM_WALL_MS + sim->world->now / 1000 + process->machine->wall_ms;
}

static SimClock clock_of(World *world, Process *process)
{
    return (SimClock){{clock_us, clock_ms}, world, process};
}

/* When the world's time is that of a process' clock; never before now. */
static int64_t from_local(const Process *process, int64_t local)
{
    World *world = process->world;
    if (local == INT64_MAX)
        return INT64_MAX;
    int64_t wait = local - clock_us(&process->clock.clock);
    return wait <= 0 ? world->now
                     : world->now + wait * 1000000 / (1000000 + process->machine->drift) + 1;
}

/* ---- processes */

static void wake(const char *role, void *data)
{
    Process *process = data;
    World *world = process->world;
    for (unsigned i = 0; i < SIM_LANES; i++) {
        Lane *lane = &process->lanes[i];
        if (role && strcmp(role, lane->role->name) != 0)
            continue;
        lane->woken = true;
        if (!lane->on_stack && !lane->holding)
            lane->next = world->now;
    }
    process_schedule(process);
}

static RoleTable *reload(void *data, GError **error)
{
    Process *process = data;
    (void)error;
    return table_ref(process->machine->table);
}

/* A handler's own pause: its lane waits, the others go on. */
static void pause_lane(int64_t until_us, void *data)
{
    Process *process = ((Lane *)data)->process;
    sim_stall(process, from_local(process, until_us) - process->world->now, false);
}

static void start_lane(Process *process, unsigned index)
{
    World *world = process->world;
    Lane *lane = &process->lanes[index];
    lane->process = process;
    lane->role = work_lane_role(index);
    lane->db = door_open(process);
    lane->next = world->now + 1;
    lane->worker = worker_new(&(WorkerConfig){
        .db = lane->db,
        .clock = &process->clock.clock,
        .node = process->node,
        .role = lane->role,
        .batch = lane->role->batch,
        .attempts = lane->role->attempts,
        .retry_min_ms = lane->role->retry_min_ms,
        .retry_max_ms = lane->role->retry_max_ms,
        .settings = lane,
        .seed = rand_u64(&world->rand),
        .load = process->load,
        .poll_ms = LANE_POLL_MS,
        .pause = pause_lane,
        .pause_data = lane,
    });
}

Process *process_start(World *world, Machine *machine)
{
    Process *process = g_new0(Process, 1);
    process->world = world;
    process->machine = machine;
    process->serial = ++world->serials;
    process->clock = clock_of(world, process);
    process->db = door_open(process);
    process->load = load_new();
    process->node_next = world->now;
    process->node = node_new(&(NodeConfig){
        .db = process->db,
        .clock = &process->clock.clock,
        .set = &sim_roles,
        .node_id = machine->node,
        .lease_ms = SIM_LEASE_MS,
        .heartbeat_ms = SIM_HEARTBEAT_MS,
        .host = "sim",
        .version = "1",
        .pid = process->serial,
        .table = machine->table,
        .rounds = sim_rounds,
        .round_count = G_N_ELEMENTS(sim_rounds),
        .load = process->load,
        .reload = reload,
        .wake = wake,
        .takeover_ms = world->takeover_ms,
        .stop_ms = SIM_STOP_MS,
        .data = process,
    });
    for (unsigned i = 0; i < SIM_LANES; i++)
        start_lane(process, i);
    machine->living++;
    machine->restart_at = 0;
    g_ptr_array_add(world->processes, process);
    process_schedule(process);
    trace(world, "node %d.%u starts", (int)machine->node, process->serial);
    return process;
}

static void die(Process *process)
{
    process->dead = true;
    process->next = INT64_MAX;
    process->machine->living--;
    if (process->machine->living == 0)
        process->machine->restart_at =
            process->world->now + sim_between(process->world, 0, process->world->restart_us);
}

void process_kill(Process *process)
{
    if (process->dead)
        return;
    trace(process->world, "node %d.%u killed", (int)process->machine->node, process->serial);
    process->world->stats->kills++;
    oracle_note_kill(process);
    die(process);
}

static void process_free(Process *process)
{
    oracle_forget_process(process);
    for (unsigned i = 0; i < SIM_LANES; i++) {
        worker_crash(process->lanes[i].worker);
        worker_free(process->lanes[i].worker);
        db_close(process->lanes[i].db);
    }
    node_free(process->node);
    load_free(process->load);
    db_close(process->db);
    g_free(process);
}

static void reap(World *world)
{
    for (unsigned i = 0; i < world->processes->len;) {
        Process *process = g_ptr_array_index(world->processes, i);
        if (!process->dead || process->on_stack > 0) {
            i++;
            continue;
        }
        g_ptr_array_remove_index(world->processes, i);
        process_free(process);
    }
}

void process_schedule(Process *process)
{
    if (process->dead)
        return;
    int64_t next = process->node_on_stack ? INT64_MAX : process->node_next;
    for (unsigned i = 0; i < SIM_LANES; i++)
        if (!process->lanes[i].on_stack)
            next = MIN(next, process->lanes[i].next);
    process->next = MAX(next, process->paused_until);
}

/* ---- steps */

static void step_node(Process *process)
{
    World *world = process->world;
    NodeState before = node_state(process->node);
    process->on_stack++;
    process->node_on_stack = true;
    int64_t next = node_step(process->node);
    oracle_look(world);
    process->node_on_stack = false;
    process->on_stack--;
    process->node_next = MAX(from_local(process, next), world->now + 1);
    NodeState state = node_state(process->node);
    if (state != before)
        trace(world, "node %d.%u state %d", (int)process->machine->node, process->serial, state);
    if (!process->dead && (state == NODE_STOPPED || state == NODE_REFUSED)) {
        trace(world, "node %d.%u ends", (int)process->machine->node, process->serial);
        die(process);
    }
}

static int64_t work_us(World *world)
{
    return world->calm || sim_chance(world, 9500) ? sim_between(world, 1 * MSEC, 200 * MSEC)
                                                  : sim_between(world, 200 * MSEC, 4 * SEC);
}

static void step_lane(Lane *lane)
{
    Process *process = lane->process;
    World *world = process->world;
    int64_t next = 0;
    process->on_stack++;
    lane->on_stack = true;
    lane->woken = false;
    if (lane->holding) {
        worker_finish(lane->worker);
        lane->holding = false;
        next = lane->worker->held ? lane->worker->not_before_us : 0;
    } else {
        lane->holding = worker_claim(lane->worker, &next);
    }
    oracle_look(world);
    oracle_look_at_lane(lane);
    lane->on_stack = false;
    process->on_stack--;
    lane->next = lane->holding ? world->now + work_us(world) : from_local(process, next);
    if (lane->woken && !lane->holding)
        lane->next = world->now;
    lane->next = MAX(lane->next, world->now + 1);
}

static void step_process(Process *process)
{
    if (!process->node_on_stack && process->node_next <= process->world->now) {
        step_node(process);
    } else {
        for (unsigned i = 0; i < SIM_LANES; i++) {
            Lane *lane = &process->lanes[i];
            if (lane->on_stack || lane->next > process->world->now)
                continue;
            step_lane(lane);
            break;
        }
    }
    process_schedule(process);
}

void world_run(World *world, int64_t until)
{
    while (!sim_what_broke(world)) {
        Process *first = NULL;
        int64_t next = world->next_chaos;
        reap(world);
        for (unsigned i = 0; i < world->processes->len; i++) {
            Process *process = g_ptr_array_index(world->processes, i);
            if (process->next < next) {
                first = process;
                next = process->next;
            }
        }
        if (next > until)
            break;
        world->now = MAX(world->now, next);
        world->stats->steps++;
        if (first)
            step_process(first);
        else
            chaos_tick(world);
    }
    world->now = MAX(world->now, until);
}

void sim_stall(Process *process, int64_t us, bool whole)
{
    World *world = process->world;
    if (world->depth >= DEPTH_MAX)
        return;
    world->stats->stalls++;
    trace(world, "node %d.%u stalls for %d ms%s", (int)process->machine->node, process->serial,
          (int)(us / 1000), whole ? ", all of it" : "");
    if (whole)
        process->paused_until = MAX(process->paused_until, world->now + us);
    process_schedule(process);
    world->depth++;
    world_run(world, world->now + us);
    world->depth--;
    trace(world, "node %d.%u goes on", (int)process->machine->node, process->serial);
}

/* ---- the whole */

static void open_store(World *world)
{
    g_autoptr(GError) error = NULL;
    unsigned applied;
    world->store_clock = clock_of(world, NULL);
    DbConfig config = {.kind = DB_SQLITE, .path = ":memory:", .clock = &world->store_clock.clock};
    world->store = db_open(&config, &error);
    MUST(world->store);
    MUST(migrate_upgrade(world->store, &applied, &error));
    work_make_tables(world->store);
}

static unsigned draw_nodes(World *world)
{
    double share = rand_unit(&world->rand);
    return SIM_NODES_MIN + (unsigned)(share * share * (SIM_NODES_MAX - SIM_NODES_MIN + 1));
}

World *world_new(uint64_t seed, Stats *stats)
{
    World *world = g_new0(World, 1);
    world->seed = seed;
    world->stats = stats;
    rand_init(&world->rand, seed);
    trace_new(world);
    oracle_new(world);
    world->processes = g_ptr_array_new();
    world->keys = g_ptr_array_new();
    world->key_names = g_hash_table_new(g_str_hash, g_str_equal);
    weather_draw(world);
    world->takeover_ms = sim_chance(world, 5000) ? sim_between(world, 100, 3000) : 0;
    open_store(world);
    work_make_keys(world);
    world->machine_count = draw_nodes(world);
    world->machines = g_new0(Machine, world->machine_count);
    world->target = chaos_table(world);
    for (unsigned i = 0; i < world->machine_count; i++) {
        world->machines[i] = (Machine){
            .node = i + 1,
            .table = table_ref(world->target),
            .wall_ms = sim_between(world, -2000, 2000),
            .drift = sim_between(world, -10000, 10000),
            .restart_at = 1 + sim_between(world, 0, 2 * SEC),
        };
    }
    world->next_chaos = 1;
    return world;
}

void world_free(World *world)
{
    for (unsigned i = 0; i < world->processes->len; i++)
        process_free(g_ptr_array_index(world->processes, i));
    g_ptr_array_unref(world->processes);
    for (unsigned i = 0; i < world->machine_count; i++)
        table_unref(world->machines[i].table);
    g_free(world->machines);
    table_unref(world->target);
    work_free_keys(world);
    oracle_free(world);
    db_close(world->store);
    trace_free(world);
    g_free(world);
}
