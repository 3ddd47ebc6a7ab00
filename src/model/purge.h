/* purge.h: what has served its time, found and removed page by page; the SQL of purge.stores and
 * purge.accounts.
 *
 * A kind is one sort of row that goes, with the way to find the next page of them and the way to
 * remove it. A walk goes through a kind once: purge_walk_next reads a page after the last one, in a
 * read transaction, so that nobody waits for it; purge_walk_remove removes that page in a write
 * transaction, short since a page is small, and asks of each row again whether it still goes. A dry
 * run is a walk without the removing. What was removed is not found again: a walk that was cut off
 * begins anew and goes on where it was.
 *
 * Calling sequence: purge_walk_new, { (read tx) purge_walk_next; (write tx) purge_walk_remove }*
 * until purge_walk_ended, purge_walk_free. One thread.
 */
#ifndef ROTA_MODEL_PURGE_H
#define ROTA_MODEL_PURGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* What a walk is about; times are the store's ms. */
typedef struct {
    unsigned shard, shards; /* from 1 */
    int64_t now;            /* of the run's begin */
    int64_t loose_before;   /* blobs that lost their last link before */
    int64_t history_before; /* task_history and load_sample from before */
    int64_t account;        /* the kinds of one account */
    int64_t mailbox;        /* purge_expunged */
    int64_t filed_before;   /* purge_expunged */
    int64_t keep;           /* purge_trimmed: so many of the newest changes stay */
} PurgeScope;

/* The store's clock. (tx) */
bool purge_now(Db *db, int64_t *ret_now, GError **error);

typedef struct PurgeKind PurgeKind;
/* What purge.stores removes, by shard; NULL-ended. */
extern const PurgeKind *const purge_of_store[];
/* An account's rows of the index whose message is gone. */
extern const PurgeKind *const purge_index_leftovers;

/* All that an account owns, in the order in which it goes, and last the account; NULL-ended.
 * Removed after purge_account_begin only. */
extern const PurgeKind *const purge_of_account[];
/* Messages of one mailbox (Trash, Junk) filed before filed_before, that are in no mailbox of
 * another sort; destroyed as a person would. */
extern const PurgeKind *const purge_expunged;
/* Changes of an account but the newest `keep`. */
extern const PurgeKind *const purge_trimmed;

/* "blobs" */
const char *purge_kind_name(const PurgeKind *kind);

typedef struct {
    const char *name; /* what people and --json see of it: a path of its keys */
    int64_t bytes;
} PurgeItem;

typedef struct PurgeWalk PurgeWalk;
PurgeWalk *purge_walk_new(const PurgeKind *kind, const PurgeScope *scope);
void purge_walk_free(PurgeWalk *walk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PurgeWalk, purge_walk_free)
/* Reads the next page, of at most `share` sixteenths (1 to PURGE_SHARE_MAX) of the kind's rows.
 * (tx)
 */
#define PURGE_SHARE_MAX 16
bool purge_walk_next(PurgeWalk *walk, Db *db, unsigned share, GError **error);
/* There is nothing after this page. */
bool purge_walk_ended(const PurgeWalk *walk);
/* What of the page goes; borrowed until the next page. */
const PurgeItem *purge_walk_items(const PurgeWalk *walk, unsigned *ret_count);
/* True where the page has something to write, though it may have no item. */
bool purge_walk_is_busy(const PurgeWalk *walk);
/* Removes what of the page still goes; *ret counts it. (tx) */
typedef struct {
    int64_t count, bytes;
} PurgeCount;
bool purge_walk_remove(PurgeWalk *walk, Db *db, PurgeCount *ret, GError **error);

/* What the walk has met so far and left, and why. */
typedef struct {
    PurgeCount grace;     /* its time has not come: it lost its last link within the grace */
    PurgeCount linked;    /* somebody links to it again */
    PurgeCount meanwhile; /* it was to go, and changed between the look and the removal */
} PurgeKept;
const PurgeKept *purge_walk_kept(const PurgeWalk *walk);

/* Accounts after `after`, by id, in whose index something is left over: it is up to date and has
 * more rows than the account has messages, or the account is gone. As GArray of int64; looks at up
 * to `limit` accounts of the scope's shard, and *ret_after is the last one looked at, unchanged at
 * the end. (tx) */
GArray *purge_index_suspects(Db *db, const PurgeScope *scope, unsigned limit, int64_t *ret_after,
                             GError **error);

/* ---- accounts that have something to do */

typedef struct {
    int64_t id;
    bool leaves; /* deleted before, or its removal has begun */
    bool trim, expunge;
} PurgeAccount;
typedef struct {
    unsigned shard, shards;
    int64_t deleted_before; /* of purge_account_begin too */
    int64_t filed_before;   /* 0: nothing is expunged */
    int64_t keep;           /* changes */
    unsigned limit;         /* accounts looked at */
    int64_t bucket, id;     /* the last one looked at: moved; bucket -1 at first */
} PurgeAccountsAsk;
/* Looks at the next accounts of the shard, by bucket and id; gives those that have something to do,
 * as GArray of PurgeAccount. An account with nothing to do costs a look at its row and its
 * mailboxes'. *ret_ended: there are no more. (tx) */
GArray *purge_accounts_due(Db *db, PurgeAccountsAsk *ask, bool *ret_ended, GError **error);
/* Marks an account as being removed: it cannot be undeleted any more, and nobody writes for it
 * (account_keep). *ret_begun is false where it was undeleted meanwhile. (tx) */
bool purge_account_begin(Db *db, int64_t account, int64_t deleted_before, bool *ret_begun,
                         GError **error);

/* Trash and Junk of an account that may hold something filed before, as GArray of int64. (tx) */
GArray *purge_mailboxes_due(Db *db, int64_t account, int64_t filed_before, GError **error);
/* Reads since when the oldest message of a mailbox is in it (now, if it is empty), and writes that
 * nothing older is to be looked for. (both tx) */
bool purge_mailbox_oldest(Db *db, int64_t account, int64_t mailbox, int64_t *ret_oldest,
                          GError **error);
bool purge_mailbox_note_oldest(Db *db, int64_t account, int64_t mailbox, int64_t oldest,
                               GError **error);

#endif
