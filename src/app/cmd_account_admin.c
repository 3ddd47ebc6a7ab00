/* cmd_account_admin: who may use the admin API over HTTP.
 *
 * How it fits: model/account keeps the mark; front/http_auth.c asks for it. A node remembers a
 * login for a minute: so long it may take until it is seen.
 *
 * Failures: no such account (1), the store's.
 */
#include <string.h>

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    bool admin = strcmp(argv[1], "on") == 0;
    if (!admin && strcmp(argv[1], "off") != 0)
        return command_misuse(context, "found \"%s\"; write on or off", argv[1]);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    g_autoptr(Account) account = db ? command_find_account(db, argv[0], &error) : NULL;
    if (!account || !account_set_admin(db, argv[0], admin, &error))
        return command_fail(error);
    const char *result = admin ? "is an administrator now" : "is no administrator now";
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "address", account->address, "result", result));
    else
        printf("%s: %s\n", account->address, result);
    if (admin && !account->has_password)
        fprintf(stderr, "it has no password; `rota account password %s` sets one\n",
                account->address);
    return EXIT_FINE;
}

const Command cmd_account_admin = {
    .name = "account admin",
    .usage = "ADDRESS on|off",
    .summary = "makes an account an administrator's, for the admin API, or no longer",
    .example = "rota account admin ada@example.org on\nrota account admin ada@example.org off",
    .args_min = 2,
    .args_max = 2,
    .run = run,
};
