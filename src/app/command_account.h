/* command_account.h: what the commands about accounts and their mail share.
 *
 * One thread (the command's).
 */
#ifndef ROTA_APP_COMMAND_ACCOUNT_H
#define ROTA_APP_COMMAND_ACCOUNT_H

#include <glib.h>
#include <stdbool.h>

#include "model/account.h"

#include "app/command.h"

/* account_find for a person: ERROR_GONE names the nearest address that there is, or how to make the
 * account. Opens and ends a transaction of its own. */
Account *command_find_account(Db *db, const char *address, GError **error);
/* The account of a command's argument, and *ret_db, the store that it is in; both are the caller's,
 * and the latter may be there without the former. */
Account *command_open_account(CommandContext *context, const char *address, Db **ret_db,
                              GError **error);
/* Adds to an error of account_delete and its like what a person can do about it. No transaction is
 * open; `error` may hold none. */
void command_explain_account(Db *db, const char *address, GError **error);

#define PASSWORD_BYTES_MAX 1024 /* argon2id reads any length; more is a file by mistake */
/* A password typed twice on the terminal, without echo; caller frees. ERROR_REJECT: no terminal,
 * empty, or the two differ; ERROR_STOPPED: Ctrl-C. */
char *password_ask(GError **error);
/* The first line of standard input; caller frees. ERROR_REJECT: empty, too long, not UTF-8. */
char *password_read(GError **error);
/* A fresh one that nobody can guess (100 bits), easy to type; caller frees. */
char *password_generate(void);

#endif
