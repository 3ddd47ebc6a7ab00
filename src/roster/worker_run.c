/* worker_run: what a handler sees: its Run, the fenced transaction, the checkpoint, the wish to
 * stop.
 *
 * A run takes the first tasks of what the lane holds: all of them, or one alone when the batch has
 * failed before, when it is a suspect, or when it is a round, whose payload "shard K of N unit U"
 * says for which shard it was made (the table may have changed since).
 *
 * The fence has two parts: the node's own trust in its lease (its monotonic clock; no statement),
 * asked before every commit, and the store's word (member row, owner, generation), which task_end
 * asks at the end and the checkpoint asks for itself.
 *
 * Failures: run_begin and run_checkpoint return them to the handler, which returns them to the
 * worker.
 */
#include "roster/worker.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "roster/round.h"
#include "roster/worker_private.h"

static bool is_round(const Task *task, unsigned *ret_shard, unsigned *ret_shards)
{
    return round_parse(task->key, task->payload, ret_shard, ret_shards);
}

/* How many of the first tasks make one run. */
static unsigned run_count(const Worker *worker, bool *ret_round, unsigned *shard, unsigned *shards)
{
    const GArray *tasks = worker->held->tasks;
    *ret_round = is_round(&g_array_index(tasks, Task, 0), shard, shards);
    if (*ret_round || worker->alone)
        return 1;
    unsigned count = 1, other_shard, other_shards;
    while (count < tasks->len &&
           !is_round(&g_array_index(tasks, Task, count), &other_shard, &other_shards))
        count++;
    return count;
}

/* The node's own trust in the lease under which the tasks were claimed: one that was lost and
 * joined anew trusts itself again, but not for them. */
static bool trusts(const RunPrivate *private)
{
    const WorkerConfig *config = &private->worker->config;
    const Member *member = node_member(config->node);
    return member->incarnation == private->view.owner && member_trusts(member, config->clock);
}

bool worker_run_start(Worker *worker, RunPrivate *private)
{
    const WorkerConfig *config = &worker->config;
    unsigned shard = worker->held->shard, shards = worker->held->shards;
    unsigned count = run_count(worker, &private->round, &shard, &shards);
    private->worker = worker;
    private->view = *worker->held;
    private->view.tasks = g_array_sized_new(FALSE, FALSE, sizeof(Task), count);
    g_array_append_vals(private->view.tasks, worker->held->tasks->data, count);
    private->ends = g_new0(TaskEnd, count);
    private->tasks = g_new0(RunTask, count);
    int64_t *work = g_new0(int64_t, count);
    for (unsigned i = 0; i < count; i++) {
        const Task *task = &g_array_index(private->view.tasks, Task, i);
        private->tasks[i] = (RunTask){.key = task->key,
                                      .payload = task->payload,
                                      .due_at = task->due_at,
                                      .attempts = task->attempts};
    }
    private->started_us = clock_monotonic_us(config->clock);
    private->started_at = clock_wall_ms(config->clock);
    private->run = (Run){
        .db = config->db,
        .clock = config->clock,
        .rand = &worker->rand,
        .role = config->role->name,
        .shard = shard,
        .shards = shards,
        .tasks = private->tasks,
        .count = count,
        .deadline_us = private->started_us + config->role->run_ms * 1000,
        .settings = config->settings,
        .work = work,
        .detail = g_string_new(NULL),
        .worker = private,
    };
    return !node_is_stopping(config->node) && trusts(private);
}

void worker_run_clear(RunPrivate *private)
{
    g_clear_pointer(&private->view.tasks, g_array_unref);
    g_clear_pointer(&private->ends, g_free);
    g_clear_pointer(&private->tasks, g_free);
    g_clear_pointer(&private->run.work, g_free);
    if (private->run.detail)
        g_string_free(private->run.detail, TRUE);
}

static RunPrivate *private_of(const Run *run)
{
    return (RunPrivate *)(uintptr_t)run->worker;
}

/* The node's own trust. What the store says of the tasks is asked by task_end and by the
 * checkpoint. */
static bool trust_fence(Db *db, void *data, GError **error)
{
    RunPrivate *private = data;
    (void)db;
    if (trusts(private))
        return true;
    private->refused = true;
    return fail(error, ERROR_CONFLICT, "the node's lease is in doubt: nothing may be committed");
}

bool run_begin(Run *run, bool lazy, GError **error)
{
    MUST(!run->dry);
    RunPrivate *private = private_of(run);
    if (!trust_fence(run->db, private, error) ||
        !db_begin(run->db, lazy ? DB_WRITE_LAZY : DB_WRITE, error))
        return false;
    db_set_fence(run->db, trust_fence, private);
    return true;
}

bool run_checkpoint(Run *run, GError **error)
{
    MUST(!run->dry);
    RunPrivate *private = private_of(run);
    g_autoptr(GError) refusal = NULL;
    if (!task_fence(run->db, &private->view, &refusal)) {
        private->refused |= error_kind(refusal) == ERROR_CONFLICT;
        g_propagate_error(error, g_steal_pointer(&refusal));
        db_rollback(run->db);
        return false;
    }
    /* Unknown: the error goes up, the run ends, and the next one finds what was committed. */
    return db_commit(run->db, error) == DB_DONE;
}

int64_t run_trusted_until_us(const Run *run)
{
    const RunPrivate *private = private_of(run);
    const Member *member = node_member(private->worker->config.node);
    int64_t until = member->trusted_until_us;
    /* A life that was joined anew has a trust of its own, not for these tasks. */
    return member->incarnation == private->view.owner ? until : 0;
}

unsigned run_shards_of(const Run *run, const char *role)
{
    const RoleTable *table = run->dry ? NULL : private_of(run)->worker->table;
    return table ? table_shards(table, role) : 1;
}

void run_be_patient(Run *run)
{
    private_of(run)->patient = true;
}

bool run_should_stop(const Run *run)
{
    if (run->dry)
        return false;
    const RunPrivate *private = private_of(run);
    const WorkerConfig *config = &private->worker->config;
    return clock_monotonic_us(config->clock) >= run->deadline_us ||
           node_is_stopping(config->node) || !trusts(private);
}

void run_pause(Run *run, int64_t us)
{
    if (run->dry || us <= 0)
        return;
    const WorkerConfig *config = &private_of(run)->worker->config;
    MUST(!db_in_transaction(run->db));
    if (config->pause)
        config->pause(clock_monotonic_us(config->clock) + us, config->pause_data);
}

void run_again(Run *run, unsigned index, int64_t due_at)
{
    RunPrivate *private = private_of(run);
    MUST(index < run->count);
    if (run->dry)
        return;
    private->ends[index] = (TaskEnd){.kind = TASK_AGAIN, .due_at = due_at};
}
