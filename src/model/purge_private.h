/* purge_private.h: what a kind of purge.h is made of; private to model/purge*.c.
 *
 * Constant data: a kind is a way to list and a way to remove, in SQL, and letters that say what its
 * statements are given, in the order of their $1, $2, …: 0 to 4 the row's key (in a list: the last
 * row's), and of the scope s shard, S shards, n now, o loose_before, h history_before as an id of
 * task_history, m history_before as a minute, a account, b its bucket, A account as text, M
 * mailbox, f filed_before, k keep; l is the page's limit.
 */
#ifndef ROTA_MODEL_PURGE_PRIVATE_H
#define ROTA_MODEL_PURGE_PRIVATE_H

#include "model/purge.h"

#define PURGE_KEY_MAX  5
#define PURGE_ARGS_MAX 12

/* Of a row: nothing yet; it goes; it stays, since it is linked again, or it is gone already, and
 * `after` has to be run. */
typedef enum { PURGE_WAITS, PURGE_GOES, PURGE_LINKED, PURGE_GONE } PurgeWhat;

struct PurgeKind {
    const char *name;
    const char *key;  /* its columns: i integer, t text, d digest */
    const char *path; /* the item's name: 0 to 4 key columns, a account, with '/' between them */
    unsigned limit;   /* rows of a page */
    bool by_digest;   /* sharded here, by the digest in column 0 */
    /* Gives the key, the bytes, and what to do, a PurgeWhat. In the order of the key. */
    DbSql list;
    const char *list_args;
    /* Run for each row of the page, in this order; .sql NULL: none. What `remove` changes is
     * counted. */
    DbSql lock, lock_too, remove, after;
    const char *lock_args, *remove_args, *after_args; /* lock_args: of both */
    /* Instead of these, for the whole page; `keys` are those of column 0. */
    bool (*remove_page)(Db *db, const PurgeScope *scope, const int64_t *keys, unsigned count,
                        PurgeCount *ret, GError **error);
};

#endif
