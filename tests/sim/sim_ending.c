/* sim_ending: faults end, and everything must be done in bounded time.
 *
 * First all heals: every machine runs a process and has the same table. All that was ever asked for
 * must be done or be a dead letter. Then calm work is asked for, some processes that hold tasks are
 * killed, and what they held must be claimed by others within the lease and two seconds (promise 8;
 * the 99th percentile over all seeds is the program's business, a bound for each is ours).
 */
#include "base/must.h"
#include "roster/shard.h"

#include "sim_oracle.h"

#define DONE_WITHIN     (120 * SEC)
#define TAKEOVER_WITHIN ((SIM_LEASE_MS + 4000) * MSEC)

static void heal(World *world)
{
    trace(world, "all heals");
    world->calm = true;
    world->outage_until = 0;
    world->restart_us = SEC;
    for (unsigned i = 0; i < world->machine_count; i++) {
        Machine *machine = &world->machines[i];
        table_unref(machine->table);
        machine->table = table_ref(world->target);
        if (machine->living == 0)
            machine->restart_at = world->now + sim_between(world, 1, SEC);
    }
    for (unsigned i = 0; i < world->processes->len; i++) {
        Process *process = g_ptr_array_index(world->processes, i);
        process->paused_until = process->cut_until = 0;
        node_ask_reload(process->node);
        process->node_next = world->now;
        process_schedule(process);
    }
}

static unsigned count_up(const World *world)
{
    unsigned up = 0;
    for (unsigned i = 0; i < world->processes->len; i++) {
        const Process *process = g_ptr_array_index(world->processes, i);
        up += !process->dead && node_state(process->node) == NODE_UP;
    }
    return up;
}

static bool is_whole(World *world)
{
    const RoleTable *table = oracle_table(world);
    return oracle_count_tasks(world) == 0 && count_up(world) == world->machine_count && table &&
           g_str_equal(table_digest(table), table_digest(world->target));
}

static void wait_until_whole(World *world)
{
    int64_t until = world->now + DONE_WITHIN;
    while (!sim_what_broke(world) && world->now < until && !is_whole(world))
        world_run(world, world->now + SEC);
    if (!is_whole(world))
        sim_broken(world, 3, "%d tasks are left, %u of %u nodes are up, the table is %s",
                   (int)oracle_count_tasks(world), count_up(world), world->machine_count,
                   g_str_equal(table_digest(oracle_table(world)), table_digest(world->target))
                       ? "agreed on"
                       : "not agreed on");
}

static void ask_for_all(World *world)
{
    for (unsigned i = 0; i < world->keys->len; i++) {
        SimKey *key = g_ptr_array_index(world->keys, i);
        key->fails = 0;
        if (key->kind != KIND_SWEEP && !key->poison)
            chaos_enqueue(world, key);
    }
}

static bool holds_something(const Process *process)
{
    for (unsigned i = 0; i < SIM_LANES; i++)
        if (process->lanes[i].worker->held && !process->lanes[i].worker->doubtful)
            return true;
    return false;
}

static void kill_some(World *world)
{
    unsigned most = (unsigned)sim_between(world, 1, 12);
    for (unsigned i = 0; i < world->processes->len && most > 0; i++) {
        Process *process = g_ptr_array_index(world->processes, i);
        if (process->dead || !holds_something(process) || sim_chance(world, 2000))
            continue;
        process_kill(process);
        most--;
    }
}

/* Does another node of the key's shard live? */
static bool has_heir(World *world, const SimKey *key)
{
    const RoleTable *table = oracle_table(world);
    const char *role = sim_roles.roles[key->kind].name;
    unsigned shard = shard_of_bucket(key->bucket, table_shards(table, role));
    for (unsigned i = 0; i < world->processes->len; i++) {
        const Process *process = g_ptr_array_index(world->processes, i);
        if (!process->dead && table_may(table, role, shard, process->machine->node))
            return true;
    }
    return false;
}

static unsigned count_orphans(World *world)
{
    unsigned orphans = 0;
    for (unsigned i = 0; i < world->keys->len; i++)
        orphans += ((SimKey *)g_ptr_array_index(world->keys, i))->orphaned_at != 0;
    return orphans;
}

static void kill_and_wait(World *world)
{
    int64_t killed = world->now;
    world->measuring = true;
    kill_some(world);
    for (unsigned i = 0; i < world->machine_count; i++)
        if (world->machines[i].living == 0)
            world->machines[i].restart_at = INT64_MAX;
    for (unsigned i = 0; i < world->keys->len; i++) {
        SimKey *key = g_ptr_array_index(world->keys, i);
        if (key->orphaned_at != 0 && !has_heir(world, key))
            key->orphaned_at = 0;
    }
    while (!sim_what_broke(world) && count_orphans(world) > 0 &&
           world->now < killed + TAKEOVER_WITHIN)
        world_run(world, world->now + 100 * MSEC);
    for (unsigned i = 0; i < world->keys->len; i++) {
        const SimKey *key = g_ptr_array_index(world->keys, i);
        if (key->orphaned_at != 0)
            sim_broken(world, 8, "%s was held by a killed node, and nobody has claimed it in %d ms",
                       key->name, (int)((world->now - killed) / 1000));
    }
    world->measuring = false;
    for (unsigned i = 0; i < world->machine_count; i++)
        if (world->machines[i].living == 0)
            world->machines[i].restart_at = world->now + sim_between(world, 1, SEC);
}

void ending_run(World *world)
{
    heal(world);
    wait_until_whole(world);
    for (unsigned turn = 0; turn < 2 && !sim_what_broke(world); turn++) {
        oracle_check_end(world);
        ask_for_all(world);
        world_run(world, world->now + sim_between(world, 5 * MSEC, 150 * MSEC));
        kill_and_wait(world);
        wait_until_whole(world);
    }
    if (!sim_what_broke(world))
        oracle_check_end(world);
}
