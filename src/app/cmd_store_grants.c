/* cmd_store_grants: prints what lets a role of PostgreSQL serve, without being the owner of it all.
 *
 * How it fits: the text is db/grants'; a person reads it and gives it to psql as the owner. It asks
 * no store. Failures: none but wrong use. Known weak point: it cannot know whether the role is
 * there; psql says so.
 */
#include "app/command.h"

#include "app/ui.h"
#include "db/grants.h"

static char *option_schema;

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autofree char *script = grants_format(argv[0], option_schema ? option_schema : "public");
    if (context->json)
        ui_print_json(json_pack("{s:s}", "sql", script));
    else
        fputs(script, stdout);
    return EXIT_FINE;
}

static const GOptionEntry options[] = {
    {"schema", 0, 0, G_OPTION_ARG_STRING, &option_schema,
     "where the store's tables are; default: public", "NAME"},
    {0},
};

const Command cmd_store_grants = {
    .name = "store grants",
    .usage = "ROLE",
    .summary = "prints the SQL that lets a role of PostgreSQL serve, and change no schema",
    .example = "rota store grants rota | psql -d rota -U rota_owner",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
