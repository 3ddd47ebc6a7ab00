/* handler.h: what the roster gives to the code that does a role's work, and what it takes back. The
 * only roster header duty/ sees.
 *
 * A handler must be repeatable (a run may be cut off anywhere and run again elsewhere), bounded for
 * each call, free of state between calls, and silent: it returns its error. It may use content,
 * model, remote; never front, member, table, threads. It decides nothing about who works or when.
 *
 * A run: the worker has claimed a batch of tasks of one role and one shard. It calls handler->run
 * ONCE for the batch, with no transaction open. The handler
 *   1. reads and computes as long as it needs, in read transactions that it ends itself;
 *   2. calls run_begin: a fenced write transaction, in which it writes its effects;
 *   3. returns true with that transaction still open. The worker then ends the tasks (done, or
 * again as run_again said) in the same transaction and commits it. An effect in the store happens
 * exactly once. A handler that has no effect to write returns true without run_begin. Long work (a
 * purge) commits in between: run_checkpoint commits what is open, if the tasks are still ours, and
 * leaves no transaction open; what is committed so must be safe to find again. Then go on with 1.
 * False and an error: all is rolled back. A batch of several is tried again task by task, so that
 * one bad task costs no other; a single one is retried with back-off, or buried after its role's
 * attempts. ERROR_STOPPED: given back as it was, no attempt counted.
 *
 * A dry run (`rota run ROLE --dry-run`, see dry_run.h) calls the same function, outside any node
 * and with run->dry set. The handler takes the same way, leaves out the writing alone (run_begin
 * and run_checkpoint must not be called), and tells the watch each thing that a real run would
 * remove. run_pause returns at once and nothing stops it. Only handlers that say `dry` are called
 * so.
 */
#ifndef ROTA_ROSTER_HANDLER_H
#define ROTA_ROSTER_HANDLER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rand.h"
#include "db/db.h"

typedef struct {
    const char *key;     /* unique in the role; account work: the account's id in decimal */
    const char *payload; /* the role's own, "" if none; for a round: "shard K of N" has been parsed
                            into Run */
    int64_t due_at;
    unsigned attempts;
} RunTask;

/* Hears what a dry run would remove, item by item; what it is given is borrowed for the call. */
typedef struct {
    void (*item)(const char *kind, const char *name, int64_t bytes, void *data);
    void *data;
} RunWatch;

typedef struct Run Run;
struct Run {
    Db *db; /* no transaction open when run is called */
    const Clock *clock;
    Rand *rand;
    const char *role;
    unsigned shard, shards; /* from 1; which buckets are ours: run_owns_bucket */
    const RunTask *tasks;   /* count >= 1, of this role and shard */
    unsigned count;
    int64_t deadline_us; /* monotonic: past it, return ERROR_STOPPED or run_again */
    const void
        *settings;   /* what app/ handed in for the duties: struct DutySettings, see duty/duty.h */
    int64_t bytes;   /* the handler adds what it worked on, for the counts */
    int64_t *work;   /* of each task, see run_note_work; NULL in a dry run */
    GString *detail; /* what a person should know of this run ("removed 12 blobs, 3 MB"); kept with
                        rounds */
    const RunWatch *dry; /* NULL: a real run */
    const struct RunPrivate *worker;
};

typedef struct Handler {
    bool (*run)(Run *run, GError **error);
    bool dry; /* it can be run dry */
} Handler;

/* Opens the fenced write transaction. ERROR_CONFLICT: the tasks are no longer ours; return false.
 * lazy: see DB_WRITE_LAZY. */
bool run_begin(Run *run, bool lazy, GError **error);
/* Commits what run_begin opened, if the tasks are still ours and the node still trusts its lease,
 * without ending them. False: stop, return the error. An unknown outcome is an error too: the next
 * run finds out. */
bool run_checkpoint(Run *run, GError **error);
/* True when the worker wants this run to end soon: asked to stop, deadline near, lease in doubt. */
bool run_should_stop(const Run *run);
/* With no transaction open: lets others come through for so long; ends early when the lane is to
 * stop. */
void run_pause(Run *run, int64_t us);
/* Task number `index` shall run again at due_at (store's wall ms; 0: at once) instead of being
 * done; not a failure. */
void run_again(Run *run, unsigned index, int64_t due_at);
/* Until when the node trusts the lease that the tasks were claimed under (monotonic, the run's
 * clock); 0: it does not. It moves on with each heartbeat. */
int64_t run_trusted_until_us(const Run *run);
/* How many shards a role has, in the table that the run's node works by; 1 where it is not known.
 */
unsigned run_shards_of(const Run *run, const char *role);
/* The failure that this run returns is no fault: it is tried again, in the end after the longest
 * wait of its role, however often it has failed, and is not buried. */
void run_be_patient(Run *run);
/* Task number `index` was so much of this run's work, in a unit of the handler's own (messages):
 * its part of the run's time, for the audit. Where nothing is noted all tasks are the same. */
static inline void run_note_work(Run *run, unsigned index, int64_t amount)
{
    if (run->work)
        run->work[index] += amount;
}
/* True where a bucket belongs to this run's shard: bucket % shards + 1 == shard. */
static inline bool run_owns_bucket(const Run *run, unsigned bucket)
{
    return bucket % run->shards + 1 == run->shard;
}

#endif
