/* cmd_plan: what another role table, or fewer or more nodes, would mean, before it is so.
 *
 * How it fits: front/plan_read.c reads and compares, plan_view.c prints. What would be: the table
 * of the settings, or, with --without or --with alone, the one in force. It changes nothing.
 *
 * Failures: broken settings, or a node list that is none (2); no table is in force yet, or no node
 * runs and none is assumed (1); the store cannot be reached (75). An uncovered shard is the answer
 * no (1).
 */
#include <inttypes.h>

#include "base/error.h"
#include "front/plan_read.h"

#include "app/command.h"
#include "app/plan_view.h"
#include "app/ui.h"

static char *option_without, *option_with;

static void print_head(const CommandContext *context, const PlanReadOf *of, bool own)
{
    printf("In force: table %.12s, epoch %" PRId64 ".  Then: %s", of->digest, of->epoch,
           own ? "the same table" : "the table of ");
    if (!own)
        printf("%s, %.12s", context->settings->file ? context->settings->file : "the defaults",
               table_digest(context->settings->table));
    if (option_without)
        printf(", without %s", option_without);
    if (option_with)
        printf(", with %s", option_with);
    printf("\n\n");
}

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    PlanReadOf of = {0};
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db)
        return command_fail(error);
    bool own = !context->settings_option && (option_with || option_without);
    PlanReadAsk ask = {.set = &context->settings->roles,
                       .table = own ? NULL : context->settings->table,
                       .without = option_without,
                       .with = option_with};
    g_autoptr(Plan) plan = plan_read(db, &ask, &of, &error);
    if (!plan)
        return error_kind(error) == ERROR_REJECT && g_str_has_prefix(error->message, "with")
                   ? command_misuse(context, "--%s", error->message)
                   : command_fail(error);
    if (context->json) {
        ui_print_json(plan_json(plan));
    } else {
        print_head(context, &of, own);
        plan_view_print(plan, stdout);
    }
    return plan->uncovered->len == 0 ? EXIT_FINE : EXIT_NO;
}

static const GOptionEntry options[] = {
    {"without", 0, 0, G_OPTION_ARG_STRING, &option_without, "as if these nodes did not run",
     "NODES"},
    {"with", 0, 0, G_OPTION_ARG_STRING, &option_with, "as if these nodes ran too", "NODES"},
    {0},
};

const Command cmd_plan = {
    .name = "plan",
    .usage = "",
    .summary = "says what a table, or the loss of nodes, would change, and changes nothing",
    .example = "rota plan -c rota-new.toml\nrota plan --without 2,5\nrota plan -c rota-new.toml "
               "--with 7",
    .options = options,
    .run = run,
};
