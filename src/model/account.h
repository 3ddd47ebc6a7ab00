/* account.h: accounts, their aliases and quota.
 *
 * Functions take a Db; those marked (tx) run inside the caller's transaction, others open and end their own. An account's bucket is
 * bucket_of(its id in decimal). Ids are never used twice. Deleting marks (address freed, delivery refused); purge.accounts removes after the
 * retention; until then it can be undeleted.
 */
#ifndef ROTA_MODEL_ACCOUNT_H
#define ROTA_MODEL_ACCOUNT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct {
    int64_t id;
    unsigned bucket;
    char *address, *name;
    int64_t quota_bytes, used_bytes, used_messages; /* quota 0: none */
    int64_t created_at, deleted_at;                 /* deleted 0: living */
    GPtrArray *aliases;                             /* of char *, without its own address; by account_list and account_find only */
} Account;
void account_free(Account *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Account, account_free)

/* Creates it with its mailboxes (Inbox, Drafts, Sent, Junk, Trash, Archive). ERROR_CONFLICT: the address is taken; ERROR_REJECT: not an address. */
bool account_add(Db *db, const char *address, const char *name, int64_t quota_bytes, int64_t *ret_id, GError **error);
/* By address or alias, living only; ERROR_GONE. (tx) */
Account *account_find(Db *db, const char *address, GError **error);
/* The id of the living account behind an address (folded by content/address); ERROR_GONE. Cheap: for RCPT. (tx) */
bool account_resolve(Db *db, const char *address, int64_t *ret_id, GError **error);
/* All, by address; deleted ones too where asked. (tx) */
GPtrArray *account_list(Db *db, bool deleted, GError **error);
bool account_add_alias(Db *db, const char *address, const char *alias, GError **error);
bool account_remove_alias(Db *db, const char *alias, GError **error);
bool account_set_quota(Db *db, const char *address, int64_t quota_bytes, GError **error);
bool account_delete(Db *db, const char *address, GError **error);
/* The latest deleted one of that address comes back. ERROR_GONE, ERROR_CONFLICT. */
bool account_undelete(Db *db, const char *address, GError **error);

#endif
