/* account_tasks.h: a task for each account of a shard, page by page: what a role that works once
 * for each account enqueues at its round.
 *
 * All inside the caller's transaction.
 */
#ifndef ROTA_MODEL_ACCOUNT_TASKS_H
#define ROTA_MODEL_ACCOUNT_TASKS_H

#include "db/db.h"

typedef struct {
    const char *role;
    unsigned shard, shards;
    unsigned limit;          /* accounts of one page */
    int64_t bucket, account; /* the last one of the page before: moved; bucket -1 at first */
    bool ended;              /* there is no page after this one */
    unsigned added;          /* by this page */
} AccountTasks;

/* Adds, or merges, a task for each living account of the next page: its bucket, and its id in
 * decimal as the key; and wakes the nodes that do them. */
bool account_tasks_add(Db *db, AccountTasks *page, GError **error);
/* Adds a task of the role's own that goes on with the next page: in the first bucket of the shard.
 */
bool account_tasks_next(Db *db, const AccountTasks *page, const char *key, const char *payload,
                        GError **error);
/* The address of a living account, owned by the caller; NULL in *ret: there is none of that id. */
bool account_tasks_address(Db *db, int64_t account, char **ret_address, GError **error);

#endif
