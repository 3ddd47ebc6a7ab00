/* sim_work.h: the work of the simulated cluster: its roles, and what their handlers leave behind.
 *
 * Each enqueue is an ask: the key's count of asks grows by one, and the number is the task's
 * payload. A run that ends well writes an effect for the ask that it was claimed with. So the
 * effects of an ask can be counted: one, or two where the key wants to run again.
 *   work   queued, in batches, asks for tasks of `push` in its own transaction
 *   long   queued, with checkpoints: three parts, each committed once
 *   push   queued; an act outside the store between its intent and its effect
 *   sweep  rounds
 */
#ifndef ROTA_TESTS_SIM_WORK_H
#define ROTA_TESTS_SIM_WORK_H

#include "sim_world.h"

#define SIM_ATTEMPTS 4
#define LONG_PARTS   3

typedef enum { KIND_WORK, KIND_LONG, KIND_PUSH, KIND_SWEEP, KIND_COUNT } SimKind;

struct SimKey {
    SimKind kind;
    char name[40];
    unsigned bucket;
    bool poison, asked_once;
    unsigned fails;     /* runs that fail before one ends well */
    unsigned wanted;    /* runs for one ask: 1 or 2 */
    unsigned killed;    /* processes, by a poison key */
    int64_t acted;      /* the last ask with an act outside */
    Lane *holder;       /* as the oracle last saw it, */
    int64_t generation; /* with this one */
    int64_t orphaned_at;
    GArray *effects; /* of unsigned, by ask */
    GArray *parts;   /* of unsigned, by ask * LONG_PARTS + part */
};

extern const RoleSet sim_roles;
extern const Round sim_rounds[1];

/* The role of a lane, by its number. */
const Role *work_lane_role(unsigned lane);
SimKind work_kind(const char *role);
void work_make_tables(Db *store);
void work_make_keys(World *world);
void work_free_keys(World *world);
/* In the open transaction: one ask more, and its task. */
bool work_ask(Db *db, const SimKey *key, int64_t due_at, GError **error);
SimKey *work_get_key(World *world, const char *name);
/* A round's key in a bucket (two tables may make two tasks of one key); added when first met. */
SimKey *work_round_key(World *world, const char *name, unsigned bucket);

#endif
