/* command_account: finds the account that a person means, and says what to do where there is none.
 *
 * How it fits: `rota account …`, `rota import`, `rota export` and `rota mail …` name an account by
 * an address or an alias.
 *
 * Failures: the store's; ERROR_GONE with the nearest address.
 */
#include "app/command_account.h"

#include "base/error.h"

void command_explain_account(Db *db, const char *address, GError **error)
{
    if (!error || !*error)
        return;
    ErrorKind kind = error_kind(*error);
    g_autofree char *hint = NULL;
    if (kind == ERROR_UNKNOWN) {
        hint = g_strdup_printf("; `rota account show %s` tells whether it happened", address);
    } else if (kind == ERROR_GONE && db_begin(db, DB_READ, NULL)) {
        g_autofree char *nearest = account_nearest(db, address);
        db_rollback(db);
        hint = nearest ? g_strdup_printf(": did you mean \"%s\"?", nearest)
                       : g_strdup_printf("; `rota account list` shows all, `rota account add %s` "
                                         "makes it",
                                         address);
    }
    if (!hint)
        return;
    g_autofree char *text = g_strconcat((*error)->message, hint, NULL);
    g_clear_error(error);
    fail(error, kind, "%s", text);
}

Account *command_find_account(Db *db, const char *address, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (!db_begin(db, DB_READ, error))
        return NULL;
    Account *account = account_find(db, address, &why);
    db_rollback(db);
    if (account)
        return account;
    command_explain_account(db, address, &why);
    g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}

Account *command_open_account(CommandContext *context, const char *address, Db **ret_db,
                              GError **error)
{
    *ret_db = command_open_db(context, COMMAND_STORE_EXISTING, error);
    return *ret_db ? command_find_account(*ret_db, address, error) : NULL;
}
