/* cmd_account_token: tokens, which programs have instead of a person's password.
 *
 * How it fits: model/token's verbs; front/http_auth.c takes them. Failures: no such account or
 * token (1), the store's. Known weak point: the token is printed once, on the terminal.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits_http.h"
#include "base/units.h"
#include "model/token.h"

#include "app/command.h"
#include "app/command_account.h"
#include "app/ui.h"

static char *option_name, *option_expires;
static gboolean option_admin;

static int add(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    int64_t ttl_ms = 0;
    if (option_expires && !units_parse_duration(option_expires, &ttl_ms, &error))
        return command_misuse(context, "--expires: %s", error->message);
    if (option_expires && ttl_ms == 0) /* for the store that is one that never ends */
        return command_misuse(context, "--expires: write more than 0; without it, it never ends");
    if (option_name && strlen(option_name) > TOKEN_NAME_BYTES_MAX)
        return command_misuse(context, "--name: write at most %d bytes", TOKEN_NAME_BYTES_MAX);
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    g_autofree char *token =
        account ? token_add(db, account->address, option_name, option_admin, ttl_ms, &error) : NULL;
    if (!token)
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "address", account->address, "token", token));
    else
        printf("%s\n", token);
    if (!context->json)
        fprintf(stderr, "nobody sees it again; it is for Bearer, and for Basic as a password\n");
    if (option_admin && !account->is_admin)
        fprintf(stderr, "the account is no administrator's: `rota account admin %s on`\n",
                account->address);
    return EXIT_FINE;
}

static void print_table(const GPtrArray *tokens)
{
    g_autoptr(UiTable) table =
        ui_table_new("id", "for", "admin", "made", "last used", "ends", NULL);
    for (unsigned i = 0; i < tokens->len; i++) {
        const Token *token = g_ptr_array_index(tokens, i);
        g_autofree char *name = ui_safe(token->name), *made = ui_format_time(token->created_at),
                        *used = ui_format_time(token->used_at),
                        *ends = ui_format_time(token->expires_at);
        ui_table_add(table, token->id, name, token->admin ? "yes" : "no", made,
                     token->used_at ? used : "never", token->expires_at ? ends : "never", NULL);
    }
    ui_table_print(table, stdout);
    if (tokens->len == 0)
        fprintf(stderr, "this account has no token; `rota account token ADDRESS` makes one\n");
}

static int list(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    g_autoptr(GPtrArray) tokens = account ? token_list(db, account->address, &error) : NULL;
    if (!tokens)
        return command_fail(error);
    if (!context->json) {
        print_table(tokens);
        return EXIT_FINE;
    }
    json_t *all = json_array();
    for (unsigned i = 0; i < tokens->len; i++) {
        const Token *token = g_ptr_array_index(tokens, i);
        json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:I, s:I, s:I}", "id", token->id,
                                             "name", token->name, "admin", token->admin,
                                             "created_at", (json_int_t)token->created_at, "used_at",
                                             (json_int_t)token->used_at, "expires_at",
                                             (json_int_t)token->expires_at));
    }
    ui_print_json(json_pack("{s:o}", "tokens", all));
    return EXIT_FINE;
}

static int revoke_token(CommandContext *context, int argc, char **argv)
{
    (void)argc;
    g_autoptr(GError) error = NULL;
    g_autoptr(Db) db = NULL;
    g_autoptr(Account) account = command_open_account(context, argv[0], &db, &error);
    if (!account || !token_revoke(db, account->address, argv[1], &error))
        return command_fail(error);
    if (context->json)
        ui_print_json(json_pack("{s:s, s:s}", "id", argv[1], "result", "revoked"));
    else
        printf("%s: revoked; a node may take it for a minute yet\n", argv[1]);
    return EXIT_FINE;
}

static const GOptionEntry ADD_OPTIONS[] = {
    {"name", 0, 0, G_OPTION_ARG_STRING, &option_name, "what it is for, for people", "NAME"},
    {"expires", 0, 0, G_OPTION_ARG_STRING, &option_expires, "ends after this (never)", "DURATION"},
    {"admin", 0, 0, G_OPTION_ARG_NONE, &option_admin,
     "is for the admin API too, where the account is an administrator's", NULL},
    {0},
};

const Command cmd_account_token = {
    .name = "account token",
    .usage = "ADDRESS",
    .summary = "makes a token: what a program has instead of a password",
    .example = "rota account token ada@example.org --name telephone\n"
               "rota account token admin@example.org --admin --expires 90d",
    .options = ADD_OPTIONS,
    .args_min = 1,
    .args_max = 1,
    .run = add,
};

const Command cmd_account_tokens = {
    .name = "account tokens",
    .usage = "ADDRESS",
    .summary = "shows an account's tokens, and when each was used last",
    .example = "rota account tokens ada@example.org",
    .args_min = 1,
    .args_max = 1,
    .run = list,
};

const Command cmd_account_revoke = {
    .name = "account revoke",
    .usage = "ADDRESS ID",
    .summary = "takes a token away",
    .example = "rota account revoke ada@example.org 3f2a90c1d5e7",
    .args_min = 2,
    .args_max = 2,
    .run = revoke_token,
};
