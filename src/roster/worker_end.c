/* worker_end: how a run ends, in the store and in the log.
 *
 * Well: the tasks' ends, a round's result, and the claim of the next batch join the handler's open
 * transaction, and one commit makes all of it true. Badly: the handler's transaction is rolled
 * back. A batch is then run task by task; a single task gets its back-off or its burial in a
 * transaction of its own; ERROR_STOPPED gives it back.
 *
 * The commit's three outcomes. Done: logged and counted. Not done: the fence refused (what is still
 * ours is asked for), or the store turned it down (the run is repeated a little later, TRIES_MAX
 * times, then it counts as failed). Unknown: both the old batch and the new one are in doubt, and
 * the store is asked (worker.c).
 *
 * Known weak point: a role that writes history for each round shares its transaction with it.
 */
#include "roster/worker_private.h"

#include "base/error.h"
#include "base/log.h"
#include "base/limits.h"
#include "base/must.h"
#include "roster/round.h"

#define TRIES_MAX    5
#define TRY_AGAIN_US 50000 /* times the number of tries */

/* clang-format off */
static const DbSql SQL_HISTORY = {
    "INSERT INTO task_history (id, role, shard, key, node, outcome, attempts, started_at,"
    " ended_at, detail)"
    " VALUES (rota_now() * 1048576 + $1, $2, $3, $4, $5, $6, $7, $8, rota_now(), $9)"
    " ON CONFLICT (id) DO NOTHING", NULL,
};
/* clang-format on */

/* How the run of one task ended. */
typedef struct {
    const Task *task;
    const char *outcome, *detail;
    int64_t started_at;
} History;

static bool write_history(Worker *worker, const TaskClaim *claim, const History *history,
                          GError **error)
{
    return db_exec(worker->config.db, &SQL_HISTORY,
                   DB_ARGS(db_int((int64_t)rand_below(&worker->rand, 1048576)),
                           db_text(claim->role), db_int(claim->shard), db_text(history->task->key),
                           db_int(node_member(worker->config.node)->node),
                           db_text(history->outcome), db_int(history->task->attempts),
                           db_int(history->started_at), db_text(history->detail)),
                   error) >= 0;
}

bool worker_note_burials(Worker *worker, const TaskClaim *claim, GError **error)
{
    for (unsigned i = 0; i < claim->buried->len; i++) {
        History history = {.task = &g_array_index(claim->buried, Task, i),
                           .outcome = "buried",
                           .detail = "too many nodes died while they ran it",
                           .started_at = clock_wall_ms(worker->config.clock)};
        if (!write_history(worker, claim, &history, error))
            return false;
    }
    return true;
}

void worker_say_burials(Worker *worker, const TaskClaim *claim)
{
    for (unsigned i = 0; i < claim->buried->len; i++) {
        const Task *task = &g_array_index(claim->buried, Task, i);
        log_field_push("task", task->key);
        log_event(LOG_LEVEL_ERROR, "task.buried",
                  "%u nodes died while they ran it: it is a dead letter now", task->deaths);
        log_field_pop();
    }
    if (worker->config.load && claim->buried->len > 0)
        load_add(worker->config.load, claim->role, claim->shard,
                 &(LoadCounts){.dead = claim->buried->len});
}

/* Which part of the run's time each account had. */
static void count_keys(const RunPrivate *private, int64_t busy_us)
{
    const Run *run = &private->run;
    g_autofree LoadKey *keys = g_new(LoadKey, run->count);
    int64_t all = 0;
    for (unsigned i = 0; i < run->count; i++)
        all += run->work[i];
    for (unsigned i = 0; i < run->count; i++)
        keys[i] = (LoadKey){run->tasks[i].key,
                            all ? (int64_t)((double)busy_us * (double)run->work[i] / (double)all)
                                : busy_us / run->count};
    load_add_keys(private->worker->config.load, private->view.role, run->shard, keys, run->count);
}

static void count(const RunPrivate *private, LoadCounts counts)
{
    Worker *worker = private->worker;
    counts.busy_us = clock_monotonic_us(worker->config.clock) - private->started_us;
    counts.bytes = private->run.bytes;
    if (!worker->config.load)
        return;
    load_add(worker->config.load, private->view.role, private->run.shard, &counts);
    if (worker->config.role->unit == ROLE_BY_ACCOUNT && !private->round)
        count_keys(private, counts.busy_us);
}

static void say_well(const RunPrivate *private)
{
    const char *detail = private->run.detail->str;
    if (private->round) {
        log_event(LOG_LEVEL_INFO, "round.done", "shard %u of %u: %s", private->run.shard,
                  private->run.shards, *detail ? detail : "done");
        return;
    }
    for (unsigned i = 0; log_enabled(LOG_LEVEL_DEBUG) && i < private->run.count; i++) {
        log_field_push("task", private->run.tasks[i].key);
        log_event(LOG_LEVEL_DEBUG, private->ends[i].kind == TASK_AGAIN ? "task.again" : "task.done",
                  "%s", detail);
        log_field_pop();
    }
}

/* Puts the run off: the store turned its commit down. True while there is a try left. */
static bool try_later(Worker *worker)
{
    if (++worker->tries >= TRIES_MAX)
        return false;
    worker->not_before_us =
        clock_monotonic_us(worker->config.clock) + (int64_t)worker->tries * TRY_AGAIN_US;
    return true;
}

static bool write_end(RunPrivate *private, GError **error)
{
    Worker *worker = private->worker;
    Db *db = worker->config.db;
    if (!db_in_transaction(db) && !run_begin(&private->run, false, error))
        return false;
    g_autoptr(GError) refusal = NULL;
    if (!task_end(db, &private->view, private->ends, node_member(worker->config.node)->node,
                  &refusal)) {
        private->refused |= error_kind(refusal) == ERROR_CONFLICT;
        g_propagate_error(error, g_steal_pointer(&refusal));
        return false;
    }
    if (!private->round)
        return true;
    const Task *task = &g_array_index(private->view.tasks, Task, 0);
    History history = {.task = task,
                       .outcome = private->ends[0].kind == TASK_AGAIN ? "again" : "done",
                       .detail = private->run.detail->str,
                       .started_at = private->started_at};
    return round_note_end(db, private->view.role, task->key, private->run.detail->str, error) &&
           write_history(worker, &private->view, &history, error);
}

/* After an unknown commit: what we held, and what we would hold, is all to be asked for. */
static void hold_in_doubt(Worker *worker, TaskClaim *next)
{
    if (next) {
        for (unsigned i = 0; i < next->tasks->len; i++) {
            Task task = g_array_index(next->tasks, Task, i);
            task.key = g_string_chunk_insert(worker->held->text, task.key);
            task.payload = g_string_chunk_insert(worker->held->text, task.payload);
            g_array_append_val(worker->held->tasks, task);
        }
        node_add_held(worker->config.node, (int)next->tasks->len);
        task_claim_free(next);
    }
    worker->doubtful = true;
}

void worker_end_well(RunPrivate *private)
{
    Worker *worker = private->worker;
    Db *db = worker->config.db;
    g_autoptr(GError) error = NULL;
    TaskClaimed claimed = {.next_due_at = INT64_MAX};
    DbOutcome outcome = DB_NOT_DONE;
    unsigned done = private->run.count;
    bool last = worker->held->tasks->len == done;
    {
        g_auto(DbScope) scope = db_scope(db);
        if (write_end(private, &error) && (!last || !node_may_work(worker->config.node) ||
                                           worker_claim_next(worker, &claimed, &error)))
            outcome = db_commit(db, &error);
    }
    switch (outcome) {
    case DB_DONE:
        say_well(private);
        count(private, (LoadCounts){.done = done});
        worker_forget_first(worker, done);
        if (claimed.claim)
            worker_say_burials(worker, claimed.claim);
        if (last)
            worker_hold(worker, claimed.claim);
        return;
    case DB_UNKNOWN:
        log_event(LOG_LEVEL_WARNING, "task.unknown", "%s: asks the store", error->message);
        hold_in_doubt(worker, claimed.claim);
        return;
    case DB_NOT_DONE:
        break;
    }
    task_claim_free(claimed.claim);
    if (private->refused) {
        log_event(LOG_LEVEL_WARNING, "task.lost", "%s", error->message);
        worker->doubtful = true;
    } else if (error_kind(error) != ERROR_RETRY || !try_later(worker)) {
        worker_end_badly(private, error);
    }
}

/* One task has failed: fills its end. */
static void judge(RunPrivate *private, const GError *error)
{
    const WorkerConfig *config = &private->worker->config;
    unsigned attempts = private->run.tasks[0].attempts + 1;
    private->ends[0] = (TaskEnd){
        .kind = TASK_FAILED,
        .due_at = task_backoff_ms(attempts, config->retry_min_ms, config->retry_max_ms,
                                  &private->worker->rand),
        .error = error->message,
        .bury = attempts >= config->attempts && !private->patient,
    };
}

static void give_back(RunPrivate *private)
{
    for (unsigned i = 0; i < private->run.count; i++)
    private->ends[i] = (TaskEnd){.kind = TASK_GIVEN_BACK};
}

static bool write_failure(RunPrivate *private, bool stopped, const char *why, GError **error)
{
    Worker *worker = private->worker;
    Db *db = worker->config.db;
    if (!db_begin(db, DB_WRITE, error))
        return false;
    if (!task_end(db, &private->view, private->ends, node_member(worker->config.node)->node, error))
        return false;
    if (stopped)
        return true;
    const Task *task = &g_array_index(private->view.tasks, Task, 0);
    if (private->round && private->ends[0].bury) {
        g_autofree char *result = g_strdup_printf("failed: %s", why);
        if (!round_note_end(db, private->view.role, task->key, result, error))
            return false;
    }
    History history = {.task = task,
                       .outcome = private->ends[0].bury ? "buried" : "failed",
                       .detail = why,
                       .started_at = private->started_at};
    return write_history(worker, &private->view, &history, error);
}

static void say_badly(const RunPrivate *private, bool stopped, const char *why)
{
    log_field_push("task", private->run.tasks[0].key);
    const TaskEnd *end = &private->ends[0];
    if (stopped)
        log_event(LOG_LEVEL_DEBUG, "task.given-back", "%u tasks: %s", private->run.count, why);
    else if (end->bury)
        log_event(LOG_LEVEL_ERROR, "task.buried", "%s: it is a dead letter now", why);
    else
        log_event(LOG_LEVEL_WARNING, "task.failed",
                  "%s: tried again in %" G_GINT64_FORMAT " ms (%u of %u)", why, end->due_at,
                  private->run.tasks[0].attempts + 1, private->worker->config.attempts);
    log_field_pop();
    if (stopped)
        return;
    count(private, (LoadCounts){.failed = 1, .retried = !end->bury, .dead = end->bury});
}

void worker_end_badly(RunPrivate *private, const GError *error)
{
    Worker *worker = private->worker;
    Db *db = worker->config.db;
    db_rollback(db);
    /* No error: the run was not begun, since the node stops or does not trust its lease. */
    bool stopped = !error || error_kind(error) == ERROR_STOPPED;
    const char *why = error ? error->message : "the node stops";
    if (private->refused) {
        log_event(LOG_LEVEL_WARNING, "task.lost", "%s", why);
        worker->doubtful = true;
        return;
    }
    if (!stopped && private->run.count > 1) {
        log_event(LOG_LEVEL_WARNING, "task.batch-failed", "%s: its %u tasks run one by one", why,
                  private->run.count);
        worker->alone = true;
        return;
    }
    if (stopped)
        give_back(private);
    else
        judge(private, error);
    g_autoptr(GError) trouble = NULL;
    DbOutcome outcome = DB_NOT_DONE;
    {
        g_auto(DbScope) scope = db_scope(db);
        if (write_failure(private, stopped, why, &trouble))
            outcome = db_commit(db, &trouble);
    }
    if (outcome == DB_DONE) {
        say_badly(private, stopped, why);
        worker_forget_first(worker, private->run.count);
        if (!worker->held)
            worker_hold(worker, NULL);
        return;
    }
    /* Not written, or it is not known: find out what is ours, and run that again. */
    log_event(LOG_LEVEL_WARNING, "task.end", "could not write how a task ended: %s",
              trouble->message);
    worker->doubtful = true;
    worker->not_before_us = clock_monotonic_us(worker->config.clock) + TRY_AGAIN_US;
}
