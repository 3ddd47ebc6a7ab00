/* plan_read.h: a plan of a store: what it is made from is read here.
 *
 * A handle, one thread; one read transaction of its own.
 */
#ifndef ROTA_FRONT_PLAN_READ_H
#define ROTA_FRONT_PLAN_READ_H

#include <jansson.h>

#include "roster/plan.h"

typedef struct {
    const RoleSet *set;
    const RoleTable *table;     /* that would be; NULL: the one in force */
    const char *without, *with; /* nodes, as "2,5-7"; NULL: none */
} PlanReadAsk;

/* What it was compared with. */
typedef struct {
    char digest[80]; /* of the table in force, as table_digest has it */
    int64_t epoch;
} PlanReadOf;

/* `ret_of` may be NULL. ERROR_REJECT: a node list is none, and the text begins with its name;
 * ERROR_GONE: no table is in force, or nothing runs and nothing is said to. */
Plan *plan_read(Db *db, const PlanReadAsk *ask, PlanReadOf *ret_of, GError **error);
/* For machines; owned by the caller. */
json_t *plan_json(const Plan *plan);

#endif
