/* plan_view.h: a plan as people read it; machines read front/plan_read.h.
 *
 * Pure printing; the plan is roster/plan.h's. One thread.
 */
#ifndef ROTA_APP_PLAN_VIEW_H
#define ROTA_APP_PLAN_VIEW_H

#include <stdio.h>

#include "roster/plan.h"

/* Prints the whole of it; what would be uncovered comes first. */
void plan_view_print(const Plan *plan, FILE *out);

#endif
