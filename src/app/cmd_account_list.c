/* cmd_account_list: who has mail here, and how much.
 *
 * How it fits: model/account reads, app/ui shows; --json is for machines.
 *
 * Failures: no such account (1), the store's. Known weak point: the list is held in memory as a
 * whole.
 */
#include <inttypes.h>

#include "base/error.h"
#include "front/account_json.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static gboolean option_deleted;

/* "1.5 MB of 5 GB" */
static char *format_room(const Account *account)
{
    g_autofree char *used = ui_format_bytes(account->used_bytes),
                    *quota = ui_format_bytes(account->quota_bytes);
    return account->quota_bytes ? g_strdup_printf("%s of %s", used, quota) : g_strdup(used);
}

static char *format_aliases(const Account *account)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < account->aliases->len; i++)
        g_string_append_printf(text, "%s%s", i ? " " : "",
                               (const char *)account->aliases->pdata[i]);
    return g_string_free(text, false);
}

/* A purge that has begun says so by a negative time. */
static int64_t time_of(int64_t deleted_at)
{
    return deleted_at < 0 ? -deleted_at : deleted_at;
}

static void print_table(const GPtrArray *accounts)
{
    g_autoptr(UiTable) table =
        option_deleted
            ? ui_table_new("address", "name", ">messages", ">bytes", "deleted", NULL)
            : ui_table_new("address", "name", ">messages", ">bytes", "password", "aliases", NULL);
    for (guint i = 0; i < accounts->len; i++) {
        const Account *account = accounts->pdata[i];
        g_autofree char *name = ui_safe(account->name), *room = format_room(account),
                        *aliases = format_aliases(account),
                        *deleted = ui_format_time(time_of(account->deleted_at)),
                        *messages = g_strdup_printf("%" PRId64, account->used_messages);
        if (option_deleted)
            ui_table_add(table, account->address, name, messages, room,
                         account->deleted_at ? deleted : "", NULL);
        else
            ui_table_add(table, account->address, name, messages, room,
                         account->has_password ? "yes" : "none", aliases, NULL);
        if (account->deleted_at)
            ui_table_colour(table, UI_DIM);
    }
    ui_table_print(table, stdout);
    if (!accounts->len)
        fprintf(stderr, "there is no account yet; `rota account add ADDRESS` makes one\n");
}

static int list(CommandContext *context, int argc, char **argv)
{
    (void)argc, (void)argv;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !db_begin(db, DB_READ, &error))
        return command_fail(error);
    g_autoptr(GPtrArray) accounts = account_list(db, option_deleted, &error);
    db_rollback(db);
    if (!accounts)
        return command_fail(error);
    if (!context->json) {
        print_table(accounts);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (guint i = 0; i < accounts->len; i++)
        json_array_append_new(all, account_json(accounts->pdata[i]));
    ui_print_json(json_pack("{s:o}", "accounts", all));
    return EXIT_FINE;
}

static int show(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    if (!account)
        return command_fail(error);
    if (context->json) {
        ui_print_json(account_json(account));
        return EXIT_FINE;
    }
    g_autofree char *name = ui_safe(account->name), *room = format_room(account),
                    *aliases = format_aliases(account),
                    *created = ui_format_time(account->created_at);
    printf("address   %s\nname      %s\naliases   %s\nmail      %" PRId64 " messages, %s\n"
           "password  %s%s\nmade      %s\nid        %" PRId64 ", bucket %u\n",
           account->address, name, aliases, account->used_messages, room,
           account->has_password ? "yes" : "none", account->is_admin ? ", an administrator's" : "",
           created, account->id, account->bucket);
    return EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"deleted", 0, 0, G_OPTION_ARG_NONE, &option_deleted,
     "show also those that are deleted and not yet purged", NULL},
    {0},
};

const Command cmd_account_list = {
    .name = "account list",
    .usage = "",
    .summary = "shows all accounts",
    .example = "rota account list\nrota account list --deleted --json",
    .options = OPTIONS,
    .run = list,
};

const Command cmd_account_show = {
    .name = "account show",
    .usage = "ADDRESS",
    .summary = "shows one account, by its address or an alias",
    .example = "rota account show ada@example.org",
    .args_min = 1,
    .args_max = 1,
    .run = show,
};
