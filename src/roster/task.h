/* task.h: the one queue. A task is a row, unique by (role, key): add, claim, end, bury, look.
 *
 * Invariants
 * - Add happens inside the caller's transaction, with the change that causes it. Adding a task that
 * is there merges: version grows, due_at becomes the earlier one, the payload is replaced unless
 * empty. If it runs now, it runs once more afterwards.
 * - Claimed in batches, by buckets of the given shard only, oldest due first within a bucket. Free
 * is: owner 0, or an owner that has no member row any more (its death is counted). The cost of a
 * claim does not depend on the backlog of other shards, of other roles, or of tasks not yet due.
 * - Ended inside the transaction of the effect, guarded by the fence (owner and generation). A task
 * that changed hands: ERROR_CONFLICT, and the whole transaction is rolled back by the caller.
 * - A task ends as done, again, or a dead letter; never silently.
 * - At least once: handlers bear twice. In the store exactly once.
 *
 * Suspects have died with TASK_DEATHS_SUSPECT incarnations and may have killed them: they are
 * claimed one at a time, and by one lane of a node at a time (`suspects` of the ask), so that a
 * poison task does not take innocent ones with it. After TASK_DEATHS_MAX deaths a task is buried,
 * not run. The first death makes no suspect: a node that held thousands is to be taken over in
 * batches.
 *
 * task_add may be called from any floor that has the Db; the rest is the worker's and the reports'.
 * A handle, one thread (db.h).
 */
#ifndef ROTA_ROSTER_TASK_H
#define ROTA_ROSTER_TASK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"
#include "db/db.h"

typedef struct {
    const char *role;
    unsigned bucket;
    const char *key;     /* at most TASK_KEY_BYTES_MAX */
    const char *payload; /* NULL or "": none; at most TASK_PAYLOAD_BYTES_MAX */
    int64_t due_at;      /* store's wall ms; 0: now */
} TaskNew;

/* Adds or merges, in the open transaction. Wakes nobody: see task_wake. */
bool task_add(Db *db, const TaskNew *task, GError **error);
bool task_add_many(Db *db, const TaskNew *tasks, unsigned count, GError **error);
/* Removes a task that nobody runs, in the open transaction; *ret_removed says whether it was there
 * and free. `bucket` as it was added with. */
bool task_remove(Db *db, const char *role, unsigned bucket, const char *key, bool *ret_removed,
                 GError **error);

/* Wake-ups. In the transaction that adds tasks of a role: task_announce, and after its commit:
 * task_wake, which offers a wake-up to this process' lanes through the hook that app/ set. Other
 * nodes hear of it (PostgreSQL) by a NOTIFY of the transaction; or by the hook, where app/ says so:
 * with NOTIFY, commits wait for each other. task_notify says it in any case: for what is rare.
 * NULL: all roles; other nodes hear that as TASK_WAKE_ALL. A lost one costs at most one poll. Any
 * thread. */
#define TASK_WAKE_ALL "*"
typedef void (*TaskWakeHook)(const char *role, void *data);
/* Once, before threads start. `tells_others`: the hook sees to it that other nodes hear. */
void task_set_wake_hook(TaskWakeHook hook, void *data, bool tells_others);
bool task_announce(Db *db, const char *role, GError **error);
void task_wake(const char *role);
bool task_notify(Db *db, const char *role, GError **error);
/* The role that a word from another node means; NULL: all. */
const char *task_role_of_word(const char *word);

typedef struct {
    unsigned bucket;
    int64_t due_at, version, generation;
    unsigned attempts, deaths;
    char *key, *payload; /* owned by the claim */
} Task;

typedef struct {
    const char *role;
    unsigned shard, shards;
    int64_t owner;  /* incarnation */
    GArray *tasks;  /* of Task, owned */
    GArray *buried; /* of Task, owned: buried by this claim, since too many died with them; empty as
                       a rule */
    GStringChunk *text; /* keys and payloads; private */
} TaskClaim;
void task_claim_free(TaskClaim *claim);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TaskClaim, task_claim_free)

typedef struct {
    const char *role;
    unsigned shard, shards;
    int64_t owner;
    unsigned batch; /* at most TASK_BATCH_MAX */
    unsigned lane;  /* the lane's number in its node, below TASK_LANES_MAX */
    bool suspects;  /* this lane holds its node's right to run suspects */
    int64_t epoch; /* of the table that `shards` is from: nothing is claimed if another is in force;
                      0: do not ask */
    int64_t node;  /* for burials */
    unsigned *cursor; /* bucket to begin with; moved, so that all buckets get their turn; kept by
                         the caller */
    struct TaskMarks *marks; /* of the lane and shard, task_marks.h, kept by the caller; NULL: none;
                                PostgreSQL alone uses them */
} TaskClaimAsk;

typedef struct {
    TaskClaim *claim; /* owned by the caller; NULL if nothing was to be had. Its tasks may be none
                         if it only buried */
    bool stale;       /* another table is in force */
    int64_t now;      /* the store's clock */
    int64_t next_due_at; /* with no claim: the earliest due time to come in the shard; INT64_MAX:
                            none */
} TaskClaimed;

/* Claims in the open write transaction. The generation grows by TASK_LANES_MAX at least, and its
 * low bits name the lane: so a lane that does not know whether its claim was committed cannot take
 * another lane's claim of the same task for its own. True with *ret filled. After an unknown
 * outcome of the commit: task_verify. */
bool task_claim(Db *db, const TaskClaimAsk *ask, TaskClaimed *ret, GError **error);
/* Drops from the claim, in the open transaction, the tasks that are not (or no longer) its owner's
 * in the store. */
bool task_verify(Db *db, TaskClaim *claim, GError **error);

typedef enum { TASK_DONE, TASK_AGAIN, TASK_FAILED, TASK_GIVEN_BACK } TaskEndKind;
typedef struct {
    TaskEndKind kind;
    int64_t due_at; /* AGAIN: the next run, store's wall ms, 0 at once. FAILED: the back-off in ms
                       (task_backoff_ms), counted from rota_now() */
    const char *error; /* FAILED: kept */
    bool bury;         /* FAILED: it was the last attempt */
} TaskEnd;

/* Ends the tasks of a claim, ends[i] for tasks[i], in the open transaction, guarded by the fence. A
 * row whose version has grown during the run is freed to run once more: at once after DONE, AGAIN
 * and a burial, after its back-off when FAILED. ERROR_CONFLICT: one is no longer ours; roll back.
 */
bool task_end(Db *db, const TaskClaim *claim, const TaskEnd *ends, int64_t node, GError **error);
/* The fence alone: ERROR_CONFLICT unless all tasks of the claim are ours. For DbFence at a
 * checkpoint. */
bool task_fence(Db *db, const TaskClaim *claim, GError **error);

/* Pure back-off: exponential from min_ms to max_ms by the number of failed attempts (>= 1), half of
 * it jitter. */
int64_t task_backoff_ms(unsigned attempts, int64_t min_ms, int64_t max_ms, Rand *rand);

#endif
