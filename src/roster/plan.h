/* plan.h: what a change would do: another table, other nodes, or both, before it is made.
 *
 * Pure: tables, running nodes, counts and measurements go in, a Plan comes out; nothing is read and
 * nothing is changed. Any thread.
 *
 * A hand is the set of running nodes that serve a bucket for a role: by the table the nodes of its
 * shard, of these the ones that run. A bucket, and each account in it, changes hands when that set
 * is another one afterwards. Exact for tables and nodes as they are handed in.
 *
 * The load that a node would get is an estimate from what was measured under the table in force: a
 * shard's work is spread over its buckets (by accounts where the role works by account), a bucket
 * whose hand stays is worked by the same nodes in the same shares, and one that changes hands is
 * shared evenly in the new hand.
 */
#ifndef ROTA_ROSTER_PLAN_H
#define ROTA_ROSTER_PLAN_H

#include "roster/load_report.h"
#include "roster/table.h"

typedef struct {
    const RoleSet *set;
    const RoleTable *before, *after;
    const GArray *running_before, *running_after; /* of int64, ascending */
    const int64_t *accounts;                      /* of each bucket: BUCKETS of them */
    const LoadReport *load;
} PlanAsk;

/* Buckets that go from one hand to another. */
typedef struct {
    char *before, *after; /* "1,4"; "nobody" */
    unsigned buckets;
    int64_t accounts;
} PlanMove;

typedef struct {
    const Role *role;
    char *before, *after; /* the shards by the tables: "1,4 | 2,3" */
    unsigned buckets;     /* that change hands */
    int64_t accounts;     /* in these; 0 for a role that does not work by account */
    GPtrArray *moves;     /* of PlanMove, the largest first */
    int64_t busy_us;      /* measured, of the whole role */
} PlanRole;

/* A shard of the table afterwards that is not well covered. */
typedef struct {
    const Role *role;
    unsigned shard, shards;
    char *nodes;  /* by the table */
    int64_t node; /* the only one that would run; 0: none would */
} PlanShard;

typedef struct {
    int64_t node;
    bool runs_before, runs_after;
    int64_t runs;          /* measured */
    int64_t busy_us;       /* measured */
    double busy_us_after;  /* expected, in the same time */
    unsigned shards_after; /* that it would serve, over all roles */
} PlanNode;

typedef struct {
    GPtrArray *roles;     /* of PlanRole, in the order of the set */
    GPtrArray *dropped;   /* of char *: roles of the table before that the set does not have */
    GPtrArray *uncovered; /* of PlanShard */
    GPtrArray *single;    /* of PlanShard: hang on one node */
    GArray *nodes;        /* of PlanNode, by node */
    unsigned buckets;     /* that change hands for at least one role */
    int64_t accounts;     /* that change hands for at least one role that works by account */
    int64_t all_accounts;
    int64_t measured_ms;      /* from how long a time the loads are; 0: no measurement */
    double busy_us_uncovered; /* work that nobody would do */
} Plan;
Plan *plan_new(const PlanAsk *ask);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

#endif
