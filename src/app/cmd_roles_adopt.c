/* cmd_roles_adopt: a person says that the table which one node proposes comes into force, though
 * others propose another.
 *
 * How it fits: adoption by agreement is adoption_step's, in every node; this is the way out when
 * nodes cannot agree, because one of them is away for long or its file is not to be changed now.
 * Nodes see the new table at their next heartbeat. Failures: the node is not there (1); the store
 * cannot be reached, or the commit's outcome is not known (75): look with `rota status`.
 */
#include <inttypes.h>

#include "base/limits.h"
#include "roster/adoption.h"

#include "app/command.h"
#include "app/ui.h"

static gint64 option_node;

static bool adopt(Db *db, int64_t node, GError **error)
{
    if (!db_begin(db, DB_WRITE, error))
        return false;
    g_auto(DbScope) scope = db_scope(db);
    return adoption_force(db, node, error) && db_commit(db, error) == DB_DONE;
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    if (option_node < 0 || option_node > NODE_ID_MAX)
        return command_misuse(context, "there is no node %" PRId64 "; write a number from 1 to %d",
                              (int64_t)option_node, NODE_ID_MAX);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db)
        return command_fail(error);
    int64_t node = option_node ? option_node : context->settings->node_id;
    if (!adopt(db, node, &error))
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:I}", "node", (json_int_t)node));
    else
        printf("the table that node %" PRId64
               " proposes is in force; `rota status` shows who works by it\n",
               node);
    return EXIT_FINE;
}

static const GOptionEntry options[] = {
    {"node", 'n', 0, G_OPTION_ARG_INT64, &option_node,
     "the node whose table it is; default: that of the settings", "N"},
    {0},
};

const Command cmd_roles_adopt = {
    .name = "roles adopt",
    .usage = "",
    .summary = "brings the table that a node proposes into force, though others propose another",
    .example = "rota roles adopt --node 3",
    .options = options,
    .run = run,
};
