/* cmd_store_rename: gives the store the name of another cluster, or none.
 *
 * How it fits: a copy of a store (a restored backup, a trial) is no longer the cluster's own; with
 * another name the cluster's nodes cannot take it for theirs (roster/identity). The settings are
 * read for the way to the store only: their own cluster.name is what the store has yet to get.
 *
 * Failures: no store, or one of another version (1, 2); a store that cannot be reached (75); an
 * outcome that is not known (75): asking again is the same. Known weak point: nodes that run
 * already find out when they join anew.
 */
#include "app/command.h"

#include "app/ui.h"
#include "base/error.h"
#include "base/limits.h"
#include "roster/identity.h"

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    if (strlen(argv[0]) > CLUSTER_NAME_BYTES_MAX)
        return command_misuse(context, "a name has at most %d bytes", CLUSTER_NAME_BYTES_MAX);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_ANY_NAME, &error);
    if (!db || !db_begin(db, DB_WRITE, &error))
        return command_fail(error);
    g_auto(DbScope) scope = db_scope(db);
    /* Unknown: the person may ask again, it is the same. */
    if (!identity_rename(db, argv[0], &error) || db_commit(db, &error) != DB_DONE)
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:s}", "name", argv[0]));
    else if (*argv[0])
        printf("the store belongs to the cluster \"%s\" now\n", argv[0]);
    else
        printf("the store has no name now: the next node that names a cluster gives it its own\n");
    return EXIT_FINE;
}

const Command cmd_store_rename = {
    .name = "store rename",
    .usage = "NAME",
    .summary = "gives the store another cluster's name, so that only that one's nodes take it",
    .example = "rota store rename trial\nrota store rename ''",
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
