/* sim_world.h: a cluster in one process, on one thread, by one seed: the store, the nodes, the
 * time.
 *
 * Time is a number (µs since the simulation began) that moves from one actor's wish to the next:
 * the node_step of a process, a lane of it, the chaos. Each process reads it through a clock of its
 * own, with a drift and a wall clock that steps. Whoever stalls (sim_stall) lets the others act
 * meanwhile: the world runs inside the stall, so that a stalled handler finds another world when it
 * goes on. A process that is killed while it is on the stack is dead at once (its doors answer no
 * more) and freed when the stack has unwound.
 *
 * Nothing here reads a real clock or real chance: the same seed gives the same run.
 */
#ifndef ROTA_TESTS_SIM_WORLD_H
#define ROTA_TESTS_SIM_WORLD_H

#include "base/rand.h"
#include "roster/worker_private.h"

#define SIM_LEASE_MS     6000
#define SIM_HEARTBEAT_MS 2000
#define SIM_STOP_MS      3000
#define SIM_NODES_MIN    50
#define SIM_NODES_MAX    200
#define SIM_LANES        5 /* of a process; see sim_roles */
#define SIM_WALL_MS      INT64_C(1800000000000)
#define SEC              INT64_C(1000000)
#define MSEC             INT64_C(1000)

typedef struct World World;
typedef struct Process Process;
typedef struct SimKey SimKey;

typedef struct {
    Clock clock;
    World *world;
    Process *process; /* NULL: the store's clock */
} SimClock;

typedef struct {
    Process *process;
    const Role *role;
    Db *db; /* a door of its own */
    Worker *worker;
    int64_t next; /* when it wants to be called */
    bool holding; /* has claimed: its next call finishes */
    bool on_stack, woken;
    bool doubted; /* the oracle saw it in doubt */
} Lane;

/* A machine of the cluster: a node-id, and its role table file. */
typedef struct {
    int64_t node;
    RoleTable *table;
    int64_t wall_ms; /* how far its wall clock is off */
    int64_t drift;   /* of its clock, parts per million */
    int64_t restart_at;
    unsigned living; /* processes */
} Machine;

struct Process {
    World *world;
    Machine *machine;
    unsigned serial;
    SimClock clock;
    Db *db;
    Load *load;
    Node *node;
    Lane lanes[SIM_LANES];
    int64_t node_next;
    int64_t next;         /* of all its actors */
    int64_t paused_until; /* SIGSTOP */
    int64_t cut_until;    /* no way to the store */
    int64_t commit_at;    /* when its last commit was sent */
    unsigned on_stack;
    bool node_on_stack, dead, stopping;
    /* its member row, as the oracle last saw it */
    int64_t row; /* incarnation; 0: none */
    int64_t lease_until;
};

/* How often what happens, of 10,000 at each occasion; drawn for each seed, many of them 0. */
typedef struct {
    unsigned crash, pause, cut, outage, wall, drain, stop, rival, rollout, force; /* a tick */
    unsigned stall, slow, unknown, retry; /* a call of a door */
    unsigned fail;                        /* a key whose handler fails */
} Weather;

typedef struct {
    uint64_t steps, enqueued, effects, acts, kills, takeovers, stalls, adoptions, burials, unknown;
    uint64_t claims_for_others; /* of shards that are taken over */
    uint64_t acts_twice;        /* explained ones: killed between the act and its record */
    GArray *takeover_ms;        /* of int64: from a kill to the next claim of what it held */
} Stats;

struct World {
    uint64_t seed;
    Rand rand;
    Weather weather;
    Db *store;
    SimClock store_clock;
    int64_t store_step_ms; /* a failover's difference */
    int64_t now;
    int64_t outage_until;
    int64_t next_chaos;
    int64_t restart_us;  /* a machine with no process gets one within this time */
    int64_t takeover_ms; /* cluster.takeover; 0: never */
    bool calm;           /* no more faults */
    bool measuring;      /* what is killed now must be taken over in time */
    unsigned depth;
    unsigned serials;
    Machine *machines;
    unsigned machine_count;
    GPtrArray *processes; /* of Process */
    RoleTable *target;    /* what the operator rolls out */
    unsigned rolled_out;  /* to so many machines */
    GPtrArray *keys;      /* of SimKey */
    GHashTable *key_names;
    struct Oracle *oracle;
    struct Trace *trace;
    Stats *stats;
};

World *world_new(uint64_t seed, Stats *stats);
void world_free(World *world);
/* Lets everything happen until then (or until a promise is broken). */
void world_run(World *world, int64_t until);
int64_t world_store_ms(const World *world);

/* The actor on the stack stalls: the others go on. `whole`: SIGSTOP, all of its process stands.
 * Only with no transaction open. */
void sim_stall(Process *process, int64_t us, bool whole);
/* Chance: true `per` times of 10,000. */
bool sim_chance(World *world, unsigned per);
int64_t sim_between(World *world, int64_t low, int64_t high);

Process *process_start(World *world, Machine *machine);
/* kill -9 */
void process_kill(Process *process);
/* SIGCONT, or something it waits for has come: looks at its actors again. */
void process_schedule(Process *process);

/* sim_door.c: a door to the store that fails and stalls by the weather. */
Db *door_open(Process *process);
/* sim_chaos.c */
void weather_draw(World *world);
void chaos_tick(World *world);
RoleTable *chaos_table(World *world);
void chaos_enqueue(World *world, SimKey *key);
/* sim_ending.c: faults end; everything must be done in bounded time. */
void ending_run(World *world);

#endif
