/* cmd_account_password: sets the password that an account's person logs in with.
 *
 * How it fits: model/account keeps a digest; app/password gets the words.
 *
 * Failures: no such account (asked before anything is typed), no password, the store's.
 */
#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static gboolean option_stdin, option_generate, option_remove;

static int run(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    if (option_stdin + option_generate + option_remove > 1)
        return command_misuse(context, "one of --password-stdin, --generate and --remove");
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    if (!account)
        return command_fail(error);
    g_autofree char *password = option_remove     ? g_strdup("")
                                : option_generate ? password_generate()
                                : option_stdin    ? password_read(&error)
                                                  : password_ask(&error);
    if (!password)
        return command_fail(error);
    if (!account_set_password(db, argv[0], password, &error)) {
        command_explain_account(db, argv[0], &error);
        return command_fail(error);
    }
    const char *result = option_remove ? "has no password now" : "password set";
    if (context->json) {
        json_t *made = json_pack("{s:s, s:s}", "address", account->address, "result", result);
        if (option_generate)
            json_object_set_new(made, "password", json_string(password));
        ui_print_json(made);
        return EXIT_FINE;
    }
    printf("%s: %s\n", account->address, result);
    if (option_generate)
        printf("password: %s\n", password);
    return EXIT_FINE;
}

static const GOptionEntry OPTIONS[] = {
    {"password-stdin", 0, 0, G_OPTION_ARG_NONE, &option_stdin,
     "read it from the first line of standard input", NULL},
    {"generate", 0, 0, G_OPTION_ARG_NONE, &option_generate, "make one, and print it", NULL},
    {"remove", 0, 0, G_OPTION_ARG_NONE, &option_remove, "take it away: nobody can log in", NULL},
    {0},
};

const Command cmd_account_password = {
    .name = "account password",
    .usage = "ADDRESS",
    .summary = "sets an account's password: asked for, read or made",
    .example = "rota account password ada@example.org\n"
               "rota account password ada@example.org --generate",
    .options = OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
