/* cmd_imip: what came of an account's invitations: what was decided about those that came, and why;
 * to whom which were sent.
 *
 * How it fits: model/imip_in and imip_out read, app/ui shows; --json is for machines.
 *
 * Failures: no such account (1), the store's.
 */
#include <inttypes.h>

#include "base/error.h"
#include "model/invitation.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

#define ENTRIES     50
#define ENTRIES_MAX 10000

static char *option_account;
static gint option_number = ENTRIES;

static json_t *entry_json(const ImipEntry *entry)
{
    json_t *value = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "way", entry->in ? "in" : "out", "at",
        (json_int_t)entry->at, "method", entry->method, "outcome", entry->outcome, "uid",
        entry->uid, "recurrence", entry->recurrence, "sequence", (json_int_t)entry->sequence,
        entry->in ? "sender" : "recipient", entry->who, "why", entry->why);
    if (entry->in)
        json_object_set_new(value, "email", json_integer(entry->email));
    else
        json_object_update_new(value,
                               json_pack("{s:I, s:I}", "attempts", (json_int_t)entry->attempts,
                                         "uncertain", (json_int_t)entry->uncertain));
    return value;
}

static void print_table(const GPtrArray *entries)
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
}

static int log_invitations(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    if (!option_account)
        return command_misuse(context, "whose log? `-a ADDRESS` says it");
    if (option_number < 1 || option_number > ENTRIES_MAX)
        return command_misuse(context, "-n is from 1 to %d", ENTRIES_MAX);
    g_autoptr(Account) account = command_open_account(context, option_account, &db, &error);
    if (!account || !db_begin(db, DB_READ, &error))
        return command_fail(error);
    g_autoptr(GPtrArray) entries = imip_log(db, account->id, (unsigned)option_number, &error);
    db_rollback(db);
    if (!entries)
        return command_fail(error);
    if ((guint)option_number < entries->len) /* of both ways, the newest */
        g_ptr_array_set_size(entries, option_number);
    if (!context->json) {
        print_table(entries);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (guint i = 0; i < entries->len; i++)
        json_array_append_new(all, entry_json(entries->pdata[i]));
    ui_print_json(json_pack("{s:o}", "invitations", all));
    return EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"account", 'a', 0, G_OPTION_ARG_STRING, &option_account, "whose invitations", "ADDRESS"},
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
