/* worker.h: one lane of one role: claim a batch, run its handler, end the tasks. A step, not a
 * thread.
 *
 * Order of a step: may we work (state UP, lease trusted)? → claim for the next of our shards in
 * turn → run → end. The end of a batch and the claim of the next are one transaction where there is
 * a next. Fair: each role has its own lanes, and within a role the shards take turns and the
 * buckets within a shard take turns (cursor), so no role, shard or account can starve another. A
 * handler has a deadline and is asked to stop, not killed; one that fails a MUST takes the process
 * down, and the lease frees its tasks. One event in the log for each task's end.
 */
#ifndef ROTA_ROSTER_WORKER_H
#define ROTA_ROSTER_WORKER_H

#include "roster/load.h"
#include "roster/node.h"

typedef struct Worker Worker;

typedef struct {
    Db *db; /* borrowed; this lane's own */
    const Clock *clock;
    Node *node;
    const Role *role; /* with a handler */
    unsigned batch;
    unsigned attempts;
    int64_t retry_min_ms, retry_max_ms;
    const void *settings; /* for Run.settings */
    uint64_t seed;        /* of its jitter */
    Load *load;           /* counts; may be NULL */
    int64_t poll_ms;      /* the safety net: how long to sleep at most with nothing due */
    /* run_pause: waits until the monotonic time, or until the lane is to stop; NULL: does not wait
     */
    void (*pause)(int64_t until_us, void *data);
    void *pause_data;
} WorkerConfig;

Worker *worker_new(const WorkerConfig *config);
void worker_free(Worker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Worker, worker_free)

/* One step; returns the monotonic µs of the next wish: now if there may be more. */
int64_t worker_step(Worker *worker);
/* The step cut in two, for the simulator, which lets other nodes act between a claim and its end:
 * worker_claim returns true if it holds tasks now; worker_finish runs and ends them. worker_step is
 * both. */
bool worker_claim(Worker *worker, int64_t *ret_next_us);
void worker_finish(Worker *worker);
/* Forgets what it holds without telling the store: the simulator's kill -9. */
void worker_crash(Worker *worker);

#endif
