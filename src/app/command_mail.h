/* command_mail.h: what the commands `rota mail …` share: whose mail, which mailbox, which messages.
 *
 * One thread (the command's).
 */
#ifndef ROTA_APP_COMMAND_MAIL_H
#define ROTA_APP_COMMAND_MAIL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

#include "app/command.h"

/* -a ADDRESS and the store: the two that each of them needs. `db` is owned by the caller. */
typedef struct {
    Db *db;
    int64_t account;
    const char *address;
} MailHome;
/* EXIT_FINE, or the exit status of what was said: no -a, no store, no such account. */
int mail_home_open(CommandContext *context, const char *address, MailHome *ret);
void mail_home_close(MailHome *home);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MailHome, mail_home_close)

/* The mailbox of a path; ERROR_GONE names the nearest that there is. (tx) */
bool mail_find_folder(const MailHome *home, const char *path, int64_t *ret_id, GError **error);
/* A path that was typed, in composed letters, as mailboxes have them; caller frees. NULL for NULL.
 */
char *mail_compose_path(const char *path);
/* Numbers as `rota mail list` and `rota search` show them; NULL with ERROR_REJECT: not such. */
GArray *mail_parse_ids(int count, char **words, GError **error);

/* Does something to each message, many in a transaction. `change` may say ERROR_GONE: that message
 * is named, and the rest goes on. Says `result` and how many; the exit status. */
typedef bool (*MailChange)(const MailHome *home, int64_t id, void *data, GError **error);
int mail_change_all(CommandContext *context, const MailHome *home, const GArray *ids,
                    MailChange change, void *data, const char *result);

#endif
