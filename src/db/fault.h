/* fault.h: a door around a Db that fails when it is told to; for tests and the simulator.
 *
 * The faults are those of the world: the connection is lost before, during (outcome unknown,
 * committed or not) or after a commit; the store is busy; the store cannot be reached for a while.
 * The handle behind it is borrowed, and may be shared by many doors on one thread as long as at
 * most one of them has a transaction open: that is how the simulator gives each of hundreds of
 * nodes its own view of one store.
 *
 * FAULT_UNKNOWN_* at another point than a commit is a lost connection: FAULT_RETRY.
 *
 * Deterministic: the plan decides, by number of the call or by a function.
 */
#ifndef ROTA_DB_FAULT_H
#define ROTA_DB_FAULT_H

#include "db/db.h"

typedef enum { FAULT_POINT_BEGIN, FAULT_POINT_STATEMENT, FAULT_POINT_COMMIT } FaultPoint;
typedef enum {
    FAULT_NONE,
    FAULT_RETRY,            /* this call fails with ERROR_RETRY, nothing happened */
    FAULT_UNKNOWN_DONE,     /* at a commit: it is done, but the caller hears DB_UNKNOWN */
    FAULT_UNKNOWN_NOT_DONE, /* at a commit: it is not, and the caller hears DB_UNKNOWN */
} Fault;

/* Asked at each point; `call` counts the calls of this door from 1. Pure, or the test is not
 * repeatable. */
typedef Fault (*FaultPlan)(FaultPoint point, uint64_t call, void *data);

/* Owned by the caller, close with db_close; `behind` must outlive it. */
Db *db_open_fault(Db *behind, FaultPlan plan, void *data);

/* The plan of "fault number n fails, for n = 1, 2, … until the body passes": fails call n with
 * `fault`, all others pass. */
typedef struct {
    uint64_t number;
    Fault fault;
    bool met; /* set when call `number` came: false after the body means that every call has been
                 tried */
} FaultAt;
Fault fault_plan_at(FaultPoint point, uint64_t call, void *fault_at);

#endif
