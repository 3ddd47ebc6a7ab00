/* worker_private.h: a Worker's inside, for worker.c, worker_run.c and worker_end.c alone.
 */
#ifndef ROTA_ROSTER_WORKER_PRIVATE_H
#define ROTA_ROSTER_WORKER_PRIVATE_H

#include "base/rand.h"
#include "roster/task.h"
#include "roster/task_marks.h"
#include "roster/worker.h"

typedef struct {
    unsigned shard;
    unsigned cursor;  /* of task_claim */
    TaskMarks *marks; /* owned */
    bool taken;       /* it is others', and taken over */
} WorkerShard;

struct Worker {
    WorkerConfig config;
    unsigned lane;
    Rand rand;
    RoleTable *table; /* that `shards` are from */
    int64_t epoch;
    unsigned taken_version; /* of the node, that `shards` are from */
    GArray *shards;         /* of WorkerShard: of this node */
    unsigned turn;          /* the shard that is asked next */

    TaskClaim *held; /* NULL: nothing */
    bool doubtful;   /* what of `held` is ours must be read from the store first: a commit's outcome
                        is not known, or a fence refused */
    bool alone;      /* a batch failed: its tasks run one by one */
    bool suspect;    /* holds the node's right to run suspects */
    unsigned tries;  /* of the same run, when the store turned its commit down */
    int64_t not_before_us; /* monotonic */
};

/* A run: the first `count` tasks of what the worker holds. */
typedef struct RunPrivate {
    Run run;
    Worker *worker;
    TaskClaim view; /* of the tasks of this run; borrows from worker->held */
    TaskEnd *ends;  /* count */
    RunTask *tasks; /* count */
    bool round;     /* its one task is a round */
    bool refused;   /* a fence said no */
    bool patient;   /* its failure is never the last */
    int64_t started_us, started_at;
} RunPrivate;

/* worker_run.c */
bool worker_run_start(Worker *worker, RunPrivate *private);
void worker_run_clear(RunPrivate *private);

/* worker_end.c: the end of a run, and with it the claim of the next batch. */
void worker_end_well(RunPrivate *private);
void worker_end_badly(RunPrivate *private, const GError *error);
/* Writes and logs the burials that a claim made. The first inside its transaction, the second after
 * it. */
bool worker_note_burials(Worker *worker, const TaskClaim *claim, GError **error);
void worker_say_burials(Worker *worker, const TaskClaim *claim);

/* worker.c */
/* Claims from the next shard that has something, in the open transaction. */
bool worker_claim_next(Worker *worker, TaskClaimed *ret, GError **error);
/* The claim's transaction is done (or may be: then `doubtful`): the worker holds it. NULL: nothing
 * was claimed. */
void worker_hold(Worker *worker, TaskClaim *claim);
/* Removes the first tasks of what is held, which have ended. */
void worker_forget_first(Worker *worker, unsigned count);

#endif
