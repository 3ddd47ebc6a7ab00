/* run_dry.h: `rota run ROLE --dry-run`: what a real run would remove, now, said and not done. */
#ifndef ROTA_APP_RUN_DRY_H
#define ROTA_APP_RUN_DRY_H

#include "app/command.h"

typedef struct {
    Db *db;
    const Role *role;
    unsigned first, last, shards; /* the shards that are asked for, of so many */
    bool verbose;                 /* each item too */
} RunDryAsk;
/* Prints it; the exit status. */
int run_dry(CommandContext *context, const RunDryAsk *ask);

#endif
