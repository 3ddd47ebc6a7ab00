/* dry_run: runs a handler as a round would, but dry.
 *
 * How it fits: `rota run ROLE --dry-run` and the tests that compare it with a real run. The
 * handler knows by run->dry; what it must not do then is a MUST in worker_run.c. Failures: the
 * handler's.
 */
#include "roster/dry_run.h"

#include "base/must.h"

bool dry_run(const DryRun *config, GError **error)
{
    MUST(config->role->handler && config->role->handler->dry);
    MUST(config->shard >= 1 && config->shard <= config->shards);
    g_autoptr(GString) detail = g_string_new(NULL);
    Rand rand;
    rand_init(&rand, 1); /* nothing that is not written needs chance */
    RunTask task = {.key = "", .payload = ""};
    Run run = {
        .db = config->db,
        .clock = config->clock,
        .rand = &rand,
        .role = config->role->name,
        .shard = config->shard,
        .shards = config->shards,
        .tasks = &task,
        .count = 1,
        .deadline_us = INT64_MAX,
        .settings = config->settings,
        .detail = detail,
        .dry = config->watch,
    };
    bool good = config->role->handler->run(&run, error);
    db_rollback(config->db);
    return good;
}
