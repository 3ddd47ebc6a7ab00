/* dry_run.h: what a run of a role would remove, without a node and without a trace.
 *
 * The role's own handler does it, the same code that a real run takes; see handler.h. One thread,
 * with a handle that has no transaction open and none after. It writes nothing.
 */
#ifndef ROTA_ROSTER_DRY_RUN_H
#define ROTA_ROSTER_DRY_RUN_H

#include "roster/role.h"

typedef struct {
    Db *db;
    const Clock *clock;
    const Role *role;       /* with a handler that says `dry` */
    unsigned shard, shards; /* the round of shard K of N, K from 1 */
    const void *settings;   /* for Run.settings */
    const RunWatch *watch;
} DryRun;

bool dry_run(const DryRun *config, GError **error);

#endif
