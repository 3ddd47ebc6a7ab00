/* worker: one lane: what it may claim, what it holds, and when it wants to go on.
 *
 * A lane holds at most one claim. It is in one of these: idle (asks for a batch), holding (runs
 * it), in doubt (a commit's outcome is unknown, or a fence has refused: it asks the store what is
 * still its own, and forgets the rest). From doubt it comes back to holding: what was not committed
 * is run again, which handlers bear, and what was committed is gone from the queue.
 *
 * Failures of the world: a claim that the store turns down is tried again a little later, and one
 * line is logged. Known weak point: a lane in doubt asks for each task by its own statement; it
 * happens seldom and a batch is bounded.
 */
#include "roster/worker.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/must.h"
#include "roster/takeover.h"
#include "roster/worker_private.h"

#define CLAIM_RETRY_US 200000 /* after a claim that failed: the store is busy or away */

static void shard_clear(void *data)
{
    task_marks_free(((WorkerShard *)data)->marks);
}

Worker *worker_new(const WorkerConfig *config)
{
    MUST(config->role->handler && config->batch >= 1 && config->batch <= TASK_BATCH_MAX);
    MUST(config->attempts >= 1 && config->poll_ms > 0);
    Worker *worker = g_new0(Worker, 1);
    worker->config = *config;
    worker->lane = node_new_lane(config->node);
    worker->shards = g_array_new(FALSE, FALSE, sizeof(WorkerShard));
    g_array_set_clear_func(worker->shards, shard_clear);
    rand_init(&worker->rand, config->seed);
    return worker;
}

void worker_hold(Worker *worker, TaskClaim *claim)
{
    MUST(!worker->held);
    bool suspect = claim && claim->tasks->len == 1 &&
                   g_array_index(claim->tasks, Task, 0).deaths >= TASK_DEATHS_SUSPECT;
    if (worker->suspect && !suspect) {
        worker->suspect = false;
        node_give_suspects(worker->config.node);
    }
    if (!claim)
        return;
    if (claim->tasks->len == 0) {
        task_claim_free(claim);
        return;
    }
    worker->held = claim;
    worker->alone = false;
    worker->tries = 0;
    worker->not_before_us = 0;
    node_add_held(worker->config.node, (int)claim->tasks->len);
}

void worker_forget_first(Worker *worker, unsigned count)
{
    node_add_held(worker->config.node, -(int)count);
    g_array_remove_range(worker->held->tasks, 0, count);
    if (worker->held->tasks->len == 0)
        g_clear_pointer(&worker->held, task_claim_free);
    worker->tries = 0;
    worker->not_before_us = 0;
}

static void drop(Worker *worker)
{
    if (worker->held)
        worker_forget_first(worker, worker->held->tasks->len);
    worker->doubtful = false;
    worker_hold(worker, NULL);
}

void worker_free(Worker *worker)
{
    if (!worker)
        return;
    drop(worker);
    g_clear_pointer(&worker->table, table_unref);
    g_array_unref(worker->shards);
    g_free(worker);
}

static void add_shards(Worker *worker, const GArray *numbers, bool taken)
{
    for (unsigned i = 0; i < numbers->len; i++) {
        /* Lanes begin at different buckets, so that they seldom meet. */
        WorkerShard shard = {.shard = g_array_index(numbers, unsigned, i),
                             .cursor = (unsigned)rand_below(&worker->rand, BUCKETS),
                             .marks = task_marks_new(worker->config.clock),
                             .taken = taken};
        g_array_append_val(worker->shards, shard);
    }
}

/* Takes up the table in force and what is taken over, if they have changed. */
static void read_table(Worker *worker)
{
    Node *node = worker->config.node;
    const char *role = worker->config.role->name;
    int64_t epoch;
    unsigned version = node_taken_version(node);
    g_autoptr(RoleTable) table = node_table(node, &epoch);
    if (!table || (epoch == worker->epoch && version == worker->taken_version))
        return;
    g_clear_pointer(&worker->table, table_unref);
    worker->table = table_ref(table);
    worker->epoch = epoch;
    worker->taken_version = version;
    worker->turn = 0;
    g_array_set_size(worker->shards, 0);
    g_autoptr(GArray) own = table_shards_of_node(table, role, node_member(node)->node);
    g_autoptr(GArray) taken = node_taken(node, role);
    add_shards(worker, own, false);
    add_shards(worker, taken, true);
}

/* In the claim's transaction: is the shard ours, or still taken over by us? */
static bool may_claim(const Worker *worker, const WorkerShard *shard, bool *ret_may, GError **error)
{
    Takeover takeover = {.role = (char *)(uintptr_t)worker->config.role->name,
                         .shard = shard->shard,
                         .node = node_member(worker->config.node)->node,
                         .epoch = worker->epoch};
    *ret_may = true;
    return !shard->taken || takeover_holds(worker->config.db, &takeover, ret_may, error);
}

bool worker_claim_next(Worker *worker, TaskClaimed *ret, GError **error)
{
    const WorkerConfig *config = &worker->config;
    read_table(worker);
    TaskClaimed claimed = {.next_due_at = INT64_MAX};
    if (!worker->suspect)
        worker->suspect = node_take_suspects(config->node);
    int64_t next_due_at = INT64_MAX;
    for (unsigned i = 0; i < worker->shards->len && !claimed.claim && !claimed.stale; i++) {
        WorkerShard *shard = &g_array_index(worker->shards, WorkerShard, worker->turn);
        bool may;
        worker->turn = (worker->turn + 1) % worker->shards->len;
        if (!may_claim(worker, shard, &may, error))
            return false;
        if (!may)
            continue;
        TaskClaimAsk ask = {
            .role = config->role->name,
            .shard = shard->shard,
            .shards = table_shards(worker->table, config->role->name),
            .owner = node_member(config->node)->incarnation,
            .batch = config->batch,
            .lane = worker->lane,
            .suspects = worker->suspect,
            .epoch = worker->epoch,
            .node = node_member(config->node)->node,
            .cursor = &shard->cursor,
            .marks = shard->marks,
        };
        if (!task_claim(config->db, &ask, &claimed, error))
            return false;
        next_due_at = MIN(next_due_at, claimed.next_due_at);
    }
    claimed.next_due_at = next_due_at;
    if (claimed.stale)
        node_ask_refresh(config->node);
    if (claimed.claim && !worker_note_burials(worker, claimed.claim, error)) {
        task_claim_free(claimed.claim);
        return false;
    }
    *ret = claimed;
    return true;
}

/* Asks the store what of the claim is ours. False: it could not be asked now. */
static bool resolve_doubt(Worker *worker)
{
    Db *db = worker->config.db;
    g_autoptr(GError) error = NULL;
    if (worker->held->owner != node_member(worker->config.node)->incarnation) {
        drop(worker);
        return true;
    }
    unsigned before = worker->held->tasks->len;
    bool asked = db_begin(db, DB_READ, &error);
    if (asked) {
        g_auto(DbScope) scope = db_scope(db);
        asked = task_verify(db, worker->held, &error) && db_commit(db, &error) == DB_DONE;
    }
    /* What task_verify took out before it failed is not ours either way. */
    unsigned after = worker->held->tasks->len;
    node_add_held(worker->config.node, (int)after - (int)before);
    if (!asked) {
        log_event(LOG_LEVEL_DEBUG, "task.doubt", "could not ask what is ours: %s", error->message);
        return false;
    }
    worker->doubtful = false;
    if (after == 0)
        drop(worker);
    return true;
}

static int64_t wish_after(const Worker *worker, const TaskClaimed *claimed)
{
    int64_t now = clock_monotonic_us(worker->config.clock);
    int64_t wait_ms = worker->config.poll_ms;
    if (claimed->next_due_at != INT64_MAX)
        wait_ms = CLAMP(claimed->next_due_at - claimed->now, 0, wait_ms);
    return now + wait_ms * 1000;
}

/* Asks for a batch in a transaction of its own. */
static bool claim_batch(Worker *worker, int64_t *ret_next_us)
{
    Db *db = worker->config.db;
    g_autoptr(GError) error = NULL;
    TaskClaimed claimed = {.next_due_at = INT64_MAX};
    DbOutcome outcome = DB_NOT_DONE;
    if (db_begin(db, DB_WRITE, &error)) {
        g_auto(DbScope) scope = db_scope(db);
        /* It may have taken longer than our lease to begin. */
        if (!node_may_work(worker->config.node)) {
            outcome = DB_DONE;
        } else if (worker_claim_next(worker, &claimed, &error)) {
            if (claimed.claim)
                outcome = db_commit(db, &error);
            else
                outcome = DB_DONE; /* nothing was written: it is rolled back */
        }
    }
    switch (outcome) {
    case DB_DONE:
        if (claimed.claim)
            worker_say_burials(worker, claimed.claim);
        *ret_next_us =
            claimed.claim ? clock_monotonic_us(worker->config.clock) : wish_after(worker, &claimed);
        worker_hold(worker, claimed.claim);
        return worker->held != NULL;
    case DB_UNKNOWN:
        /* If it was done, the tasks are ours and nobody else will take them: find out. */
        worker_hold(worker, claimed.claim);
        worker->doubtful = worker->held != NULL;
        break;
    case DB_NOT_DONE:
        task_claim_free(claimed.claim);
        worker_hold(worker, NULL);
        break;
    }
    log_event(LOG_LEVEL_WARNING, "task.claim", "could not claim: %s", error->message);
    *ret_next_us = clock_monotonic_us(worker->config.clock) + CLAIM_RETRY_US;
    return false;
}

static void push_fields(const Worker *worker)
{
    log_field_push("node", node_name(worker->config.node));
    log_field_push("role", worker->config.role->name);
}

static void pop_fields(void)
{
    log_field_pop();
    log_field_pop();
}

static bool claim(Worker *worker, int64_t *ret_next_us)
{
    int64_t now = clock_monotonic_us(worker->config.clock);
    *ret_next_us = now;
    if (worker->held && worker->doubtful && !resolve_doubt(worker)) {
        *ret_next_us = now + CLAIM_RETRY_US;
        return false;
    }
    if (worker->held && worker->not_before_us > now) {
        *ret_next_us = worker->not_before_us;
        return false;
    }
    if (worker->held)
        return true;
    if (!node_may_work(worker->config.node)) {
        *ret_next_us = now + worker->config.poll_ms * 1000;
        return false;
    }
    return claim_batch(worker, ret_next_us);
}

bool worker_claim(Worker *worker, int64_t *ret_next_us)
{
    push_fields(worker);
    bool holds = claim(worker, ret_next_us);
    pop_fields();
    return holds;
}

void worker_finish(Worker *worker)
{
    if (!worker->held || worker->doubtful)
        return;
    push_fields(worker);
    RunPrivate private = {0};
    g_autoptr(GError) error = NULL;
    bool started = worker_run_start(worker, &private);
    bool well = started && worker->config.role->handler->run(&private.run, &error);
    if (well)
        worker_end_well(&private);
    else
        worker_end_badly(&private, error);
    worker_run_clear(&private);
    pop_fields();
}

int64_t worker_step(Worker *worker)
{
    int64_t next_us;
    if (!worker_claim(worker, &next_us))
        return next_us;
    worker_finish(worker);
    return worker->held ? worker->not_before_us : clock_monotonic_us(worker->config.clock);
}

void worker_crash(Worker *worker)
{
    db_rollback(worker->config.db);
    drop(worker);
}
