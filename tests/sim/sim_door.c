/* sim_door: the way of one node or lane to the store, with the world's faults on it.
 *
 * Each call can be lost (ERROR_RETRY), be slow, or stall; a commit's outcome can be unknown, done
 * or not. Before a transaction begins, a stall lets the others act (sim_stall); inside one, time
 * goes by and nobody else can write, as it is on SQLite. A dead, cut off or unlucky process always
 * hears ERROR_RETRY.
 */
#include "base/must.h"
#include "db/fault.h"

#include "sim_oracle.h"

/* A hiccup as a rule, sometimes longer than a lease. */
static int64_t stall_us(World *world)
{
    if (sim_chance(world, 7000))
        return sim_between(world, 1 * MSEC, 300 * MSEC);
    if (sim_chance(world, 7000))
        return sim_between(world, 300 * MSEC, 4 * SEC);
    return sim_between(world, 4 * SEC, 14 * SEC);
}

static bool is_away(const Process *process)
{
    const World *world = process->world;
    return process->dead || world->now < process->cut_until || world->now < world->outage_until;
}

static Fault plan(FaultPoint point, uint64_t call, void *data)
{
    Process *process = data;
    World *world = process->world;
    (void)call;
    if (point == FAULT_POINT_BEGIN)
        oracle_look(world);
    if (is_away(process))
        return FAULT_RETRY;
    if (point == FAULT_POINT_COMMIT)
        process->commit_at = world->now;
    if (!world->calm) {
        if (point == FAULT_POINT_BEGIN && sim_chance(world, world->weather.stall))
            sim_stall(process, stall_us(world), sim_chance(world, 5000));
        else if (point != FAULT_POINT_BEGIN && sim_chance(world, world->weather.slow))
            world->now += stall_us(world);
        if (is_away(process) || sim_chance(world, world->weather.retry))
            return FAULT_RETRY;
        if (point == FAULT_POINT_COMMIT && sim_chance(world, world->weather.unknown)) {
            bool done = sim_chance(world, 5000);
            trace(world, "node %d.%u commit unknown: %s", (int)process->machine->node,
                  process->serial, done ? "done" : "not done");
            world->stats->unknown++;
            if (done)
                oracle_note_commit(process, process->node_on_stack);
            return done ? FAULT_UNKNOWN_DONE : FAULT_UNKNOWN_NOT_DONE;
        }
    }
    if (point == FAULT_POINT_COMMIT)
        oracle_note_commit(process, process->node_on_stack);
    return FAULT_NONE;
}

Db *door_open(Process *process)
{
    return db_open_fault(process->world->store, plan, process);
}
