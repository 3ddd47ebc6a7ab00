/* task_admin.h: the two things a person can do to a dead letter or a waiting task: run it now, or
 * drop it.
 *
 * Each call is a transaction of its own. ERROR_UNKNOWN: the connection broke in the commit; doing
 * it again is safe, and says ERROR_GONE where it was done.
 *
 * A task that a node runs is left alone. An id that is both a dead letter and a task means the dead
 * letter. A handle, one thread (db.h).
 */
#ifndef ROTA_ROSTER_TASK_ADMIN_H
#define ROTA_ROSTER_TASK_ADMIN_H

#include <glib.h>
#include <stdbool.h>

#include "db/db.h"
#include "roster/role.h"

/* "fts-indexing:17" is split into role and key; the role by its own name, also where `id` has its
 * other one. Both are the caller's. ERROR_REJECT: it is no id. */
bool task_id_parse(const RoleSet *set, const char *id, char **ret_role, char **ret_key,
                   GError **error);

typedef enum { TASK_WAS_DEAD, TASK_WAS_WAITING } TaskWas;
/* Makes it due now: a dead letter comes back as a task, with no attempts and no deaths counted. If
 * the same was asked for again meanwhile, the two become one. ERROR_GONE, ERROR_CONFLICT (it runs).
 */
bool task_retry(Db *db, const RoleSet *set, const char *id, TaskWas *ret_was, GError **error);
/* Removes it for good. ERROR_GONE, ERROR_CONFLICT (it runs). */
bool task_drop(Db *db, const RoleSet *set, const char *id, TaskWas *ret_was, GError **error);

typedef enum { VERB_RETRY, VERB_DROP } TaskVerb;
/* A walk over all dead letters of a role, in transactions of TASK_BATCH_MAX: begin with all zero
 * and call dead_letters_step until `over`. What is buried after the walk began is left alone. */
typedef struct {
    int64_t until;   /* buried_at of the newest that is meant; 0: sets out now */
    unsigned bucket; /* where it is */
    int64_t count;   /* done so far */
    bool over;
} DeadWalk;
bool dead_letters_step(Db *db, const char *role, TaskVerb verb, DeadWalk *walk, GError **error);
/* How many there are, counted to REPORT_COUNT_MAX: for a progress bar. -1 on error. */
int64_t dead_letters_count(Db *db, const char *role, GError **error);

#endif
