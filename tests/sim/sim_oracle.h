/* sim_oracle.h: knows everything and forgives nothing: checks the promises of the roster after
 * every step, from the store itself and from what the processes hold in memory.
 *
 * The first promise that is found broken ends the run (sim_broken). It never writes to the store.
 */
#ifndef ROTA_TESTS_SIM_ORACLE_H
#define ROTA_TESTS_SIM_ORACLE_H

#include "sim_work.h"

void oracle_new(World *world);
void oracle_free(World *world);
/* A transaction of `process` is about to be committed; `node`: by its node_step. */
void oracle_note_commit(Process *process, bool node);
/* With no transaction open: looks at what was committed. Before time moves, and after each step. */
void oracle_look(World *world);
/* A lane has claimed or finished: what does it hold now? */
void oracle_look_at_lane(Lane *lane);
/* The operator adopts a table at once. */
void oracle_note_forced(World *world);
/* An act outside the store begins now. */
void oracle_note_act(Lane *lane, SimKey *key, int64_t ask);
/* What a lane held is orphaned: its process was killed. */
void oracle_note_kill(Process *process);
void oracle_forget_process(Process *process);
/* All is over: every ask is done, or a dead letter with its error. */
void oracle_check_end(World *world);
const RoleTable *oracle_table(const World *world); /* in force; NULL: none yet */
int64_t oracle_count_tasks(World *world);

/* sim_trace.c: the last events, and a digest of all. */
void trace_new(World *world);
void trace_free(World *world);
void trace(World *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace_print(const World *world);
uint64_t trace_digest(const World *world);
/* A promise is broken: remembered, once; world_run returns soon. `promise` 0: not one of the nine.
 */
void sim_broken(World *world, unsigned promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *sim_what_broke(const World *world); /* NULL: nothing */

#endif
