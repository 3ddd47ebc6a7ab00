/* cmd_imip: what came of an account's invitations: what was decided about those that came, and why;
 * to whom which were sent.
 *
 * How it fits: model/imip_log reads, app/ui shows; --json is what the admin API answers.
 *
 * Failures: no such account (1), the store's.
 */
#include <inttypes.h>

#include "base/error.h"
#include "front/imip_json.h"
#include "model/invitation.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

#define ENTRIES     50
#define ENTRIES_MAX 10000

static char *option_account;
static gint option_number = ENTRIES;
static gint64 option_email;
static char *option_after;

static void print_table(const GPtrArray *entries, const char *next)
{
    g_autoptr(UiTable) table =
        ui_table_new("time", "", "method", "outcome", "from or to", "~event", "~why", NULL);
    for (guint i = 0; i < entries->len; i++) {
        const ImipEntry *entry = entries->pdata[i];
        g_autofree char *time = ui_format_time(entry->at), *who = ui_safe(entry->who),
                        *event = g_strdup_printf("%s%s%s", entry->uid,
                                                 *entry->recurrence ? " " : "", entry->recurrence),
                        *safe = ui_safe(event), *method = ui_safe(entry->method),
                        *why = ui_safe(entry->why);
        ui_table_add(table, time, entry->in ? "in" : "out", method, entry->outcome, who, safe, why,
                     NULL);
        if (g_str_equal(entry->outcome, "refused") || g_str_equal(entry->outcome, "failed"))
            ui_table_colour(table, UI_YELLOW);
    }
    ui_table_print(table, stdout);
    if (!entries->len)
        fprintf(stderr, "no invitation has come or gone\n");
    if (next)
        fprintf(stderr, "there are more: --after %s\n", next);
}

static int log_invitations(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    if (!option_account)
        return command_misuse(context, "whose log? `-a ADDRESS` says it");
    if (option_email < 0)
        return command_misuse(context, "--email is the number of a letter");
    if (option_number < 1 || option_number > ENTRIES_MAX)
        return command_misuse(context, "-n is from 1 to %d", ENTRIES_MAX);
    g_autoptr(Account) account = command_open_account(context, option_account, &db, &error);
    if (!account || !db_begin(db, DB_READ, &error))
        return command_fail(error);
    ImipLogAsk ask = {
        .limit = (unsigned)option_number, .email = option_email, .after = option_after};
    g_autofree char *next = NULL;
    g_autoptr(GPtrArray) entries = imip_log(db, account->id, &ask, &next, &error);
    db_rollback(db);
    if (!entries)
        return command_fail(error);
    if (context->json)
        ui_print_json(imip_json_log(entries, next));
    else
        print_table(entries, next);
    return EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account, "whose invitations", "ADDRESS"},
    {"email", 0, 0, G_OPTION_ARG_INT64, &option_email, "of this letter alone", "N"},
    {"after", 0, 0, G_OPTION_ARG_STRING, &option_after, "where the page before ended", "PLACE"},
    {"number", 'n', 0, G_OPTION_ARG_INT, &option_number, "how many, the newest first (50)", "N"},
    {0},
};

const Command cmd_imip_log = {
    .name = "imip log",
    .usage = "-a ADDRESS",
    .summary = "shows what was done with invitations that came, and what was sent to whom",
    .example = "rota imip log -a ada@example.org\nrota imip log -a ada@example.org -n 200 --json",
    .options = OPTIONS,
    .run = log_invitations,
};
