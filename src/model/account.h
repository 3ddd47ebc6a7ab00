/* account.h: accounts, their aliases, quota and password.
 *
 * Functions take a Db; those marked (tx) run inside the caller's transaction, others open and end
 * their own. An account's bucket is bucket_of(its id in decimal). Ids are never used twice.
 * Deleting marks (address freed, delivery refused); purge.accounts removes after the retention;
 * until then it can be undeleted.
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
    char *address, *name;                           /* address: as it was, for a deleted one too */
    int64_t quota_bytes, used_bytes, used_messages; /* quota 0: none */
    int64_t created_at, deleted_at;                 /* deleted 0: living */
    bool has_password, is_admin;
    GPtrArray *aliases; /* of char *, without its own address; a deleted account has none */
} Account;
void account_free(Account *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Account, account_free)

/* Creates it with its mailboxes (Inbox, Drafts, Sent, Junk, Trash, Archive). ERROR_CONFLICT: the
 * address is taken; ERROR_REJECT: not an address. */
bool account_add(Db *db, const char *address, const char *name, int64_t quota_bytes,
                 int64_t *ret_id, GError **error);
/* By address or alias, living only; ERROR_GONE. (tx) */
Account *account_find(Db *db, const char *address, GError **error);
/* The id of the living account behind an address (folded by content/address); ERROR_GONE. Cheap:
 * for RCPT. (tx) */
bool account_resolve(Db *db, const char *address, int64_t *ret_id, GError **error);
/* The living address or alias that a mistyped one most likely means, caller frees; NULL: none is
 * near, or there are too many to look. (tx) */
char *account_nearest(Db *db, const char *address);
/* All, by address; deleted ones too where asked. (tx) */
GPtrArray *account_list(Db *db, bool deleted, GError **error);
/* A page of the living ones, by address as the store sorts, or of the deleted ones, by id.
 * *ret_next, the caller's, is `after` of the page that follows, NULL at the end. (tx) */
typedef struct {
    bool deleted;
    const char *after; /* NULL: the first page */
    unsigned limit;
    /* Of the living ones: */
    const char *match; /* a part of the address, lower-cased; NULL: any */
    int64_t over;      /* at least so many % of the quota are used; 0: any */
} AccountPage;
GPtrArray *account_page(Db *db, const AccountPage *page, char **ret_next, GError **error);
/* The address of a living one by its number, caller frees; ERROR_GONE. (tx) */
char *account_address(Db *db, int64_t id, GError **error);
/* Living ones that use at least `percent` of their quota, as Account without aliases, the fullest
 * first, at most `limit`; *ret_count is how many there are. (tx) */
GPtrArray *account_near_quota(Db *db, int64_t percent, unsigned limit, int64_t *ret_count,
                              GError **error);
/* How many living ones each bucket has; `ret_counts` has room for BUCKETS. (tx) */
bool account_count_by_bucket(Db *db, int64_t *ret_counts, GError **error);
bool account_add_alias(Db *db, const char *address, const char *alias, GError **error);
/* ERROR_GONE: there is no such alias; ERROR_REJECT: it is an account's own address. */
bool account_remove_alias(Db *db, const char *alias, GError **error);
/* What a living one may keep (0: there is no limit) and keeps, in bytes; ERROR_GONE. (tx) */
bool account_usage(Db *db, int64_t account, int64_t *ret_quota, int64_t *ret_used, GError **error);
/* 0: no limit. It is a change of the account. */
bool account_set_quota(Db *db, const char *address, int64_t quota_bytes, GError **error);
bool account_delete(Db *db, const char *address, GError **error);
/* The latest deleted one of that address comes back, without its aliases. ERROR_GONE,
 * ERROR_CONFLICT. */
bool account_undelete(Db *db, const char *address, GError **error);

/* Keeps the argon2id digest of a password ("" takes it away); costs 64 MB and some 100 ms, outside
 * any transaction. */
bool account_set_password(Db *db, const char *address, const char *password, GError **error);
/* Opens a read transaction of its own; *ret_right. As slow as setting it; a wrong address costs as
 * much as a wrong password. */
bool account_check_password(Db *db, const char *address, const char *password, bool *ret_right,
                            GError **error);

/* Makes it an administrator, or takes that away: the mark that the admin API asks for. It goes with
 * the account. */
#define ADMIN_KIND "administrator" /* in table expiring, key "" */
bool account_set_admin(Db *db, const char *address, bool admin, GError **error);

/* Locks its row until the end of the transaction: its counts and its change log are the caller's.
 * Deleted ones too; ERROR_GONE. (tx) */
bool account_lock_row(Db *db, int64_t account, GError **error);
/* Keeps purge.accounts from beginning to remove it until the end of the transaction. *ret_stays is
 * false where that has begun, or is done: then nothing may be written for it. Does not wait for
 * others that write for the account. (tx) */
bool account_keep(Db *db, int64_t account, bool *ret_stays, GError **error);
/* The same of several, in one statement; `accounts` may name one twice. (tx) */
bool account_keep_many(Db *db, const int64_t *accounts, unsigned count, bool *ret_stay,
                       GError **error);

/* Tasks for an account's work: the bucket of its id, and the id in decimal as a key. `key` has room
 * for 21 bytes. */
#define ACCOUNT_KEY_BYTES 21
unsigned account_bucket(int64_t id, char key[ACCOUNT_KEY_BYTES]);

#endif
