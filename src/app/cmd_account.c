/* cmd_account: makes, deletes and changes accounts.
 *
 * How it fits: model/account's verbs, each one transaction, with what a person needs to go on.
 * Reading them is cmd_account_list's, passwords are cmd_account_password's.
 *
 * Failures: no address, a taken one, none there (with the nearest), the store's. A commit whose
 * outcome is not known says how to find out. Known weak point: an alias that somebody takes between
 * the look and the making leaves the account without it; the message says so.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "content/address.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static char *option_name, *option_quota;
static char **option_aliases;
static gboolean option_password_stdin, option_generate, option_remove, option_admin;

/* Answers with the account as it is now, or only says it. */
static int say(const CommandContext *context, const char *address, const char *result)
{
    g_autofree char *safe = ui_safe(address);
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "address", safe, "result", result));
    else
        printf("%s: %s\n", safe, result);
    return EXIT_FINE;
}

static int explain(Db *db, const char *address, GError **error)
{
    if (db)
        command_explain_account(db, address, error);
    return command_fail(*error);
}

/* ---- add */

/* All that can be said against them before anything is made. */
static bool check_aliases(Db *db, GError **error)
{
    for (char **alias = option_aliases; alias && *alias; alias++) {
        g_autoptr(Address) address = address_parse(*alias, error);
        int64_t id;
        if (!address)
            g_prefix_error(error, "alias \"%s\": ", *alias);
        if (!address || !db_begin(db, DB_READ, error))
            return false;
        bool taken = account_resolve(db, *alias, &id, NULL);
        db_rollback(db);
        if (taken)
            return fail(error, ERROR_CONFLICT, "alias \"%s\" is taken: nothing was made", *alias);
    }
    return true;
}

/* What follows the making itself. */
static bool dress(Db *db, const char *address, const char *password, GError **error)
{
    bool good = !password || account_set_password(db, address, password, error);
    good = good && (!option_admin || account_set_admin(db, address, true, error));
    for (char **alias = option_aliases; good && alias && *alias; alias++)
        good = account_add_alias(db, address, *alias, error);
    if (!good)
        g_prefix_error(error, "%s was made, but not all of it: ", address);
    return good;
}

static int add(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    int64_t quota = 0, id = 0;
    if (option_quota && !units_parse_size(option_quota, &quota, &error))
        return command_misuse(context, "--quota: %s", error->message);
    if (option_generate && option_password_stdin)
        return command_misuse(context, "--generate or --password-stdin, not both");
    g_autofree char *password = NULL;
    if (option_password_stdin && !(password = password_read(&error)))
        return command_fail(error);
    if (option_generate)
        password = password_generate();
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_CREATE, &error);
    if (!db || !check_aliases(db, &error) ||
        !account_add(db, argv[0], option_name, quota, &id, &error) ||
        !dress(db, argv[0], password, &error))
        return error_kind(error) == ERROR_UNKNOWN ? explain(db, argv[0], &error)
                                                  : command_fail(error);
    if (context->json) {
        json_t *made = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "address", argv[0],
                                 "result", "made");
        if (option_generate)
            json_object_set_new(made, "password", json_string(password));
        ui_print_json(made);
        return EXIT_FINE;
    }
    printf("%s: made\n", argv[0]);
    if (option_generate)
        printf("password: %s\n", password);
    else if (!password)
        fprintf(stderr, "it has no password; `rota account password %s` sets one\n", argv[0]);
    return EXIT_FINE;
}

/* ---- delete, undelete, alias, quota */

static int delete_account(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !account_delete(db, argv[0], &error))
        return explain(db, argv[0], &error);
    if (!context->json)
        fprintf(stderr, "`rota account undelete %s` brings it back until it is purged\n", argv[0]);
    return say(context, argv[0], "deleted");
}

static int undelete(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !account_undelete(db, argv[0], &error)) {
        if (error_kind(error) == ERROR_GONE)
            g_prefix_error(&error, "nothing comes back (`rota account list --deleted` shows "
                                   "what can): ");
        return error_kind(error) == ERROR_UNKNOWN ? explain(db, argv[0], &error)
                                                  : command_fail(error);
    }
    return say(context, argv[0], "is back, without its aliases");
}

static int alias(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    if (!account)
        return command_fail(error);
    if (!option_remove)
        return account_add_alias(db, argv[0], argv[1], &error) ? say(context, argv[1], "added")
                                                               : command_fail(error);
    g_autoptr(Account) other = command_find_account(db, argv[1], &error);
    if (!other)
        return command_fail(error);
    if (other->id != account->id) {
        fail(&error, ERROR_GONE, "\"%s\" is an alias of \"%s\", not of \"%s\": nothing was changed",
             argv[1], other->address, account->address);
        return command_fail(error);
    }
    return account_remove_alias(db, argv[1], &error) ? say(context, argv[1], "removed")
                                                     : command_fail(error);
}

static int quota(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    int64_t bytes = 0;
    if (strcmp(argv[1], "none") != 0 && !units_parse_size(argv[1], &bytes, &error))
        return command_misuse(context, "%s", error->message);
    g_autoptr(Db) db = command_open_db(context, COMMAND_STORE_EXISTING, &error);
    if (!db || !account_set_quota(db, argv[0], bytes, &error))
        return explain(db, argv[0], &error);
    g_autofree char *size = ui_format_bytes(bytes),
                    *text = bytes ? g_strdup_printf("quota %s", size) : g_strdup("no quota");
    return say(context, argv[0], text);
}

static const GOptionEntry ADD_OPTIONS[] = {
    {"name", 0, 0, G_OPTION_ARG_STRING, &option_name, "whose it is, for people", "NAME"},
    {"quota", 0, 0, G_OPTION_ARG_STRING, &option_quota, "room for mail (none)", "SIZE"},
    {"alias", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_aliases,
     "one more address; as often as needed", "ADDRESS"},
    {"password-stdin", 0, 0, G_OPTION_ARG_NONE, &option_password_stdin,
     "read its password from standard input", NULL},
    {"generate", 0, 0, G_OPTION_ARG_NONE, &option_generate, "make a password, and print it", NULL},
    {"admin", 0, 0, G_OPTION_ARG_NONE, &option_admin,
     "make it an administrator's, for the admin API", NULL},
    {0},
};

static const GOptionEntry ALIAS_OPTIONS[] = {
    {"remove", 0, 0, G_OPTION_ARG_NONE, &option_remove, "take it away", NULL},
    {0},
};

const Command cmd_account_add = {
    .name = "account add",
    .usage = "ADDRESS",
    .summary = "makes an account, with its mailboxes",
    .example = "rota account add ada@example.org --name \"Ada Example\" --quota 5gb\n"
               "rota account add ada@example.org --alias postmaster@example.org --generate\n"
               "rota account add admin@example.org --admin --generate",
    .options = ADD_OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = add,
};

const Command cmd_account_delete = {
    .name = "account delete",
    .usage = "ADDRESS",
    .summary = "deletes an account: refuses its mail now, and purges it later",
    .example = "rota account delete ada@example.org",
    .args_min = 1,
    .args_max = 1,
    .run = delete_account,
};

const Command cmd_account_undelete = {
    .name = "account undelete",
    .usage = "ADDRESS",
    .summary = "brings the account back that was deleted last under an address",
    .example = "rota account undelete ada@example.org",
    .args_min = 1,
    .args_max = 1,
    .run = undelete,
};

const Command cmd_account_alias = {
    .name = "account alias",
    .usage = "ADDRESS ALIAS",
    .summary = "gives an account one more address, or takes it away",
    .example = "rota account alias ada@example.org a.example@example.org\n"
               "rota account alias ada@example.org a.example@example.org --remove",
    .options = ALIAS_OPTIONS,
    .args_min = 2,
    .args_max = 2,
    .run = alias,
};

const Command cmd_account_quota = {
    .name = "account quota",
    .usage = "ADDRESS SIZE|none",
    .summary = "sets how much mail an account may keep",
    .example = "rota account quota ada@example.org 5gb\nrota account quota ada@example.org none",
    .args_min = 2,
    .args_max = 2,
    .run = quota,
};
